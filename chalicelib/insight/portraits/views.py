"""A member as operators find them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.customers.members.rules import LifeCycleRules, Profile, Segment, segment_of
from chalicelib.insight.portraits.rules import masked_phone


class MemberCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member in a list: the nickname that they gave themselves, the phone by its last four digits, the segment of the
    life cycle; in the list of a segment or a tag, `since` when they are in it."""

    member_id: str
    nickname: str
    phone: str
    segment: Segment
    tags: list[str]
    joined_at: datetime
    last_seen: datetime | None
    orders_completed: int
    since: datetime | UnsetType = UNSET


def card(member: Profile, since: datetime | None, now: datetime, bounds: LifeCycleRules) -> MemberCard:
    """Show a member in a list."""
    return MemberCard(
        member_id=member.member_id,
        nickname=member.nickname,
        phone=masked_phone(member.phone),
        segment=segment_of(member, now, bounds),
        tags=member.tags,
        joined_at=member.joined_at,
        last_seen=member.last_seen,
        orders_completed=member.orders_completed,
        since=UNSET if since is None else since,
    )
