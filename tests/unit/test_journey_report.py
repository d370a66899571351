"""What a report says follows from what is counted, and a walk's end from whom it met."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.journeys.enrolling.rules import Part as Enrolling
from chalicelib.growth.journeys.enrolling.rules import enrolled, one_more, parts_of
from chalicelib.growth.journeys.moving.rules import PASS_SECONDS, Part, moved_on, seconds_to_next_pass
from chalicelib.growth.journeys.report import rules
from chalicelib.growth.journeys.report.rules import SendCount
from tests.support.journeys import plan

STEPS: dict[str, Any] = {"a": {"wait": {"days": 1}, "next": "b"}, "b": {"exit": {"reason": "x"}}}
COUNTS = st.dictionaries(st.sampled_from(["entered", "in|a", "ended|x", "n|control"]), st.integers(-5, 50))


@given(st.lists(COUNTS, max_size=4))
def test_versions_add_up(several: list[dict[str, int]]) -> None:
    whole = rules.summed(several)
    assert all(whole[name] == sum(one.get(name, 0) for one in several) for name in whole)
    assert set(whole) == {name for one in several for name in one}


def test_who_entered_is_active_parked_or_ended() -> None:
    counts = {"entered": 10, "parked": 2, "ended|x": 3, "ended|y": 1}
    assert rules.active_of(counts) == 4 and rules.named(counts, "ended") == {"x": 3, "y": 1}


def test_steps_come_in_the_order_of_the_latest_version_and_then_of_what_was_taken_out() -> None:
    old = plan({"z": {"wait": {"days": 1}}})
    counts = {"in|a": 5, "out|a": 3, "in|z": 2, "goal|a": 1}
    told = rules.steps_of([plan(STEPS), old], counts)
    assert [(one.step, one.came, one.went, one.waiting, one.converted) for one in told] == [
        ("a", 5, 3, 2, 1), ("b", 0, 0, 0, 0), ("z", 2, 0, 2, 0),
    ]  # fmt: skip


def test_arms_have_rates_in_basis_points_rounded_half_up() -> None:
    counts = {"n|treated": 3, "conv|treated": 2, "n|control": 0, "n|s:b": 1, "n|s:a": 8, "conv|s:a": 1, "gmv|s:a": 7}
    told = rules.arms_of(counts)
    assert [(one.arm, one.members, one.converted, one.rate_bp, one.gmv_fen) for one in told] == [
        ("treated", 3, 2, 6667, 0), ("control", 0, 0, 0, 0), ("s:a", 8, 1, 1250, 7), ("s:b", 1, 0, 0, 0),
    ]  # fmt: skip


def test_an_uplift_wants_a_control_group_and_its_bounds_are_never_narrower() -> None:
    assert rules.uplift_of({"n|treated": 10}) is None
    counts = {
        "n|treated": 9000, "conv|treated": 900, "gmv|treated": 900_000, "gmv2|treated": 900_000_000,
        "n|control": 3000, "conv|control": 150, "gmv|control": 150_000, "gmv2|control": 150_000_000,
    }  # fmt: skip
    told = rules.uplift_of(counts)
    assert told is not None and told.verdict == "better" and told.diff_bp == 500
    assert told.low_bp < 500 < told.high_bp and told.p == 0.0
    assert told.revenue is not None and told.revenue.diff_fen == 50


def test_the_groups_are_held_against_the_share_of_each_version() -> None:
    tenth, half, none = (plan(STEPS, control_percent=percent) for percent in (10, 50, 0))
    even = rules.sample_of([(tenth, {"n|treated": 900, "n|control": 100}), (half, {"n|treated": 50, "n|control": 50})])
    assert even is not None and not even.off and (even.treated, even.control) == (950, 150)
    odd = rules.sample_of([(tenth, {"n|treated": 900, "n|control": 200})])
    assert odd is not None and odd.off
    held_out = rules.sample_of([(tenth, {"n|treated": 900, "n|control": 200, "holdout": 100})])
    assert held_out is not None and not held_out.off and held_out.control == 100
    assert rules.sample_of([(none, {"n|treated": 900})]) is None
    assert rules.sample_of([]) is None


def test_messages_are_told_by_medium_and_cost_what_went_out() -> None:
    counts = {
        "sms|sent": 3, "sms|delivered": 2, "sms|unknown": 1, "sms|failed": 4, "-|held": 5,
        "-|dropped:capped": 6, "oa|dropped:recalled": 1, "oa|sent": 9,
    }  # fmt: skip
    told = rules.sends_of(counts)
    assert told == {
        "-": SendCount(held=5, dropped={"capped": 6}),
        "oa": SendCount(sent=9, dropped={"recalled": 1}),
        "sms": SendCount(sent=3, delivered=2, failed=4, unknown=1),
    }
    assert rules.sends_fen(told, 5) == 30 and rules.sends_fen({}, 5) == 0


def test_coupons_cost_what_they_took_off_or_a_share_of_it() -> None:
    assert rules.coupons_fen(10, 10, 999) == (999, False)
    assert rules.coupons_fen(5, 10, 999) == (500, True)
    assert rules.coupons_fen(0, 10, 999) == (0, False)
    assert rules.coupons_fen(0, 0, 0) == (0, False)


def test_a_part_is_done_after_a_pass_that_met_nobody_since_everybody_knew() -> None:
    began = datetime(2026, 11, 30, tzinfo=UTC)
    known, later = began + timedelta(seconds=35), began + timedelta(seconds=40)
    part = Part(move_id="jm1", shard=0, since=began)
    on = moved_on(part, "x", True, known, began)
    assert (on.position, on.met, on.state) == ("x", True, "running")
    assert moved_on(on, "y", False, known, began).met
    again = moved_on(part, None, False, known, later)
    assert (again.state, again.since, again.met, again.position) == ("running", later, False, "")
    assert moved_on(again, None, True, known, later).state == "running"
    assert moved_on(again, None, False, known, later).state == "done"
    assert seconds_to_next_pass(True, known, began) == PASS_SECONDS
    assert seconds_to_next_pass(False, known, began) == 35
    assert seconds_to_next_pass(False, known, later) == PASS_SECONDS


@given(st.integers(0, 300_000))
def test_an_audience_is_divided_without_a_gap(count: int) -> None:
    parts = parts_of(count)
    assert len(parts) in (1, 16) and parts[0].position == 0 and parts[-1].end == count
    assert all(one.end == following.position for one, following in pairwise(parts))
    assert max(part.end - part.position for part in parts) <= max(1000, count // 16 + 1)


def test_who_came_in_is_summed_up_over_parts() -> None:
    first = one_more(Enrolling(position=0, end=3), 3, ["entered", "control", "active"])
    second = one_more(Enrolling(position=3, end=6), 2, ["entered", "active"])
    told = enrolled("je1", [first, second])
    assert (told.state, told.entered, told.refused) == ("running", 2, {"active": 2, "control": 1})
    assert enrolled("je1", [first]).state == "done"
