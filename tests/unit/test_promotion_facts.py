"""What is told of promotions: whether one must know that a member is new, whom they concern, their order and names."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.coupons.rules import Scope
from chalicelib.commerce.pricing.promotions.rules import (
    AddOn,
    Bundle,
    NamedPromotion,
    NewCustomerPrice,
    Promotion,
    SkuPieces,
    SkuPrice,
    ThresholdOff,
    named,
    new_customer_matters,
    rank,
)
from tests.support.pricing import NOW, RUNS, pieces, prices, thresholds

TEN_OFF = ThresholdOff(tiers=thresholds((1000, 100)), **RUNS)


def test_whether_one_must_know_that_a_member_is_new() -> None:
    new = NewCustomerPrice(prices=prices(a=1), **RUNS)
    over = msgspec.structs.replace(new, ends_at=NOW)
    two = NewCustomerPrice(prices=prices(a=1, b=1), **RUNS)
    added = AddOn(prices=prices(a=1), threshold_fen=0, **RUNS)
    for running, skus, matters in (
        ({"p": new}, {"a"}, True), ({"p": new}, {"b"}, False), ({"p": over}, {"a"}, False), ({}, {"a"}, False),
        ({"p": added}, {"a"}, False), ({"o": over, "p": new}, {"b", "a"}, True),
        ({"p": added, "q": over}, {"a"}, False), ({"p": two}, {"b", "c"}, True), ({"p": two}, {"c"}, False),
        ({"p": two, "q": added}, {"a"}, True), ({"p": two}, set(), False),
    ):  # fmt: skip
        assert new_customer_matters(running, skus, NOW) is matters


def test_which_products_a_promotion_concerns() -> None:
    tea = Scope(categories=["tea"])
    plain = ThresholdOff(tiers=thresholds((1, 1)), scope=tea, **RUNS)
    assert (plain.concerns("p1", ["green", "tea"]), plain.concerns("p1", ["cups"])) == (True, False)
    new = NewCustomerPrice(prices=[SkuPrice(sku_id="p1-0", price_fen=1)], scope=tea, **RUNS)
    sets = Bundle(pieces=[SkuPieces(sku_id="p1-0", quantity=1)], price_fen=1, scope=tea, **RUNS)
    for named_price in (new, sets):
        assert named_price.concerns("p1", ["tea"])
        assert not named_price.concerns("p2", ["tea"])
        assert not named_price.concerns("p1", ["cups"])
        assert not named_price.concerns("p2", ["cups"])
    pair = Bundle(pieces=[SkuPieces(sku_id=f"p{n}-0", quantity=1) for n in (1, 2)], price_fen=1, scope=tea, **RUNS)
    assert [pair.concerns(product, ["tea"]) for product in ("p1", "p2", "p3")] == [True, True, False]
    added = AddOn(prices=[SkuPrice(sku_id="p1-0", price_fen=1)], threshold_fen=1, scope=tea, **RUNS)
    assert added.concerns("p1", ["cups"])  # what is added need not be in scope
    assert added.concerns("p1", ["tea"])
    assert added.concerns("p2", ["tea"])
    assert not added.concerns("p2", ["cups"])


def test_they_are_ranked_by_kind_then_the_highest_priority_then_by_id() -> None:
    def made(kind: Any, priority: int) -> Promotion:
        return msgspec.structs.replace(kind, priority=priority)

    bundle = Bundle(pieces=pieces(a=1), price_fen=1, **RUNS)
    wanted = [("b", made(bundle, 1)), ("z", made(TEN_OFF, 2)), ("a", made(TEN_OFF, 1)), ("c", made(TEN_OFF, 1))]
    assert sorted((NamedPromotion(*each) for each in reversed(wanted)), key=rank) == [
        NamedPromotion(*each) for each in wanted
    ]


def test_what_they_name_of_the_catalogue_is_told_by_field() -> None:
    scope = Scope(categories=["tea"], products=["p1"], excluded_products=["p2"])
    of_scope = [
        ("scope.categories[0]", "category", "tea"), ("scope.products[0]", "product", "p1"),
        ("scope.excluded_products[0]", "product", "p2"),
    ]  # fmt: skip
    for made, field in (
        (NewCustomerPrice(prices=prices(a=1, b=1), scope=scope, **RUNS), "prices"),
        (AddOn(prices=prices(a=1, b=1), threshold_fen=1, scope=scope, **RUNS), "prices"),
        (Bundle(pieces=pieces(a=1, b=1), price_fen=1, scope=scope, **RUNS), "pieces"),
    ):
        skus = [(f"{field}[0].sku_id", "SKU", "a"), (f"{field}[1].sku_id", "SKU", "b")]
        assert [msgspec.structs.astuple(one) for one in named(made)] == [*of_scope, *skus]
    assert [msgspec.structs.astuple(one) for one in named(msgspec.structs.replace(TEN_OFF, scope=scope))] == of_scope
