"""Taking refunds back on which two operators have not agreed: what every such change of an order writes."""

from __future__ import annotations

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.agreement.rules import is_made_by_operator, taken_back
from chalicelib.commerce.orders.jobs import REFERRED_REFUNDED
from chalicelib.commerce.orders.refunds.rules import with_refund
from chalicelib.commerce.orders.rules import Order, Refund, noted
from chalicelib.core import clock
from chalicelib.platform.store.transaction import Transaction


def take_back_first(order: Order, tx: Transaction, refund: Refund, by: str) -> Order:
    """Take back the first operator's decision on the refund, and the refund with it where an operator has made it, as
    part of `tx`; give the order after it. Raises `order_state` when it is granted."""
    now = clock.now()
    after = taken_back(refund, now)
    if after is refund:
        return order
    if after.state == "rejected":
        changes.publish(tx, REFERRED_REFUNDED, order, refund.refund_id)
    return noted(with_refund(order, after), "refund_taken_back", by, now, refund_id=refund.refund_id)


def take_back_unasked(order: Order, tx: Transaction, by: str) -> Order:
    """Take back, as part of `tx`, every refund that an operator has made and that waits for another: its pieces are the
    member's to ask back, and nothing else waits for it. Give the order after it."""
    for refund in order.refunds:
        if refund.state == "requested" and is_made_by_operator(refund):
            order = take_back_first(order, tx, refund, by)
    return order
