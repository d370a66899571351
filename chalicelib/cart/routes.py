"""The cart over HTTP."""

from __future__ import annotations

import msgspec

import chalicelib.cart.person  # noqa: F401 - whoever has the routes shows and erases the cart
from chalicelib.cart import service
from chalicelib.cart.service import Cart
from chalicelib.web.endpoint import MEMBER, Call, endpoint
from chalicelib.web.types import Quantity


class PutLine(msgspec.Struct, forbid_unknown_fields=True):
    """How many of the SKU; whether it is selected for the order."""

    quantity: Quantity
    selected: bool | None = None


@endpoint("GET /v1/cart", MEMBER)
def get_cart(call: Call) -> Cart:
    """The shopper's cart."""
    return service.get(call.caller)


@endpoint("PUT /v1/cart/lines/{sku_id}", MEMBER, errors=("not_found", "product_unavailable", "cart_full"))
def put_line(call: Call, sku_id: str, body: PutLine) -> Cart:
    """Put a SKU into the cart, or change its line."""
    return service.put(call.caller, sku_id, body.quantity, body.selected)


@endpoint("DELETE /v1/cart/lines/{sku_id}", MEMBER)
def delete_line(call: Call, sku_id: str) -> Cart:
    """Take a line out of the cart."""
    return service.remove(call.caller, sku_id)
