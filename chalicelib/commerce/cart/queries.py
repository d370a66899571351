"""Reads of a cart: as its owner sees it, and its lines alone."""

from __future__ import annotations

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.cart.tables import Carts, cart_key, lines_of
from chalicelib.commerce.cart.views import CartView, cart_view
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.platform.store import read
from chalicelib.platform.web.tokens import Token


def get(member_id: str, token: Token | None = None) -> CartView:
    """Show the member's cart, as it is now; they called with this `token`. Raises `unauthenticated`."""
    (cart,) = sessions.read_with(token, cart_key(member_id))
    return cart_view(lines_of(cart))


def lines(member_id: str) -> list[CartLine]:
    """List what lies in the cart, as it is now, latest first."""
    return lines_of(read.get(Carts, member_id))
