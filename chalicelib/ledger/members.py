"""The accounts of members: what the mall owes them, on its way to them, and paid. Pure.

    member:<id>:pending      commissions that a refund may still take back
    member:<id>:available    what they can withdraw; below zero when a refund took back what was withdrawn
    member:<id>:withdrawing  held for a withdrawal until WeChat has paid it, or has finally not
    member:<id>:withdrawn    all that was ever withdrawn, tax and fee with it
    commissions, rewards     what they cost the mall
    tax:payable              income tax that was withheld, and is owed to the tax office
    fees                     what withdrawals paid for themselves
    payouts                  the other side of `withdrawn`: all that left the mall for members

They are liabilities: owing a member more is a credit. What is kept and shown of them has the other sign: a balance of
100 is 100 fen of theirs. An entry concerns one member at most, so that it changes one balance.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.ledger.rules import WECHAT, Entry, Posting, entry

COMMISSIONS = "commissions"
REWARDS = "rewards"
TAX = "tax:payable"
FEES = "fees"
PAYOUTS = "payouts"

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
    """What came in and went out of a member's accounts, in fen, all of it zero or more.

    What the mall owes afterwards is what it owed before + earned + rewarded - reversed - withdrawn.
    """

    earned: int = 0
    reversed: int = 0
    rewarded: int = 0
    withdrawn: int = 0

    @property
    def net(self) -> int:
        """By how much it changed what the mall owes."""
        return self.earned + self.rewarded - self.reversed - self.withdrawn

    def plus(self, other: Turnover) -> Turnover:
        """Both together."""
        return Turnover(
            earned=self.earned + other.earned,
            reversed=self.reversed + other.reversed,
            rewarded=self.rewarded + other.rewarded,
            withdrawn=self.withdrawn + other.withdrawn,
        )


class Month(msgspec.Struct, frozen=True):
    """What came and went in a month; `days`: commissions of its days, less what was taken back, by day of the month."""

    month: str
    turnover: Turnover
    days: dict[int, int]


class Effect(msgspec.Struct, frozen=True):
    """What an entry does to the accounts of the one member it concerns."""

    member_id: str
    change: Balance
    turnover: Turnover


def account(member_id: str, kind: str) -> str:
    """The name of a member's account: pending, available, withdrawing or withdrawn."""
    return f"{_MEMBER}{member_id}:{kind}"


def effect(given: Entry) -> Effect | None:
    """What the entry does to a member's accounts; None when it concerns no member. Raises ValueError for two."""
    change: dict[str, int] = {}
    owners: set[str] = set()
    for posting in given.postings:
        if posting.account.startswith(_MEMBER):
            _, owner, kind = posting.account.split(":")
            owners.add(owner)
            change[kind] = change.get(kind, 0) - posting.amount_fen
    if not owners:
        return None
    if len(owners) > 1:
        raise ValueError(f"entry {given.cause} of {given.about} concerns two members")
    commission, reward = _amount(given.postings, COMMISSIONS), _amount(given.postings, REWARDS)
    turnover = Turnover(
        earned=max(commission, 0), reversed=max(-commission, 0), rewarded=reward, withdrawn=change.get("withdrawn", 0)
    )
    return Effect(owners.pop(), Balance(**change), turnover)


def month(at: datetime) -> str:
    """The month of that instant in Asia/Shanghai, as "2026-11"."""
    return clock.day(at).isoformat()[:7]


def earned(order_id: str, level: int, member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A commission on an order that was paid."""
    legs = (COMMISSIONS, amount_fen), (account(member_id, "pending"), -amount_fen)
    return entry(f"commission:{level}", order_id, at, *legs)


def reversed_to(
    order_id: str, level: int, member_id: str, at: datetime, amount_fen: int, left_fen: int, kind: str
) -> Entry:
    """A refund takes back its part of a commission, of which `left_fen` are left, from `kind`: pending or available."""
    legs = (account(member_id, kind), amount_fen), (COMMISSIONS, -amount_fen)
    return entry(f"commission:{level}:left:{left_fen}", order_id, at, *legs)


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


def withdrawal_failed(withdrawal_id: str, member_id: str, at: datetime, amount_fen: int) -> Entry:
    """A withdrawal has finally failed: its amount is the member's again."""
    legs = (account(member_id, "withdrawing"), amount_fen), (account(member_id, "available"), -amount_fen)
    return entry("failed", withdrawal_id, at, *legs)


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
