"""What a member is; the life-cycle segment; the address book, which has one default as long as it has any address.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import phones, text
from chalicelib.core.errors import MallError
from chalicelib.customers.members.consents.rules import Consent
from chalicelib.customers.members.refusals import ADDRESSES_FULL, NO_SUCH_ADDRESS, NOT_A_PHONE
from chalicelib.customers.members.sessions.rules import CalledIn
from chalicelib.platform.web.types import Line64, Line256, ShortText

ADDRESSES_MAX = 20
#: How many links by which a member was invited are remembered: one that leads nowhere takes no other's place.
INVITES_MAX = 8

Segment = Literal["new", "first_order", "repeat", "loyal", "silent"]
#: What people write, in any script, on one line: no control characters, no line end after it either.
_TEXT = r"^[^\x00-\x1f\x7f]*$(?!\n)"
#: May be empty: who has none is shown as NAMELESS.
Nickname = Annotated[str, Meta(max_length=32, pattern=text.NAME_OR_EMPTY)]
Name = ShortText
#: Parts of an address, on one line however they were pasted. Some cities have no districts.
Place = Annotated[Line64, Meta(min_length=1)]
District = Line64
Detail = Annotated[Line256, Meta(min_length=1)]
#: A phone number however it was written, kept in one form (core/phones.py).
Phone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description=(
            "A mobile number of 11 digits, a landline with its area code (and extension), or + and a country's code. "
            "Blanks, full width and what cannot be seen do not matter; it is kept in one form."
        ),
        extra={"clean": phones.normal, "refuse": NOT_A_PHONE},
    ),
]
Region = Annotated[str, Meta(pattern=r"^[0-9]{6}$(?!\n)")]


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a visit came from, and when: WeChat's scene value, a channel's code, the inviter, a live room."""

    scene: str | None = None
    channel: str | None = None
    inviter: str | None = None
    live_room: str | None = None
    at: datetime


class Invite(msgspec.Struct, frozen=True):
    """A link by which somebody invited the member, and when it was opened last."""

    token: str
    at: datetime


class Block(msgspec.Struct, frozen=True):
    """That an operator has blocked the member, why, and since when."""

    reason: str
    at: datetime


class PictureCheck(msgspec.Struct, frozen=True):
    """That WeChat looks at the member's picture: under which trace_id, since when, and how often it was asked."""

    trace_id: str
    asked_at: datetime
    asks: int = 1


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member. What they bought is counted here as orders complete, for the segment.

    `nickname` and `avatar_url` are what they say themselves; others see `shown_nickname` and `shown_avatar_url`, which
    passed WeChat's check. `refused` names those of the two that did not, as they stand.
    """

    member_id: str
    openid: str
    unionid: str | None = None
    nickname: str = ""
    avatar_url: str = ""
    phone: str | None = None
    tags: list[str] = []
    joined_at: datetime
    first_source: Source | None = None
    last_source: Source | None = None
    #: The latest first, each link once.
    invites: list[Invite] = []
    orders_completed: int = 0
    last_completed_at: datetime | None = None
    shown_nickname: str = ""
    shown_avatar_url: str = ""
    refused: list[str] = []
    picture_check: PictureCheck | None = None
    #: A blocked member shops and holds nothing; what they bought stays theirs.
    blocked: Block | None = None
    consents: list[Consent] = []
    #: Whether offers may be chosen for them by what they did and bought (PIPL art. 24).
    personalised: bool = True
    #: Which of WeChat's events about consents are done: when they happened, and what they said.
    heard: list[str] = []
    #: When they closed their account at WeChat: they leave as soon as nothing keeps them.
    closed_at_wechat: datetime | None = None
    #: Which of their tokens are void; the item of the addresses says the same.
    called_in: CalledIn | None = None
    #: They were here before, and left not long ago (returning/): they are no new customer.
    returned: bool = False


def check_admitted(profile: Profile) -> None:
    """Raise `member_blocked` for a member whom an operator has blocked."""
    if profile.blocked is not None:
        raise MallError("member_blocked")


def invited(invites: Sequence[Invite], source: Source | None) -> list[Invite]:
    """Add the invitation of a visit to those before it; the latest is the first."""
    if source is None or source.inviter is None:
        return list(invites)
    others = [one for one in invites if one.token != source.inviter]
    return [Invite(source.inviter, source.at), *others][:INVITES_MAX]


#: The name that strangers see of a member without a nickname.
NAMELESS = "微信用户"


def masked(nickname: str) -> str:
    """Mask a name for strangers: its first character, as people see one."""
    return f"{text.first_character(nickname)}**" if nickname else NAMELESS


def stranger_name(profile: Profile | None) -> str:
    """Name a member for strangers: masked, and only by what WeChat has let pass."""
    return masked(profile.shown_nickname if profile is not None else "")


#: The bounds of the segments: days since joining or buying, and the orders that make a loyal customer.
_NEW_DAYS = 30
_FIRST_ORDER_DAYS = 30
_ACTIVE_DAYS = 60
_LOYAL_ORDERS = 5


def segment(completed: int, days_since_last: float, days_joined: float) -> Segment:
    """Find the life-cycle segment of a member with that many completed purchases; first match wins.

    `days_since_last` is not looked at where there was no purchase.
    """
    if completed == 0:
        return "new" if days_joined <= _NEW_DAYS else "silent"
    if completed == 1:
        return "first_order" if days_since_last <= _FIRST_ORDER_DAYS else "silent"
    if days_since_last > _ACTIVE_DAYS:
        return "silent"
    return "loyal" if completed >= _LOYAL_ORDERS else "repeat"


def segment_of(profile: Profile, now: datetime) -> Segment:
    """Find the member's segment at `now`. Who has returned joined long ago."""
    last = profile.last_completed_at or profile.joined_at
    days_joined = math.inf if profile.returned else _days(profile.joined_at, now)
    return segment(profile.orders_completed, _days(last, now), days_joined)


