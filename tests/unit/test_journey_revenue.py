"""What members of a journey's arms paid, whether the arms are those that were drawn, and how many members it takes."""

from __future__ import annotations

import random
from collections.abc import Callable

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.journeys.statistics import rules
from chalicelib.growth.journeys.statistics.rules import (
    MEMBERS_MIN,
    Arm,
    members_for_verdict,
    members_needed,
    revenue_difference,
    sample_ratio,
    share_difference,
    uplift,
)
from tests.support.draws import COVERED, TIMES, arm, drawn

MEMBERS = 20_000


def paying(*fen: int) -> Arm:
    return Arm(members=len(fen), revenue_fen=sum(fen), squares=sum(each**2 for each in fen))


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
