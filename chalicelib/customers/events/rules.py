"""What is taken of a batch of events: which of them, at which instants of the mall's clock; and what never may come in.
Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Literal

import msgspec

from chalicelib.core import clock
from chalicelib.customers.events.inputs import EventInput, SessionInput
from chalicelib.customers.events.plan.rules import KEEP_DAYS_MAX, PLAN, PropValue
from chalicelib.customers.members.inputs import SourceInput
from chalicelib.customers.members.rules import Source

#: Bytes of events, as JSON, that a member may send on a day of Asia/Shanghai.
DAY_BYTES_MAX = 256 * 1024
#: An event lies no longer back than this; and a client's clock that is further off than the other says nothing.
AGE_MAX = timedelta(days=7)
_CLOCK_OFF_MAX = timedelta(hours=48)
#: A batch of which nothing was taken is known for longer than a client keeps it.
_EMPTY_DAYS = 8

#: Why an event of a batch is not taken, while the others are.
Drop = Literal[
    "event_unknown", "event_of_server", "id_forbidden", "prop_forbidden", "prop_unknown", "prop_wrong_kind",
    "prop_missing",
]  # fmt: skip
DROPS: dict[Drop, str] = {
    "event_unknown": "the plan has no event of this name",
    "event_of_server": "the mall tells this itself: a client's word for it is never taken",
    "id_forbidden": "the event's id looks like a mainland mobile number or an identity card's",
    "prop_forbidden": "the prop is named as what would identify a person is (a phone, a name, an address), or its "
    "value looks like a mainland mobile number or an identity card's",
    "prop_unknown": "the plan has no such prop of this event",
    "prop_wrong_kind": "the prop's value is of another kind than the plan says, or none of its choices",
    "prop_missing": "the plan wants this prop of this event",
}

#: What stands in the name of no prop, however that is written; and what is no word of one.
FORBIDDEN_STEMS = (
    "phone", "mobile", "address", "email", "idcard", "passport", "openid", "unionid", "wechat", "nickname", "realname",
    "username", "birthday",
)  # fmt: skip
FORBIDDEN_WORDS = frozenset({"name", "surname", "tel", "addr", "street", "mail", "wxid", "avatar", "identity"})
_FORBIDDEN_CHINESE = ("手机", "电话", "姓名", "名字", "昵称", "地址", "身份证", "微信号", "邮箱", "生日")
#: Patterns are text here: who tells no events needs none of them compiled, and re keeps those that are.
_WORD = r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"
_PLAIN = r"[a-z_]+"
_FULL_WIDTH = str.maketrans("０１２３４５６７８９Ｘｘ＋－\u3000", "0123456789Xx+- ")
#: Not within a longer number or word: digests and ids of the mall's may have eleven digits in a row.
_MOBILE = r"(?<![0-9A-Za-z-])(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?![0-9A-Za-z-])"
#: GB 11643: a region's six digits, the day of birth, three digits, and a check character.
_ID_CARD = (
    r"(?<![0-9A-Za-z-])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z-])"
)


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event that was taken, at the instant of the mall's clock at which it happened."""

    event_id: str
    name: str
    at: datetime
    props: dict[str, PropValue] = {}


