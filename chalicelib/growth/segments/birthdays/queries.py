"""The days on which birthdays fall, of the solar and the lunar calendar."""

from __future__ import annotations

import functools
from datetime import date, datetime, timedelta

from chalicelib.core import clock
from chalicelib.growth.segments.birthdays.rules import solar_birthday
from chalicelib.growth.segments.traits.rules import instant, ms


def around(birthday: tuple[int, int, bool], now: int) -> tuple[int, int]:
    """Find the midnights (Asia/Shanghai, Unix milliseconds) at which the birthday's last day and its next one begin, as
    of `now`; one that falls on today is the last."""
    month, day, lunar = birthday
    today = clock.day(instant(now))
    falls = _lunar_birthday if lunar else solar_birthday
    # A lunar year begins late in January or in February: its last months are in the next solar year.
    days = sorted(falls(year, month, day) for year in range(today.year - 2, today.year + 2))
    last = max(one for one in days if one <= today)
    following = min(one for one in days if one > today)
    return _midnight(last), _midnight(following)


@functools.lru_cache(maxsize=4096)
def _lunar_birthday(year: int, month: int, day: int) -> date:
    """The day of the lunar year; a month of 29 days keeps the birthday of a thirtieth on its last day."""
    from lunar_python import LunarMonth  # 9 ms, for the few who keep the lunar calendar

    found = LunarMonth.fromYm(year, month)
    first = date(2000, 1, 1) + timedelta(days=int(found.getFirstJulianDay()) - _JULIAN_DAY_OF_2000)
    return first + timedelta(days=min(day, int(found.getDayCount())) - 1)


#: The Julian day that begins at noon of 1 January 2000.
_JULIAN_DAY_OF_2000 = 2_451_545


def _midnight(day: date) -> int:
    return ms(datetime(day.year, day.month, day.day, tzinfo=clock.SHANGHAI))
