"""What each kind of promotion takes off, worked out by hand; their order, and what combines with what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Held, Scope
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.promotions.rules import (
    AddOn,
    Bundle,
    NewCustomerPrice,
    PiecesPercent,
    Promotion,
    ThresholdOff,
    check,
)
from chalicelib.commerce.pricing.rules import Quote
from chalicelib.core.errors import MallError
from tests.support.pricing import (
    NAMED_PRICES,
    NOW,
    RUNS,
    baskets,
    held,
    item,
    payable,
    percents,
    pieces,
    price,
    prices,
    promotions,
    thresholds,
)

SHIRT, SOCKS = item("shirt", 1, 9000), item("socks", 3, 500)
TEN_OFF = ThresholdOff(tiers=thresholds((1000, 100)), **RUNS)


def told(items: list[Item], *running: Promotion, wallet: Sequence[Held] = (), **more: Any) -> Quote:
    return price(items, *wallet, promotions={f"p{number}": each for number, each in enumerate(running)}, **more)


def off(quote: Quote) -> list[tuple[str, int, dict[str, int]]]:
    return [(each.id, each.discount_fen, {x.sku_id: x.discount_fen for x in each.lines}) for each in quote.discounts]


# Each kind by hand


def test_a_new_customer_has_one_piece_at_the_price_that_saves_most() -> None:
    made = NewCustomerPrice(prices=prices(a=100, b=2900), **RUNS)
    bought = [item("a", 2, 1000), item("b", 1, 3000)]
    assert off(told(bought, made, new_customer=True)) == [("p0", 900, {"a": 900})]
    assert payable(told(bought, made, new_customer=True)) == [1100, 3000]
    assert off(told(bought, made)) == []


def test_a_price_that_is_not_lower_takes_nothing_off() -> None:
    dear = NewCustomerPrice(prices=prices(a=1000), **RUNS)
    bundle = Bundle(pieces=pieces(a=2), price_fen=2000, **RUNS)
    added = AddOn(prices=prices(a=1001), threshold_fen=0, **RUNS)
    assert off(told([item("a", 2, 1000), item("b", 1, 1)], dear, bundle, added, new_customer=True)) == []


def test_a_saving_of_one_fen_is_one() -> None:
    assert off(told([item("a", 2, 1000)], Bundle(pieces=pieces(a=2), price_fen=1999, **RUNS))) == [("p0", 1, {"a": 1})]
    made = NewCustomerPrice(prices=prices(a=999), **RUNS)
    assert off(told([item("a", 1, 1000)], made, new_customer=True)) == [("p0", 1, {"a": 1})]


def test_a_line_that_one_takes_nothing_off_is_free_for_the_next_of_its_kind() -> None:
    """Of two named prices of a kind the first saves nothing on one line, or has no piece left for it."""
    first = AddOn(prices=prices(a=1000, b=1), threshold_fen=1, limit=1, priority=9, **RUNS)
    second = AddOn(prices=prices(a=400), threshold_fen=1, **RUNS)
    bought = [item("a", 1, 1000), item("b", 1, 500), SHIRT]
    assert off(told(bought, first, second)) == [("p0", 499, {"b": 499}), ("p1", 600, {"a": 600})]
    assert off(told(bought, msgspec.structs.replace(first, limit=2), second)) == [
        ("p0", 499, {"b": 499}), ("p1", 600, {"a": 600}),
    ]  # fmt: skip
    spent = AddOn(prices=prices(a=600, b=1), threshold_fen=1, limit=1, priority=9, **RUNS)
    assert off(told(bought, spent, second)) == [("p0", 499, {"b": 499}), ("p1", 600, {"a": 600})]
    taken = Bundle(pieces=pieces(a=1), price_fen=900, **RUNS)  # its only piece has a named price already
    assert off(told(bought[::2], taken, second)) == [("p0", 100, {"a": 100})]


def test_an_exchanged_piece_is_valued_by_its_line_rounded_down() -> None:
    """Three pieces for 10.00 are 3.33 each; lines of a named price are told in the order of the purchase."""
    made = Bundle(pieces=pieces(a=3), price_fen=1000, **RUNS)
    quote = told([item("a", 3, 400)], made, wallet=[held("k", kind="exchange", amount_fen=0)])
    assert [each.discount_fen for each in quote.discounts] == [200, 333]
    added = AddOn(prices=prices(a=900, b=100), limit=2, threshold_fen=1, **RUNS)
    [discount] = told([item("a", 1, 1000), item("b", 1, 1000), SHIRT], added).discounts
    assert [line.sku_id for line in discount.lines] == ["a", "b"]


def test_a_bundle_is_sold_as_often_as_it_fits_and_what_it_saves_goes_by_what_its_pieces_cost() -> None:
    made = Bundle(pieces=pieces(a=1, b=2), price_fen=2500, **RUNS)
    # Two sets of three pieces at 10.00 save 5.00 each; a third one lacks a piece of b.
    quote = told([item("a", 3, 1000), item("b", 5, 1000)], made)
    assert off(quote) == [("p0", 1000, {"a": 333, "b": 667})]
    assert payable(quote) == [2667, 4333]
    assert off(told([item("a", 3, 1000), item("b", 1, 1000)], made)) == []
    assert off(told([item("a", 3, 1000)], made)) == []


def test_three_pieces_of_one_sku_are_a_bundle_too() -> None:
    made = Bundle(pieces=pieces(a=3), price_fen=9900, **RUNS)
    assert payable(told([item("a", 7, 4000)], made)) == [9900 * 2 + 4000]


def test_an_add_on_is_for_who_buys_enough_of_other_goods_and_for_so_many_pieces() -> None:
    made = AddOn(prices=prices(socks=99), limit=2, threshold_fen=9000, **RUNS)
    assert payable(told([SHIRT, SOCKS], made)) == [9000, 99 * 2 + 500]
    assert off(told([item("shirt", 1, 8999), SOCKS], made)) == []
    # What is added does not count itself, however much of it there is.
    assert off(told([item("socks", 99, 500)], made)) == []
    to_anything = msgspec.structs.replace(made, threshold_fen=0)
    assert off(told([SOCKS], to_anything)) == []
    assert off(told([SOCKS, item("gift", 1, 0)], to_anything)) == [("p0", 802, {"socks": 802})]


def test_the_limit_of_add_ons_goes_to_where_it_saves_most() -> None:
    made = AddOn(prices=prices(a=900, b=100), limit=3, threshold_fen=1, **RUNS)
    assert off(told([item("a", 2, 1000), item("b", 2, 1000), SHIRT], made)) == [("p0", 1900, {"a": 100, "b": 1800})]


def test_the_scope_of_an_add_on_is_of_the_other_goods() -> None:
    made = AddOn(prices=prices(socks=99), threshold_fen=9000, scope=Scope(products=["p-shirt"]), **RUNS)
    assert payable(told([SHIRT, SOCKS], made)) == [9000, 1099]
    assert off(told([item("coat", 1, 90_000), SOCKS], made)) == []


@pytest.mark.parametrize(("quantity", "expected"), [(1, 0), (2, 199), (3, 599), (4, 799), (9, 1798)])
def test_percent_off_by_pieces_takes_the_best_tier_reached(quantity: int, expected: int) -> None:
    made = PiecesPercent(tiers=percents((3, 20), (2, 10)), **RUNS)
    assert told([item("a", quantity, 999)], made).discount_fen == expected


def test_pieces_of_all_lines_in_scope_are_counted_together() -> None:
    made = PiecesPercent(tiers=percents((3, 50)), scope=Scope(categories=["tea"]), **RUNS)
    tea = [item("a", 1, 1000, categories=("green", "tea")), item("b", 2, 333, categories=("tea",))]
    assert off(told([*tea, item("c", 9, 1000)], made)) == [("p0", 833, {"a": 500, "b": 333})]
    assert off(told([tea[0], item("b", 1, 333, categories=("tea",)), item("c", 9, 1000)], made)) == []


@pytest.mark.parametrize(
    ("amount", "once", "every"), [(9999, 0, 0), (10_000, 1000, 1000), (20_000, 2500, 2500), (45_000, 2500, 5000)]
)
def test_so_much_off_from_so_much_on(amount: int, once: int, every: int) -> None:
    tiers = thresholds((10_000, 1000), (20_000, 2500))
    bought = [item("a", 1, amount)]
    assert told(bought, ThresholdOff(tiers=tiers, **RUNS)).discount_fen == once
    assert told(bought, ThresholdOff(tiers=tiers, every=True, **RUNS)).discount_fen == every


def test_what_comes_off_is_shared_by_the_largest_remainder() -> None:
    quote = told(
        [item("a", 1, 100), item("b", 1, 100), item("c", 1, 100)], ThresholdOff(tiers=thresholds((300, 100)), **RUNS)
    )
    assert payable(quote) == [66, 67, 67]


def test_more_off_than_it_costs_makes_it_free() -> None:
    assert payable(told([item("a", 1, 100)], ThresholdOff(tiers=thresholds((100, 500)), **RUNS))) == [0]


# What combines


def test_a_piece_has_one_named_price_at_most() -> None:
    new = NewCustomerPrice(prices=prices(a=1), **RUNS)
    bundle = Bundle(pieces=pieces(a=2), price_fen=1500, **RUNS)
    added = AddOn(prices=prices(a=600), limit=9, threshold_fen=100, **RUNS)
    # Of four pieces one is at 0.01, two are a bundle, and one is added on.
    quote = told([item("a", 4, 1000), item("b", 1, 100)], added, bundle, new, new_customer=True)
    assert off(quote) == [("p2", 999, {"a": 999}), ("p1", 500, {"a": 500}), ("p0", 400, {"a": 400})]
    assert payable(quote) == [1 + 1500 + 600, 100]


def test_the_kinds_follow_each_other_on_what_is_left() -> None:
    bundle = Bundle(pieces=pieces(a=1, b=1), price_fen=3000, **RUNS)
    half = PiecesPercent(tiers=percents((2, 50)), **RUNS)
    less = ThresholdOff(tiers=thresholds((1500, 100), (1501, 1000)), **RUNS)
    # 40.00 are 30.00 as a bundle, half of that is 15.00, which just reaches the lower threshold.
    quote = told([item("a", 1, 2000), item("b", 1, 2000)], less, half, bundle)
    assert [(each.kind, each.discount_fen) for each in quote.discounts] == [
        ("bundle", 1000), ("pieces_percent", 1500), ("threshold_off", 100),
    ]  # fmt: skip
    assert payable(quote) == [700, 700]


def test_a_line_takes_the_promotion_of_the_highest_priority_and_then_the_first_by_id() -> None:
    def made(off_fen: int, priority: int, **scope: Any) -> Promotion:
        tiers = thresholds((100, off_fen))
        return ThresholdOff(tiers=tiers, priority=priority, scope=Scope(**scope), **RUNS)

    bought = [item("a", 1, 1000), item("b", 1, 1000)]
    assert off(told(bought, made(200, 1), made(10, 2))) == [("p1", 10, {"a": 5, "b": 5})]
    assert off(told(bought, made(200, 1), made(10, 1))) == [("p0", 200, {"a": 100, "b": 100})]
    narrow = made(10, 2, products=["p-a"])
    assert off(told(bought, made(200, 1), narrow)) == [("p1", 10, {"a": 10}), ("p0", 200, {"b": 200})]


def test_a_promotion_that_is_not_reached_stands_in_nobody_s_way() -> None:
    far = ThresholdOff(tiers=thresholds((99_999, 5000)), priority=9, **RUNS)
    assert off(told([item("a", 1, 1000)], far, TEN_OFF)) == [("p1", 100, {"a": 100})]


def test_it_runs_from_its_start_until_just_before_its_end() -> None:
    moment = timedelta(microseconds=1)
    for starts, ends, runs in (
        (NOW, NOW + moment, True), (NOW + moment, NOW + 2 * moment, False), (NOW - moment, NOW, False),
    ):  # fmt: skip
        made = msgspec.structs.replace(TEN_OFF, starts_at=starts, ends_at=ends)
        assert bool(told([item("a", 1, 1000)], made).discounts) is runs


def test_the_price_of_a_group_is_left_alone_and_counts_for_nothing() -> None:
    running = [
        NewCustomerPrice(prices=prices(a=1), **RUNS), Bundle(pieces=pieces(a=1, b=1), price_fen=1, **RUNS),
        AddOn(prices=prices(b=1), threshold_fen=1000, **RUNS), PiecesPercent(tiers=percents((2, 50)), **RUNS),
        ThresholdOff(tiers=thresholds((1000, 100)), **RUNS),
    ]  # fmt: skip
    assert off(told([item("a", 9, 900, group=True), item("b", 1, 999)], *running, new_customer=True)) == []


def test_the_floor_holds_what_comes_off_but_not_a_named_price() -> None:
    much = ThresholdOff(tiers=thresholds((1, 900)), **RUNS)
    assert payable(told([item("a", 1, 1000)], much, floor_bp=7005)) == [701]
    low = Bundle(pieces=pieces(a=1), price_fen=100, **RUNS)
    assert payable(told([item("a", 1, 1000)], low, much, floor_bp=7000)) == [100]
    # One line at its floor leaves what it cannot bear to the others.
    assert payable(told([item("a", 1, 1000), item("b", 1, 1000)], low, much, floor_bp=5000)) == [100, 500]


def test_a_quote_says_what_came_off_why_and_where() -> None:
    made = msgspec.structs.replace(TEN_OFF, name="满10减1")
    [discount] = told([item("a", 1, 1000), item("b", 1, 0)], made).discounts
    assert msgspec.to_builtins(discount) == {
        "source": "promotion", "id": "p0", "name": "满10减1", "kind": "threshold_off", "discount_fen": 100,
        "lines": [{"sku_id": "a", "discount_fen": 100}],
    }  # fmt: skip


# Whatever they are


@given(baskets(), promotions(), st.booleans())
def test_every_line_has_one_promotion_of_a_kind_at_most_in_the_stated_order(
    bought: list[Item], running: dict[str, Promotion], new: bool
) -> None:
    quote = price(bought, promotions=running, new_customer=new)
    led = [each for each in quote.discounts if each.kind == "leader_price"]
    assert quote.discounts[: len(led)] == led  # the leader's one piece comes first, and is no promotion of the mall's
    quote = msgspec.structs.replace(quote, discounts=quote.discounts[len(led) :])
    kinds = [*NAMED_PRICES, "pieces_percent", "threshold_off"]
    order = [(kinds.index(each.kind), -running[each.id].priority, each.id) for each in quote.discounts]
    assert order == sorted(order)
    for kind in kinds:
        named = [line.sku_id for each in quote.discounts if each.kind == kind for line in each.lines]
        assert len(named) == len(set(named))
    assert all(running[each.id].runs(NOW) and each.name == running[each.id].name for each in quote.discounts)
    assert new or not any(each.kind == "new_customer_price" for each in quote.discounts)
    groups = {each.sku_id for each in bought if each.group}
    assert not any(line.sku_id in groups for each in quote.discounts for line in each.lines)


@given(baskets(), promotions())
def test_it_does_not_matter_in_which_order_promotions_are_kept(
    bought: list[Item], running: dict[str, Promotion]
) -> None:
    assert price(bought, promotions=running) == price(bought, promotions=dict(reversed(running.items())))


# As operators write them


@given(promotions())
def test_they_go_through_json_unchanged(running: dict[str, Promotion]) -> None:
    for each in running.values():
        document = msgspec.json.encode(each)
        assert msgspec.json.decode(document, type=Promotion) == each
        assert msgspec.json.decode(document)["kind"] == each.__struct_config__.tag


YEARS = {"low": 2000, "high": 2099}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (msgspec.structs.replace(TEN_OFF, ends_at=RUNS["starts_at"]), ("ends_at", "ends_before_it_starts", {})),
        (
            msgspec.structs.replace(TEN_OFF, ends_at=RUNS["starts_at"] - timedelta(microseconds=1)),
            ("ends_at", "ends_before_it_starts", {}),
        ),
        (
            msgspec.structs.replace(TEN_OFF, starts_at=RUNS["starts_at"].replace(year=1999)),
            ("starts_at", "year_between", YEARS),
        ),
        (
            msgspec.structs.replace(TEN_OFF, ends_at=RUNS["ends_at"].replace(year=2100)),
            ("ends_at", "year_between", YEARS),
        ),
        (NewCustomerPrice(prices=[*prices(a=1), *prices(a=2)], **RUNS), ("prices", "each_sku_once", {})),
        (AddOn(prices=[*prices(a=1), *prices(a=2)], threshold_fen=0, **RUNS), ("prices", "each_sku_once", {})),
        (Bundle(pieces=[*pieces(a=1), *pieces(a=2)], price_fen=1, **RUNS), ("pieces", "each_sku_once", {})),
    ],
)
def test_what_makes_no_sense_is_refused(made: Promotion, told: tuple[str, str, dict[str, int]]) -> None:
    with pytest.raises(MallError) as refusal:
        check(made)
    assert refusal.value.code == "invalid"
    assert [(one.field, one.reason.code, one.data()) for one in refusal.value.errors] == [told]


def test_what_makes_sense_is_taken() -> None:
    check(TEN_OFF)
    years = {"starts_at": RUNS["starts_at"].replace(year=2000), "ends_at": RUNS["ends_at"].replace(year=2099)}
    check(msgspec.structs.replace(TEN_OFF, **years))
    check(msgspec.structs.replace(TEN_OFF, ends_at=RUNS["starts_at"] + timedelta(microseconds=1)))
    check(Bundle(pieces=pieces(a=1, b=1), price_fen=1, **RUNS))
    check(NewCustomerPrice(prices=prices(a=1, b=1), **RUNS))
