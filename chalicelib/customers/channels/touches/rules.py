"""The ways by which a member came: which are kept, who says so, and what an order keeps of them. Pure.

A touch is kept with all that was told of it, at its instant; the same told twice is one. So what is kept does not hang
on the order in which it arrives: it is the latest TOUCHES_MAX of all that was ever told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.members.rules import AdClick, Source, Visit

#: How many touches are kept of a member: the latest.
TOUCHES_MAX = 16
#: What is told again within this time, with no other way between, is the same visit: a new session begins after it.
SESSION = timedelta(minutes=30)
#: Scenes of who opens the mini-program by itself: the list of those used last, the list of one's own, pulled down from
#: the chats, the desktop, a chat's head, search among those used, a floating window, or coming back from another one.
DIRECT_SCENES = frozenset({"1001", "1022", "1023", "1027", "1038", "1089", "1103", "1104", "1131", "1256", "1257"})

Kind = Literal["live", "ad", "staff", "poster", "store", "link", "channel", "scene"]
#: server: a code or token that the mall itself has given out; wechat: WeChat says so; client: whoever sends it does.
Trust = Literal["server", "wechat", "client"]
#: What made somebody a fan as they entered a live room. WeChat tells nobody who follows a channel of its own.
Fan = Literal["follows_oa", "wecom_contact", "host_before", "bought_before"]

Days = Annotated[int, Meta(ge=1, le=90)]
Hours = Annotated[int, Meta(ge=1, le=168)]


class AttributionRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many days a touch counts for an order, and for how many hours an order is a live room's; inclusive, to
    the millisecond. An order keeps what held as it was placed."""

    window_days: Days = 15
    live_hours: Hours = 24


class Touch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a member came by some way at an instant: what was told of it, and what the mall makes of that.

    `kind` follows from what is told, the most particular first; `trust` says who vouches for it. `host` is that of a
    live room that the mall knows, and `fan` what made the member a fan as they entered it.
    """

    at: datetime
    scene: str | None = None
    channel: str | None = None
    live_room: str | None = None
    staff: str | None = None
    inviter: str | None = None
    share_token: str | None = None
    share_key: str | None = None
    ad: AdClick | None = None
    page: str | None = None
    kind: Kind | None = None
    trust: Trust | None = None
    host: str | None = None
    fan: list[Fan] = []


class Touches(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member's touches, oldest first; and whether an ad platform was told that they joined."""

    items: list[Touch] = []
    registered: bool = False


