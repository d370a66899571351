"""Quotes and orders over HTTP: the shopper's side."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

import chalicelib.orders.callbacks
import chalicelib.orders.person  # noqa: F401 - they declare endpoints, and what is kept of a member
from chalicelib.orders import changes, close, deliver, pay, place, refunds
from chalicelib.orders.pay import Payment
from chalicelib.orders.place import LineInput, OrderInput, QuoteInput
from chalicelib.orders.rules import LINES_MAX, Pieces, State, as_placed
from chalicelib.orders.views import OrderView, RefundView, of_member, refund_view, view
from chalicelib.pricing.rules import Quote
from chalicelib.web.endpoint import MEMBER, Call, endpoint
from chalicelib.web.types import LongLine, Page, PageQuery

_PLACE_ERRORS = (
    "cart_empty", "not_found", "product_unavailable", "region_not_served", "invalid",
    "activity_over", "lobby_over", "lobby_full", "already_in_lobby", "not_for_you", "purchase_limit",
    "coupon_unusable",
)  # fmt: skip


class OrdersQuery(PageQuery, kw_only=True):
    """Which of the shopper's orders."""

    state: State | None = None


class RefundInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the shopper wants their money back for; all that is left, where no lines are named."""

    reason: Annotated[LongLine, Meta(min_length=1)]
    lines: Annotated[list[LineInput], Meta(min_length=1, max_length=LINES_MAX)] | None = None


@endpoint("POST /v1/quotes", MEMBER, errors=_PLACE_ERRORS)
def quote(call: Call, body: QuoteInput) -> Quote:
    """What these lines, or the selected lines of the cart, would cost now.

    `coupon_ids: "best"` takes the best combination of the hundred coupons that end first among those the member can use
    by now, looked for among their first 500 open ones; whoever has more names the ones they want.
    """
    return place.quote(call.caller, body)


@endpoint(
    "POST /v1/orders",
    MEMBER,
    status=201,
    idempotent=True,
    errors=(*_PLACE_ERRORS, "price_changed", "out_of_stock", "coupon_taken", "too_many_unpaid", "conflict"),
    per_minute=300,
)
def place_order(call: Call, body: OrderInput) -> OrderView:
    """Place an order at the price the shopper saw.

    `price_changed` carries the new `quote`, `out_of_stock` and `product_unavailable` the `skus`.
    """
    return view(as_placed(place.place(call.caller, call.idempotency_key, body)))


@endpoint("GET /v1/orders", MEMBER, errors=("cursor_invalid",))
def list_orders(call: Call, query: OrdersQuery) -> Page[OrderView]:
    """The shopper's orders, newest first."""
    orders, next_cursor = of_member(call.caller, query.state, query.limit, query.cursor)
    return Page([view(order) for order in orders], next_cursor)


@endpoint("GET /v1/orders/{order_id}", MEMBER)
def get_order(call: Call, order_id: str) -> OrderView:
    """One order, with its history."""
    return view(changes.owned(order_id, call.caller))


@endpoint(
    "POST /v1/orders/{order_id}/payment",
    MEMBER,
    errors=("order_state", "pay_time_over", "payment_refused", "lobby_over", "conflict"),
    per_minute=300,
)
def start_payment(call: Call, order_id: str) -> Payment:
    """What wx.requestPayment wants; an order that costs nothing is paid at once and answers `{paid: true}`."""
    return pay.start(order_id, call.caller)


@endpoint("POST /v1/orders/{order_id}/cancel", MEMBER, errors=("order_state", "conflict"))
def cancel_order(call: Call, order_id: str) -> OrderView:
    """Cancel an order that is not paid."""
    return view(close.cancel(order_id, call.caller))


@endpoint("POST /v1/orders/{order_id}/receive", MEMBER, errors=("order_state", "conflict"))
def receive_order(call: Call, order_id: str) -> OrderView:
    """The goods have come."""
    return view(deliver.receive(order_id, call.caller))


@endpoint(
    "POST /v1/orders/{order_id}/refunds",
    MEMBER,
    status=202,
    idempotent=True,
    errors=("order_state", "refund_window_over", "nothing_to_refund", "invalid", "conflict"),
)
def request_refund(call: Call, order_id: str, body: RefundInput) -> RefundView:
    """Ask for money back: granted at once while none of the pieces has been sent, else an operator decides."""
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    refund = refunds.request(order_id, call.caller, call.idempotency_key, asked, body.reason)
    return refund_view(refund)
