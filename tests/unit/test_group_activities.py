"""What an operator may ask of a group-buy: what makes no sense is refused, and the field named; limits are taken."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import FieldError
from chalicelib.core.refusals import IS_OVER, NAMED_TWICE
from chalicelib.growth.groupbuy import refusals as why
from chalicelib.growth.groupbuy.activities.rules import check_activity
from chalicelib.growth.groupbuy.rules import CONTROL, Lottery, Price, Variant
from tests.unit.test_group_rules import HOUR, NOW, activity, price, refused, variants

SECOND = timedelta(seconds=1)
TWO_SIZES: dict[str, Any] = {"sizes": [5, 2], "prices": [price(5, 100), price(2, 200)]}


def ladder(*prices: Price) -> dict[str, Any]:
    """A ladder of 2 and 3 with these prices."""
    return {"kind": "ladder", "sizes": [3, 2], "prices": list(prices)}


def lottery(winners: int, **more: Any) -> dict[str, Any]:
    return {"kind": "lottery", "lottery": Lottery(winners=winners, **more)}


def other(**changes: Any) -> list[Variant]:
    """A single variant, as it is with these changes."""
    return [msgspec.structs.replace(variants(10)[0], **changes)]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"starts_at": NOW + HOUR}, why.NOT_BEFORE_END.at("ends_at")),
        ({"ends_at": NOW - 2 * HOUR}, why.NOT_BEFORE_END.at("ends_at")),
        ({"ends_at": NOW}, IS_OVER.at("ends_at")),
        ({"sizes": [3, 3]}, NAMED_TWICE.at("sizes")),
        ({"sizes": [3, 2]}, why.SIZE_WITHOUT_PRICE.at("prices", size=2)),
        ({"prices": [price(3, 1, sku_id="b")]}, why.NO_SUCH_SKU_OF_PRODUCT.at("prices[0].sku_id")),
        ({"prices": [price(3, 1), price(2, 1)]}, why.SIZE_OF_PRICE.at("prices[1].size")),
        (TWO_SIZES | {"prices": [price(5, 1), price(2, 1), price(5, 2)]}, why.PRICE_TWICE.at("prices[2]")),
        ({"prices": [price(3, 1, 2)]}, why.LEADER_PRICE_ABOVE.at("prices[0].leader_price_fen")),
        ({"min_fill": 4}, why.MIN_FILL_TOO_LARGE.at("min_fill", limit=3)),
        (TWO_SIZES | {"min_fill": 6}, why.MIN_FILL_TOO_LARGE.at("min_fill", limit=5)),
        ({"kind": "ladder", "min_fill": 2}, why.MIN_FILL_OF_LADDER.at("min_fill")),
        (ladder(price(3, 1), price(2, 1), price(2, 1, sku_id="c")), why.STEP_WITHOUT_PRICE.at("prices", sku_id="c")),
        (ladder(price(3, 2), price(2, 1)), why.PRICE_RISES.at("prices", sku_id="a", higher=3, lower=2)),
        (ladder(price(2, 9, 1), price(3, 8, 2)), why.PRICE_RISES.at("prices", sku_id="a", higher=3, lower=2)),
        (ladder(price(2, 9, 1), price(3, 9)), why.PRICE_RISES.at("prices", sku_id="a", higher=3, lower=2)),
        ({"kind": "lottery"}, why.LOTTERY_MISSING.at("lottery")),
        ({"lottery": Lottery(winners=1)}, why.LOTTERY_UNEXPECTED.at("lottery")),
        (lottery(4), why.TOO_MANY_WINNERS.at("lottery.winners", limit=3)),
        (TWO_SIZES | lottery(3), why.TOO_MANY_WINNERS.at("lottery.winners", limit=2)),
        (lottery(1, per="activity") | {"ends_at": NOW + timedelta(days=300) + SECOND},
         why.DRAW_TOO_LATE.at("ends_at", days=300)),
        (lottery(1) | {"variants": variants(10)}, why.NO_VARIANTS_OF_LOTTERY.at("variants")),
        ({"variants": variants(5000, 5001)}, why.SHARES_TOO_LARGE.at("variants", limit=10_000)),
        ({"variants": variants(10) * 2}, why.VARIANT_NAME.at("variants[1].name", reserved=CONTROL)),
        ({"variants": other(name=CONTROL)}, why.VARIANT_NAME.at("variants[0].name", reserved=CONTROL)),
        ({"variants": other(sizes=[4])}, why.SIZE_OF_PRICE.at("variants[0].prices[0].size")),
        ({"variants": other(sizes=[2, 2])}, NAMED_TWICE.at("variants[0].sizes")),
        ({"variants": other(sizes=[2, 4])}, why.SIZE_WITHOUT_PRICE.at("variants[0].prices", size=4)),
        ({"stock": {"b": 3}}, why.STOCK_DIFFERS_FROM_PRICES.at("stock")),
        ({"stock": {"c": 3}}, why.STOCK_DIFFERS_FROM_PRICES.at("stock")),
        ({"stock": {"a": 3, "c": 3}}, why.STOCK_DIFFERS_FROM_PRICES.at("stock")),
        ({"stock": {"a": 3}, "variants": other(prices=[price(2, 1, sku_id="c")])},
         why.STOCK_DIFFERS_FROM_PRICES.at("stock")),
    ],
)  # fmt: skip
def test_an_activity_that_makes_no_sense_is_refused_and_the_field_named(
    changes: dict[str, Any], error: FieldError
) -> None:
    refusal = refused(lambda: check_activity(activity(**changes), ["a", "c"], NOW))
    assert (refusal.code, refusal.errors) == ("invalid", (error,))


@pytest.mark.parametrize(
    "changes",
    [
        {"ends_at": NOW + SECOND},
        {"starts_at": NOW + HOUR - SECOND},
        {"prices": [price(3, 1, 1), price(3, 0, sku_id="c")]},
        TWO_SIZES | {"min_fill": 5},
        ladder(price(3, 1), price(2, 1)),
        ladder(price(3, 8, 1), price(2, 9, 1), price(3, 4, sku_id="c"), price(2, 4, sku_id="c")),
        TWO_SIZES | lottery(2),
        TWO_SIZES | lottery(1000, per="activity"),
        lottery(3) | {"ends_at": NOW + timedelta(days=800)},
        lottery(1, per="activity") | {"ends_at": NOW + timedelta(days=300)},
        {"variants": variants(5000, 5000)},
        {"stock": {"a": 3}},
        {"stock": {"a": 3, "c": 1}, "variants": other(prices=[price(2, 1, sku_id="c")])},
    ],
)
def test_an_activity_is_taken_up_to_its_limits(changes: dict[str, Any]) -> None:
    check_activity(activity(**changes), ["a", "c"], NOW)


@st.composite
def climbs(draw: st.DrawFn) -> list[Price]:
    """Prices of two SKUs on every one of a few steps, in any order; near each other, so that some rise."""
    steps = draw(st.sets(st.integers(2, 9), min_size=1, max_size=4))
    found = []
    for sku_id in ("a", "c"):
        for at in steps:
            fen = draw(st.integers(0, 3)) if draw(st.booleans()) else 10 - at
            found.append(price(at, fen, draw(st.none() | st.integers(0, fen)), sku_id))
    return draw(st.permutations(found))


@given(climbs())
def test_on_no_step_of_a_ladder_does_anybody_pay_more_than_on_the_one_before(prices: list[Price]) -> None:
    rises = {
        low.sku_id
        for low, high in combinations(sorted(prices, key=lambda one: one.size), 2)
        if low.sku_id == high.sku_id and (high.price_fen > low.price_fen or high.leader_fen > low.leader_fen)
    }
    made = activity(kind="ladder", sizes=list({one.size for one in prices}), prices=prices)
    if not rises:
        check_activity(made, ["a", "c"], NOW)
        return
    (error,) = refused(lambda: check_activity(made, ["a", "c"], NOW)).errors
    assert (error.reason, error.field) == (why.PRICE_RISES, "prices")
    assert error.params["sku_id"] in rises
    assert error.params["lower"] < error.params["higher"]
