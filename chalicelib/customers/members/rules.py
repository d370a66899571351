"""What a member is; the life-cycle segment; the address book, which has one default as long as it has any address.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.core import clock, phones, text
from chalicelib.core.errors import BadField, MallError
from chalicelib.customers.members.consents.rules import Consent
from chalicelib.customers.members.identities.rules import Absorbed, Identity
from chalicelib.customers.members.refusals import ADDRESSES_FULL, NO_DAY_OF_MONTH, NO_SUCH_ADDRESS, NOT_A_PHONE
from chalicelib.customers.members.sessions.rules import CalledIn
from chalicelib.platform.web.types import Line64, Line256, ShortText

ADDRESSES_MAX = 20
#: How many links by which a member was invited are remembered: one that leads nowhere takes no other's place.
INVITES_MAX = 8

#: How long a month can be: of the lunar calendar, and each of the solar one.
_LUNAR_MONTH = 30
_SOLAR_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
#: The instants of the mall are as far apart as this.
_NEXT = timedelta(milliseconds=1)

Segment = Literal["new", "first_order", "repeat", "loyal", "silent"]
#: What people write, in any script, on one line: no control characters, no line end after it either.
_TEXT = r"^[^\x00-\x1f\x7f]*$(?!\n)"
#: May be empty: who has none is shown as NAMELESS.
Nickname = Annotated[str, Meta(max_length=32, pattern=text.NAME)]
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


class AdClick(msgspec.Struct, frozen=True):
    """A click on an advertisement: what its platform called it, as the landing page was told."""

    click_id: str
    platform: str = "tencent"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody comes by at an instant, and all that the client tells of the way: a source, which the profile
    keeps, and what only a touch of the wing above keeps (channels)."""

    at: datetime
    source: Source | None = None
    staff: str | None = None
    share_token: str | None = None
    share_key: str | None = None
    ad: AdClick | None = None
    page: str | None = None


class Invite(msgspec.Struct, frozen=True):
    """A link by which somebody invited the member, and when it was opened last."""

    token: str
    at: datetime


class Block(msgspec.Struct, frozen=True):
    """That an operator has blocked the member, why, and since when."""

    reason: str
    at: datetime


