"""What lies in a cart. Pure."""

from __future__ import annotations

import msgspec


class CartLine(msgspec.Struct, frozen=True):
    """What lies in a cart of one SKU; `added` (Unix ms) orders the cart."""

    sku_id: str
    quantity: int
    selected: bool
    added: int
