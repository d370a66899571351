"""What sending costs, by the rules of a template; and a quote that adds up."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.freight.rules import (
    FreightRule,
    FreightTemplate,
    covers,
    freight_fen,
    rule_for,
    spared,
)
from chalicelib.commerce.pricing.rules import quote
from chalicelib.core.errors import MallError

PUDONG, HUANGPU, HAIDIAN, HANGZHOU, LHASA = "310115", "310101", "110108", "330106", "540102"


def item(sku_id: str = "s", quantity: int = 1, price: int = 1000, **more: Any) -> Item:
    return Item(sku_id=sku_id, quantity=quantity, unit_price_fen=price, **more)


def template(*rules: FreightRule, **more: Any) -> FreightTemplate:
    return FreightTemplate(name="t", rules=list(rules), **more)


def fen(items: list[Item], made: FreightTemplate, region: str = PUDONG) -> int:
    return freight_fen(items, {"default": made}, region)


def test_without_a_template_freight_is_free() -> None:
    assert freight_fen([item(quantity=99)], {}, PUDONG) == 0


@pytest.mark.parametrize(("pieces", "expected"), [(1, 800), (2, 800), (3, 1100), (5, 1100), (6, 1400), (8, 1400)])
def test_by_pieces_the_first_so_many_cost_one_sum_and_each_further_part_another(pieces: int, expected: int) -> None:
    assert fen([item(quantity=pieces)], template(FreightRule(first=2, first_fen=800, further=3, further_fen=300))) == (
        expected
    )


@pytest.mark.parametrize(("grams", "expected"), [(0, 800), (1000, 800), (1001, 1100), (1500, 1100), (1501, 1400)])
def test_by_weight_a_step_that_is_begun_costs_the_whole_step(grams: int, expected: int) -> None:
    made = template(FreightRule(first=1000, first_fen=800, further=500, further_fen=300), by="weight")
    assert fen([item(weight_g=grams)], made) == expected


def test_pieces_of_all_lines_of_a_template_are_counted_together() -> None:
    made = template(FreightRule(first=2, first_fen=800, further=1, further_fen=100))
    assert fen([item("a", 2), item("b", 2)], made) == 1000
    assert fen([item("a", weight_g=600), item("b", weight_g=600)], template(made.rules[0], by="weight")) == 800 + 119800


@pytest.mark.parametrize(("price", "expected"), [(9899, 800), (9900, 0), (9901, 0)])
def test_from_the_threshold_on_it_is_free(price: int, expected: int) -> None:
    assert fen([item(price=price)], template(FreightRule(first_fen=800, free_from_fen=9900))) == expected


def test_those_templates_are_known_by_which_dear_goods_go_free() -> None:
    made = template(FreightRule(first_fen=800, free_from_fen=9900), unserved=[f"{LHASA[:2]}0000"])
    always = template(FreightRule(free_from_fen=0))
    templates = {"default": made, "heavy": made, "free": always, "charged": template(FreightRule(first_fen=1))}
    dear = [item(name, price=9900, template_id=name) for name in ("default", "heavy", "free", "charged", "gone")]
    assert spared(dear, templates, PUDONG) == ["default", "heavy"]
    assert spared([item(price=9899)], templates, PUDONG) == []
    assert spared([item("a", price=5000), item("b", price=4900, template_id="gone")], templates, PUDONG) == ["default"]
    assert spared(dear[:1], templates, LHASA) == spared(dear[:1], {}, PUDONG) == []


def test_the_threshold_counts_the_goods_of_its_own_template_only() -> None:
    templates = {
        "default": template(FreightRule(first_fen=800, free_from_fen=9900)),
        "cold": template(FreightRule(first_fen=2500)),
    }
    lines = [item("a", price=5000), item("b", price=6000, template_id="cold")]
    assert freight_fen(lines, templates, PUDONG) == 3300
    assert freight_fen([item("a", price=9900), lines[1]], templates, PUDONG) == 2500


def test_a_product_whose_template_is_gone_goes_by_the_default_one() -> None:
    assert freight_fen([item(template_id="gone")], {"default": template(FreightRule(first_fen=800))}, PUDONG) == 800
    assert freight_fen([item(template_id="gone")], {"other": template(FreightRule(first_fen=800))}, PUDONG) == 0


def test_a_free_threshold_of_zero_is_always_free() -> None:
    assert fen([item(price=0)], template(FreightRule(first_fen=800, free_from_fen=0))) == 0


def test_the_closest_rule_wins_whatever_its_place() -> None:
    everywhere = FreightRule(first_fen=1)
    shanghai = FreightRule(regions=["310000"], first_fen=2)
    city = FreightRule(regions=["310100"], first_fen=3)
    pudong = FreightRule(regions=["310115"], first_fen=4)
    for rules in ([everywhere, shanghai, city, pudong], [pudong, city, shanghai, everywhere]):
        made = template(*rules)
        assert [fen([item()], made, region) for region in (PUDONG, HUANGPU, HAIDIAN)] == [4, 3, 1]
    assert fen([item()], template(everywhere, shanghai), PUDONG) == 2
    both = FreightRule(regions=["310000", "310115"], first_fen=5)  # a province, and a district of it
    for rules in ([both, city], [city, both]):
        assert [fen([item()], template(*rules), region) for region in (PUDONG, HUANGPU)] == [5, 3]


@pytest.mark.parametrize(
    ("region", "code", "expected"),
    [
        ("310000", PUDONG, True), ("310100", PUDONG, True), (PUDONG, PUDONG, True), (HUANGPU, PUDONG, False),
        ("330000", PUDONG, False), ("330100", HANGZHOU, True), ("330200", HANGZHOU, False), ("110000", HAIDIAN, True),
        ("500000", "500101", True), ("100000", PUDONG, False), ("440000", "441900", True), ("441000", "441900", False),
    ],
)  # fmt: skip
def test_a_region_contains_its_cities_and_districts(region: str, code: str, expected: bool) -> None:
    assert covers(region, code) is expected


def test_a_region_that_is_not_served_wins_over_every_rule_and_its_skus_are_named() -> None:
    made = template(FreightRule(regions=[LHASA], first_fen=5), FreightRule(), unserved=["540000"])
    assert rule_for(made, LHASA) is None
    assert rule_for(made, PUDONG) == FreightRule()
    with pytest.raises(MallError) as refusal:
        freight_fen(
            [item("a"), item("b", template_id="free")], {"default": made, "free": template(FreightRule())}, LHASA
        )
    assert (refusal.value.code, refusal.value.data) == ("region_not_served", {"skus": ["a"]})


def test_a_region_that_no_rule_names_is_not_served() -> None:
    made = template(FreightRule(regions=["310000"]))
    assert fen([item()], made, PUDONG) == 0
    with pytest.raises(MallError) as refusal:
        fen([item("a"), item("b")], made, HAIDIAN)
    assert refusal.value.data == {"skus": ["a", "b"]}


def test_everything_that_cannot_be_sent_is_named_whatever_its_template() -> None:
    served, far = template(FreightRule(first_fen=5)), template(FreightRule(regions=["540000"]))
    never = template(FreightRule(), unserved=["310115"])
    bought = [
        item(name, template_id=of) for name, of in zip("abcde", ("far", "ok", "never", "far", "gone"), strict=True)
    ]
    with pytest.raises(MallError) as refusal:
        freight_fen(bought, {"far": far, "ok": served, "never": never}, PUDONG)
    assert (refusal.value.code, refusal.value.data) == ("region_not_served", {"skus": ["a", "d", "c"]})
    assert freight_fen(bought[1:2], {"ok": served}, PUDONG) == 5


@pytest.mark.parametrize(
    ("region", "expected"), [(PUDONG, 2), (HUANGPU, 2), (HAIDIAN, 1), (HANGZHOU, 4), ("330206", 3), (LHASA, 1)]
)
def test_of_two_rules_that_name_a_region_alike_the_first_holds(region: str, expected: int) -> None:
    rules = [
        FreightRule(first_fen=1), FreightRule(first_fen=9), FreightRule(regions=["310000", "330000"], first_fen=2),
        FreightRule(regions=["310000"], first_fen=9), FreightRule(regions=["330100", "330206"], first_fen=3),
        FreightRule(regions=["330106"], first_fen=4), FreightRule(regions=["330106", "330206"], first_fen=9),
    ]  # fmt: skip
    found = rule_for(template(*rules), region)
    assert found is not None
    assert found.first_fen == expected


def test_without_an_address_freight_is_not_known_and_is_nought() -> None:
    made = template(FreightRule(first_fen=800, regions=["310000"]))
    price = quote([item(quantity=3)], {"default": made}, None)
    assert (price.goods_fen, price.freight_fen, price.payable_fen) == (3000, 0, 3000)


steps = st.integers(1, 5000)
sums = st.integers(0, 100_000)
rules = st.builds(
    FreightRule, first=steps, first_fen=sums, further=steps, further_fen=sums,
    free_from_fen=st.none() | st.integers(0, 1_000_000),
)  # fmt: skip
items = st.lists(
    st.builds(
        Item, sku_id=st.uuids().map(str), quantity=st.integers(1, 999), unit_price_fen=st.integers(0, 10**8),
        weight_g=st.integers(0, 10**7),
    ), min_size=1, max_size=5,
)  # fmt: skip


@given(items, rules, st.sampled_from(["piece", "weight"]))
def test_a_quote_adds_up_line_by_line(bought: list[Item], rule: FreightRule, by: Any) -> None:
    price = quote(bought, {"default": template(rule, by=by)}, PUDONG)
    for line, one in zip(price.lines, bought, strict=True):
        assert line.amount_fen == one.unit_price_fen * one.quantity
        assert line.payable_fen == line.amount_fen - line.discount_fen
    assert price.goods_fen == sum(line.amount_fen for line in price.lines)
    assert price.payable_fen == price.goods_fen - price.discount_fen + price.freight_fen
    assert price.freight_fen >= 0


@given(items, rules, st.sampled_from(["piece", "weight"]))
def test_freight_pays_for_every_step_and_for_none_that_was_not_begun(
    bought: list[Item], rule: FreightRule, by: Any
) -> None:
    total = fen(bought, template(rule, by=by))
    goods = sum(one.unit_price_fen * one.quantity for one in bought)
    if rule.free_from_fen is not None and goods >= rule.free_from_fen:
        assert total == 0
        return
    size = sum(one.quantity * (one.weight_g if by == "weight" else 1) for one in bought)
    steps_paid = 0
    while rule.first + steps_paid * rule.further < size and steps_paid < 50:
        steps_paid += 1
    if steps_paid < 50:
        assert total == rule.first_fen + steps_paid * rule.further_fen
    else:
        assert total >= rule.first_fen + 50 * rule.further_fen


mixed = st.lists(
    st.builds(
        Item, sku_id=st.uuids().map(str), quantity=st.integers(1, 6), unit_price_fen=st.integers(0, 3000),
        weight_g=st.integers(0, 900), template_id=st.sampled_from(["default", "cold", "gone"]),
    ), min_size=1, max_size=5,
)  # fmt: skip
small = st.builds(
    FreightRule, first=st.integers(1, 9), first_fen=st.integers(0, 900), further=st.integers(1, 9),
    further_fen=st.integers(0, 9), free_from_fen=st.none() | st.integers(0, 9000),
)  # fmt: skip
made_up = st.builds(template, small, by=st.sampled_from(["piece", "weight"]))


@given(mixed, st.fixed_dictionaries({"default": made_up, "cold": made_up}))
def test_each_template_charges_for_its_own_goods_and_those_are_known_that_spare_them(
    bought: list[Item], templates: dict[str, FreightTemplate]
) -> None:
    total, free = 0, set()
    for name, made in templates.items():
        [rule], own = made.rules, [one for one in bought if (one.template_id == "cold") == (name == "cold")]
        size = sum(one.quantity if made.by == "piece" else one.quantity * one.weight_g for one in own)
        charge = rule.first_fen + math.ceil(max(0, size - rule.first) / rule.further) * rule.further_fen if own else 0
        if rule.free_from_fen is None or sum(one.amount_fen for one in own) < rule.free_from_fen:
            total += charge
        elif charge:
            free.add(name)
    assert freight_fen(bought, templates, PUDONG) == total
    assert sorted(spared(bought, templates, PUDONG)) == sorted(free)
