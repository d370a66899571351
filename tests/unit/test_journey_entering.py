"""Cron lines, bounds of what a person gets, who comes in, what is filled in, and what the audit finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.journeys.absorbing.rules import joined as joined_guards
from chalicelib.growth.journeys.checks import GuardRecord, Records, RunRecord, audit
from chalicelib.growth.journeys.effects.rules import filled
from chalicelib.growth.journeys.entering.rules import Cause, entered, refusal
from chalicelib.growth.journeys.holdout.rules import half_year, is_control, is_held_out
from chalicelib.growth.journeys.language.rules import Definition, Plan, plan_of
from chalicelib.growth.journeys.limits.rules import DAYS, Bounds, Got, Received, allows, joined, with_coupon
from chalicelib.growth.journeys.runs.rules import Guard
from chalicelib.growth.journeys.schedules.rules import Cron, cron_of
from chalicelib.growth.journeys.stepping.rules import begun

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
MEMBER = Profile(member_id="m1", openid="o1", joined_at=NOW)
CAUSE = Cause(by="api", cause="c1")


def plan(**parts: Any) -> Plan:
    whole = {"name": "x", "entry": {"api": True}, "first": "a", "steps": {"a": {"wait": {"days": 1}}}, **parts}
    return plan_of("jn1", 1, msgspec.convert(whole, Definition))


# cron lines


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    """One field of a line."""
    number = st.integers(low, high)
    part = st.one_of(
        st.just("*"),
        st.builds("*/{}".format, st.integers(1, 9)),
        number.map(str),
        st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}"),
        st.tuples(number, number, st.integers(1, 5)).map(lambda three: f"{min(three[:2])}-{max(three[:2])}/{three[2]}"),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


LINES = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 7)).map(" ".join)


def shows(cron: Cron, at: datetime) -> bool:
    """Whether a clock shows one of the times, as it is said of cron: either day will do where both are restricted."""
    day, weekday = at.day in cron.days, at.isoweekday() % 7 in cron.weekdays
    either = len(cron.days) < 31 and len(cron.weekdays) < 7
    days = day or weekday if either else day and weekday
    return at.minute in cron.minutes and at.hour in cron.hours and at.month in cron.months and days


@given(line=LINES, minutes=st.integers(0, 2_000_000))
def test_the_next_time_is_the_first_that_a_clock_shows(line: str, minutes: int) -> None:
    cron, after = cron_of(line), NOW + timedelta(minutes=minutes, seconds=17)
    assert cron is not None
    found = cron.next_after(after)
    looked = after.astimezone(clock.SHANGHAI).replace(second=0, microsecond=0)
    for _ in range(3000):
        looked += timedelta(minutes=1)
        if shows(cron, looked):
            assert found == looked
            return
    assert found is None or (found > looked and shows(cron, found.astimezone(clock.SHANGHAI)))


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("0 10 * * *", "2026-12-01T10:00"), ("30 9 * * 1", "2026-12-07T09:30"), ("0 0 1 1 *", "2027-01-01T00:00"),
        ("*/15 12 * * *", "2026-11-30T12:15"), ("0 12 30 11 *", "2027-11-30T12:00"), ("0 8 * * 0", "2026-12-06T08:00"),
        ("0 8 * * 7", "2026-12-06T08:00"), ("0 0 29 2 *", "2028-02-29T00:00"),
    ],
)  # fmt: skip
def test_lines_that_are_written_often(line: str, local: str) -> None:
    cron = cron_of(line)
    assert cron is not None
    found = cron.next_after(NOW)
    assert found is not None
    assert found.astimezone(clock.SHANGHAI).strftime("%Y-%m-%dT%H:%M") == local


@pytest.mark.parametrize(
    "line",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "@daily"],
)
def test_what_is_no_cron_line(line: str) -> None:
    assert cron_of(line) is None


def test_a_day_that_never_comes() -> None:
    cron = cron_of("0 0 31 2 *")
    assert cron is not None
    assert cron.next_after(NOW) is None


# what one person gets


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 500)), max_size=40), st.integers(0, 6), st.integers(0, 900)
)
def test_within_ninety_days_nobody_gets_more(tries: list[tuple[int, int]], most: int, fen_max: int) -> None:
    bounds, received, given_ = Bounds(grants_max=most, grants_fen_max=fen_max), Received(), list[tuple[datetime, int]]()
    now = NOW
    for number, (days, fen) in enumerate(tries):
        now += timedelta(days=days / 10)
        if allows(received, fen, bounds, now):
            received = with_coupon(received, Got(now, fen, f"c{number}"))
            given_.append((now, fen))
    for end, _ in given_:
        within = [fen for at, fen in given_ if timedelta(0) <= end - at <= timedelta(days=DAYS)]
        assert len(within) <= most and sum(within) <= fen_max


def test_what_two_got_who_are_one_person_is_counted_once() -> None:
    one, other = Received([Got(NOW, 5, "a")]), Received([Got(NOW, 5, "a"), Got(NOW - timedelta(days=1), 7, "b")])
    both = joined(one, other, NOW)
    assert [got.coupon_id for got in both.coupons] == ["b", "a"]
    assert joined(both, other, NOW) == both
    assert joined(both, Received(), NOW + timedelta(days=DAYS, hours=1)).coupons == []


# who comes in


def why(asked: Plan, member: Profile = MEMBER, guard: Guard | None = None, cause: Cause = CAUSE, **more: Any) -> Any:
    inside = frozenset(more.get("segments", ()))
    return refusal(asked, cause, member, guard or Guard(), inside, more.get("behavioural", False), NOW)


def test_why_somebody_does_not_come_in() -> None:
    shy = msgspec.structs.replace(MEMBER, personalised=False)
    by_event, by_segment = Cause(by="event", cause="c"), Cause(by="segment", cause="c")
    viewed, joining = plan(entry={"event": "product_view"}), plan(entry={"event": "joined"})
    listed = plan(entry={"segment": "sg1"})
    assert why(plan()) is None
    assert why(plan(), guard=Guard(run_id="jr1", entries=1)) == "active"
    assert why(plan(), guard=Guard(entries=1, left_at=NOW)) == "re_entry"
    assert why(viewed, shy, cause=by_event) == "excluded"
    assert why(joining, shy, cause=by_event) is None
    assert why(listed, shy, cause=by_segment, behavioural=True) == "excluded"
    assert why(listed, shy, cause=by_segment) is None
    assert why(plan(audience="sg1")) == why(plan(exclude="sg1"), segments=["sg1"]) == "excluded"
    assert why(plan(audience="sg1"), segments=["sg1"]) is None


@pytest.mark.parametrize(
    ("again", "guard", "expected"),
    [
        ({"max": 2}, Guard(entries=1, left_at=NOW), None),
        ({"max": 2}, Guard(entries=2, left_at=NOW), "re_entry"),
        ({"after_days": 2}, Guard(entries=9, left_at=NOW - timedelta(days=2)), None),
        ({"after_days": 2}, Guard(entries=9, left_at=NOW - timedelta(days=2) + timedelta(milliseconds=1)), "re_entry"),
        ({"after_days": 2, "max": 3}, Guard(entries=3, left_at=NOW - timedelta(days=9)), "re_entry"),
        ({}, Guard(entries=50, left_at=NOW), None),
    ],
    ids=["once more", "often enough", "rested", "a moment short", "rested and often enough", "as often as they like"],
)
def test_when_somebody_may_come_again(again: dict[str, int], guard: Guard, expected: str | None) -> None:
    assert why(plan(re_entry=again), guard=guard) == expected


def test_who_is_only_looked_at_is_so_for_good() -> None:
    crowd = [f"o{number}" for number in range(5000)]
    controls = {one for one in crowd if is_control(one, "jn1", 10)}
    assert controls <= {one for one in crowd if is_control(one, "jn1", 25)}  # more of them are never others
    assert 400 < len(controls) < 600
    other = {one for one in crowd if is_control(one, "jn2", 10)}
    assert 20 < len(controls & other) < 80
    held = [{one for one in crowd if is_held_out(one, at, 10)} for at in (NOW, NOW + timedelta(days=60))]
    assert all(400 < len(some) < 600 for some in held) and len(held[0] & held[1]) < 100
    assert half_year(datetime(2026, 6, 30, 15, 59, tzinfo=UTC)) == "2026-1"
    assert half_year(datetime(2026, 6, 30, 16, tzinfo=UTC)) == "2026-2"


def test_variables_are_filled_in() -> None:
    asked = {"a": "{nickname}您好", "b": "{coupon}", "c": "{entered.order_id}/{entered.none}", "d": "{strange}{"}
    assert filled(asked, "小茶", "85折", {"order_id": "o1"}) == {"a": "小茶您好", "b": "85折", "c": "o1/", "d": "{"}


# what the audit finds


def test_the_audit_names_what_does_not_agree() -> None:
    made = begun(plan(), entered(plan(), CAUSE, "jr1", MEMBER, 0, NOW), NOW, lambda _: False)
    run, guard = made.run, GuardRecord("m1", "g", Guard(run_id="jr1", entries=1))
    record = RunRecord(run, "g", "later", is_listed=True)
    sound = Records(runs=[record], guards=[guard], counts={("jn1", 1): made.counts}, stamps={"jr1": "later"})
    assert audit(sound) == []
    second = msgspec.structs.replace(record, run=msgspec.structs.replace(run, run_id="jr2"))
    wrong = {
        "two are active": {"runs": [record, second], "stamps": {"jr1": "later", "jr2": "later"}},
        "nobody is named": {"guards": []},
        "who is named is not there": {"runs": []},
        "the wake is another": {"runs": [msgspec.structs.replace(record, wakes="sooner")]},
        "it is not listed": {"runs": [msgspec.structs.replace(record, is_listed=False)]},
        "one more is counted": {"counts": {("jn1", 1): {**made.counts, "entered": 2}}},
        "nobody is counted at the step": {"counts": {("jn1", 1): {**made.counts, "in|a": 0}}},
        "a parked one is counted": {"counts": {("jn1", 1): {**made.counts, "parked": 1}}},
        "more reached the goal than came in": {"counts": {("jn1", 1): {**made.counts, "conv|treated": 2}}},
    }
    for name, changes in wrong.items():
        assert audit(msgspec.structs.replace(sound, **changes)), name


def test_guards_of_two_who_are_one_person() -> None:
    active, left = Guard(run_id="jr1", entries=2, left_at=NOW), Guard(entries=3, left_at=NOW + timedelta(days=1))
    assert joined_guards(active, left) == joined_guards(left, active)
    assert joined_guards(active, left) == Guard(run_id="jr1", entries=5, left_at=NOW + timedelta(days=1))
