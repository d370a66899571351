"""Reads of a member's coupons: a page by state, and those that a quote may use."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from chalicelib.commerce.coupons.rules import Coupon, CouponState, Held
from chalicelib.commerce.coupons.tables import COUPON, Coupons, held, open_partition, used_partition
from chalicelib.core import clock
from chalicelib.platform.store import cursors, read


def coupons_of_member(
    member_id: str, state: CouponState, limit: int, cursor: str | None
) -> tuple[list[Held], str | None]:
    """Read a page of the member's coupons in this state: unused and locked by their end, the others the last first.

    From an index, so it may be a moment old. Raises `cursor_invalid`.
    """
    listing = f"coupons:{member_id}:{state}"
    after = cursors.read(listing, cursor)
    options = _options(state)
    partition = used_partition(member_id) if state == "used" else open_partition(member_id)
    found: list[read.Raw] = []
    while True:
        items, after = read.query(
            Coupons, partition, index=Coupons.by_end, limit=limit - len(found), after=after, **options
        )
        found += items
        if after is None or len(found) >= limit:
            break
    return [held(Coupons.from_raw_data(raw)) for raw in found], cursors.write(listing, after)


def _options(state: CouponState) -> dict[str, Any]:
    now = clock.stamp(clock.now())
    options: dict[CouponState, dict[str, Any]] = {
        "unused": {"where": Coupons.ends_at > now, "keep": Coupons.state == "unused"},
        "locked": {"keep": Coupons.state == "locked"},
        "expired": {"where": Coupons.ends_at <= now, "keep": Coupons.state == "unused", "forward": False},
        "used": {"forward": False},
    }
    return options[state]


def overview_of(member_id: str, most: int) -> tuple[list[Held], bool]:
    """Read the member's coupons, open ones and used ones, of each `most` whose end is last; whether these are all. From
    an index, so it may be a moment old: 0.5 RRU for some 8."""
    pages = [
        read.query(Coupons, partition, index=Coupons.by_end, forward=False, limit=most)
        for partition in (open_partition(member_id), used_partition(member_id))
    ]
    found = [held(Coupons.from_raw_data(raw)) for page, _ in pages for raw in page]
    return found, all(rest is None for _, rest in pages)


def unused_of(member_id: str, template_ids: Collection[str]) -> list[Coupon]:
    """Read the member's unused coupons of these templates, as they are now, with those that are over by now."""
    found = read.query_all(
        Coupons, member_id, where=Coupons.part.startswith(COUPON), keep=Coupons.state == "unused", consistent=True
    )  # fmt: skip
    return [item.coupon for item in found if item.coupon.template_id in template_ids]


#: How many of a member's coupons that can be used by now a quote considers: those that end first. The best of 50 is
#: found within 20 ms, whatever they are; of 100 it took up to 30.
READY_MAX = 100
#: How many that are locked, or not valid yet, a quote names as such.
OTHERS_MAX = 100
#: How many open ones are read for both, by the page.
OPEN_MAX = 500
_PAGE = 100


def open_coupons(member_id: str) -> list[Held]:
    """Read the member's coupons that are not over, those that end first at the front: up to READY_MAX that are unused
    and valid by now, and up to OTHERS_MAX that are locked or not valid yet, of the first OPEN_MAX.

    One Query of an index for each hundred until there are READY_MAX, so it may be a moment old: the lock decides.
    Raises `unavailable`.
    """
    now = clock.stamp(clock.now())
    found: list[Held] = []
    ready = others = looked_at = 0
    after: read.Raw | None = None
    while looked_at < OPEN_MAX and ready < READY_MAX:
        page, after = read.query(
            Coupons,
            open_partition(member_id),
            index=Coupons.by_end,
            where=Coupons.ends_at > now,
            limit=_PAGE,
            after=after,
        )
        looked_at += len(page)
        for raw in page:
            if raw["state"]["S"] == "unused" and raw["begins_at"]["S"] <= now:
                ready += 1
                wanted = ready <= READY_MAX
            else:
                others += 1
                wanted = others <= OTHERS_MAX
            if wanted:
                found.append(held(Coupons.from_raw_data(raw)))
        if after is None:
            break
    return found