class Birthday(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The day of a year on which somebody was born, by the calendar that they go by; the year is nobody's business.

    A month of the lunar calendar has 29 or 30 days, which differs from year to year; a leap month's day is the month's.
    """

    month: Annotated[int, Meta(ge=1, le=12)]
    day: Annotated[int, Meta(ge=1, le=31)]
    calendar: Literal["solar", "lunar"] = "solar"

    def __post_init__(self) -> None:
        longest = _LUNAR_MONTH if self.calendar == "lunar" else _SOLAR_MONTHS[self.month - 1]
        if self.day > longest:
            raise BadField(NO_DAY_OF_MONTH.at("day", month=self.month, limit=longest))


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
    #: Of the mini-program; "" of one who follows the official account and never logged in.
    openid: str
    unionid: str | None = None
    nickname: str = ""
    avatar_url: str = ""
    phone: str | None = None
    tags: list[str] = []
    joined_at: datetime
    #: By which way they came first and last, as their clients told it; the touches of the last 16 ways, by time, with
    #: who says so, are kept by channels and are what orders are attributed by.
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
    birthday: Birthday | None = None
    #: When they were first here on the last day of Asia/Shanghai on which they were.
    last_seen: datetime | None = None
    #: What is known of them beside the openid that they have above; the key of each is one member's.
    identities: list[Identity] = []
    #: Members who turned out to be this one, the latest last.
    absorbed: list[Absorbed] = []
    #: Ids that tokens of theirs were made for before an operator took them out of another member.
    formerly: list[str] = []
    #: Whether they follow the official account.
    follows_oa: bool = False
    #: An operator has found that this is somebody else: never made one with another by what WeChat says.
    apart: bool = False


def openid_of(profile: Profile, subject: str) -> str:
    """Give the openid of the login that a session was opened by, whose token was made for this `subject`: the member's
    own, or that of one who was merged into them. What WeChat asks of who holds the phone needs that one."""
    former = (one.openid for one in profile.absorbed if subject in (one.member_id, *one.formerly) and one.openid)
    return next(former, profile.openid)


def former_ids(profile: Profile) -> list[str]:
    """List the ids of all who were merged into the member: what was theirs is the member's."""
    return [one.member_id for one in profile.absorbed]


def login_ids(profile: Profile) -> list[str]:
    """List the ids that logins of the member's had gone by which were taken out of another: their tokens are the
    member's, and nothing else."""
    return [*profile.formerly, *(each for one in profile.absorbed for each in one.formerly)]


def without_login(profile: Profile, openid: str, key: str, called_in: CalledIn) -> Profile:
    """Take a login from a member who has another: which is their own then, if this one was. `key` is the identity of
    the login that is taken."""
    absorbed = [msgspec.structs.replace(one, openid="") if one.openid == openid else one for one in profile.absorbed]
    own = profile.openid if profile.openid != openid else next(one.openid for one in absorbed if one.openid)
    kept = [one for one in profile.identities if one.key != key and not one.key.endswith(f":{own}")]
    return msgspec.structs.replace(profile, openid=own, identities=kept, absorbed=absorbed, called_in=called_in)


def is_settled(profile: Profile) -> bool:
    """Tell whether all is moved that was theirs who turned out to be this member; until then what they ever bought or
    got is not known."""
    return all(one.settled for one in profile.absorbed)


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


def seen(profile: Profile, source: Source | None, now: datetime) -> Profile:
    """Note that the member is here, and where they come from if that is known; the same profile where that is nothing
    new: of a day of Asia/Shanghai only its first instant is kept, and a source that is told again, or late, is none."""
    fields: dict[str, Any] = {}
    if profile.last_seen is None or clock.day(profile.last_seen) < clock.day(now):
        fields["last_seen"] = now
    last = profile.last_source
    if source is not None and (last is None or (source != last and source.at >= last.at)):
        fields |= {"first_source": profile.first_source or source, "last_source": source}
        fields["invites"] = invited(profile.invites, source)
    return msgspec.structs.replace(profile, **fields) if fields else profile


#: The name that strangers see of a member without a nickname.
NAMELESS = "微信用户"


def masked(nickname: str) -> str:
    """Mask a name for strangers: its first character, as people see one."""
    return f"{text.first_character(nickname)}**" if nickname else NAMELESS


def stranger_name(profile: Profile | None) -> str:
    """Name a member for strangers: masked, and only by what WeChat has let pass."""
    return masked(profile.shown_nickname if profile is not None else "")


SegmentDays = Annotated[int, Meta(ge=1, le=365)]


class LifeCycleRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of the five segments of the life cycle, each inclusive: for so many days somebody is new, has bought
    for the first time, or is active, and so many orders make a loyal customer."""

    new_days: SegmentDays = 30
    first_order_days: SegmentDays = 30
    active_days: SegmentDays = 60
    loyal_orders: Annotated[int, Meta(ge=2, le=1000)] = 5


def life_cycle(
    completed: int,
    last_completed_at: datetime | None,
    joined_at: datetime,
    returned: bool,
    now: datetime,
    bounds: LifeCycleRules,
) -> tuple[Segment, datetime | None]:
    """Find the segment of a member with that many completed orders at `now`; and the first instant at which time alone
    makes it another one, to the millisecond (None: never). Who has `returned` joined long ago.

    The bounds are inclusive: exactly `new_days` after joining somebody is still new.
    """
    if completed == 0 and returned:
        return "silent", None
    stays: Segment = "new"
    since, days = joined_at, bounds.new_days
    if completed:
        since = last_completed_at or joined_at
        days = bounds.first_order_days if completed == 1 else bounds.active_days
        stays = "first_order" if completed == 1 else "loyal" if completed >= bounds.loyal_orders else "repeat"
    span = timedelta(days=days)
    return (stays, since + span + _NEXT) if now - since <= span else ("silent", None)


def segment_of(profile: Profile, now: datetime, bounds: LifeCycleRules) -> Segment:
    """Find the member's segment of the life cycle at `now`."""
    completed, last = profile.orders_completed, profile.last_completed_at
    return life_cycle(completed, last, profile.joined_at, profile.returned, now, bounds)[0]


def with_completed(profile: Profile, completed: int, last: datetime | None) -> Profile:
    """Say how many orders of the member are completed, less those refunded whole, and since when the last of them is;
    the same profile where it says so already."""
    if (profile.orders_completed, profile.last_completed_at) == (completed, last):
        return profile
    return msgspec.structs.replace(profile, orders_completed=completed, last_completed_at=last)


def with_known(profile: Profile, completed: int, last: datetime | None, tags: Mapping[str, bool]) -> Profile:
    """Say what orders of the member count, as `with_completed` does, and which tags they have or have not."""
    counted = with_completed(profile, completed, last)
    kept = {name for name in profile.tags if tags.get(name, True)}
    after = sorted(kept | {name for name, has in tags.items() if has})
    return counted if after == sorted(profile.tags) else msgspec.structs.replace(counted, tags=after)


def with_purchase(profile: Profile, at: datetime) -> Profile:
    """Count one more completed purchase in the profile; purchases may come in any order."""
    last = at if profile.last_completed_at is None else max(at, profile.last_completed_at)
    return with_completed(profile, profile.orders_completed + 1, last)


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

    def with_those_of(self, other: Addresses) -> tuple[Addresses, Addresses]:
        """Add the addresses of another book, as many as there is room for; both books after that. The default stays;
        where there is none, it is the other's."""
        room = ADDRESSES_MAX - len(self.items)
        added, rest = other.items[:room], other.items[room:]
        if not added:
            return self, other
        return _settled([*self.items, *added], self.default or other.default or added[0]), Addresses(rest)

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
