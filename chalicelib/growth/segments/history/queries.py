"""Reads of how many members a segment had."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.growth.segments.counts.queries import at_days, totals


class DayOfSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A day of Asia/Shanghai: how many members the segment had as it began, and how many came in and left on it; null
    where nobody counted."""

    day: date
    members: int | None
    entered: int | None
    left: int | None


def days_of(segment_id: str, days: int) -> list[DayOfSegment]:
    """List so many days of the segment up to today, of which the last is up to now."""
    today = clock.day(clock.now())
    first = today - timedelta(days=days - 1)
    known = at_days(segment_id, first, days)
    now = totals(segment_id)
    found: list[DayOfSegment] = []
    for number in range(days):
        day = first + timedelta(days=number)
        begins = known.get(day.isoformat())
        ends = now if day == today else known.get((day + timedelta(days=1)).isoformat())
        whole = begins is not None and ends is not None
        found.append(
            DayOfSegment(
                day=day,
                members=None if begins is None else begins.members,
                entered=ends.entered - begins.entered if whole else None,  # type: ignore[union-attr]
                left=ends.left - begins.left if whole else None,  # type: ignore[union-attr]
            )
        )
    return found
