"""Quotes and orders over HTTP: the shopper's side."""

from __future__ import annotations

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.delivery.rules import carriers
from chalicelib.commerce.orders.inputs import OrderInput, OrdersQuery, OwnReceiverInput, QuoteInput, RefundInput
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.placement import service as placement
from chalicelib.commerce.orders.queries import orders_of_member
from chalicelib.commerce.orders.quotes.views import QuoteView
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Pieces, as_placed
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.orders.views import CarrierView, OrderView, PaymentView, RefundView, refund_view, view
from chalicelib.platform.web.endpoint import MEMBER, PUBLIC, Call, endpoint
from chalicelib.platform.web.types import Page

_QUOTE_ERRORS = (
    "cart_empty", "not_found", "region_not_served", "invalid", "activity_over", "lobby_over", "lobby_full",
    "already_in_lobby", "not_for_you", "purchase_limit", "coupon_unusable", "too_many_unpaid",
)  # fmt: skip


@endpoint("POST /v1/quotes", MEMBER, errors=_QUOTE_ERRORS, admits=True)
def quote(call: Call, body: QuoteInput) -> QuoteView:
    """Quote what these lines, or the selected lines of the cart, would cost now.

    A line that cannot be bought says why (`problem`) and costs nothing; the totals are of the others. Where no address
    is named, it is the default one.

    `coupon_ids: "best"` takes the best combination of the hundred coupons that end first among those the member can use
    by now, looked for among their first 500 open ones; a member with more names the ones to use.
    """
    return placement.quote(call.caller, body, call.token)


@endpoint(
    "POST /v1/orders",
    MEMBER,
    status=201,
    idempotent=True,
    errors=(
        *_QUOTE_ERRORS,
        "product_unavailable",
        "price_changed",
        "out_of_stock",
        "coupon_taken",
        "member_blocked",
        "conflict",
    ),
    per_minute=300,
    admits=True,
)
def place_order(call: Call, body: OrderInput) -> OrderView:
    """Place an order at the price the shopper saw. Of the cart, lines that cannot be bought stay there.

    `price_changed` carries the new `quote`, `product_unavailable` the `skus`, `out_of_stock` them and `short`: how many
    are `left` of each; `purchase_limit` the `limit`, with `sku_id` and what is `left` of it where it is a product's.
    """
    placed = placement.place(call.caller, call.idempotency_key, body, call.token, call.subject)
    return view(as_placed(placed))


@endpoint("GET /v1/orders", MEMBER, errors=("cursor_invalid",))
def list_orders(call: Call, query: OrdersQuery) -> Page[OrderView]:
    """List the shopper's orders, newest first: all, or those in these states.

    A page may be short; it is empty only where the list ends.
    """
    orders, next_cursor = orders_of_member(call.caller, query.states, query.limit, query.cursor)
    return Page([view(order) for order in orders], next_cursor)


@endpoint("GET /v1/orders/{order_id}", MEMBER, admits=True)
def get_order(call: Call, order_id: str) -> OrderView:
    """Read one order, with its history."""
    return view(order_queries.owned(order_id, call.caller, call.token))


@endpoint(
    "POST /v1/orders/{order_id}/payment",
    MEMBER,
    errors=("order_state", "pay_time_over", "payment_refused", "lobby_over", "conflict"),
    per_minute=300,
    admits=True,
)
def start_payment(call: Call, order_id: str) -> PaymentView:
    """Begin a payment: what wx.requestPayment wants.

    `{paid: true}` alone for an order that is paid already, and for one that costs nothing, which is paid by it.
    """
    return payment.start(order_id, call.caller, call.token, call.subject)


@endpoint("POST /v1/orders/{order_id}/payment/check", MEMBER, errors=("conflict",), per_minute=30)
def check_payment(call: Call, order_id: str) -> OrderView:
    """Ask WeChat now whether the order is paid, and read it; for who has paid and sees no sign of it.

    A payment that was made is recorded as by WeChat's notice. 503 while WeChat does not answer.
    """
    return view(payment.check(order_id, call.caller))


@endpoint(
    "PUT /v1/orders/{order_id}/address",
    MEMBER,
    errors=("order_state", "freight_differs", "invalid", "conflict"),
    per_minute=10,
)
def readdress_order(call: Call, order_id: str, body: OwnReceiverInput) -> OrderView:
    """Correct where an order goes, until a parcel has left, five times at most; `freight_differs` where that costs
    another freight."""
    receiver = delivery.receiver_of(call.caller, body)
    return view(delivery.readdress_own(order_id, call.caller, receiver))


@endpoint("GET /v1/carriers", PUBLIC, cache_seconds=60)
def list_carriers() -> Page[CarrierView]:
    """List the carriers by whom parcels are sent, all on one page."""
    known = carriers(order_rules().more_carriers)
    return Page([CarrierView(carrier, name) for carrier, name in known.items()])


@endpoint("POST /v1/orders/{order_id}/cancel", MEMBER, errors=("order_state", "conflict"))
def cancel_order(call: Call, order_id: str) -> OrderView:
    """Cancel an order that is not paid."""
    return view(closing.cancel(order_id, call.caller))


@endpoint("POST /v1/orders/{order_id}/receive", MEMBER, errors=("order_state", "conflict"))
def receive_order(call: Call, order_id: str) -> OrderView:
    """Confirm that the goods have come."""
    return view(delivery.receive(order_id, call.caller))


@endpoint(
    "POST /v1/orders/{order_id}/refunds",
    MEMBER,
    status=202,
    idempotent=True,
    errors=("order_state", "refund_window_over", "nothing_to_refund", "refund_limit", "invalid", "conflict"),
)
def request_refund(call: Call, order_id: str, body: RefundInput) -> RefundView:
    """Ask for money back: granted at once while none of the pieces has been sent and what stays meets the conditions of
    its prices, else an operator decides (`requested`).

    `requested_because` says why, where nothing of it was sent: what stays would cost more without these pieces
    (promotion_condition, free_freight), or others hang on the order (group_succeeded, lottery_drawn). Where the mall
    says so, it is granted less what the rest costs more (`withheld_fen`), which goes back with the last pieces.
    `pictures` are the `url`s of uploads for the purpose `refund`.
    """
    asked = None if body.lines is None else [Pieces(line.sku_id, line.quantity) for line in body.lines]
    refund = refunds.request(
        order_id, call.caller, call.idempotency_key, asked, body.reason, body.pictures, call.subject
    )
    return refund_view(refund)