class OrderSource(msgspec.Struct, frozen=True, kw_only=True):
    """By which ways the member of an order came, as it was placed: the first source that is known of them at all, the
    oldest touch within the window and the newest, by how many further ways they came between these, and the live room
    that the order is of ("": of none)."""

    joined: Source | None = None
    first: Touch | None = None
    last: Touch | None = None
    assists: int = 0
    live_room: str = ""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the mall itself knows of what is told of a touch: the channel, the live room, and whether the link is one
    that it has made."""

    channel: Channel | None = None
    room: LiveRoom | None = None
    link: bool = False


def of_visit(visit: Visit) -> Touch | None:
    """Make the touch that a visit is; None of a direct one."""
    source = visit.source or Source(at=visit.at)
    return _unless_direct(
        Touch(
            at=visit.at, scene=source.scene, channel=source.channel, live_room=source.live_room, inviter=source.inviter,
            staff=visit.staff, share_token=visit.share_token, share_key=visit.share_key, ad=visit.ad, page=visit.page,
        )
    )  # fmt: skip


def of_launch(source: Source | None, at: datetime, scene: str, page: str | None) -> Touch | None:
    """Make the touch that opening the program was, at `at`, by what its session and the event say; None of a direct
    one."""
    source = source or Source(at=at)
    return _unless_direct(
        Touch(
            at=at, scene=source.scene or scene, channel=source.channel, live_room=source.live_room,
            inviter=source.inviter, page=page,
        )
    )  # fmt: skip


def _unless_direct(touch: Touch) -> Touch | None:
    is_direct = touch.scene is None or touch.scene in DIRECT_SCENES
    return None if is_direct and way(touch) == way(Touch(at=touch.at, scene=touch.scene)) else touch


def way(touch: Touch) -> tuple[object, ...]:
    """Give what was told of a touch, whenever it was; not the page, to which many ways lead."""
    return (
        touch.scene, touch.channel, touch.live_room, touch.staff, touch.inviter, touch.share_token, touch.share_key,
        touch.ad,
    )  # fmt: skip


def merged(one: Iterable[Touch], other: Iterable[Touch]) -> list[Touch]:
    """Put touches together, oldest first: each once, the latest of them; in whichever order they are put together."""
    each: dict[tuple[object, ...], Touch] = {}
    for touch in sorted((*one, *other), key=_rank):
        each.setdefault((touch.at, way(touch)), touch)
    return sorted(each.values(), key=_rank)[-TOUCHES_MAX:]


def _rank(touch: Touch) -> tuple[datetime, bytes]:
    return touch.at, msgspec.json.encode(touch)


def is_repeated(touches: Sequence[Touch], touch: Touch) -> bool:
    """Tell whether the member came by the same way last, within SESSION: the same visit, told again."""
    if not touches:
        return False
    last = touches[-1]
    return way(last) == way(touch) and timedelta() <= touch.at - last.at <= SESSION


def is_kept(touches: Sequence[Touch], touch: Touch) -> bool:
    """Tell whether the touch stands among these."""
    return any(one.at == touch.at and way(one) == way(touch) for one in touches)


def judged(touch: Touch, known: Known, fan: Sequence[Fan] = ()) -> Touch:
    """Say of what kind a touch is, and who vouches for it, by what the mall knows itself."""
    kind, trust = _judged(touch, known)
    host = None if known.room is None else known.room.host
    return msgspec.structs.replace(touch, kind=kind, trust=trust, host=host, fan=list(fan))


def _judged(touch: Touch, known: Known) -> tuple[Kind, Trust]:
    by_key: Trust = "wechat" if touch.share_key is not None else "client"
    if touch.live_room is not None:
        return "live", "server" if known.channel is not None and known.channel.kind == "live" else by_key
    if touch.ad is not None:
        return "ad", "server" if known.channel is not None and known.channel.kind == "ad" else "client"
    if known.channel is not None:
        return known.channel.kind, "server"
    if touch.staff is not None:
        return "staff", "client"
    if touch.inviter is not None or touch.share_token is not None:
        return "link", "server" if known.link else by_key
    if touch.channel is not None:
        return "channel", by_key
    return "scene", "wechat" if _scene(touch.scene) is not None else by_key


def fans(follows_oa: bool, is_contact: bool, hosts_before: Iterable[str], host: str, bought: bool) -> list[Fan]:
    """List what makes somebody a fan who enters a live room of this host, after others of `hosts_before`."""
    asked: list[tuple[Fan, bool]] = [
        ("follows_oa", follows_oa), ("wecom_contact", is_contact), ("host_before", host in hosts_before),
        ("bought_before", bought),
    ]  # fmt: skip
    return [fan for fan, holds in asked if holds]


def source_of(touches: Sequence[Touch], joined: Source | None, now: datetime, bounds: AttributionRules) -> OrderSource:
    """Say by which ways the member came of an order that is placed at `now`."""
    window = timedelta(days=bounds.window_days)
    counting = [touch for touch in touches if now - touch.at <= window]
    if not counting:
        return OrderSource(joined=joined)
    first, last = counting[0], counting[-1]
    between = {way(touch) for touch in counting} - {way(first), way(last)}
    is_live = last.kind == "live" and last.host is not None and now - last.at <= timedelta(hours=bounds.live_hours)
    return OrderSource(
        joined=joined, first=_without_page(first), last=_without_page(last), assists=len(between),
        live_room=last.live_room or "" if is_live else "",
    )  # fmt: skip


def _without_page(touch: Touch) -> Touch:
    return msgspec.structs.replace(touch, page=None)


def without_person(source: OrderSource) -> OrderSource:
    """Take out of an order's source what is the person's own, and whatever their client wrote: what stays is what the
    mall itself knows, its channels and live rooms, and WeChat's scenes."""
    joined = None if source.joined is None else Source(scene=_scene(source.joined.scene), at=source.joined.at)
    return OrderSource(
        joined=joined, first=_anonymous(source.first), last=_anonymous(source.last), assists=source.assists,
        live_room=source.live_room,
    )  # fmt: skip


def _anonymous(touch: Touch | None) -> Touch | None:
    if touch is None:
        return None
    is_known = touch.trust == "server" and touch.kind != "link"
    return Touch(
        at=touch.at, scene=_scene(touch.scene), channel=touch.channel if is_known else None,
        live_room=None if touch.host is None else touch.live_room, kind=touch.kind, trust=touch.trust, host=touch.host,
        fan=touch.fan,
    )  # fmt: skip


def _scene(scene: str | None) -> str | None:
    """Give a scene of WeChat's, which is a number; nothing else that was told as one."""
    return scene if scene is not None and scene.isdecimal() else None
