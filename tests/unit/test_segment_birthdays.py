"""On which day a birthday falls, by two libraries and by days that every calendar in print shows."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta

import pytest
from borax.calendars.lunardate import InvalidLunarDateError, LunarDate
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.birthdays.rules import solar_birthday
from chalicelib.growth.segments.traits.rules import DAY_MS, ms
from tests.support.segment_model import day_of, last_birthday, midnight

#: New year, mid-autumn, and new year's eve.
PUBLISHED = [
    ((1, 1), "2025-01-29"), ((1, 1), "2026-02-17"), ((1, 1), "2027-02-06"), ((1, 1), "2028-01-26"),
    ((8, 15), "2025-10-06"), ((8, 15), "2026-09-25"), ((8, 15), "2027-09-15"), ((12, 30), "2026-02-16"),
    ((12, 30), "2025-01-28"), ((12, 30), "2027-02-05"),
]  # fmt: skip
NOWS = st.integers(ms(datetime(2020, 1, 1, tzinfo=UTC)), ms(datetime(2090, 1, 1, tzinfo=UTC)))
SOON = st.integers(ms(datetime(2026, 6, 1, tzinfo=UTC)), ms(datetime(2028, 6, 1, tzinfo=UTC)))


@pytest.mark.parametrize(("lunar", "day"), PUBLISHED)
def test_a_lunar_birthday_falls_on_the_published_day_from_its_midnight_in_shanghai(
    lunar: tuple[int, int], day: str
) -> None:
    begins = midnight(date.fromisoformat(day))
    born = (*lunar, True)
    assert around(born, begins)[0] == around(born, begins + DAY_MS - 1)[0] == begins
    assert around(born, begins - 1)[1] == begins
    assert around(born, begins + DAY_MS)[0] == begins


@functools.cache
def kept_on(year: int, month: int, day: int) -> date:
    """The day of the lunar year; the 29th where its month has no more."""
    try:
        return LunarDate(year, month, day).to_solar_date()
    except InvalidLunarDateError:
        return LunarDate(year, month, 29).to_solar_date()


@given(NOWS, st.integers(1, 12), st.integers(1, 30))
def test_lunar_birthdays_are_those_of_another_library(now: int, month: int, day: int) -> None:
    days = [kept_on(year, month, day) for year in range(2017, 2094)]
    today = day_of(now)
    wanted = max(one for one in days if one <= today), min(one for one in days if one > today)
    assert around((month, day, True), now) == tuple(midnight(one) for one in wanted)


@settings(max_examples=60, deadline=None)
@given(SOON, st.integers(1, 12), st.integers(1, 31), st.booleans())
def test_the_last_and_the_next_birthday_are_those_that_days_one_by_one_lead_to(
    now: int, month: int, day: int, lunar: bool
) -> None:
    longest = 30 if lunar else (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    born = month, min(day, longest), lunar
    last, following = around(born, now)
    assert last == last_birthday(born, now) <= now < following
    assert last_birthday(born, following) == following
    assert last_birthday(born, following - 1) == last


def test_the_29th_of_february_is_kept_on_the_28th_in_other_years() -> None:
    assert [solar_birthday(year, 2, 29).day for year in (2024, 2025, 2100, 2000)] == [29, 28, 28, 29]
    eve = datetime(2027, 2, 28, tzinfo=clock.SHANGHAI)
    assert around((2, 29, False), ms(eve)) == (ms(eve), midnight(date(2028, 2, 29)))
    assert around((2, 29, False), ms(eve) - 1) == (midnight(date(2026, 2, 28)), ms(eve))


def test_a_thirtieth_is_kept_on_the_29th_where_its_month_has_no_more() -> None:
    # The twelfth month of the lunar years 2024, 2025 and 2026 has 29 days: the days of PUBLISHED are its last.
    for year, day in ((2025, date(2025, 1, 28)), (2026, date(2026, 2, 16)), (2027, date(2027, 2, 5))):
        noon = midnight(date(year, 3, 1)) + DAY_MS // 2
        assert around((12, 30, True), noon)[0] == around((12, 29, True), noon)[0] == midnight(day)
    assert LunarDate(2023, 12, 30).to_solar_date() == date(2024, 2, 9)
    assert around((12, 30, True), midnight(date(2024, 2, 9)))[0] == midnight(date(2024, 2, 9))


def test_a_birthday_in_a_month_that_comes_twice_is_in_the_first_of_them() -> None:
    # 2025 has a second sixth month from 25 July.
    first = midnight(date(2025, 6, 25))
    assert around((6, 1, True), midnight(date(2025, 7, 26))) == (first, midnight(date(2026, 7, 14)))
    assert LunarDate(2025, 6, 1, 1).to_solar_date() == date(2025, 7, 25)
    assert date(2025, 6, 25) + timedelta(days=30) == date(2025, 7, 25)
