"""Cron lines: minute, hour, day of month, month, day of week (0 and 7: Sunday), each "*", a number, a range, a step of
either, or a list of these, in Asia/Shanghai. Where both days are restricted either will do, as cron has it. Pure.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from chalicelib.core import clock

_DAYS, _WEEKDAYS = 31, 7
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"(\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
#: A line that names no time within so many days never does: 29 February comes within eight years.
_DAYS_MAX = 366 * 8 + 1


class Cron(msgspec.Struct, frozen=True):
    """The times that a line names."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, instant: datetime) -> datetime | None:
        """Find the first time behind an instant; None where the line never names one."""
        local = instant.astimezone(clock.SHANGHAI).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = local.replace(hour=0, minute=0)
        for _ in range(_DAYS_MAX):
            if self._has_day(day):
                first = local if day <= local else day
                for hour in sorted(hour for hour in self.hours if hour >= first.hour):
                    from_minute = first.minute if hour == first.hour else 0
                    minute = min((one for one in self.minutes if one >= from_minute), default=None)
                    if minute is not None:
                        return day.replace(hour=hour, minute=minute).astimezone(UTC)
            day += timedelta(days=1)
        return None

    def _has_day(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        both_restricted = len(self.days) < _DAYS and len(self.weekdays) < _WEEKDAYS
        return of_month or of_week if both_restricted else of_month and of_week


def cron_of(line: str) -> Cron | None:
    """Read a cron line; None for one that is none."""
    fields = line.split()
    if len(fields) != len(_BOUNDS):
        return None
    named = [_named(field, low, high) for field, (low, high) in zip(fields, _BOUNDS, strict=True)]
    if any(one is None for one in named):
        return None
    minutes, hours, days, months, weekdays = (frozenset(one or ()) for one in named)
    return Cron(minutes, hours, days, months, frozenset(one % 7 for one in weekdays))


def _named(field: str, low: int, high: int) -> set[int] | None:
    found: set[int] = set()
    for part in field.split(","):
        read = _PART.fullmatch(part)
        if read is None:
            return None
        star, first, last, step = read[1] == "*", read[2], read[3], int(read[4] or 1)
        begins = low if star else int(first)
        ends = high if star or (last is None and read[4] is not None) else int(last or first)
        if not low <= begins <= ends <= high or step == 0:
            return None
        found.update(range(begins, ends + 1, step))
    return found
