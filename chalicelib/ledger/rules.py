"""Journal entries: pure. Each sums to zero, is written once and never changed.

Accounts. A positive amount is a debit (more of what we have, or less of what we owe); a negative one a credit.

    wechat                money that lies with WeChat Pay for us
    sales:goods           goods sold at their prices (credit), less what went back
    sales:freight         freight at its price, likewise
    discounts:coupons     what coupons took off both (debit): what they cost the mall
    discounts:promotions  what promotions took off
    refunds:owed          refunds granted that WeChat has not paid out yet
    payments:surplus      payments for orders that were already closed; they go back in full

The accounts of members (commissions, withdrawals) are in `ledger.members`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

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


class Entry(msgspec.Struct, frozen=True):
    """One change of money: why, what about (an order's id, a withdrawal's), when, and its postings."""

    cause: str
    about: str
    at: datetime
    postings: tuple[Posting, ...]


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
        """What is left without this part of it."""
        return Sale(
            goods_fen=self.goods_fen - part.goods_fen,
            freight_fen=self.freight_fen - part.freight_fen,
            coupons_fen=self.coupons_fen - part.coupons_fen,
            promotions_fen=self.promotions_fen - part.promotions_fen,
        )


def entry(cause: str, about: str, at: datetime, *legs: tuple[str, int]) -> Entry:
    """The entry of these legs, those of nothing left out. Raises ValueError as `check` does."""
    return check(Entry(cause, about, at, tuple(Posting(account, fen) for account, fen in legs if fen)))


def check(given: Entry) -> Entry:
    """The entry itself. Raises ValueError when it is empty or does not sum to zero."""
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


def surplus_owed(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """We owe the shopper a payment that came too late."""
    return entry(f"granted:{refund_id}", order_id, at, (SURPLUS, amount_fen), (REFUNDS_OWED, -amount_fen))


def refund_paid(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """WeChat has paid the refund out."""
    return entry(f"refunded:{refund_id}", order_id, at, (REFUNDS_OWED, amount_fen), (WECHAT, -amount_fen))


def wechat_fen(given: Entry) -> int:
    """By how much the entry changes what lies with WeChat for us, in fen; below zero when it leaves."""
    return sum(posting.amount_fen for posting in given.postings if posting.account == WECHAT)


def balances(entries: Iterable[Entry]) -> dict[str, int]:
    """What each account stands at after these entries, in fen."""
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
