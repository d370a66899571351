"""Journal entries: pure. Each sums to zero, is written once and never changed.

Accounts. A positive amount is a debit (more of what we have, or less of what we owe); a negative one a credit.

    wechat             money that lies with WeChat Pay for us
    sales:goods        what shoppers paid for goods (credit), less what went back
    sales:freight      what they paid for freight
    refunds:owed       refunds granted that WeChat has not paid out yet
    payments:surplus   payments for orders that were already closed; they go back in full
"""

from __future__ import annotations

from datetime import datetime

import msgspec

WECHAT = "wechat"
GOODS = "sales:goods"
FREIGHT = "sales:freight"
REFUNDS_OWED = "refunds:owed"
SURPLUS = "payments:surplus"


class Posting(msgspec.Struct, frozen=True):
    """One leg of an entry, in fen: debit positive, credit negative."""

    account: str
    amount_fen: int


class Entry(msgspec.Struct, frozen=True):
    """One change of money: why, when, for which order, and its postings."""

    cause: str
    order_id: str
    at: datetime
    postings: tuple[Posting, ...]


def check(given: Entry) -> Entry:
    """The entry itself. Raises ValueError when it is empty or does not sum to zero."""
    if not given.postings or sum(posting.amount_fen for posting in given.postings) != 0:
        raise ValueError(f"entry {given.cause} of {given.order_id} does not sum to zero")
    return given


def paid(order_id: str, at: datetime, goods_fen: int, freight_fen: int) -> Entry:
    """A shopper paid for the order."""
    return check(
        Entry(
            "paid",
            order_id,
            at,
            _legs((WECHAT, goods_fen + freight_fen), (GOODS, -goods_fen), (FREIGHT, -freight_fen)),
        )
    )


def paid_late(order_id: str, at: datetime, amount_fen: int) -> Entry:
    """A payment came for an order that was closed: it is the shopper's, and goes back."""
    return check(Entry("paid-late", order_id, at, _legs((WECHAT, amount_fen), (SURPLUS, -amount_fen))))


def refund_granted(refund_id: str, order_id: str, at: datetime, goods_fen: int, freight_fen: int) -> Entry:
    """We owe the shopper this part of what was paid for the order."""
    legs = _legs((GOODS, goods_fen), (FREIGHT, freight_fen), (REFUNDS_OWED, -goods_fen - freight_fen))
    return check(Entry(f"granted:{refund_id}", order_id, at, legs))


def surplus_owed(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """We owe the shopper a payment that came too late."""
    return check(Entry(f"granted:{refund_id}", order_id, at, _legs((SURPLUS, amount_fen), (REFUNDS_OWED, -amount_fen))))


def refund_paid(refund_id: str, order_id: str, at: datetime, amount_fen: int) -> Entry:
    """WeChat has paid the refund out."""
    return check(Entry(f"refunded:{refund_id}", order_id, at, _legs((REFUNDS_OWED, amount_fen), (WECHAT, -amount_fen))))


def balances(entries: list[Entry]) -> dict[str, int]:
    """What each account stands at after these entries, in fen."""
    totals: dict[str, int] = {}
    for given in entries:
        for posting in given.postings:
            totals[posting.account] = totals.get(posting.account, 0) + posting.amount_fen
    return totals


def _legs(*legs: tuple[str, int]) -> tuple[Posting, ...]:
    return tuple(Posting(account, fen) for account, fen in legs if fen)
