"""What a cart keeps of a member."""

from __future__ import annotations

from typing import Any

from chalicelib.commerce.cart import queries as cart_queries
from chalicelib.commerce.cart.service import absorb
from chalicelib.commerce.cart.tables import Carts
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.queries import current
from chalicelib.platform.store.transaction import remove


def _lines(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    """The lines of the member's cart, and those that it had no room for of who was merged into them."""
    member = current(member_id)
    known_as = [member_id, *(() if member is None else (one.member_id for one in member.absorbed))]
    return [line for each in known_as for line in cart_queries.lines(each)], None


def _erase(member_id: str) -> None:
    remove(Carts, (member_id,))


DATA_OWNERS = (DataOwner("cart", _lines, absorb, erase=_erase),)
