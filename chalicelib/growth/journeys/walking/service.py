"""Many members come into a journey: those of a segment, as it is published or as often as a cron line says, and those
whose day it is. Each shard is walked by a job of its own, page by page. Whom a cause has let in before it does not let
in again, so that a page may be walked twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.book.rules import is_open
from chalicelib.growth.journeys.entering.rules import Cause, leading_in
from chalicelib.growth.journeys.entering.service import MEMBERS_AT_ONCE, enter
from chalicelib.growth.journeys.jobs import ENTER_BORN, ENTER_JOINED, ENTER_SEGMENT, FOLLOW_SCHEDULE
from chalicelib.growth.journeys.language.rules import OnDate, OnSchedule, OnSegment, Plan
from chalicelib.growth.journeys.listening.tables import ALL, DAYS, Journeys
from chalicelib.growth.journeys.runs.rules import By
from chalicelib.growth.journeys.schedules.rules import cron_of
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.membership.queries import shard_of
from chalicelib.growth.segments.tables import COUNT_SHARDS
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.timers import RUN_SECONDS
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from chalicelib.platform.store.versioned import commit

#: So many members of the roster are looked at in one step.
_PAGE = 100
#: So many days members come in late whose day it was.
LATE_DAYS_MAX = 7
#: So long those of a segment wait for a journey that is paused before they ask again, in seconds.
PAUSE_SECONDS = 600
#: Before the number of the version as which a journey was published, where it lets those in who were in its segment.
_EXISTING = "existing-"


def begin(tx: Transaction, plan: Plan) -> None:
    """Owe as part of `tx`, with which the version holds from now on, that members come in by it who do not by what they
    do: those of its segment, and those for whom its time comes."""
    now, entry = clock.now(), plan.entry
    if isinstance(entry, OnSegment) and entry.existing:
        starts_at = plan.definition.starts_at
        at = starts_at if starts_at is not None and starts_at > now else None
        _owe_segment(tx, plan, entry.segment, f"{_EXISTING}{plan.version}", "segment", at)
    elif isinstance(entry, OnSchedule):
        _owe_next(tx, plan, entry, now)
    elif isinstance(entry, OnDate):
        _owe_day(tx, plan, entry, clock.day(now), now)


def _owe_segment(
    tx: Transaction, plan: Plan, segment_id: str, cause: str, by: By, at: datetime | None = None
) -> None:  # fmt: skip
    for shard in range(COUNT_SHARDS):
        schedule(tx, ENTER_SEGMENT, f"{plan.journey_id}|{cause}|{shard}", at, segment=segment_id, by=by, after="")


def enter_segment(job: Job) -> None:
    """Let the next members of a shard of a segment in, as long as that leads into the journey. While it is paused those
    who were in the segment before wait; a time of the clock passes."""
    journey_id, cause, shard = job.key.split("|")
    payload = job.task.payload
    if not _leads_in(journey_id, cause, payload["segment"]):
        return
    by: By = "schedule" if payload["by"] == "schedule" else "segment"
    after: str | None = payload["after"]
    end = clock.monotonic() + RUN_SECONDS
    while after is not None:
        member_ids, after = shard_of(payload["segment"], int(shard), MEMBERS_AT_ONCE, after)
        if not _enter(member_ids, journey_id, Cause(by=by, cause=cause)):
            _leads_in(journey_id, cause, payload["segment"])  # it may be paused by now
            return
        if after is not None and clock.monotonic() >= end:
            tx = Transaction()
            schedule(tx, ENTER_SEGMENT, job.key, None, segment=payload["segment"], by=by, after=after)
            job.finish(tx)
            commit(tx)
            return


def _leads_in(journey_id: str, cause: str, segment_id: str) -> bool:
    """Say whether the segment leads into the journey still, by the book as it is now. Raises RetryLater for those who
    were in the segment as the version was published, while the journey is paused."""
    known = book_queries.refreshed().journeys.get(journey_id)  # maybe newer than what this process remembered
    plan = book_queries.plan_now(known.journey) if known is not None else None
    if known is None or plan is None or leading_in(plan) != segment_id:
        return False
    if not cause.startswith(_EXISTING):
        return True
    if isinstance(plan.entry, OnSegment) and plan.entry.existing and cause != f"{_EXISTING}{plan.version}":
        return False  # a later version has a walk of its own
    if known.journey.state == "paused":
        raise RetryLater(PAUSE_SECONDS)
    return True


def _enter(member_ids: Sequence[str], journey_id: str, cause: Cause) -> bool:
    """Let these members in; False where the journey takes nobody in any more. A fault in what is decided of one keeps
    none of the others out: an operator sees it in the log."""
    try:
        outcomes = enter(member_ids, journey_id, cause)
    except MallError:
        raise
    except Exception as fault:
        log.error("journey_entry_failed", fault, journey_id=journey_id)
        return True
    return not outcomes or set(outcomes.values()) != {"paused"}


def follow_schedule(job: Job) -> None:
    """Let all of a segment in whose time has come, and owe the next time; nothing where the journey goes by another
    version, or takes nobody in any more. While it is paused its times pass."""
    journey_id, version = job.key.split("|")
    journey = book_queries.find(journey_id).journey
    if journey.version != int(version) or journey.state not in ("live", "paused"):
        return
    plan = book_queries.plan_now(journey)
    if not isinstance(plan.entry, OnSchedule):
        return
    tx, now = Transaction(), clock.now()
    if is_open(journey, plan, now):
        _owe_segment(tx, plan, plan.entry.audience, f"schedule-{job.task.payload['at']}", "schedule")
    _owe_next(tx, plan, plan.entry, now)
    job.finish(tx)
    commit(tx)


def _owe_next(tx: Transaction, plan: Plan, entry: OnSchedule, now: datetime) -> None:
    cron = cron_of(entry.schedule)
    at = cron.next_after(now) if cron is not None else None
    if at is not None:
        schedule(tx, FOLLOW_SCHEDULE, f"{plan.journey_id}|{plan.version}", at, at=clock.stamp(at))


def begin_day(_: Job) -> None:
    """Owe that those come into each journey whose day it is, at its time; and at once those of the days before on which
    no worker ran, so many at most."""
    now = clock.now()
    today = clock.day(now)
    days = _days_until(today)
    for journey in book_queries.refreshed().live():  # one may have been published in the last moment of the day
        plan = book_queries.plan_now(journey)
        if not isinstance(plan.entry, OnDate):
            continue
        version = book_queries.version(journey.journey_id, journey.version)
        for day in days:
            if day == today or (version is not None and clock.day(version.published_at) < day):
                tx = Transaction()
                _owe_day(tx, plan, plan.entry, day, now)
                commit(tx)
    save(Journeys(ALL, DAYS, mark=today.isoformat()))


def _days_until(today: date) -> list[date]:
    """The days that members have not been looked at for, today with them in any case."""
    item = read.get(Journeys, ALL, DAYS)
    last = date.fromisoformat(item.mark) if item is not None else today
    days = (today - timedelta(days=ago) for ago in range(LATE_DAYS_MAX, -1, -1))
    return [day for day in days if day > last or day == today]


def _owe_day(tx: Transaction, plan: Plan, entry: OnDate, day: date, now: datetime) -> None:
    """Owe the look at a day's members as part of `tx`; of a day whose time is over, at once."""
    at = datetime.combine(day, time.fromisoformat(entry.time), clock.SHANGHAI)
    kind = ENTER_BORN if entry.date == "birthday" else ENTER_JOINED
    for shard in range(settings().member_shards):
        schedule(tx, kind, f"{plan.journey_id}|{day.isoformat()}|{shard}", max(at, now), after="")