def with_purchase(profile: Profile, at: datetime) -> Profile:
    """Count one more completed purchase in the profile; purchases may come in any order."""
    last = at if profile.last_completed_at is None else max(at, profile.last_completed_at)
    return msgspec.structs.replace(profile, orders_completed=profile.orders_completed + 1, last_completed_at=last)


def _days(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds() / 86_400


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a parcel goes. What comes in is held to its types in inputs.py; what was kept before they were is read."""

    address_id: str
    name: str
    phone: str
    region_code: str
    province: str
    city: str
    district: str
    detail: str
    is_default: bool = False


class Addresses(msgspec.Struct, frozen=True):
    """A member's addresses, oldest first."""

    items: list[Address] = []

    def find(self, address_id: str) -> Address | None:
        """Find the address with that id, or None."""
        return next((address for address in self.items if address.address_id == address_id), None)

    @property
    def default(self) -> Address | None:
        """The default address; None where there is no address."""
        return next((address for address in self.items if address.is_default), None)

    def add(self, address: Address) -> Addresses:
        """Add this address; the first one is the default. Raises `address_limit`."""
        if len(self.items) >= ADDRESSES_MAX:
            full = ADDRESSES_FULL.at("body", limit=ADDRESSES_MAX)
            raise MallError("address_limit", errors=(full,), limit=ADDRESSES_MAX)
        return _settled([*self.items, address], address)

    def replace(self, address: Address, keeps_default: bool = False) -> Addresses:
        """Put this address in place of the one with its id; where it `keeps_default`, it is the default if that one is.
        Raises `not_found`."""
        before = self._load(address.address_id)
        if keeps_default:
            address = msgspec.structs.replace(address, is_default=before.is_default)
        return _settled([address if a.address_id == address.address_id else a for a in self.items], address)

    def remove(self, address_id: str) -> Addresses:
        """Remove this address; the newest of the others takes over from a default. Raises `not_found`."""
        removed = self._load(address_id)
        return _settled([address for address in self.items if address is not removed], removed)

    def _load(self, address_id: str) -> Address:
        address = self.find(address_id)
        if address is None:
            raise MallError("not_found", errors=(NO_SUCH_ADDRESS.at("address_id"),))
        return address


def _settled(items: Sequence[Address], changed: Address) -> Addresses:
    """Leave exactly one default: the changed address if it says so, else the one there is, else the newest other."""
    defaults = [address for address in items if address.is_default]
    if changed in defaults:
        chosen = changed
    elif defaults:
        chosen = defaults[0]
    else:
        others = [address for address in items if address is not changed]
        chosen = (others or [changed])[-1]
    return Addresses([msgspec.structs.replace(address, is_default=address is chosen) for address in items])
