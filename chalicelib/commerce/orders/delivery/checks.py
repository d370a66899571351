"""An order's state against what has happened to it, and against the time that has passed. Pure; no formula of the rules
is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from chalicelib.commerce.orders.refunds.checks import stuck_refunds
from chalicelib.commerce.orders.rules import Order

#: So long after its deadline an unpaid order must have been closed.
CLOSED_AFTER = timedelta(hours=1)
_UNPAID = "awaiting_payment"
_SENT = ("shipped", "received", "completed")


def state_faults(order: Order) -> Iterator[str]:
    """Find what does not fit: pieces and parcels, payment and state, receipt and state."""
    yield from _piece_faults(order)
    is_paid = order.paid_at is not None
    if is_paid and order.paid_fen != order.payable_fen:
        yield f"paid {order.paid_fen} fen of {order.payable_fen}"
    if not is_paid and (order.paid_fen or order.transaction_id or order.refunds):
        yield f"was never paid, and has {order.paid_fen} fen and {len(order.refunds)} refunds"
    if is_paid and bool(order.transaction_id) != bool(order.paid_fen):
        yield f"paid {order.paid_fen} fen by the payment {order.transaction_id or 'that it has not'}"
    if is_paid == (order.state == _UNPAID) and order.state != "closed":
        yield f"is {order.state}, and {'paid' if is_paid else 'not paid'}"
    if order.state == "awaiting_group" and (order.group is None or order.confirmed_at is not None):
        yield "waits for a group that it has not, or that has come together"
    if (order.received_at is not None) != (order.state in ("received", "completed")) and order.state != "closed":
        yield f"is {order.state}, and was {'' if order.received_at else 'not '}received"


def _piece_faults(order: Order) -> Iterator[str]:
    sent: Counter[str] = Counter()
    for parcel in order.shipments:
        sent.update({part.sku_id: part.quantity for part in parcel.lines})
    waiting = 0
    for line in order.lines:
        if sent.pop(line.sku_id, 0) != line.shipped:
            yield f"{line.sku_id}: {line.shipped} pieces are sent, its parcels say otherwise"
        to_send = line.quantity - line.shipped - line.cancelled
        if to_send < 0 or line.returned > line.shipped:
            yield f"{line.sku_id}: {line.shipped} sent, {line.cancelled} cancelled, {line.returned} returned"
        unpaid = order.state == "closed" and (order.paid_at is None or any(one.late for one in order.refunds))
        least, most = (line.quantity,) * 2 if unpaid else (line.cancelled, line.cancelled + line.returned)
        if not least <= line.restocked <= most:
            yield f"{line.sku_id}: {line.restocked} pieces went back into stock, of {least} to {most}"
        waiting += to_send
    yield from (f"{sku_id}: is in a parcel, and not in the order" for sku_id in sent)
    if order.state in _SENT and waiting:
        yield f"is {order.state}, and {waiting} pieces are to be sent"
    if order.state == "awaiting_shipment" and not waiting:
        yield "awaits its shipment, and nothing is to be sent"


def overdue(order: Order, now: datetime) -> Iterator[str]:
    """Find what should long have happened to the order by itself."""
    if order.state == _UNPAID and now - order.pay_by > CLOSED_AFTER:
        yield f"was to be paid by {order.pay_by:%Y-%m-%d %H:%M}, and is still open"
    yield from stuck_refunds(order, now)