class Dropped(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that was not taken: its place in the batch, why, and for which prop where that can be said."""

    index: int
    code: Drop
    prop: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a batch beside its events: what was answered, and what the client says of itself.

    `clock_unknown`: the client's clock was so far off that all of it counts as happening when it came. `left_out`: what
    of the client's session is not kept, because it looks like a person's number.
    """

    received_at: datetime
    digest: str
    accepted: int
    dropped: list[Dropped] = []
    clock_unknown: bool = False
    left_out: list[str] = []
    session_id: str | None = None
    source: Source | None = None
    platform: str | None = None
    app_version: str | None = None


def is_clock_known(sent_at: datetime, received_at: datetime) -> bool:
    """Tell whether the client's clock says anything: it is off by two days at most."""
    return abs(sent_at - received_at) <= _CLOCK_OFF_MAX


def corrected(at: datetime, sent_at: datetime, received_at: datetime) -> datetime:
    """Find when on the mall's clock something happened that a client's clock says was `at`, to the millisecond.

    Its distance from sending counts, not what the clock says; never later than received, nor a week before.
    """
    if not is_clock_known(sent_at, received_at):
        return received_at
    age = min(max(sent_at - at, timedelta()), AGE_MAX)
    instant = received_at - age
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def judged(given: Sequence[EventInput], sent_at: datetime, received_at: datetime) -> tuple[list[Event], list[Dropped]]:
    """Say which of these events are taken, in the order of time (of equal times, as they were sent), and which not."""
    events: list[Event] = []
    dropped: list[Dropped] = []
    for index, one in enumerate(given):
        drop = _drop(index, one)
        if drop is not None:
            dropped.append(drop)
        else:
            events.append(Event(one.event_id, one.name, corrected(one.at, sent_at, received_at), one.props))
    events.sort(key=lambda event: event.at)
    return events, dropped


def _drop(index: int, given: EventInput) -> Dropped | None:
    planned = PLAN.get(given.name)
    if planned is None:
        return Dropped(index, "event_unknown")
    if planned.by == "server":
        return Dropped(index, "event_of_server")
    if tells_of_a_person(given.event_id):
        return Dropped(index, "id_forbidden")
    for name, value in given.props.items():
        prop = planned.props.get(name)
        code: Drop | None = None
        if names_a_person(name) or tells_of_a_person(value):
            code = "prop_forbidden"
        elif prop is None:
            code = "prop_unknown"
        elif not prop.takes(value):
            code = "prop_wrong_kind"
        if code is not None:  # what a strange name says is not kept
            return Dropped(index, code, name if re.fullmatch(_PLAIN, name) else None)
    wanted = (prop.name for prop in planned.props.values() if prop.is_required)
    missing = next((name for name in wanted if name not in given.props), None)
    return None if missing is None else Dropped(index, "prop_missing", missing)


def kept_of(session: SessionInput) -> tuple[dict[str, str], SourceInput, list[str]]:
    """Say what is kept of what a client tells of its session, by field; where it came from; and what of both is left
    out, because it looks like a person's number: as `session.id`, `session.source.channel`."""
    source = session.source or SourceInput()
    told = {"id": session.id, "platform": session.platform, "app_version": session.app_version}
    forbidden = [name for name, text in told.items() if text is not None and tells_of_a_person(text)]
    strange = [name for name, text in msgspec.structs.asdict(source).items() if tells_of_a_person(text or "")]
    kept = {name: text for name, text in told.items() if text is not None and name not in forbidden}
    left_out = [*forbidden, *(f"source.{name}" for name in strange)]
    return kept, msgspec.structs.replace(source, **dict.fromkeys(strange)), [f"session.{name}" for name in left_out]


def names_a_person(name: str) -> bool:
    """Tell whether a prop is named as what would identify a person is, in whichever style: receiver_name, PhoneNo."""
    if any(word in name for word in _FORBIDDEN_CHINESE):
        return True
    joined = "".join(filter(str.isalnum, name)).lower()
    words = {word.lower() for word in re.findall(_WORD, name)}
    return any(stem in joined for stem in FORBIDDEN_STEMS) or not FORBIDDEN_WORDS.isdisjoint(words)


def tells_of_a_person(value: PropValue) -> bool:
    """Tell whether a value looks like a mainland mobile number or an identity card's, in any width."""
    if isinstance(value, bool):
        return False
    text = str(value).translate(_FULL_WIDTH)
    return re.search(_MOBILE, text) is not None or re.search(_ID_CARD, text) is not None


def expires_at(received_at: datetime, events: Sequence[Event]) -> datetime:
    """Find from when on nothing of the batch is kept."""
    days = max((PLAN[event.name].keep_days for event in events), default=_EMPTY_DAYS)
    return received_at + timedelta(days=max(days, _EMPTY_DAYS))


def oldest(now: datetime) -> datetime:
    """Find the instant before which nothing is kept."""
    return now - timedelta(days=KEEP_DAYS_MAX)


def is_kept(event: Event, now: datetime) -> bool:
    """Tell whether an event is kept still: as long as the plan says, and what has left the plan no longer."""
    planned = PLAN.get(event.name)
    return planned is not None and event.at >= now - timedelta(days=planned.keep_days)


def seconds_left(now: datetime) -> int:
    """Count the seconds until the next day of Asia/Shanghai."""
    midnight = datetime.combine(clock.day(now) + timedelta(days=1), time(), clock.SHANGHAI)
    return math.ceil((midnight - now).total_seconds())
