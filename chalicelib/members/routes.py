"""Members: log in, who am I, addresses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.core import clock, ids
from chalicelib.members import person, service
from chalicelib.members.person import PersonalData
from chalicelib.members.rules import (
    Address,
    Detail,
    District,
    Name,
    Nickname,
    Phone,
    Profile,
    Region,
    Segment,
    Source,
    segment_of,
)
from chalicelib.web.endpoint import MEMBER, PUBLIC, Call, endpoint
from chalicelib.web.types import Cursor, Url

WechatCode = Annotated[str, Meta(min_length=1, max_length=256)]
Scene = Annotated[int, Meta(ge=0, le=99_999)]


class MemberView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A member, as they see themselves."""

    member_id: str
    nickname: str
    avatar_url: str
    phone: str | UnsetType = UNSET
    segment: Segment
    tags: list[str]
    joined_at: datetime


class SourceInput(msgspec.Struct, forbid_unknown_fields=True):
    """Where this visit comes from: WeChat's scene value, a channel's code, who invited, a live room."""

    scene: Scene | Name | None = None
    channel: Name | None = None
    inviter: Name | None = None
    live_room: Name | None = None


class MemberLogin(msgspec.Struct, forbid_unknown_fields=True):
    """The code of wx.login, and where the visit comes from."""

    code: WechatCode
    source: SourceInput | None = None


class MemberSession(msgspec.Struct):
    """A token, until when it is good, and whose it is; `is_new` for who has just joined."""

    token: str
    expires_at: datetime
    is_new: bool
    member: MemberView


class ProfileChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; what is left out stays."""

    nickname: Nickname | UnsetType = UNSET
    avatar_url: Url | UnsetType = UNSET


class PhoneCode(msgspec.Struct, forbid_unknown_fields=True):
    """The code of WeChat's phone number button."""

    code: WechatCode


class AddressInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where a parcel goes. `region_code` is the six digits of the division code (GB/T 2260)."""

    name: Name
    phone: Phone
    region_code: Region
    province: Name
    city: Name
    district: District = ""
    detail: Detail
    is_default: bool = False


class AddressList(msgspec.Struct):
    """All addresses of a member, oldest first: at most 20, so on one page."""

    items: list[Address]
    next_cursor: str | None = None


@endpoint(
    "POST /v1/auth/login",
    PUBLIC,
    errors=("wechat_code_invalid", "wechat_code_used", "wechat_user_blocked", "too_many_requests", "conflict"),
)
def login(body: MemberLogin) -> MemberSession:
    """Log in with a code of wx.login; who was never here joins."""
    result = service.login(body.code, _source(body.source))
    return MemberSession(result.token, result.expires_at, result.is_new, _view(result.profile))


@endpoint("GET /v1/me", MEMBER)
def me(call: Call) -> MemberView:
    """Who I am."""
    return _view(service.profile(call.caller))


@endpoint("POST /v1/me/visits", MEMBER, errors=("conflict",), per_minute=60)
def visit(call: Call, body: SourceInput) -> MemberView:
    """Tell where a visit comes from, of a member who is logged in already (by a shared link, say)."""
    source = _source(body)
    return _view(service.profile(call.caller) if source is None else service.visited(call.caller, source))


@endpoint("PATCH /v1/me", MEMBER, errors=("conflict",))
def change_me(call: Call, body: ProfileChange) -> MemberView:
    """Change nickname and picture."""
    given: dict[str, Any] = msgspec.structs.asdict(body)
    changes = {field: value for field, value in given.items() if value is not UNSET}
    return _view(service.change_profile(call.caller, lambda profile: msgspec.structs.replace(profile, **changes)))


@endpoint(
    "POST /v1/me/phone",
    MEMBER,
    errors=("wechat_code_invalid", "wechat_code_used", "wechat_user_blocked", "too_many_requests", "conflict"),
)
def set_phone(call: Call, body: PhoneCode) -> MemberView:
    """Keep my phone number, which WeChat gives for this code."""
    return _view(service.set_phone(call.caller, body.code))


class ExportQuery(msgspec.Struct, kw_only=True):
    """Where to go on."""

    cursor: Cursor | None = None


@endpoint("GET /v1/me/export", MEMBER, errors=("cursor_invalid",))
def export_me(call: Call, query: ExportQuery) -> PersonalData:
    """Everything that is kept of me, in parts where it is much."""
    return person.export(call.caller, query.cursor)


@endpoint("DELETE /v1/me", MEMBER, errors=("account_open",))
def erase_me(call: Call) -> None:
    """Forget me: profile, addresses, cart, and the receiver of every order.

    What was bought and paid is kept without me, as the law wants it. Not while an order is under way or a commission is
    owed.
    """
    person.erase(call.caller)


@endpoint("GET /v1/me/addresses", MEMBER)
def list_addresses(call: Call) -> AddressList:
    """My addresses, oldest first. One of them is the default."""
    return AddressList(service.addresses(call.caller).items)


@endpoint("POST /v1/me/addresses", MEMBER, status=201, errors=("address_limit", "conflict"))
def add_address(call: Call, body: AddressInput) -> Address:
    """Keep one more address. The first one is the default."""
    return service.add_address(call.caller, _address(ids.new("a"), body))


@endpoint("PUT /v1/me/addresses/{address_id}", MEMBER, errors=("conflict",))
def replace_address(call: Call, address_id: str, body: AddressInput) -> Address:
    """Change an address as a whole."""
    return service.replace_address(call.caller, _address(address_id, body))


@endpoint("DELETE /v1/me/addresses/{address_id}", MEMBER, errors=("conflict",))
def remove_address(call: Call, address_id: str) -> None:
    """Forget an address. If it was the default, the newest of the others takes over."""
    service.remove_address(call.caller, address_id)


def _source(given: SourceInput | None) -> Source | None:
    if given is None or given == SourceInput():
        return None
    scene = None if given.scene is None else str(given.scene)
    return Source(scene=scene, channel=given.channel, inviter=given.inviter, live_room=given.live_room, at=clock.now())


def _address(address_id: str, body: AddressInput) -> Address:
    return Address(address_id=address_id, **msgspec.structs.asdict(body))


def _view(profile: Profile) -> MemberView:
    return MemberView(
        member_id=profile.member_id,
        nickname=profile.nickname,
        avatar_url=profile.avatar_url,
        phone=profile.phone or UNSET,
        segment=segment_of(profile, clock.now()),
        tags=profile.tags,
        joined_at=profile.joined_at,
    )
