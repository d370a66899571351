"""What lies in a cart. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

LINES_MAX = 50


class CartLine(msgspec.Struct, frozen=True):
    """What lies in a cart of one SKU; `added` (Unix ms) orders the cart."""

    sku_id: str
    quantity: int
    selected: bool
    added: int


def united(own: Sequence[CartLine], former: Sequence[CartLine]) -> tuple[list[CartLine], list[CartLine]]:
    """Put what lay in a former cart of the same person into their own: of a SKU that is in both the larger quantity, as
    it is selected in their own. What is beyond LINES_MAX, the oldest, is left. Gives the lines of the cart after it,
    and those that are left of the former one."""
    after = {line.sku_id: line for line in own}
    left: list[CartLine] = []
    for line in sorted(former, key=lambda one: (-one.added, one.sku_id)):
        known = after.get(line.sku_id)
        if known is not None:
            after[line.sku_id] = msgspec.structs.replace(known, quantity=max(known.quantity, line.quantity))
        elif len(after) < LINES_MAX:
            after[line.sku_id] = line
        else:
            left.append(line)
    return list(after.values()), left
