"""Reads of the coupons that an order is to use: which keys to read, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.commerce.coupons.rules import Coupon, Held
from chalicelib.commerce.coupons.tables import Coupons, coupon_key, held
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.pricing.discounts.rules import Chosen
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.platform.store import read
from chalicelib.platform.store.read import ReadSet


def keys(member_id: str, chosen: Chosen) -> list[read.Key]:
    """List what must be read of the chosen coupons, for `picked`."""
    return [] if chosen == "best" else [coupon_key(member_id, coupon_id) for coupon_id in chosen]


def picked(member_id: str, chosen: Chosen, found: ReadSet) -> list[Held]:
    """List the chosen coupons as they were found at `keys`; none, where the best are to be chosen.

    Raises `not_found` naming the field, for a coupon that there is not, also for another's.
    """
    items: list[Coupons | None] = found.each(keys(member_id, chosen))
    if None in items:
        raise MallError("not_found", errors=(NO_SUCH.at(f"coupon_ids[{items.index(None)}]"),))
    return [held(item) for item in items if item is not None]


def of_member(member_id: str, known: Sequence[Held]) -> list[Held]:
    """All that a quote must know of: the member's open coupons, and those that were read by themselves, which the index
    of the open ones may not show as they are."""
    own = {one.coupon.coupon_id for one in known}
    return [*known, *(one for one in wallet_queries.open_coupons(member_id) if one.coupon.coupon_id not in own)]


def of_order(order: Order) -> list[Coupon]:
    """Read the coupons of a paid order, as their member has them."""
    if not order.coupons:
        return []
    items = read.batch_get([coupon_key(order.member_id, one.coupon_id) for one in order.coupons])
    return [item.coupon for item in items if item is not None]


def all_unused(order: Order) -> bool:
    """Whether an order that was closed could have its coupons again."""
    if not order.coupons:
        return True
    items = read.batch_get([coupon_key(order.member_id, one.coupon_id) for one in order.coupons])
    now = clock.now()
    return all(item is not None and held(item).unusable(now) is None for item in items)
