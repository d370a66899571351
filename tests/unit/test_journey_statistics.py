"""Whether a journey helped: intervals and probabilities as they are published and as a library has them, and what an
interval of 95 % promises: that it holds the truth so often, in worlds where the truth is known."""

from __future__ import annotations

import math
import random

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.journeys.statistics import rules
from chalicelib.growth.journeys.statistics.rules import (
    CONVERSIONS_MIN,
    Arm,
    Interval,
    p_value,
    share_difference,
    share_interval,
    uplift,
)
from tests.support.draws import COVERED, TIMES, arm, drawn, shares_of

MEMBERS = 20_000


@st.composite
def arms(draw: st.DrawFn, at_least: int = 0) -> Arm:
    members = draw(st.integers(at_least, 50_000))
    return arm(draw(st.integers(0, members)), members)


def turned(interval: Interval) -> Interval:
    return Interval(-interval.diff, -interval.high, -interval.low)


# Shares: as published, and as they must be.


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_the_intervals_are_those_of_the_paper(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe, Interval estimation for the difference between independent proportions, Statistics in Medicine 17
    (1998), table II, method 10."""
    found = share_difference(arm(*one), arm(*other))
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_the_interval_of_one_share_is_wilsons() -> None:
    """Newcombe, Two-sided confidence intervals for the single proportion, the same volume: 81 of 263, 15 of 148, 0 of
    20, 1 of 29."""
    for converted, members, low, high in (
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    ):  # fmt: skip
        assert share_interval(arm(converted, members)) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


@given(arms(), arms())
def test_who_is_held_against_whom_only_turns_the_sign(one: Arm, other: Arm) -> None:
    assert share_difference(one, other) == turned(share_difference(other, one))
    assert p_value(one, other) == p_value(other, one)
    there, back = uplift(one, other).verdict, uplift(other, one).verdict
    assert {"better": "worse", "worse": "better"}.get(there, there) == back


@given(arms(), arms())
def test_an_interval_holds_what_was_seen_and_is_one_of_shares(one: Arm, other: Arm) -> None:
    found = share_difference(one, other)
    assert -1 <= found.low <= found.diff <= found.high <= 1
    assert found.diff == one.rate - other.rate or not (one.members and other.members)
    assert 0 <= p_value(one, other) <= 1


@given(arms(at_least=1), arms(at_least=1), st.integers(2, 50))
def test_the_more_members_the_surer(one: Arm, other: Arm, times: int) -> None:
    """The same shares of more members: a narrower interval, and a difference that is less probable by chance."""
    more, others = (arm(each.converted * times, each.members * times) for each in (one, other))
    few, many = share_difference(one, other), share_difference(more, others)
    assert many.diff == pytest.approx(few.diff)
    assert (many.low >= few.low - 1e-12, many.high <= few.high + 1e-12) == (True, True)
    assert p_value(more, others) <= p_value(one, other) + 1e-12


@given(arms(at_least=1), arms(at_least=1))
def test_one_more_who_converts_makes_the_difference_larger(one: Arm, other: Arm) -> None:
    if one.converted < one.members:
        more = arm(one.converted + 1, one.members)
        before, after = share_difference(one, other), share_difference(more, other)
        assert after.diff > before.diff
        assert (after.low >= before.low, after.high >= before.high) == (True, True)


@given(arms(at_least=1), arms(at_least=1))
def test_the_probability_is_that_of_the_normal_distribution(one: Arm, other: Arm) -> None:
    count, converted = one.members + other.members, one.converted + other.converted
    if converted in (0, count):
        assert p_value(one, other) == 1
        return
    with mpmath.workdps(30):
        pooled = mpmath.mpf(converted) / count
        gap = mpmath.mpf(one.converted) / one.members - mpmath.mpf(other.converted) / other.members
        spread = mpmath.sqrt(pooled * (1 - pooled) * (mpmath.mpf(1) / one.members + mpmath.mpf(1) / other.members))
        expected = float(mpmath.erfc(abs(gap) / spread / mpmath.sqrt(2)))
    assert p_value(one, other) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_the_quantiles_are_those_of_the_normal_distribution() -> None:
    assert mpmath.ncdf(rules._Z_95) == pytest.approx(0.975, abs=1e-15)
    assert mpmath.ncdf(rules._Z_POWER) == pytest.approx(0.8, abs=1e-15)


# What may be said.


@pytest.mark.parametrize(
    ("treated", "control", "verdict"),
    [
        ((0, 0), (0, 0), "not_enough"),
        ((0, 0), (500, 1000), "not_enough"),
        ((900, 19_000), (99, 1000), "not_enough"),
        ((99, 1000), (900, 19_000), "not_enough"),
        ((19_000, 19_000), (99, 1000), "not_enough"),
        ((570, 19_000), (100, 1000), "worse"),
        ((2500, 19_000), (100, 1000), "better"),
        ((1900, 19_000), (100, 1000), "no_difference"),
        ((300, 10_000), (99, 10_000), "not_enough"),
        ((300, 10_000), (100, 10_000), "better"),
        ((300, 9_999), (99, 10_000), "better"),
        ((20, 19_000), (100, 1000), "worse"),
    ],
)
def test_what_is_said_of_two_arms(treated: tuple[int, int], control: tuple[int, int], verdict: str) -> None:
    assert uplift(arm(*treated), arm(*control)).verdict == verdict


@given(arms(), arms())
def test_below_a_hundred_conversions_in_the_smaller_arm_nothing_is_said(treated: Arm, control: Arm) -> None:
    found = uplift(treated, control)
    smaller = min(treated, control, key=lambda each: (each.members, each.converted))
    assert (found.verdict == "not_enough") == (smaller.converted < CONVERSIONS_MIN)
    if found.verdict != "not_enough":
        assert (found.verdict == "better") == (found.low > 0)
        assert (found.verdict == "worse") == (found.high < 0)


# The promise of 95 %.

#: What converts without the journey and with it, and the control group in percent.
WORLDS = [
    (base, treated, control)
    for control in (5, 10, 20, 50)
    for base, treated in ((0.01, 0.013), (0.03, 0.03), (0.03, 0.04), (0.1, 0.09), (0.3, 0.32))
]


@pytest.mark.parametrize(("base", "treated", "control"), WORLDS)
def test_in_two_thousand_plays_the_interval_holds_the_truth(base: float, treated: float, control: int) -> None:
    source = random.Random(f"{base} {treated} {control}")
    held_out = MEMBERS * control // 100
    with_it, without = drawn(source, MEMBERS - held_out, treated), drawn(source, held_out, base)
    covered = not_enough = few = 0
    for _ in range(TIMES):
        one, other = arm(with_it(), MEMBERS - held_out), arm(without(), held_out)
        found = uplift(one, other)
        covered += found.low <= treated - base <= found.high
        not_enough += found.verdict == "not_enough"
        few += min(one, other, key=lambda each: (each.members, each.converted)).converted < CONVERSIONS_MIN
    assert COVERED[0] <= covered / TIMES <= COVERED[1]
    assert not_enough == few


@pytest.mark.parametrize(("base", "treated", "control"), WORLDS)
def test_of_all_plays_that_there_are_it_holds_it_in_95_of_100(base: float, treated: float, control: int) -> None:
    """Each pair of numbers by its probability, nothing drawn."""
    held_out = MEMBERS * control // 100
    first, ones = shares_of(MEMBERS - held_out, treated)
    start, others = shares_of(held_out, base)
    covered = 0.0
    bounds = [
        (number / held_out, *share_interval(arm(number, held_out))) for number in range(start, start + len(others))
    ]
    for number, chance in enumerate(ones, first):
        one = arm(number, MEMBERS - held_out)
        low, high = share_interval(one)
        for (rate, other_low, other_high), other_chance in zip(bounds, others, strict=True):
            diff = one.rate - rate
            if (
                diff - math.hypot(one.rate - low, other_high - rate)
                <= treated - base
                <= diff + math.hypot(high - one.rate, rate - other_low)
            ):
                covered += chance * other_chance
    assert sum(ones) == pytest.approx(1, abs=1e-9)
    assert 0.949 <= covered <= 0.953


def test_of_journeys_that_change_nothing_one_in_twenty_looks_as_if_it_did() -> None:
    source = random.Random(20)
    with_it, without = drawn(source, 18_000, 0.1), drawn(source, 2000, 0.1)
    verdicts = [uplift(arm(with_it(), 18_000), arm(without(), 2000)).verdict for _ in range(TIMES)]
    assert 0.035 <= sum(one != "no_difference" for one in verdicts) / TIMES <= 0.065
