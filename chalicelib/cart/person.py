"""What a cart keeps of a member."""

from __future__ import annotations

from typing import Any

from chalicelib.cart import service
from chalicelib.cart.tables import Carts
from chalicelib.members.person import keeps
from chalicelib.store.transaction import remove


def _lines(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    return list(service.lines(member_id)), None


def _erase(member_id: str) -> None:
    remove(Carts, (member_id,))


keeps("cart", _lines, erase=_erase)
