"""Whether a journey helped: intervals and probabilities as they are published and as a library has them, and what an
interval of 95 % promises: that it holds the truth so often, in worlds where the truth is known."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from itertools import accumulate

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.journeys.statistics import rules
from chalicelib.growth.journeys.statistics.rules import (
    CONVERSIONS_MIN,
    MEMBERS_MIN,
    Arm,
    Interval,
    members_for_verdict,
    members_needed,
    p_value,
    revenue_difference,
    sample_ratio,
    share_difference,
    share_interval,
    uplift,
)

MEMBERS = 20_000
TIMES = 2000
COVERED = (0.935, 0.965)


def arm(converted: int, members: int) -> Arm:
    return Arm(members=members, converted=converted)


def paying(*fen: int) -> Arm:
    return Arm(members=len(fen), revenue_fen=sum(fen), squares=sum(each**2 for each in fen))


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


@cache
def shares_of(count: int, rate: float) -> tuple[int, list[float]]:
    """The binomial distribution: from which number on, and the probability of it and of each further one."""
    spread = 9 * math.sqrt(count * rate * (1 - rate)) + 9
    first, last = max(0, int(count * rate - spread)), min(count, int(count * rate + spread))
    whole = math.lgamma(count + 1)
    return first, [
        math.exp(
            whole - math.lgamma(number + 1) - math.lgamma(count - number + 1)
            + number * math.log(rate) + (count - number) * math.log1p(-rate)
        )
        for number in range(first, last + 1)
    ]  # fmt: skip


def drawn(source: random.Random, count: int, rate: float) -> Callable[[], int]:
    """Of so many members so many convert, drawn anew at each call."""
    first, each = shares_of(count, rate)
    up_to = list(accumulate(each))
    return lambda: first + bisect_left(up_to, source.random() * up_to[-1])


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


# What members paid.


def reference_t(freedom: float) -> float:
    """Student's quantile by the incomplete beta function."""

    def beyond(t: float) -> object:
        return mpmath.betainc(freedom / 2, 0.5, 0, freedom / (freedom + t * t), regularized=True) - 0.05

    return float(mpmath.findroot(beyond, 2.0))


@pytest.mark.parametrize("freedom", [9, 9.5, 12, 20, 37.25, 100, 1000, 1e6])
def test_students_quantile_is_a_librarys(freedom: float) -> None:
    assert rules._t_95(freedom) == pytest.approx(reference_t(freedom), rel=2e-5)


@pytest.mark.parametrize(
    ("one", "other", "t", "freedom"),
    [((20, 100, 15), (20, 95, 20), 0.895, 35.2), ((20, 85, 5), (25, 80, 6), 3.05, 42.9)],
)
def test_welchs_interval_of_worked_examples(
    one: tuple[int, int, int], other: tuple[int, int, int], t: float, freedom: float
) -> None:
    """How many, their mean and standard deviation: two exercises of textbooks, with t and its degrees of freedom."""
    arms = [
        Arm(members=count, revenue_fen=count * mean, squares=(count - 1) * spread**2 + count * mean**2)
        for count, mean, spread in (one, other)
    ]
    found = revenue_difference(*arms)
    assert found is not None
    half = (found.high - found.low) / 2
    assert found.diff == 5
    assert half == pytest.approx(found.high - found.diff)
    assert half == pytest.approx(reference_t(freedom) * found.diff / t, rel=1e-3)


@given(st.lists(st.integers(-5000, 500_000), min_size=MEMBERS_MIN, max_size=60),
       st.lists(st.integers(-5000, 500_000), min_size=MEMBERS_MIN, max_size=60))  # fmt: skip
