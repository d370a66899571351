"""What an order pays, what a refund leaves of it, whom a binding holds, which tier is reached: to the fen, always."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.accounting.rules import paid_for
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.errors import MallError
from chalicelib.growth.distribution.rules import (
    STANDARD,
    Binding,
    Commission,
    CommissionLine,
    DistributionRules,
    Rate,
    SalesTotals,
    Tier,
    check,
    new_binding,
    order_cap,
    rate,
    reduced,
)
from tests.support.commissions import NOW, paid_order, pays, refunded

RULES = DistributionRules(enabled=True, levels=2, rates_bp=[1000, 500])
GOLD = Tier(tier_id="gold", name="金牌", rates_bp=[2000, 800])
ONE_RATE = Tier(tier_id="iron", name="铁牌", rates_bp=[1200])

basis_points = st.integers(0, 10_000)
rates = st.lists(basis_points, min_size=1, max_size=2)
tiers = st.one_of(st.none(), st.builds(Tier, tier_id=st.just("t"), name=st.just("T"), rates_bp=rates))


@st.composite
def some_rules(draw: st.DrawFn) -> DistributionRules:
    return DistributionRules(
        enabled=True, levels=draw(st.integers(1, 2)), rates_bp=draw(rates), order_cap_bp=draw(basis_points),
        order_cap_fen=draw(st.one_of(st.none(), st.integers(0, 50_000))),
    )  # fmt: skip


def cap_of(goods_fen: int, rules: DistributionRules) -> int:
    """The most that an order may pay, written out: its share of the goods, and the sum where there is one."""
    share = goods_fen * rules.order_cap_bp // 10_000
    return share if rules.order_cap_fen is None or rules.order_cap_fen > share else rules.order_cap_fen


@st.composite
def orders(draw: st.DrawFn) -> Order:
    lines = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 100_000)), min_size=1, max_size=4))
    return paid_order(*lines, freight_fen=draw(st.integers(0, 2000)))


@st.composite
def products(draw: st.DrawFn) -> dict[str, int | None]:
    own = st.one_of(st.none(), basis_points)
    return {f"p{number}": draw(own) for number in range(4)}


# Which rate


@pytest.mark.parametrize(
    ("product_bp", "tier", "level", "expected"),
    [
        (None, None, 1, Rate(1000, "default")),
        (None, None, 2, Rate(500, "default")),
        (None, GOLD, 1, Rate(2000, "tier")),
        (None, GOLD, 2, Rate(800, "tier")),
        (None, ONE_RATE, 2, Rate(500, "default")),
        (300, GOLD, 1, Rate(300, "product")),
        (300, GOLD, 2, Rate(300, "product")),
        (500, None, 2, Rate(500, "default")),
        (800, GOLD, 2, Rate(800, "tier")),
        (3000, GOLD, 1, Rate(3000, "product")),
        (3000, GOLD, 2, Rate(800, "tier")),
        (0, GOLD, 1, Rate(0, "product")),
        (0, GOLD, 2, Rate(0, "product")),
    ],
)
def test_the_product_goes_first_then_the_tier_then_the_default(
    product_bp: int | None, tier: Tier | None, level: int, expected: Rate
) -> None:
    assert rate(product_bp, tier, level, RULES) == expected


@given(st.one_of(st.none(), basis_points), tiers, st.integers(1, 2), some_rules())
def test_no_level_is_paid_more_than_the_product_gives(
    product_bp: int | None, tier: Tier | None, level: int, rules: DistributionRules
) -> None:
    used = rate(product_bp, tier, level, rules)
    if product_bp is None:
        own = tier.rates_bp if tier is not None and len(tier.rates_bp) >= level else rules.rates_bp
        assert used.bp == (own[level - 1] if len(own) >= level else 0)
    else:
        assert used.bp <= product_bp
        assert level == 2 or used == Rate(product_bp, "product")


# What an order pays


@given(orders(), products(), some_rules())
def test_an_order_never_pays_more_than_its_cap_and_a_line_never_more_than_its_rate(
    order: Order, own: dict[str, int | None], rules: DistributionRules
) -> None:
    made = pays(order, rules, own)
    goods = sum(line.payable_fen for line in order.lines)
    total, whole = sum(one.amount_fen for one in made), sum(line.full_fen for one in made for line in one.lines)
    assert total == min(whole, cap_of(goods, rules))
    assert total <= goods
    assert len(made) <= rules.levels <= 2
    for one in made:
        for line, sold in zip(one.lines, order.lines, strict=True):
            assert line.base_fen == line.paid_fen == sold.payable_fen
            assert line.full_fen == sold.payable_fen * line.rate_bp // 10_000
            assert 0 <= line.amount_fen == line.earned_fen <= line.full_fen


def test_a_tier_is_paid_by_its_rates_and_one_that_is_not_there_by_the_default() -> None:
    rules = msgspec.structs.replace(RULES, tiers=[ONE_RATE, GOLD])
    paid = {tier: [one.amount_fen for one in pays(paid_order((1, 1000)), rules, tier=tier)] for tier in (
        "gold", "iron", STANDARD, "removed",
    )}  # fmt: skip
    assert paid == {"gold": [200, 80], "iron": [120, 50], STANDARD: [100, 50], "removed": [100, 50]}
    assert [rules.tier(tier.tier_id) for tier in (GOLD, ONE_RATE)] == [GOLD, ONE_RATE]


def test_the_default_pays_a_tenth_on_one_level() -> None:
    rules = DistributionRules(enabled=True)
    assert ([one.amount_fen for one in pays(paid_order((1, 1000)), rules)], rules.rates_bp) == ([100], [1000, 300])


def test_where_a_price_was_lowered_after_payment_the_lower_one_is_the_base() -> None:
    order = paid_order((1, 1000), (1, 500))
    lines = [msgspec.structs.replace(order.lines[0], reduced_fen=400), order.lines[1]]
    first, second = pays(msgspec.structs.replace(order, lines=lines), RULES)
    assert [(line.paid_fen, line.base_fen, line.amount_fen) for line in first.lines] == [(600, 600, 60), (500, 500, 50)]
    assert [line.amount_fen for line in second.lines] == [30, 25]


@pytest.mark.parametrize(
    ("goods", "cap_fen", "cap"), [(1000, None, 500), (1000, 600, 500), (1000, 400, 400), (1001, 500, 500), (0, 9, 0)]
)
def test_the_cap_is_the_share_of_the_goods_and_the_sum_whichever_is_less(
    goods: int, cap_fen: int | None, cap: int
) -> None:
    assert order_cap(goods, 5000, cap_fen) == cap


def test_at_the_cap_a_refund_of_one_line_may_leave_more_to_another_and_never_to_all() -> None:
    rules = msgspec.structs.replace(RULES, order_cap_bp=1000)
    order = paid_order((1, 100), (1, 1000))
    levels = pays(order, rules, {"p0": 10_000})
    kept = refunded(order, "r", (0, 1))
    assert [[line.amount_fen for line in one.lines] for one in levels] == [[43, 43], [2, 22]]
    assert [[line.amount_fen for line in reduced(one, levels, kept).lines] for one in levels] == [[0, 67], [0, 33]]


def test_what_is_above_the_cap_is_taken_off_everybody_in_proportion() -> None:
    rules = msgspec.structs.replace(RULES, order_cap_fen=100)
    assert [one.amount_fen for one in pays(paid_order((1, 2000)), rules)] == [67, 33]


def test_a_commission_tells_by_which_rules_it_was_made_and_what_each_line_earns() -> None:
    rules = msgspec.structs.replace(RULES, tiers=[GOLD], order_cap_bp=5000, order_cap_fen=150, freeze_days=9)
    first, second = pays(paid_order((2, 1000)), rules, tier="gold")
    line = CommissionLine(
        sku_id="s0", product_id="p0", name="n0", quantity=2, rate_bp=2000, source="tier", paid_fen=1000, base_fen=1000,
        full_fen=200, earned_fen=107, amount_fen=107,
    )  # fmt: skip
    assert first == Commission(
        order_id="o1", level=1, member_id="seller", buyer_id="buyer", tier="gold", rules_version=1, lines=[line],
        state="pending", created_at=NOW, freeze_days=9, cap_bp=5000, cap_fen=150, order_earned_fen=150,
    )  # fmt: skip
    assert second == msgspec.structs.replace(
        first, level=2, member_id="above",
        lines=[msgspec.structs.replace(line, rate_bp=800, full_fen=80, earned_fen=43, amount_fen=43)],
    )  # fmt: skip


# What a refund leaves


def in_parts(order: Order, parts: list[tuple[int, int]]) -> list[Order]:
    """The order after each of these refunds; those that ask for more than is left do not happen."""
    found = [order]
    for number, (line, quantity) in enumerate(parts):
        try:
            found.append(refunded(found[-1], f"r{number}", (line % len(order.lines), quantity)))
        except MallError:
            continue
    return found


parts = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=8)


@given(orders(), products(), some_rules(), parts, st.data())
def test_in_whatever_parts_and_order_it_is_told_a_refund_takes_back_the_same(
    order: Order,
    own: dict[str, int | None],
    rules: DistributionRules,
    asked: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    steps = in_parts(order, asked)
    told = data.draw(st.lists(st.sampled_from(steps), max_size=4)) if len(steps) > 1 else []
    levels = pays(order, rules, own)
    for made in levels:
        step_by_step, at_once = made, reduced(made, levels, steps[-1])
        for now in told:
            before, step_by_step = step_by_step, reduced(step_by_step, levels, now)
            assert step_by_step.base_fen <= before.base_fen
        assert reduced(step_by_step, levels, steps[-1]) == at_once
        assert reduced(at_once, levels, steps[-1]) is at_once
        for line in at_once.lines:
            assert line.base_fen == paid_for(steps[-1], line.sku_id)
            assert 0 <= line.amount_fen <= line.base_fen * line.rate_bp // 10_000


@given(orders(), products(), some_rules(), parts)
def test_of_an_order_given_back_whole_nothing_is_left(
    order: Order, own: dict[str, int | None], rules: DistributionRules, asked: list[tuple[int, int]]
) -> None:
    last = in_parts(order, asked)[-1]
    if any(line.returned < line.quantity for line in last.lines):
        last = refunded(last, "rest")
    levels = pays(order, rules, own)
    for one in levels:
        after = reduced(one, levels, last)
        assert (after.amount_fen, after.base_fen) == (0, 0)
        assert after.state == ("reversed" if one.base_fen else "pending")


def test_a_refund_of_one_of_three_pieces_leaves_the_rate_of_the_other_two() -> None:
    order = paid_order((3, 1000), (1, 990))
    levels = pays(order, RULES)
    one = reduced(levels[0], levels, refunded(order, "r", (0, 1)))
    assert [(line.base_fen, line.amount_fen) for line in one.lines] == [(667, 66), (990, 99)]
    assert (one.state, one.earned_fen, one.base_fen, one.amount_fen) == ("pending", 199, 1657, 165)


def test_in_whatever_order_the_levels_are_named_the_odd_fen_is_the_first_one_s() -> None:
    rules = msgspec.structs.replace(RULES, rates_bp=[500, 500], order_cap_fen=99)
    order = paid_order((1, 100), (1, 1000))
    levels = pays(order, rules)
    kept = refunded(order, "r", (0, 1))
    for named in (levels, levels[::-1]):
        assert [reduced(one, named, kept).amount_fen for one in levels] == [50, 49]


def test_the_cap_is_that_of_what_was_kept() -> None:
    rules = msgspec.structs.replace(RULES, order_cap_bp=2500)
    order = paid_order((1, 1000), (1, 1000))
    levels = pays(order, rules, {"p0": 5000, "p1": 0})
    assert [one.amount_fen for one in levels] == [455, 45]
    kept = refunded(order, "r", (1, 1))
    assert [reduced(one, levels, kept).amount_fen for one in levels] == [227, 23]


def test_below_the_cap_a_refund_of_one_line_leaves_the_other_as_it_was() -> None:
    rules = DistributionRules(enabled=True, levels=2, rates_bp=[1500, 700])
    order = paid_order((1, 1000), (1, 10_000))
    levels = pays(order, rules, {"p0": 4000, "p1": 350})
    assert [[line.amount_fen for line in one.lines] for one in levels] == [[400, 350], [70, 350]]
    kept = refunded(order, "r", (1, 1))
    assert [[line.amount_fen for line in reduced(one, levels, kept).lines] for one in levels] == [[400, 0], [70, 0]]


def by_rule(made: Sequence[Commission], bases: Sequence[int]) -> int:
    """What all levels earn of these bases by their rates, each line rounded down."""
    return sum(base * line.rate_bp // 10_000 for one in made for line, base in zip(one.lines, bases, strict=True))


@given(orders(), products(), some_rules(), parts)
def test_all_levels_together_have_what_the_rates_say_and_at_most_the_cap_of_what_was_kept(
    order: Order, own: dict[str, int | None], rules: DistributionRules, asked: list[tuple[int, int]]
) -> None:
    made = now_made = pays(order, rules, own)
    for now in in_parts(order, asked):
        bases = [paid_for(now, line.sku_id) for line in order.lines]
        now_made = [reduced(one, made, now) for one in now_made]
        assert sum(one.amount_fen for one in now_made) == min(cap_of(sum(bases), rules), by_rule(made, bases))


@given(orders(), products(), some_rules(), parts)
def test_a_line_that_nobody_gave_back_changes_only_where_the_cap_binds(
    order: Order, own: dict[str, int | None], rules: DistributionRules, asked: list[tuple[int, int]]
) -> None:
    made = pays(order, rules, own)
    steps = in_parts(order, asked)
    for before, after in pairwise(steps):
        bases = [[paid_for(at, line.sku_id) for line in order.lines] for at in (before, after)]
        if any(by_rule(made, base) > cap_of(sum(base), rules) for base in bases):
            continue
        for one in made:
            first, then = (reduced(one, made, at).lines for at in (before, after))
            for line, next_line, base, next_base in zip(first, then, *bases, strict=True):
                assert base != next_base or line == next_line


# Bindings


def binding(until: datetime | None) -> Binding:
    return Binding(member_id="m", inviter="d", token="t", bound_at=NOW, until=until)


@pytest.mark.parametrize("days", [0, 1, 7])
def test_a_tie_is_made_for_its_days_or_for_ever(days: int) -> None:
    rules = msgspec.structs.replace(RULES, protection_days=days)
    assert new_binding("m", "d", "t", rules, NOW) == binding(NOW + timedelta(days=days) if days else None)


@pytest.mark.parametrize(
    ("until", "now", "is_live"),
    [
        (None, NOW + timedelta(days=100_000), True),
        (NOW + timedelta(days=7), NOW + timedelta(days=7) - timedelta(milliseconds=1), True),
        (NOW + timedelta(days=7), NOW + timedelta(days=7), False),
        (NOW + timedelta(days=7), NOW + timedelta(days=8), False),
    ],
)
def test_a_tie_holds_until_its_end(until: datetime | None, now: datetime, is_live: bool) -> None:
    assert binding(until).live(now) is is_live


@pytest.mark.parametrize(
    ("until", "has_held"),
    [(None, True), (NOW + timedelta(seconds=1), True), (NOW, False), (NOW - timedelta(seconds=1), False)],
)
def test_a_tie_that_is_over_as_it_began_never_held(until: datetime | None, has_held: bool) -> None:
    assert binding(until).held is has_held


# Settings


def test_two_tiers_of_one_name_and_three_levels_are_refused() -> None:
    for wrong in ([GOLD, GOLD], [Tier(tier_id=STANDARD, name="普通")]):
        with pytest.raises(MallError) as refusal:
            check(DistributionRules(tiers=wrong))
        assert refusal.value.errors[0].field == f"tiers[{len(wrong) - 1}].tier_id"
    with pytest.raises(MallError) as refusal:
        check(DistributionRules(levels=2, rates_bp=[1000]))
    assert refusal.value.errors[0].field == "rates_bp"
    check(DistributionRules(levels=2, tiers=[GOLD, ONE_RATE]))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"levels": 3}, DistributionRules)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"rates_bp": [1, 2, 3]}, DistributionRules)


@pytest.mark.parametrize(
    ("enabled", "stopped", "region", "runs"),
    [
        (True, [], "310115", True),
        (True, ["310000"], "310115", False),
        (True, ["310000"], "320500", True),
        (True, ["310000", "320500"], "320500", False),
        (True, ["310000", "320500"], "310115", False),
        (True, ["310000", "320500"], "320100", True),
        (False, [], "310115", False),
        (False, ["310000"], "320500", False),
    ],
)
def test_nobody_is_paid_where_distribution_is_off_or_one_of_its_stopped_regions_is(
    enabled: bool, stopped: list[str], region: str, runs: bool
) -> None:
    assert DistributionRules(enabled=enabled, stopped_regions=stopped).runs_in(region) is runs


FEW = st.integers(0, 2)


@given(st.tuples(FEW, FEW, FEW), st.tuples(FEW, FEW, FEW))
def test_a_tier_is_reached_by_whoever_lacks_none_of_its_thresholds_if_it_has_any(
    thresholds: tuple[int, int, int], has: tuple[int, int, int]
) -> None:
    sales, orders, customers = thresholds
    tier = Tier(tier_id="t", name="T", sales_fen=sales, orders=orders, customers=customers)
    lacks = [wanted for wanted, got in zip(thresholds, has, strict=True) if got < wanted]
    assert SalesTotals(*has).reach(tier) is (not lacks and thresholds != (0, 0, 0))
