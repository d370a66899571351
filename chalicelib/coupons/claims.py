"""What members do by themselves: see what they can claim, claim it, look at what they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.coupons import stock, templates
from chalicelib.coupons.give import give
from chalicelib.coupons.rules import CouponState, Held, How, Template
from chalicelib.coupons.tables import Coupons, held, open_partition, received_key, received_of, used_partition
from chalicelib.members.tables import profile_key
from chalicelib.store import cursor, read

_LISTING = "coupon-centre"


class Offer(msgspec.Struct, frozen=True):
    """A template that a member can claim from, what is left of it, and how many they have got already."""

    template: Template
    left: int
    claimed: int


def claim(member_id: str, template_id: str) -> Held:
    """One more coupon of this template.

    Raises `not_found` where members cannot claim it now, `sold_out`, `claim_limit`, `not_for_you`, `unauthenticated`,
    `conflict`, `unavailable`.
    """
    return give(offered(template_id, "claim"), member_id, "claim").held


def offered(template_id: str, how: How) -> Template:
    """The template, which members can get in this way now. Raises `not_found`."""
    template = templates.remembered(template_id)
    if how not in template.how or not template.is_offered(clock.now()):
        raise MallError("not_found")
    return template


def centre(member_id: str, limit: int, given: str | None) -> tuple[list[Offer], str | None]:
    """A page of what this member can claim now, the newest template first, and where the next one starts.

    Templates that are sold out, or of which they have all they may, are among them. What is left may be a second old.
    Raises `unauthenticated`, `cursor_invalid`.
    """
    after = cursor.read(_LISTING, given)
    now = clock.now()
    shown = templates.offered("claim")
    keys = [profile_key(member_id), *(received_key(member_id, each.template_id) for each in shown)]
    profile, *counted = read.batch_get(keys, consistent=False)
    if profile is None:
        raise MallError("unauthenticated")
    received = {each.template_id: received_of(item) for each, item in zip(shown, counted, strict=True)}
    mine = [each for each in shown if each.audience.admits(profile.profile, now) and _is_after(each, after)]
    page = mine[:limit]
    left = stock.left(page)
    offers = [Offer(each, left[each.template_id], received[each.template_id]) for each in page]
    return offers, cursor.write(_LISTING, _place(page[-1]) if len(mine) > limit else None)


def mine(member_id: str, state: CouponState, limit: int, given: str | None) -> tuple[list[Held], str | None]:
    """A page of the member's coupons in this state: unused and locked ones by their end, the others the last first.

    From an index, so it may be a moment old. Raises `cursor_invalid`.
    """
    listing = f"coupons:{member_id}:{state}"
    after = cursor.read(listing, given)
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
    return [held(Coupons.from_raw_data(raw)) for raw in found], cursor.write(listing, after)


def _options(state: CouponState) -> dict[str, Any]:
    now = clock.stamp(clock.now())
    options: dict[CouponState, dict[str, Any]] = {
        "unused": {"where": Coupons.ends_at > now, "keep": Coupons.state == "unused"},
        "locked": {"keep": Coupons.state == "locked"},
        "expired": {"where": Coupons.ends_at <= now, "keep": Coupons.state == "unused", "forward": False},
        "used": {"forward": False},
    }
    return options[state]


def _place(template: Template) -> list[str]:
    return [clock.stamp(template.created_at), template.template_id]


def _is_after(template: Template, place: Sequence[str] | None) -> bool:
    return place is None or _place(template) < list(place)
