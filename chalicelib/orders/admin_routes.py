"""Operators: orders to look at, ship and refund."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.core.errors import invalid
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Entry
from chalicelib.orders import changes, deliver, refunds
from chalicelib.orders.place import LineInput
from chalicelib.orders.rules import LINES_MAX, Pieces
from chalicelib.orders.views import AdminOrderView, RefundView, admin_view, in_queue, of_member, refund_view
from chalicelib.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.web.types import Id, Line, LongLine, Page, PageQuery

Queue = Literal[
    "awaiting_payment",
    "awaiting_group",
    "awaiting_shipment",
    "refund_requested",
    "refund_failed",
    "refund_waiting",
    "shipped",
    "received",
    "completed",
    "closed",
]


class SearchQuery(PageQuery, kw_only=True):
    """Which orders: those of a queue, or those of a member."""

    queue: Queue | None = None
    member_id: Id | None = None


class Shipping(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A parcel; all that is left to send, where no lines are named."""

    carrier: Line
    tracking_no: Line
    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """Whether the goods came back and can be sold again."""

    restock: bool = False


class RefundByMall(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to give back, all that is left where no lines are named; whether goods that were sent came back."""

    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None
    reason: Annotated[LongLine, Meta(min_length=1)]
    restock: bool = False


class Rejection(msgspec.Struct, forbid_unknown_fields=True):
    """Why the refund is refused."""

    reason: Annotated[LongLine, Meta(min_length=1)]


class Journal(msgspec.Struct):
    """Everything that was posted for an order; it explains its money to the fen."""

    entries: list[Entry]


@endpoint("GET /v1/admin/orders", OPERATOR, permission="orders.read", errors=("cursor_invalid", "invalid"))
def search(query: SearchQuery) -> Page[AdminOrderView]:
    """The orders of a queue (by default those to be sent), oldest first; or a member's, newest first.

    Instead of its state's queue, an order stands in refund_requested while a refund is to be decided, and in
    refund_failed when WeChat could not pay one out. Beside it, it stands in refund_waiting while one is on its way.
    """
    if query.member_id is not None:
        if query.queue is not None:
            raise invalid("queue", "name a queue or a member, not both")
        orders, next_cursor = of_member(query.member_id, None, query.limit, query.cursor)
    else:
        orders, next_cursor = in_queue(query.queue or "awaiting_shipment", query.limit, query.cursor)
    return Page([admin_view(order) for order in orders], next_cursor)


@endpoint("GET /v1/admin/orders/{order_id}", OPERATOR, permission="orders.read")
def get(order_id: str) -> AdminOrderView:
    """One order."""
    return admin_view(changes.load(order_id))


@endpoint("GET /v1/admin/orders/{order_id}/ledger", OPERATOR, permission="orders.read")
def explain(order_id: str) -> Journal:
    """The journal entries of an order, in the order of time."""
    changes.load(order_id)
    return Journal(ledger.of(order_id))


@endpoint(
    "POST /v1/admin/orders/{order_id}/ship",
    OPERATOR,
    permission="orders.ship",
    errors=("order_state", "invalid", "conflict"),
)
def ship(call: Call, order_id: str, body: Shipping) -> AdminOrderView:
    """Send a parcel. The same carrier and number again changes nothing."""
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    return admin_view(deliver.ship(order_id, body.carrier, body.tracking_no, asked, _by(call)))


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds",
    OPERATOR,
    permission="orders.refund",
    status=202,
    idempotent=True,
    errors=("order_state", "refund_window_over", "nothing_to_refund", "invalid", "conflict"),
)
def refund_by_mall(call: Call, order_id: str, body: RefundByMall) -> RefundView:
    """Give money back without being asked, also when the order is completed, up to a year after it was paid."""
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    key = call.idempotency_key
    return refund_view(refunds.make(order_id, key, asked, body.reason, body.restock, call.caller))


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/approve",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "conflict"),
)
def approve(call: Call, order_id: str, refund_id: str, body: Approval) -> RefundView:
    """Grant a requested refund; it is then paid out by itself."""
    return refund_view(refunds.approve(order_id, refund_id, body.restock, _by(call)))


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/reject",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "conflict"),
)
def reject(call: Call, order_id: str, refund_id: str, body: Rejection) -> RefundView:
    """Refuse a requested refund."""
    return refund_view(refunds.reject(order_id, refund_id, body.reason, _by(call)))


@endpoint(
    "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/ask-again",
    OPERATOR,
    permission="orders.refund",
    errors=("order_state", "conflict"),
)
def ask_again(call: Call, order_id: str, refund_id: str) -> RefundView:
    """Ask WeChat again how a failed refund ended, after it was seen to in WeChat Pay's console."""
    return refund_view(refunds.ask_again(order_id, refund_id, _by(call)))


def _by(call: Call) -> str:
    return f"operator:{call.caller}"
