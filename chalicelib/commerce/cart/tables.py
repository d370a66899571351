"""Carts. One table, `carts`.

| who asks | how | units |
|---|---|---|
| the cart | Get member | 0.5 to 1 RRU per 4 KB |
| add, change, remove a line | Update one path of the map, answered with the whole cart | 1 WRU per KB |
| a member is merged into another | Get both; Put one, Delete the other, while they are as read | 2 WRU per KB |
| an order takes its lines out | Update in the order's transaction, while they are as they were read | 2 WRU per KB |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pynamodb.attributes import MapAttribute, UnicodeAttribute

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.platform.store.base import Table, TableMeta, name
from chalicelib.platform.store.read import Key


class Carts(Table):
    """A member's cart: `lines` is a map from SKU to what lies there of it. It is there from the first line on."""

    class Meta(TableMeta):
        table_name = name("carts")

    member_id = UnicodeAttribute(hash_key=True)
    lines: MapAttribute[str, Any] = MapAttribute(default=dict)


def cart_key(member_id: str) -> Key:
    """Where a member's cart is."""
    return Carts, (member_id,)


def lines_of(cart: Carts | None) -> list[CartLine]:
    """List the lines of a cart, latest first; None: the member has none yet."""
    if cart is None:
        return []
    lines = [
        CartLine(sku_id, int(line["quantity"]), bool(line["selected"]), int(line["added"]))
        for sku_id, line in cart.lines.as_dict().items()
    ]
    return sorted(lines, key=lambda line: (-line.added, line.sku_id))


def map_of(lines: Iterable[CartLine]) -> dict[str, dict[str, Any]]:
    """Make the map that these lines are stored as."""
    return {line.sku_id: {"quantity": line.quantity, "selected": line.selected, "added": line.added} for line in lines}
