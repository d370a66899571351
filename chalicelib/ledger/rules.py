"""Journal entries, and the accounts of members and of the mall itself. Pure.

Each entry sums to zero, is written once and never changed. Amounts are fen. An entry moves the account of one member at
most: what the mall owes them, on its way to them, and paid; and of two where they turned out to be one person.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from chalicelib.core import clock

WECHAT = "wechat"
GOODS = "sales:goods"
FREIGHT = "sales:freight"
COUPONS = "discounts:coupons"
PROMOTIONS = "discounts:promotions"
REFUNDS_OWED = "refunds:owed"
SURPLUS = "payments:surplus"


class Posting(msgspec.Struct, frozen=True):
    """One leg of an entry, in fen: debit positive, credit negative."""

    account: str
    amount_fen: int


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of money: why, what about (an order's id, a withdrawal's), when, its postings, and an operator's note
    on it."""

    cause: str
    about: str
    at: datetime
    postings: tuple[Posting, ...]
    note: str = ""


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """What an order, or a part of it, is made of, in fen: goods and freight at their prices, and what came off."""

    goods_fen: int = 0
    freight_fen: int = 0
    coupons_fen: int = 0
    promotions_fen: int = 0

    @property
    def paid_fen(self) -> int:
        """What was paid for it."""
        return self.goods_fen + self.freight_fen - self.coupons_fen - self.promotions_fen

    def less(self, part: Sale) -> Sale:
        """Give what remains without this part of it."""
        return Sale(
            goods_fen=self.goods_fen - part.goods_fen,
            freight_fen=self.freight_fen - part.freight_fen,
            coupons_fen=self.coupons_fen - part.coupons_fen,
            promotions_fen=self.promotions_fen - part.promotions_fen,
        )


def entry(cause: str, about: str, at: datetime, *legs: tuple[str, int], note: str = "") -> Entry:
    """Make the entry of these legs, those of nothing left out. Raises ValueError as `check` does."""
    return check(Entry(cause, about, at, tuple(Posting(account, fen) for account, fen in legs if fen), note))


def check(given: Entry) -> Entry:
    """Check an entry, and return it. Raises ValueError when it is empty or does not sum to zero."""
    if not given.postings or sum(posting.amount_fen for posting in given.postings) != 0:
        raise ValueError(f"entry {given.cause} of {given.about} does not sum to zero")
    return given


def paid(order_id: str, at: datetime, sale: Sale) -> Entry:
    """A shopper paid for the order."""
    return entry("paid", order_id, at, (WECHAT, sale.paid_fen), *_sold(sale, -1))


def paid_late(order_id: str, at: datetime, amount_fen: int) -> Entry:
    """A payment came for an order that was closed: it is the shopper's, and goes back."""
    return entry("paid-late", order_id, at, (WECHAT, amount_fen), (SURPLUS, -amount_fen))


def refund_granted(refund_id: str, order_id: str, at: datetime, back: Sale) -> Entry:
    """We owe the shopper what was paid for this part of the order."""
    return entry(f"granted:{refund_id}", order_id, at, *_sold(back, 1), (REFUNDS_OWED, -back.paid_fen))


def reckoned_anew(order_id: str, at: datetime, lapsed: Sale) -> Entry:
    """What came off an order does not any more, and the price of its goods came down by as much."""
    return entry("reckoned", order_id, at, *_sold(lapsed, 1))


