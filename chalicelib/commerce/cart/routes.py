"""The cart over HTTP."""

from __future__ import annotations

from chalicelib.commerce.cart import queries as cart_queries
from chalicelib.commerce.cart import service
from chalicelib.commerce.cart.inputs import CartLineInput
from chalicelib.commerce.cart.views import CartView
from chalicelib.platform.web.endpoint import MEMBER, Call, endpoint


@endpoint("GET /v1/cart", MEMBER, admits=True)
def get_cart(call: Call) -> CartView:
    """The shopper's cart."""
    return cart_queries.get(call.caller, call.token)


@endpoint(
    "PUT /v1/cart/lines/{sku_id}",
    MEMBER,
    errors=("not_found", "product_unavailable", "cart_full", "member_blocked"),
    admits=True,
)
def put_line(call: Call, sku_id: str, body: CartLineInput) -> CartView:
    """Put a SKU into the cart, or change its line.

    A line that is there can be deselected (`"selected": false`) whatever became of its SKU.
    """
    return service.put(call.caller, sku_id, body.quantity, body.selected, call.token)


@endpoint("DELETE /v1/cart/lines/{sku_id}", MEMBER, errors=("member_blocked",))
def delete_line(call: Call, sku_id: str) -> CartView:
    """Take a line out of the cart."""
    return service.remove(call.caller, sku_id)
