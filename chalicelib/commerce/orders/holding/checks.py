"""What is kept of what a member holds and has bought, recomputed from their orders. Pure; no formula of the rules is
used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from chalicelib.commerce.orders.rules import Order


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in a member's item: `held` of each unpaid order, as JSON; orders that were let go or `bought`, as
    "<stamp>|<order>". `pieces`: how many they have of products with a limit, by product."""

    held: frozenset[str] = frozenset()
    let_go: frozenset[str] = frozenset()
    bought: frozenset[str] = frozenset()
    pieces: Mapping[str, int] = {}


def holding_faults(kept: Kept, orders: Sequence[Order]) -> Iterator[str]:
    """Find what is kept of a member that their orders do not say."""
    by_id = {order.order_id: order for order in orders}
    waiting = {order.order_id for order in orders if order.state == "awaiting_payment"}
    named: Counter[str] = Counter()
    for text in sorted(kept.held):
        order_id, seat, pieces = msgspec.json.decode(text)
        named[order_id] += 1
        order = by_id.get(order_id)
        if order_id not in waiting or order is None:
            yield f"holds something for {order_id}, which is {'none of theirs' if order is None else order.state}"
        elif seat != (order.group is not None) or sorted(count for _, count in pieces) != sorted(
            line.quantity for line in order.lines
        ):
            yield f"holds something else for {order_id} than was ordered"
    yield from (f"holds {named[one]} times for {one}" for one in sorted(waiting) if named[one] != 1)
    for what, marks, is_right in (("let go", kept.let_go, _was_let_go), ("bought", kept.bought, _was_paid)):
        for text in sorted(marks):
            order = by_id.get(text.partition("|")[2])
            if order is None or not is_right(order):
                yield f"is said to have {what} {text.partition('|')[2]}, and has not"
    has: Counter[str] = Counter()
    for order in orders:
        for line in order.lines if order.state != "closed" else ():
            if line.limited:
                has[line.product_id] += line.quantity - line.cancelled - line.returned
    for product_id in sorted(has.keys() | kept.pieces.keys()):
        if has[product_id] != kept.pieces.get(product_id, 0):
            yield f"has {kept.pieces.get(product_id, 0)} pieces of {product_id} counted, orders say {has[product_id]}"


def _was_let_go(order: Order) -> bool:
    return order.state == "closed" and order.paid_at is None


def _was_paid(order: Order) -> bool:
    return order.paid_at is not None