def test_what_members_paid_is_compared_as_exact_numbers_have_it(one: list[int], other: list[int]) -> None:
    found = revenue_difference(paying(*one), paying(*other))
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
        return
    assert found is not None
    with mpmath.workdps(30):
        parts, freedom = [], []
        for each in (one, other):
            mean = mpmath.fsum(each) / len(each)
            part = mpmath.fsum((fen - mean) ** 2 for fen in each) / (len(each) - 1) / len(each)
            parts.append(part)
            freedom.append(part**2 / (len(each) - 1))
        spread = float(mpmath.sqrt(sum(parts)))
        half = rules._t_95(float(sum(parts) ** 2 / sum(freedom))) * spread
    diff = sum(one) / len(one) - sum(other) / len(other)
    assert found.diff == pytest.approx(diff, abs=1e-6)
    assert (found.low, found.high) == (pytest.approx(diff - half, rel=1e-9, abs=1e-6),
                                       pytest.approx(diff + half, rel=1e-9, abs=1e-6))  # fmt: skip
    turned_round = revenue_difference(paying(*other), paying(*one))
    assert turned_round is not None
    assert turned_round.low == pytest.approx(-found.high, rel=1e-12, abs=1e-9)


@given(st.lists(st.integers(0, 500_000), min_size=MEMBERS_MIN, max_size=30, unique=True), st.integers(2, 20))
def test_the_more_members_the_surer_what_they_pay(fen: list[int], times: int) -> None:
    one, other = paying(*fen), paying(*(each + 100 for each in fen))
    few, many = (
        revenue_difference(one, other),
        revenue_difference(paying(*fen * times), paying(*[e + 100 for e in fen] * times)),
    )
    assert few is not None
    assert many is not None
    assert many.high - many.low < few.high - few.low


def test_nothing_is_lost_of_large_sums() -> None:
    """A million members who paid ten million fen each, give or take one: floating point would make noise of that."""
    paid = 10**7
    one = Arm(members=10**6, revenue_fen=10**6 * paid, squares=10**6 * paid**2 + 10**6)
    assert one.variance == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (paying(), paying()),
        (paying(*range(9)), paying(*range(500))),
        (paying(*[0] * 500), paying(*range(500))),
        (paying(*[0] * 500), paying(*[0] * 500)),
    ],
    ids=["nobody", "few", "one arm pays nothing", "nobody pays"],
)
def test_while_nothing_can_be_said_of_what_they_paid_nothing_is(one: Arm, other: Arm) -> None:
    assert (revenue_difference(one, other), revenue_difference(other, one)) == (None, None)
    assert uplift(one, other).revenue is None


def test_in_two_thousand_plays_the_interval_holds_what_members_pay_more() -> None:
    """One in ten buys for one of five prices; with the journey one in nine, and for the same."""
    source, prices = random.Random(9), (1990, 3990, 5990, 12_900, 39_900)
    truth = (1 / 9 - 1 / 10) * sum(prices) / len(prices)
    buyers = drawn(source, 18_000, 1 / 9), drawn(source, 2000, 1 / 10)
    covered = 0
    for _ in range(TIMES):
        found = revenue_difference(*(
            bought(source, prices, draw(), members) for draw, members in zip(buyers, (18_000, 2000), strict=True)
        ))  # fmt: skip
        assert found is not None
        covered += found.low <= truth <= found.high
    assert COVERED[0] <= covered / TIMES <= COVERED[1]


def bought(source: random.Random, prices: tuple[int, ...], buyers: int, members: int) -> Arm:
    fen = source.choices(prices, k=buyers)
    return Arm(members=members, converted=buyers, revenue_fen=sum(fen), squares=sum(each * each for each in fen))


# Whether the arms are those that were drawn.


