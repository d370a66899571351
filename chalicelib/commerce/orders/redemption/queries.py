"""Reads of the coupons that an order is to use: which keys to read, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.coupons.tables import Coupons, coupon_key, held
from chalicelib.commerce.coupons.wallet import queries as wallet_queries
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.pricing.discounts.rules import Chosen
from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError
from chalicelib.platform.store import read


def keys(member_id: str, chosen: Chosen) -> list[read.Key]:
    """What must be read of the chosen coupons; `picked` takes it."""
    return [] if chosen == "best" else [coupon_key(member_id, coupon_id) for coupon_id in chosen]


def picked(items: Sequence[Coupons | None]) -> list[Held]:
    """The chosen coupons, as they are. Raises `not_found` naming the field, for a coupon that there is not, also for
    another's."""
    found = [held(item) for item in items if item is not None]
    if len(found) < len(items):
        field = f"coupon_ids[{items.index(None)}]"
        raise MallError("not_found", errors=(FieldError(field, "no such coupon"),))
    return found


def of_member(member_id: str, known: Sequence[Held]) -> list[Held]:
    """All that a quote must know of: the member's open coupons, and those that were read by themselves, which the index
    of the open ones may not show as they are."""
    own = {one.coupon.coupon_id for one in known}
    return [*known, *(one for one in wallet_queries.open_coupons(member_id) if one.coupon.coupon_id not in own)]


def all_unused(order: Order) -> bool:
    """Whether an order that was closed could have its coupons again."""
    if not order.coupons:
        return True
    items = read.batch_get([coupon_key(order.member_id, one.coupon_id) for one in order.coupons])
    now = clock.now()
    return all(item is not None and held(item).unusable(now) is None for item in items)