def surplus_owed(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """We owe the shopper a payment that came too late."""
    return entry(f"granted:{refund_id}", order_id, at, (SURPLUS, amount_fen), (REFUNDS_OWED, -amount_fen))


def refund_paid(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """WeChat has paid the refund out."""
    return entry(f"refunded:{refund_id}", order_id, at, (REFUNDS_OWED, amount_fen), (WECHAT, -amount_fen))


def wechat_fen(given: Entry) -> int:
    """Say by how much the entry changes what lies with WeChat for us, in fen; below zero when it leaves."""
    return sum(posting.amount_fen for posting in given.postings if posting.account == WECHAT)


def balances(entries: Iterable[Entry]) -> dict[str, int]:
    """Sum up what each account stands at after these entries, in fen."""
    totals: dict[str, int] = {}
    for given in entries:
        for posting in given.postings:
            totals[posting.account] = totals.get(posting.account, 0) + posting.amount_fen
    return totals


def _sold(sale: Sale, sign: int) -> list[tuple[str, int]]:
    return [
        (GOODS, sign * sale.goods_fen),
        (FREIGHT, sign * sale.freight_fen),
        (COUPONS, -sign * sale.coupons_fen),
        (PROMOTIONS, -sign * sale.promotions_fen),
    ]


COMMISSIONS = "commissions"
REWARDS = "rewards"
TAX = "tax:payable"
FEES = "fees"
PAYOUTS = "payouts"
#: What members gave up as they left, and what the mall wrote off of balances and (debit) of debts.
WAIVED = "balances:waived"
WRITTEN_OFF = "balances:written-off"

#: How the causes of those entries begin on which an operator has written a note.
WITH_NOTE = "written-off:"
#: The cause of the entry by which who returns owes again what they owed.
CHARGED = "charged"
#: How the causes of those entries begin by which what a member has moves to the one who they turned out to be.
MERGE = "merge:"
#: What moves then: the stocks. Money on its way to its receiver ends in the account that it left.
_MOVED = ("pending", "available", "withdrawn")
_MEMBER = "member:"


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a member's accounts, or how an entry changes them, in fen."""

    pending: int = 0
    available: int = 0
    withdrawing: int = 0
    withdrawn: int = 0

    @property
    def owed(self) -> int:
        """All that the mall owes the member."""
        return self.pending + self.available + self.withdrawing


class Turnover(msgspec.Struct, frozen=True, kw_only=True):
    """What came in and went out of a member's accounts, in fen.

    What the mall owes afterwards is what it owed before + earned + rewarded + tax_returned + transferred - reversed
    - withdrawn - written_off. Below zero may be `tax_returned`, where more is due, `written_off`, of a debt, and
    `transferred`, which came from a member who turned out to be this one, or went there.
    """

    earned: int = 0
    reversed: int = 0
    rewarded: int = 0
    withdrawn: int = 0
    tax_returned: int = 0
    written_off: int = 0
    transferred: int = 0

    @property
    def net(self) -> int:
        """By how much it changed what the mall owes."""
        came = self.earned + self.rewarded + self.tax_returned + self.transferred
        return came - self.reversed - self.withdrawn - self.written_off

    def plus(self, other: Turnover) -> Turnover:
        """Add up both."""
        return Turnover(**{kind: getattr(self, kind) + getattr(other, kind) for kind in Turnover.__struct_fields__})


class Month(msgspec.Struct, frozen=True):
    """What came and went in a month; `days`: commissions of its days, less what was taken back, by day of the month."""

    month: str
    turnover: Turnover
    days: dict[int, int]


class BalanceChange(msgspec.Struct, frozen=True):
    """What an entry does to the accounts of a member whom it concerns."""

    member_id: str
    change: Balance
    turnover: Turnover


def account(member_id: str, kind: str) -> str:
    """Name a member's account: pending, available, withdrawing or withdrawn."""
    return f"{_MEMBER}{member_id}:{kind}"


def change_of(given: Entry) -> BalanceChange | None:
    """Give what the entry does to the accounts of the member among whose entries it stands; None when it concerns no
    member. Raises ValueError as `changes_of` does."""
    changes = changes_of(given)
    return changes[-1] if changes else None


def changes_of(given: Entry) -> list[BalanceChange]:
    """Give what the entry does to the accounts of whom it concerns: of one member, or, where they turned out to be one
    person, of two, the last of whom has it from then on. Raises ValueError for any other two."""
    changes: dict[str, dict[str, int]] = {}
    for posting in given.postings:
        if posting.account.startswith(_MEMBER):
            _, owner, kind = posting.account.split(":")
            change = changes.setdefault(owner, {})
            change[kind] = change.get(kind, 0) - posting.amount_fen
    if len(changes) == 2 and given.cause.startswith(MERGE):
        moved = [(owner, Balance(**change)) for owner, change in changes.items()]
        return [BalanceChange(owner, change, Turnover(transferred=change.owed)) for owner, change in moved]
    if len(changes) > 1:
        raise ValueError(f"entry {given.cause} of {given.about} concerns two members")
    return [_change_of(given, owner, change) for owner, change in changes.items()]


def _change_of(given: Entry, owner: str, change: dict[str, int]) -> BalanceChange:
    commission, reward = _amount(given.postings, COMMISSIONS), _amount(given.postings, REWARDS)
    withdrawn, came_back = change.get("withdrawn", 0), "available" in change
    turnover = Turnover(
        earned=max(commission, 0), reversed=max(-commission, 0), rewarded=reward,
        withdrawn=0 if came_back else withdrawn, tax_returned=-withdrawn if came_back else 0,
        written_off=-_amount(given.postings, WAIVED) - _amount(given.postings, WRITTEN_OFF),
    )  # fmt: skip
    return BalanceChange(owner, Balance(**change), turnover)


def month(at: datetime) -> str:
    """Give the month of that instant in Asia/Shanghai, as "2026-11"."""
    return clock.day(at).isoformat()[:7]


def earned(order_id: str, level: int, member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A commission on an order that was paid."""
    legs = (COMMISSIONS, amount_fen), (account(member_id, "pending"), -amount_fen)
    return entry(f"commission:{level}", order_id, at, *legs)


def reversed_to(
    order_id: str, level: int, member_id: str, at: datetime, amount_fen: int, left_fen: int, kind: str, version: int = 1
) -> Entry:
    """A refund takes this amount of a commission back, of which `left_fen` are left, from `kind`: pending or available.
    Below zero where the refund of another line left more of the order's cap to this one. Of each `version` of the
    commission there is one such change."""
    legs = (account(member_id, kind), amount_fen), (COMMISSIONS, -amount_fen)
    return entry(f"commission:{level}:left:{left_fen}:{version}", order_id, at, *legs)


def released(order_id: str, level: int, member_id: str, at: datetime, amount_fen: int) -> Entry:
    """What is left of a commission can be withdrawn."""
    legs = (account(member_id, "pending"), amount_fen), (account(member_id, "available"), -amount_fen)
    return entry(f"commission:{level}:released", order_id, at, *legs)


def rewarded(member_id: str, tier: str, at: datetime, amount_fen: int) -> Entry:
    """The one-off reward of a tier."""
    return entry(f"reward:{tier}", member_id, at, (REWARDS, amount_fen), (account(member_id, "available"), -amount_fen))


def withdrawal_begun(withdrawal_id: str, member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A withdrawal takes its amount out of the balance before anything is sent."""
    legs = (account(member_id, "available"), amount_fen), (account(member_id, "withdrawing"), -amount_fen)
    return entry("begun", withdrawal_id, at, *legs)


def waived(member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A member who leaves gives up what they could have withdrawn."""
    return entry("waived", member_id, at, (account(member_id, "available"), amount_fen), (WAIVED, -amount_fen))


def written_off(member_id: str, number: str, at: datetime, amount_fen: int, note: str = "") -> Entry:
    """The mall writes off what a member could have withdrawn; below zero, what they owe it. `number` tells one from
    another."""
    legs = (account(member_id, "available"), amount_fen), (WRITTEN_OFF, -amount_fen)
    return entry(f"{WITH_NOTE}{number}", member_id, at, *legs, note=note)


def charged(member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A member who returns as a distributor owes what was written off of a debt of theirs when they left."""
    return entry(CHARGED, member_id, at, (account(member_id, "available"), amount_fen), (WRITTEN_OFF, -amount_fen))


def transferred(former: str, member_id: str, number: int, at: datetime, found: Balance) -> Entry | None:
    """What a member has moves to the one who they turned out to be, debts too; None where there is nothing to move.
    What is on its way to its receiver stays. `number`: which such entry it is, from 1 up."""
    kinds = {kind: fen for kind in _MOVED if (fen := getattr(found, kind))}
    if not kinds:
        return None
    cause = f"{MERGE}{former}" if number == 1 else f"{MERGE}{former}:{number}"
    given = [(account(former, kind), fen) for kind, fen in kinds.items()]
    return entry(cause, former, at, *given, *((account(member_id, kind), -fen) for kind, fen in kinds.items()))


def withdrawal_failed(
    withdrawal_id: str, member_id: str, at: datetime, amount_fen: int, tax_returned_fen: int = 0
) -> Entry:
    """A withdrawal has finally failed: its amount is the member's again, and so is the tax that others of its month
    were kept back because of it (below zero: too little was kept back). What is returned counts as not paid out."""
    return entry(
        "failed", withdrawal_id, at,
        (account(member_id, "withdrawing"), amount_fen),
        (account(member_id, "available"), -amount_fen - tax_returned_fen),
        (account(member_id, "withdrawn"), tax_returned_fen), (PAYOUTS, -tax_returned_fen), (TAX, tax_returned_fen),
    )  # fmt: skip


def withdrawal_paid(
    withdrawal_id: str, member_id: str, at: datetime, amount_fen: int, tax_fen: int, fee_fen: int
) -> Entry:
    """The member has the money; tax and fee were kept back."""
    return entry(
        "paid", withdrawal_id, at,
        (account(member_id, "withdrawing"), amount_fen), (account(member_id, "withdrawn"), -amount_fen),
        (PAYOUTS, amount_fen), (WECHAT, tax_fen + fee_fen - amount_fen), (TAX, -tax_fen), (FEES, -fee_fen),
    )  # fmt: skip


def _amount(postings: tuple[Posting, ...], name: str) -> int:
    return sum(posting.amount_fen for posting in postings if posting.account == name)
