"""A member as they see themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.core import clock
from chalicelib.customers.members.identities.rules import Absorbed, How
from chalicelib.customers.members.ports import ShownSegment, segments
from chalicelib.customers.members.rules import Address, Birthday, Block, Profile, Segment, segment_of
from chalicelib.customers.members.settings import LIFE_CYCLE


class MergedAccount(msgspec.Struct):
    """That another account became the member's: when, and by whom it was said, `unionid` and `phone` by WeChat, `code`
    by themselves, `operator` by the shop."""

    at: datetime
    how: How


class MemberView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A member, as they see themselves."""

    member_id: str
    nickname: str
    avatar_url: str
    phone: str | UnsetType = UNSET
    birthday: Birthday | UnsetType = UNSET
    segment: Segment
    segments: list[ShownSegment]
    tags: list[str]
    joined_at: datetime
    merged: list[MergedAccount] = []


class MemberSession(msgspec.Struct):
    """A token, until when it is good, and whose it is; `is_new` for a member who has just joined, and
    has not left within the days that this is known."""

    token: str
    expires_at: datetime
    is_new: bool
    member: MemberView


class AddressList(msgspec.Struct):
    """All addresses of a member, oldest first: at most 20, so on one page."""

    items: list[Address]
    next_cursor: str | None = None


def member_view(profile: Profile) -> MemberView:
    """Show a member to themselves. Raises `unavailable`."""
    shown, tags = segments().shown(profile)
    return MemberView(
        member_id=profile.member_id,
        nickname=profile.nickname,
        avatar_url=profile.avatar_url,
        phone=profile.phone or UNSET,
        birthday=profile.birthday or UNSET,
        segment=segment_of(profile, clock.now(), LIFE_CYCLE.current()),
        segments=shown,
        tags=tags,
        joined_at=profile.joined_at,
        merged=[MergedAccount(one.at, one.how) for one in profile.absorbed if not one.detached],
    )


def _is_another(one: Absorbed, profile: Profile) -> bool:
    """Whether that was another account, and not the member's own login, as who it was before it was taken out again."""
    return not one.openid or one.openid != profile.openid


class BlockView(msgspec.Struct):
    """Whether a member is blocked: why, and since when; null when they are not."""

    member_id: str
    blocked: Block | None


class PersonalData(msgspec.Struct):
    """Everything that is kept of a member, by what it is about; `next_cursor` leads to the next part."""

    sections: dict[str, list[Any]]
    next_cursor: str | None = None