@given(st.integers(1, 12), st.floats(0.001, 120))
def test_beyond_chi_square_is_a_librarys(freedom: int, square: float) -> None:
    expected = float(mpmath.gammainc(freedom / 2, square / 2, regularized=True))
    assert rules._beyond_chi_square(square, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_arms_of_other_sizes_than_their_weights_say_are_told_of() -> None:
    fair = sample_ratio([50_123, 49_877], [50, 50])
    assert (fair.is_off, fair.chi_square) == (False, pytest.approx(0.605, abs=0.001))
    off = sample_ratio([50_600, 49_400], [1, 1])
    assert (off.is_off, off.chi_square) == (True, pytest.approx(14.4))
    assert sample_ratio([18_000, 2000], [90, 10]) == sample_ratio([2000, 18_000], [10, 90])
    assert sample_ratio([18_000, 2000], [90, 10]).p == 1
    assert sample_ratio([17_900, 1900, 200], [90, 9, 1]).is_off is False
    assert sample_ratio([17_900, 1700, 400], [90, 9, 1]).is_off is True


@pytest.mark.parametrize("members", [[], [0, 0], [7], [7, 0]], ids=["no arms", "nobody", "one arm", "one has weight"])
def test_where_there_is_nothing_to_compare_nothing_is_off(members: list[int]) -> None:
    weights = [[], [1, 1], [1], [1, 0]][[[], [0, 0], [7], [7, 0]].index(members)]
    assert sample_ratio(members, weights).is_off is False


def test_an_arm_without_weight_has_no_members() -> None:
    with pytest.raises(ValueError, match="without weight"):
        sample_ratio([5, 1], [100, 0])
    with pytest.raises(ValueError, match="shorter"):
        sample_ratio([5, 1], [100])


def test_one_fair_draw_in_a_thousand_is_told_of() -> None:
    source = random.Random(1000)
    control = drawn(source, MEMBERS, 0.1)
    draws = [control() for _ in range(20_000)]
    told = sum(sample_ratio([MEMBERS - each, each], [9, 1]).is_off for each in draws)
    assert 5 <= told <= 40


# How many it takes.


@pytest.mark.parametrize(("control", "about"), [(5, 49_000), (10, 26_000), (50, 10_600)])
def test_a_point_more_at_a_base_of_three_percent_needs_so_many(control: int, about: int) -> None:
    found = members_needed(300, 100, control)
    assert round(found, -2 if about % 1000 else -3) == about


@pytest.mark.parametrize(
    ("base", "more", "control"), [(300, 100, 10), (300, 100, 50), (1000, -200, 20), (3000, 200, 50)]
)
def test_so_many_members_see_it_in_some_four_of_five_journeys(base: int, more: int, control: int) -> None:
    needed = members_needed(base, more, control)
    source, held_out = random.Random(base), needed * control // 100
    with_it, without = drawn(source, needed - held_out, (base + more) / 10_000), drawn(source, held_out, base / 10_000)
    seen = 0
    for _ in range(TIMES):
        found = share_difference(arm(with_it(), needed - held_out), arm(without(), held_out))
        seen += found.low > 0 if more > 0 else found.high < 0
    assert 0.72 <= seen / TIMES <= 0.84


@given(st.integers(100, 8000), st.integers(1, 100), st.integers(1, 99))
def test_a_larger_uplift_and_a_more_even_control_group_need_fewer(base: int, more: int, control: int) -> None:
    needed = members_needed(base, more, control)
    assert members_needed(base, more + 100, control) <= needed
    assert members_needed(base + more, -more, 100 - control) == pytest.approx(needed, abs=1)
    if control < 40:
        assert members_needed(base, more, control + 1) <= needed


def test_until_anything_is_said_there_may_be_more_to_wait_for() -> None:
    assert members_for_verdict(300, 100, 5) == 66_667 > members_needed(300, 100, 5)
    assert members_for_verdict(300, 100, 50) == 6667 < members_needed(300, 100, 50)
    assert members_for_verdict(300, 100, 95) == 50_000


@pytest.mark.parametrize("reckoned", [members_needed, members_for_verdict])
@pytest.mark.parametrize(
    ("base", "more", "control"),
    [(300, 0, 10), (-1, 100, 10), (9990, 11, 10), (10, -11, 10), (300, 100, 0), (300, 100, 100)],
)
def test_a_plan_that_is_none_is_refused(reckoned: Callable[..., int], base: int, more: int, control: int) -> None:
    with pytest.raises(ValueError, match=r"no share goes|is none"):
        reckoned(base, more, control)


def test_where_nobody_of_the_smaller_arm_converts_nothing_will_be_said() -> None:
    with pytest.raises(ValueError, match="nobody"):
        members_for_verdict(0, 100, 10)
