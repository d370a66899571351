"""What a cart keeps of a member."""

from __future__ import annotations

from typing import Any

from chalicelib.commerce.cart import queries as cart_queries
from chalicelib.commerce.cart.tables import Carts
from chalicelib.customers.members.ports import DataOwner, absorbed_already
from chalicelib.platform.store.transaction import remove


def _lines(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return list(cart_queries.lines(member_id)), None


def _erase(member_id: str) -> None:
    remove(Carts, (member_id,))


DATA_OWNERS = (DataOwner("cart", _lines, absorbed_already, erase=_erase),)