def enter_born(job: Job) -> None:
    """Let those of the next members of a shard in whose birthday is so long ago, or ahead, as the journey says."""
    journey_id, day, shard = job.key.split("|")
    entry = _date_of(journey_id)
    after: str | None = job.task.payload["after"] if entry is not None else None
    end = clock.monotonic() + RUN_SECONDS
    while entry is not None and after is not None:
        birthday = date.fromisoformat(day) - timedelta(days=entry.offset_days)
        some, after = members.everybody(int(shard), clock.now(), after, _PAGE)
        if not _enter(_born_on(some, birthday, entry.calendar), journey_id, Cause(by="date", cause=f"date-{day}")):
            return
        if after is not None and clock.monotonic() >= end:
            _owe_rest(job, after)
            return


def _born_on(member_ids: Sequence[str], day: date, calendar: str | None) -> list[str]:
    """Those of these members whose birthday falls on the day, by this calendar where one is named."""
    midnight = ms(datetime.combine(day, time(), clock.SHANGHAI))
    profiles = read.batch_get([profile_key(one) for one in member_ids], consistent=False)
    born = [(item.profile.member_id, item.profile.birthday) for item in profiles if item is not None]
    return [
        member_id
        for member_id, one in born
        if one is not None
        and calendar in (None, one.calendar)
        and around((one.month, one.day, one.calendar == "lunar"), midnight)[0] == midnight
    ]


def enter_joined(job: Job) -> None:
    """Let the next members of a shard in who joined so many days ago as the journey says."""
    journey_id, day, shard = job.key.split("|")
    entry = _date_of(journey_id)
    if entry is None:
        return
    joined = datetime.combine(date.fromisoformat(day) - timedelta(days=entry.offset_days), time(), clock.SHANGHAI)
    after: str | None = job.task.payload["after"] or clock.stamp(joined)
    end = clock.monotonic() + RUN_SECONDS
    while after is not None:
        some, after = members.everybody(int(shard), joined + timedelta(days=1), after, MEMBERS_AT_ONCE)
        if not _enter(some, journey_id, Cause(by="date", cause=f"date-{day}")):
            return
        if after is not None and clock.monotonic() >= end:
            _owe_rest(job, after)
            return


def _owe_rest(job: Job, after: str) -> None:
    kind = ENTER_BORN if job.task.kind == ENTER_BORN.name else ENTER_JOINED
    tx = Transaction()
    schedule(tx, kind, job.key, None, after=after)
    job.finish(tx)
    commit(tx)


def _date_of(journey_id: str) -> OnDate | None:
    """By which day members come into the journey; None where they do not any more."""
    known = book_queries.refreshed().journeys.get(journey_id)
    if known is None or known.journey.state != "live":
        return None
    entry = book_queries.plan_now(known.journey).entry
    return entry if isinstance(entry, OnDate) else None
