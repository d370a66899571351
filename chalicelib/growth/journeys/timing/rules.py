"""How long waits are, and when they end. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from chalicelib.core import clock, ids
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.steps.rules import Pause, Span, Until

#: Wakes at a time of the clock are spread over so many seconds: not all of a mall's members wake in one.
SPREAD_SECONDS = 600


def length(span: Span, run: Run, step_id: str) -> timedelta:
    """Say how long a span is for a run: of what is drawn, the same however often it is asked for."""
    if span.between_days is not None:
        low, high = span.between_days
        return timedelta(days=low + ids.shard(f"{run.run_id}|{step_id}|days", high - low + 1))
    return timedelta(minutes=span.minutes or 0, hours=span.hours or 0, days=span.days or 0)


def wakes_at(pause: Pause, run: Run, step_id: str, now: datetime) -> datetime:
    """Say when a wait that begins now is over."""
    at = now + length(pause, run, step_id)
    if pause.until_date is not None:
        at = max(now, datetime.combine(pause.until_date, time(), clock.SHANGHAI).astimezone(UTC))
    if pause.before is not None:
        at = max(now, (_named(run, pause.before.prop) or now) - timedelta(hours=pause.before.hours))
    if pause.until is None:
        return at
    spread = ids.shard(f"{run.run_id}|{step_id}|spread", SPREAD_SECONDS)
    return next_time(pause.until, at) + timedelta(seconds=spread)


def _named(run: Run, prop: str) -> datetime | None:
    """The instant that the event by which the run began says there; None where it says none."""
    try:
        named = datetime.fromisoformat(str(run.entered_with.get(prop, "")))
    except ValueError:
        return None
    return named if named.tzinfo is not None else None


def next_time(until: Until, after: datetime) -> datetime:
    """Find the first instant, not before `after`, at which a clock in Asia/Shanghai shows that time on such a day."""
    hour, minute = (int(part) for part in until.time.split(":"))
    local = after.astimezone(clock.SHANGHAI)
    at = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    while at < local or (until.weekdays and at.isoweekday() not in until.weekdays):
        at += timedelta(days=1)
    return at.astimezone(UTC)
