"""Reads of the segments that members are in: what must be read beside the profile, and what was found of them.

Life cycle follows from the profile. Only where a custom segment is named something more is read, with the rest.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chalicelib.commerce.coupons.ports import segments
from chalicelib.commerce.coupons.rules import Audience, custom_segments
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import LifeCycleRules, Profile, segment_of
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.platform.store.read import Key, ReadSet

#: What nobody asks about.
_ANY = LifeCycleRules()


def keys(member_id: str, segment_ids: Collection[str]) -> list[Key]:
    """List what must be read to know in which of these segments the member is; nothing where none is custom."""
    custom = custom_segments(segment_ids)
    return segments().keys(member_id, custom) if custom else []


def within(member_id: str, segment_ids: Collection[str], found: ReadSet, now: datetime) -> frozenset[str]:
    """Find in which of the custom ones of these segments the member is now, from what was found at `keys`."""
    custom = custom_segments(segment_ids)
    return segments().within(member_id, custom, found, now) if custom else frozenset()


def offered_by(profile: Profile, segment_ids: Collection[str], found: ReadSet, now: datetime) -> frozenset[str]:
    """Find in which of these segments the member is now, of life cycle or custom, from what was found at `keys`: none
    for who wants no offers by what they did."""
    if not segment_ids or not profile.personalised:
        return frozenset()
    life_cycle = segment_of(profile, now, bounds(segment_ids))
    return within(profile.member_id, segment_ids, found, now) | frozenset({life_cycle}).intersection(segment_ids)


def bounds(segment_ids: Collection[str]) -> LifeCycleRules:
    """Give the bounds of life cycle, possibly `cache_seconds` old, where one of these segments is of it."""
    return LIFE_CYCLE.current() if len(segment_ids) > len(custom_segments(segment_ids)) else _ANY


def check(segment_ids: Collection[str], field: str) -> None:
    """Raise `invalid` for custom segments that there are not, or that coupons and prices may not ask for."""
    if custom := custom_segments(segment_ids):
        segments().check(custom, field)


def check_audience(audience: Audience) -> None:
    """Raise `invalid` for segments as `check` does, and for tags that coupons may not ask for."""
    check(audience.segments, "audience.segments")
    if audience.tags:
        segments().check_tags(audience.tags, "audience.tags")


def tags_give(audience: Audience) -> bool:
    """Whether coupons may follow from the audience's tags still: the rule of one may have been changed since it was
    checked. Raises `unavailable`."""
    try:
        segments().check_tags(audience.tags, "audience.tags")
    except MallError as fault:
        if fault.code != "invalid":
            raise
        return False
    return True
