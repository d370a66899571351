"""Reads of a cart: as its owner sees it, and its lines alone."""

from __future__ import annotations

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.cart.tables import Carts, lines_of
from chalicelib.commerce.cart.views import CartView, cart_view
from chalicelib.platform.store import read


def get(member_id: str) -> CartView:
    """Show the member's cart, as it is now."""
    return cart_view(lines(member_id))


def lines(member_id: str) -> list[CartLine]:
    """List what lies in the cart, as it is now, latest first."""
    return lines_of(read.get(Carts, member_id))
