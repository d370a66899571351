"""Operators: orders to look at, ship and refund."""

from __future__ import annotations

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.inputs import (
    AdminOrdersQuery,
    ApprovalInput,
    CorrectionInput,
    OperatorRefundInput,
    ReceiverInput,
    RejectionInput,
    ShipmentInput,
)
from chalicelib.commerce.orders.queries import orders_in_queue, orders_of_member
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.commerce.orders.views import (
    AdminOrderView,
    AdminRefundView,
    OrderJournal,
    admin_refund_view,
    admin_view,
)
from chalicelib.core.errors import invalid
from chalicelib.core.refusals import QUEUE_OR_MEMBER
from chalicelib.customers.members.queries import resolved
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page


@endpoint("GET /v1/admin/orders", OPERATOR, permission="orders.read", errors=("cursor_invalid", "invalid"))
def search(call: Call, query: AdminOrdersQuery) -> Page[AdminOrderView]:
    """List the orders of a queue (by default those to be sent), oldest first; or a member's, newest first.

    Instead of its state's queue, an order stands in refund_requested while a refund is to be decided, and in
    refund_failed when WeChat could not pay one out. Beside it, it stands in refund_waiting while one is on its way.
    """
    if query.member_id is not None:
        if query.queue is not None:
            raise invalid(QUEUE_OR_MEMBER.at("queue"))
        orders, next_cursor = orders_of_member(resolved(query.member_id), [], query.limit, query.cursor)
    else:
        orders, next_cursor = orders_in_queue(query.queue or "awaiting_shipment", query.limit, query.cursor)
    return Page([admin_view(order, call.permissions) for order in orders], next_cursor)


@endpoint("GET /v1/admin/orders/{order_id}", OPERATOR, permission="orders.read")
def get(call: Call, order_id: str) -> AdminOrderView:
    """Read one order."""
    return admin_view(order_queries.load(order_id), call.permissions)


@endpoint("GET /v1/admin/orders/{order_id}/ledger", OPERATOR, permission="orders.read")
def explain(order_id: str) -> OrderJournal:
    """List the journal entries of an order, in the order of time."""
    order_queries.load(order_id)
    return OrderJournal(ledger_queries.entries_about(order_id))


@endpoint(
    "POST /v1/admin/orders/{order_id}/ship",
    OPERATOR,
    permission="orders.ship",
    errors=("order_state", "invalid", "conflict"),
)
def ship(call: Call, order_id: str, body: ShipmentInput) -> AdminOrderView:
    """Send a parcel. The same carrier and number again changes nothing.

    The carrier is one of GET /v1/carriers, by its id or name.
    """
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    order = delivery.ship(order_id, body.carrier, body.tracking_no, asked, _by(call))
    return admin_view(order, call.permissions)


@endpoint(
    "PUT /v1/admin/orders/{order_id}/shipments/{n}",
    OPERATOR,
    permission="orders.ship",
    errors=("order_state", "parcel_corrected", "invalid", "conflict"),
)
def correct_parcel(call: Call, order_id: str, n: str, body: CorrectionInput) -> AdminOrderView:
    """Correct carrier and number of a parcel, the first of which is 1; WeChat is told, and takes that once an order."""
    position = int(n) if n.isdecimal() and n.isascii() else 0
    order = delivery.correct_parcel(order_id, position, body.carrier, body.tracking_no, _by(call))
    return admin_view(order, call.permissions)


@endpoint(
    "PUT /v1/admin/orders/{order_id}/address",
    OPERATOR,
    permission="orders.ship",
    errors=("order_state", "invalid", "conflict"),
)
def readdress(call: Call, order_id: str, body: ReceiverInput) -> AdminOrderView:
    """Correct the address of an order of which no parcel has left, also where the freight would have been another."""
    return admin_view(delivery.readdress(order_id, body.receiver(), _by(call)), call.permissions)


@endpoint("POST /v1/admin/orders/{order_id}/ask-wechat", OPERATOR, permission="orders.refund", errors=("conflict",))
def ask_wechat(call: Call, order_id: str) -> AdminOrderView:
    """Ask WeChat about an order that is not known to be paid: a payment that was made is recorded, and an order that
    can never be paid any more is closed. Of any other order nothing changes."""
    return admin_view(closing.ask_wechat(order_id, _by(call)), call.permissions)


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds",
    OPERATOR,
    permission="orders.refund",
    status=202,
    idempotent=True,
    errors=("order_state", "refund_window_over", "nothing_to_refund", "refund_limit", "invalid", "conflict"),
)
def refund_by_mall(call: Call, order_id: str, body: OperatorRefundInput) -> AdminRefundView:
    """Give money back without being asked, also when the order is completed, up to a year after it was paid.

    Above the sum of the settings it is only requested, until another operator approves it.
    """
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    key = call.idempotency_key
    refund = refunds.refund_by_operator(order_id, key, asked, body.reason, body.restock, call.caller)
    return admin_refund_view(refund, call.permissions)


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/approve",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "refund_limit", "second_operator", "conflict"),
)
def approve(call: Call, order_id: str, refund_id: str, body: ApprovalInput) -> AdminRefundView:
    """Grant a requested refund, in full; it is then paid out by itself. Above the sum of the settings it waits until
    another operator approves it too, as the first did: of the same amount, and with the same `restock`."""
    return admin_refund_view(refunds.approve(order_id, refund_id, body.restock, _by(call)), call.permissions)


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/take-back",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "conflict"),
)
def take_back(call: Call, order_id: str, refund_id: str) -> AdminRefundView:
    """Take back the first operator's approval while it waits for the second; with it goes a refund that was not asked
    for by the shopper. Twice is no error."""
    return admin_refund_view(refunds.take_back(order_id, refund_id, _by(call)), call.permissions)


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/reject",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "conflict"),
)
def reject(call: Call, order_id: str, refund_id: str, body: RejectionInput) -> AdminRefundView:
    """Reject a requested refund."""
    return admin_refund_view(refunds.reject(order_id, refund_id, body.reason, _by(call)), call.permissions)


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/ask-again",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "refund_limit", "invalid", "conflict"),
)
def ask_again(call: Call, order_id: str, refund_id: str) -> AdminRefundView:
    """Ask WeChat again how a failed refund ended, after it was seen to in WeChat Pay's console."""
    return admin_refund_view(refunds.ask_again(order_id, refund_id, _by(call)), call.permissions)


def _by(call: Call) -> str:
    return f"operator:{call.caller}"
