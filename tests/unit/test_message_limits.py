"""Quiet hours, caps, and what of a day's budget is left: by an own recompute, minute by minute and send by send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.messaging.limits.rules import (
    Cap,
    CapRules,
    MediaRules,
    QuietRules,
    check_hours,
    check_quiet,
    free_at,
    quiet_until,
    recent,
)
from chalicelib.growth.messaging.rules import LOG_MAX, Logged, QuietHours
from chalicelib.growth.messaging.sending.rules import SPEND_SHARDS, bounds_of

START = datetime(2026, 11, 30, 4, tzinfo=UTC)
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
HOURS = st.builds(QuietHours, TIMES, TIMES)
INSTANTS = st.integers(0, 40 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))
MEDIA = st.sampled_from(["sms", "oa", "subscribe"])
PURPOSES = st.sampled_from(["service", "marketing"])
CAPS = st.builds(
    Cap,
    media=st.one_of(st.just("*"), st.lists(MEDIA, unique=True, min_size=1)),
    purposes=st.one_of(st.just("*"), st.lists(PURPOSES, unique=True, min_size=1)),
    max=st.integers(1, 4),
    per=st.sampled_from(["day", "7d", "30d"]),
)


def within(hours: QuietHours, now: datetime) -> bool:
    """Whether the instant is in the hours, by walking them from their beginning."""
    time = now.astimezone(clock.SHANGHAI).strftime("%H:%M")
    if hours.starts <= hours.until:
        return hours.starts <= time < hours.until
    return time >= hours.starts or time < hours.until


@given(st.lists(HOURS, max_size=3), INSTANTS)
def test_the_end_of_quiet_hours_is_the_first_minute_that_is_in_none(hours: list[QuietHours], now: datetime) -> None:
    end = quiet_until(hours, now)
    if end is None:
        assert not any(within(one, now) for one in hours)
        return
    assert any(within(one, now) for one in hours)
    minutes = int((end - now).total_seconds() // 60)
    assert all(any(within(one, now + timedelta(minutes=past)) for one in hours) for past in range(min(minutes, 1439)))
    if end - now < timedelta(days=1):
        assert not any(within(one, end) for one in hours)
        assert end.astimezone(clock.SHANGHAI).second == 0


def test_quiet_hours_begin_and_end_at_their_minute() -> None:
    night = QuietHours("22:00", "08:00")
    ten = datetime(2026, 11, 30, 14, tzinfo=UTC)
    assert quiet_until([night], ten - timedelta(milliseconds=1)) is None
    assert quiet_until([night], ten) == ten + timedelta(hours=10)
    assert quiet_until([night], ten + timedelta(hours=10)) is None
    assert quiet_until([QuietHours("08:00", "08:00")], ten) is None


def test_orders_notices_keep_them_by_sms_and_telephone_only() -> None:
    rules = QuietRules()
    assert rules.hours("oa", "transactional") == rules.hours("subscribe", "transactional") == []
    assert rules.hours("call", "transactional") == rules.hours("oa", "service") == [QuietHours("22:00", "08:00")]
    assert QuietHours("21:00", "08:00") in rules.hours("sms", "marketing")


def test_an_hour_of_the_day_is_left() -> None:
    check_quiet(QuietRules())
    check_hours([QuietHours("10:00", "09:00")], "quiet")
    with pytest.raises(MallError, match="invalid"):
        check_hours([QuietHours("10:00", "22:00"), QuietHours("21:30", "09:01")], "quiet")
    with pytest.raises(MallError, match="invalid"):
        check_quiet(QuietRules(starts="08:30", until="08:00", marketing_sms_from="08:30"))


def counted(cap: Cap, log: list[datetime], now: datetime) -> int:
    """How many of these sends count at `now`, one of whose days it may be."""
    if cap.per == "day":
        return sum(clock.day(at) == clock.day(now) for at in log)
    span = timedelta(days=int(cap.per[:-1]))
    return sum(now - span < at <= now for at in log)


@given(st.lists(CAPS, max_size=4), st.lists(st.tuples(INSTANTS, MEDIA, PURPOSES), max_size=8), MEDIA, PURPOSES)
def test_a_place_is_free_when_every_cap_that_applies_has_one(
    caps: list[Cap], sends: list[tuple[datetime, str, str]], medium: str, purpose: str
) -> None:
    now = START + timedelta(days=40)
    log = [Logged(at, by, what, str(place)) for place, (at, by, what) in enumerate(sends)]  # type: ignore[arg-type]

    def full(at: datetime) -> bool:
        return any(
            counted(cap, [one.at for one in log if cap.concerns(one.medium, one.purpose)], at) >= cap.max
            for cap in caps
            if cap.concerns(medium, purpose)  # type: ignore[arg-type]
        )

    free = free_at(caps, log, medium, purpose, now)  # type: ignore[arg-type]
    assert not full(free)
    if free > now:
        assert full(free - timedelta(milliseconds=1))


def test_a_send_counts_seven_days_to_the_millisecond() -> None:
    log = [Logged(START, "sms", "service", "a")]
    cap = [Cap(max=1, per="7d")]
    last = START + timedelta(days=7) - timedelta(milliseconds=1)
    assert free_at(cap, log, "sms", "service", last) == START + timedelta(days=7)
    assert free_at(cap, log, "sms", "service", START + timedelta(days=7)) == START + timedelta(days=7)


def test_nobody_gets_more_than_the_log_can_hold_in_thirty_days() -> None:
    log = [Logged(START + timedelta(minutes=one), "oa", "service", str(one)) for one in range(LOG_MAX)]
    now = START + timedelta(days=1)
    assert free_at([], log, "oa", "service", now) == START + timedelta(days=30)
    assert len(recent([*log, *log], now)) == LOG_MAX
    assert recent(log, now + timedelta(days=40)) == []


def test_the_usual_caps() -> None:
    caps = CapRules().caps
    now = START + timedelta(hours=1)
    assert free_at(caps, [Logged(START, "sms", "service", "a")], "oa", "service", now) == now
    assert free_at(caps, [Logged(START, "sms", "service", "a")], "sms", "marketing", now) == START + timedelta(days=7)


@given(st.integers(0, 100_000), st.integers(0, 1000))
def test_the_shards_of_a_budget_are_whole_sms_and_no_more_than_it(budget: int, price: int) -> None:
    bounds = bounds_of(MediaRules(sms_fen=price, sms_daily_budget_fen=budget))
    if not price:
        assert bounds is None
        return
    assert bounds is not None and len(bounds) == SPEND_SHARDS
    assert sum(bounds.values()) <= budget < sum(bounds.values()) + price
    assert all(bound % price == 0 for bound in bounds.values())
