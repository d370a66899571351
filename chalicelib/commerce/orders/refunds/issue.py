"""Giving money back: what every refund does in the transaction that grants it, and its numbers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.accounting.rules import given_back
from chalicelib.commerce.orders.delivery.service import sent
from chalicelib.commerce.orders.jobs import PUSH_REFUND, REFERRED_REFUNDED
from chalicelib.commerce.orders.queries import refund_of_order
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.refunds.rules import (
    apply_refund,
    check_number,
    new_refund,
    reduction,
    step_refund,
    with_refund,
)
from chalicelib.commerce.orders.rules import Order, Refund, noted
from chalicelib.core import clock, ids
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Sale
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction


def refund_id(order_id: str, *cause: str) -> str:
    """Derive the refund's id, which is its number at WeChat, from its cause; the order's id is within it, so that a
    callback finds the order."""
    return f"{order_id}-{ids.derived('', order_id, *cause)[:12]}"


def refund_of(number: str) -> str:
    """Take the refund's id out of its number at WeChat."""
    return "-".join(number.split("-")[:2])


def order_of(refund: str) -> str:
    """Take the order's id out of a refund's id."""
    return refund.partition("-")[0]


def issue_refund(
    order: Order, tx: Transaction, refund: Refund, restock: bool, by: str, coupons_back: bool = False,
    coupons_free: bool = False,
) -> Order:  # fmt: skip
    """Grant the refund, with stock, coupons, journal and the job that pays it out in `tx`; give the order after it.

    With the last pieces coupons come back, those whose templates allow it, or all of them (`coupons_back`); unless they
    are free already (`coupons_free`). Raises `order_state`, and `refund_limit` when WeChat takes no more of the order.
    """
    now = clock.now()
    check_number(order, refund)
    after, back = apply_refund(order, refund, restock, by, now)
    if after.state == "closed" and not coupons_free:
        redemption.return_coupons(tx, order, always=coupons_back)
    if (order.state, after.state) == ("awaiting_shipment", "shipped"):
        sent(tx, after)
    changes.return_pieces(tx, refund.refund_id, order, back)
    parts = given_back(after).less(given_back(order))
    if parts != Sale():
        ledger.post(tx, entries.refund_granted(refund.refund_id, order.order_id, now, parts))
    if refund.amount_fen == 0:  # a gift given back: there is nothing to push
        return succeeded(after, refund_of_order(after, refund.refund_id))
    changes.publish(tx, REFERRED_REFUNDED, after, refund.refund_id)
    owe_push(tx, refund.refund_id)
    return after


def owe_push(tx: Transaction, refund: str) -> None:
    """Owe the job that pays the refund out, as part of `tx`; the job knows since when, so that operators hear of it
    where it waits."""
    schedule(tx, PUSH_REFUND, refund, None, since=clock.stamp(clock.now()))


def refund_in_full(order: Order, tx: Transaction, cause: str, reason: str, coupons_free: bool = False) -> Order:
    """Refund all that remains of an order of which nothing was sent, by the mall itself; that closes the order."""
    now = clock.now()
    refund = new_refund(order, refund_id(order.order_id, "mall", cause), None, reason, "", now)
    return issue_refund(order, tx, refund, restock=False, by="system", coupons_back=True, coupons_free=coupons_free)


def refund_difference(
    order: Order, tx: Transaction, cause: str, fen_by_sku: Mapping[str, int], freight_fen: int, reason: str
) -> Order:
    """Refund part of the price, by the mall itself; the shopper keeps the goods. Amounts in fen, by line."""
    number = refund_id(order.order_id, "mall", cause)
    refund = reduction(number, fen_by_sku, freight_fen, reason, clock.now())
    return issue_refund(order, tx, refund, restock=False, by="system")


def succeeded(order: Order, refund: Refund) -> Order:
    """Mark the refund as paid out: the order after it. Raises `order_state`."""
    now = clock.now()
    done = step_refund(refund, "pay_out", finished_at=now, outcome="")
    order = msgspec.structs.replace(with_refund(order, done), refunded_fen=order.refunded_fen + refund.amount_fen)
    by = "wechat" if refund.amount_fen else "system"
    return noted(order, "refund_succeeded", by, now, refund_id=refund.refund_id)
