"""What of a member's orders becomes another's, who is the same person. Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set

import msgspec

from chalicelib.commerce.orders.holding.rules import Hold, Standing, counted
from chalicelib.commerce.orders.rules import Order

#: An order takes so many actions of a transaction: itself; for each coupon two, and two for what was got of its
#: template; for each product with a limit two.
_OF_A_COUPON = 4
_OF_A_PRODUCT = 2

_decoder = msgspec.json.Decoder(Hold)


def moved(order: Order, member_id: str) -> Order:
    """Give the order to this member, keeping who placed it."""
    return msgspec.structs.replace(order, member_id=member_id, placed_as=order.placed_by)


def kept_of(standing: Standing, orders: Sequence[Order]) -> Standing:
    """Take what is kept of these orders out of what is kept of a member's: it goes where they go."""
    order_ids = {order.order_id for order in orders}
    return Standing(
        orders=sum(order.state == "awaiting_payment" for order in orders),
        newcomer=standing.newcomer if standing.newcomer in order_ids else "",
        held=frozenset(one for one in standing.held if _decoder.decode(one).order_id in order_ids),
        let_go=_of(order_ids, standing.let_go),
        bought=_of(order_ids, standing.bought),
    )


def fitting(orders: Sequence[Order], room: int, size: int) -> int:
    """Count the orders, from the first on, that one transaction moves which has `room` for so many actions, and of
    `size` bytes together; one in any case."""
    fits = 0
    for order in orders:
        room -= 1 + _OF_A_COUPON * len(order.coupons) + _OF_A_PRODUCT * len(counted(order))
        size -= len(msgspec.json.encode(order))
        if room < 0 or size < 0:
            break
        fits += 1
    return max(1, fits)


def _of(order_ids: Set[str], marks: Set[str]) -> frozenset[str]:
    return frozenset(one for one in marks if one.partition("|")[2] in order_ids)
