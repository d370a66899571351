"""What a wing declares of its jobs: the kinds, the events that it tells, and the events that it hears.

    CLOSE_UNPAID = handles("orders.close_unpaid", "chalicelib.commerce.orders.closing.service:close_unpaid", OUTSIDE)
    CONFIRMED = event("order.confirmed")
    subscribe("coupon.used", "coupons.count_use", "chalicelib.commerce.coupons.usage.service:count_use", leased=False)

A worker takes a job under a lease. `leased=False` says that it need not: whatever the handler does, one transaction
does, which ends the job too, so that of two workers who run it at once one writes; or it looks first, and takes the
lease itself (`job.hold()`) before it does more. Such a job is owed once for its cause.

The wing's `jobs.py` holds these lines and imports nothing else, so that every process imports those of all wings and
knows each lane and each subscriber. A handler is named, and imported by the first job that needs it.

Names are stored with what is queued: a kind or a subscriber that is renamed or removed is kept for a release, and does
nothing then (`handles("order.completed/old.name", NOTHING)`), so that what is queued under it does not fail.
"""

from __future__ import annotations

from datetime import time
from enum import StrEnum

import msgspec

#: The handler of a kind that is only kept until what is queued of it is gone.
NOTHING = "chalicelib.platform.jobs.worker:do_nothing"
_EVENTS = "chalicelib.platform.jobs.events:tell_subscribers"


class Lane(StrEnum):
    """Jobs of one lane never wait for those of another. The value begins the keys of the lane's shards."""

    #: They only touch DynamoDB.
    INSIDE = "s"
    #: They call WeChat, which may take seconds to answer, or an hour to come back.
    OUTSIDE = "o"
    #: They are owed to very many members at once, and only touch DynamoDB.
    MANY = "m"
    #: They call other people's servers for what is sent to very many members at once.
    SENDS = "p"

    @property
    def table(self) -> str:
        """The name of the table in which the lane's jobs lie; each table has a number of shards of its own."""
        return "jobs_of_many" if self in _OF_MANY else "jobs"

    @property
    def is_handed_on(self) -> bool:
        """Whether a schedule owes anew, at once, what has come due of it, so that the stream's many readers run it: a
        call takes a fifth of a second, and thousands may be due at one time."""
        return self is SENDS


INSIDE, OUTSIDE, MANY, SENDS = LANES = tuple(Lane)
#: The lanes of the second table: its partitions, and its stream, are no others'.
_OF_MANY = (MANY, SENDS)


class Kind(msgspec.Struct, frozen=True):
    """A kind of job: its name, as it is stored, the handler as "module:function", the lane, and whether a worker takes
    a lease before it calls the handler."""

    name: str
    handler: str
    lane: Lane
    leased: bool = True


class Event(msgspec.Struct, frozen=True):
    """An event, and the kind of the job that tells of it."""

    kind: Kind

    @property
    def name(self) -> str:
        """What has happened, such as "order.completed"."""
        return self.kind.name


_kinds: dict[str, Kind] = {}
#: By the event's name: the kind of the job that each of its subscribers is owed.
_subscribers: dict[str, list[Kind]] = {}
_daily: dict[Kind, time] = {}


def handles(name: str, handler: str, lane: Lane = INSIDE, *, leased: bool = True) -> Kind:
    """Declare a kind of job, "<wing>.<verb>", its lane (OUTSIDE when the handler calls WeChat, MANY when very many are
    owed at once, SENDS when it is both), and whether a worker takes a lease for it.

    Raises ValueError when the kind has a handler.
    """
    if name in _kinds:
        raise ValueError(f"{name} has two handlers")
    kind = _kinds[name] = Kind(name, handler, lane, leased)
    return kind


def daily(name: str, handler: str, at: time, lane: Lane = INSIDE) -> Kind:
    """Declare a kind of job that is owed every day at that time of Asia/Shanghai. Raises as `handles` does."""
    kind = handles(name, handler, lane)
    _daily[kind] = at
    return kind


def event(name: str) -> Event:
    """Declare an event that the wing tells, "<noun>.<past participle>". Raises as `handles` does.

    Its own job only shares it out, or runs a subscriber that is INSIDE too; so it is always INSIDE.
    """
    return Event(handles(name, _EVENTS, leased=False))


def subscribe(event_name: str, name: str, handler: str, lane: Lane = INSIDE, *, leased: bool = True) -> None:
    """Declare that the wing hears an event, of its own or of another wing, under a name "<wing>.<verb>".

    The name is stored with what is queued for the subscriber. Raises ValueError when the event has it already.
    """
    kind = handles(f"{event_name}/{name}", handler, lane, leased=leased)
    _subscribers.setdefault(event_name, []).append(kind)


def kinds() -> list[Kind]:
    """List every kind that was declared: of jobs, of events, and of what subscribers are owed."""
    return list(_kinds.values())


def find_kind(name: str) -> Kind | None:
    """Find the kind of that name; None when this version knows of none."""
    return _kinds.get(name)


def is_event(kind: Kind) -> bool:
    """Say whether the jobs of a kind tell of an event."""
    return kind.handler == _EVENTS


def lane_of(name: str, otherwise: Lane = INSIDE) -> Lane:
    """Give the lane of a stored kind; `otherwise` is that of one that only another version knows."""
    known = _kinds.get(name)
    return known.lane if known else otherwise


def subscribers_of(event_name: str) -> list[Kind]:
    """List the kinds of the jobs that the event's subscribers are owed."""
    return _subscribers.get(event_name, [])


def run_by_event(event_name: str) -> Kind | None:
    """Find the only subscriber of the event, where it is INSIDE: the event's own job runs it. None where each is owed a
    job, and for the name of any other kind."""
    subscribers = subscribers_of(event_name)
    return subscribers[0] if len(subscribers) == 1 and subscribers[0].lane is INSIDE else None


def is_leased(kind: Kind) -> bool:
    """Say whether a worker takes a lease before it runs a job of this kind: for an event's, what it runs says so."""
    return (run_by_event(kind.name) or kind).leased


def daily_kinds() -> dict[Kind, time]:
    """List the kinds that are owed every day, and when in Asia/Shanghai."""
    return _daily
