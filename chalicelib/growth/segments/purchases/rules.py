"""What an order counts for its member: nothing before it is paid, and what is left of its price after. Pure."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.commerce.orders.accounting.rules import GRANTED
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.growth.segments.traits.rules import Bought, ms


def counts_alike(before: Order, after: Order) -> bool:
    """Say whether an order counts the same after a change as before it, whatever of its goods a rule may name."""
    parts = {name for line in after.lines for name in _parts_of(line)}
    return bought(before, parts) == bought(after, parts)


def _parts_of(line: OrderLine) -> tuple[str, str, str]:
    return f"c:{line.category_id}", f"p:{line.product_id}", f"r:{line.role}"


def bought(order: Order, parts: Collection[str]) -> Bought | None:
    """Find what the order counts, with what is left of the price of these `parts` (language.rules.Purchases.part);
    None where it counts nothing: it is not paid, or nothing is left of it and it is not completed."""
    if order.paid_at is None:
        return None
    granted = [refund for refund in order.refunds if refund.state in GRANTED]
    net = order.paid_fen - sum(refund.amount_fen for refund in granted)
    completed = 0
    if order.state == "completed":
        done = (event.at for event in reversed(order.history) if event.what == "completed")
        completed = ms(next(done, order.paid_at))
    if net <= 0 and not completed:
        return None
    back: dict[str, int] = {}
    for refund in granted:
        for part in refund.lines:
            back[part.sku_id] = back.get(part.sku_id, 0) + part.amount_fen
    left: dict[str, int] = {}
    for line in order.lines:
        fen = line.payable_fen - back.get(line.sku_id, 0)
        for name in _parts_of(line):
            if name in parts and fen > 0:
                left[name] = left.get(name, 0) + fen
    return Bought(order.order_id, ms(order.paid_at), max(net, 0), completed, left)
