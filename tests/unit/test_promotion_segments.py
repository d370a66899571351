"""Promotions for members of segments: for whom, when it must be known whether a member is one, and that nobody pays
more for being one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

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
    open_to,
    segments_named,
)
from chalicelib.commerce.pricing.rules import Benefits, Quote, lowest, quote
from chalicelib.core.errors import MallError
from tests.support.pricing import (
    FREIGHT,
    NOW,
    PUDONG,
    RUNS,
    baskets,
    held,
    item,
    percents,
    pieces,
    prices,
    promotions,
    thresholds,
    wallets,
)

SEGMENTS = ["new", "loyal", "sga", "sgb"]
TEN_OFF = ThresholdOff(tiers=thresholds((1000, 100)), **RUNS)
MORE_OFF = ThresholdOff(tiers=thresholds((1000, 300)), **RUNS)


def only_for(promotion: Promotion, *segment_ids: str, priority: int = 0) -> Promotion:
    return msgspec.structs.replace(promotion, segments=list(segment_ids), priority=priority)


@st.composite
def segmented(draw: st.DrawFn) -> dict[str, Promotion]:
    """Promotions of all kinds; some for members of segments."""
    return {
        promotion_id: only_for(one, *draw(st.sets(st.sampled_from(SEGMENTS), max_size=2)), priority=one.priority)
        for promotion_id, one in draw(promotions()).items()
    }


@given(segmented(), st.sets(st.sampled_from(SEGMENTS)))
def test_one_is_open_to_whoever_is_in_one_of_its_segments_and_without_any_to_all(
    made: Mapping[str, Promotion], mine: set[str]
) -> None:
    found = open_to(made, mine)
    assert {key: made[key] for key in found} == found
    for promotion_id, one in made.items():
        assert (promotion_id in found) == (one.segments == [] or bool(mine & set(one.segments)))


#: The products of baskets and scopes as those that SKUs of these names are of.
OWN = {"p1": "a", "p2": "b", "p3": "c"}


def of_own_products(promotion: Promotion) -> Promotion:
    scope = promotion.scope
    products, excluded = ([OWN[one] for one in some] for some in (scope.products, scope.excluded_products))
    return msgspec.structs.replace(
        promotion, scope=Scope(categories=scope.categories, products=products, excluded_products=excluded)
    )


@given(segmented(), baskets())
def test_what_need_not_be_known_of_a_member_takes_nothing_off(
    made: Mapping[str, Promotion], bought: Sequence[Item]
) -> None:
    """Whoever is in no segment but those that are asked about pays as one who is in all of them."""
    made = {promotion_id: of_own_products(one) for promotion_id, one in made.items()}
    bought = [msgspec.structs.replace(one, product_id=one.sku_id) for one in bought]
    asked = segments_named(made, {one.product_id for one in bought}, NOW)
    benefits = Benefits(now=NOW, promotions=open_to(made, SEGMENTS), new_customer=True)
    among = msgspec.structs.replace(benefits, promotions=open_to(made, asked))
    assert quote(bought, {}, None, among) == quote(bought, {}, None, benefits)
    for one in made.values():
        for line in bought:
            assert one.may_concern(line.product_id) or not one.concerns(line.product_id, line.categories)


@pytest.mark.parametrize(
    ("promotion", "named"),
    [
        (TEN_OFF, True),
        (msgspec.structs.replace(TEN_OFF, scope=Scope(products=["pb"])), False),
        (msgspec.structs.replace(TEN_OFF, scope=Scope(products=["pb", "pa"])), True),
        (msgspec.structs.replace(TEN_OFF, scope=Scope(products=["pb"], categories=["c1"])), True),
        (msgspec.structs.replace(TEN_OFF, scope=Scope(excluded_products=["pa"])), False),
        (msgspec.structs.replace(TEN_OFF, ends_at=NOW), False),
        (msgspec.structs.replace(TEN_OFF, starts_at=NOW + timedelta(milliseconds=1)), False),
        (PiecesPercent(tiers=percents((1, 10)), **RUNS), True),
        (Bundle(pieces=pieces(**{"pa-1": 2}), price_fen=1, **RUNS), True),
        (Bundle(pieces=pieces(**{"pb-1": 2}), price_fen=1, **RUNS), False),
        (NewCustomerPrice(prices=prices(**{"pb-1": 2}), **RUNS), False),
        (AddOn(prices=prices(**{"pb-1": 2}), threshold_fen=1, **RUNS), True),
        (AddOn(prices=prices(**{"pb-1": 2}), threshold_fen=1, scope=Scope(products=["pb"]), **RUNS), False),
    ],
)
def test_only_what_runs_and_may_concern_what_is_bought_is_asked_about(promotion: Promotion, named: bool) -> None:
    """Of the product "pa", whose categories nobody has read yet."""
    asked = segments_named({"p": only_for(promotion, "sgb", "new"), "q": TEN_OFF}, {"pa"}, NOW)
    assert asked == (["new", "sgb"] if named else [])


def told(bought: Sequence[Item], made: Mapping[str, Promotion], *coupons: Held) -> Quote:
    chosen = [one.coupon.coupon_id for one in coupons]
    return lowest(bought, FREIGHT, None, Benefits(now=NOW, promotions=made, coupons=coupons, chosen=chosen))


def test_a_promotion_for_members_comes_off_as_any_other() -> None:
    made = {"all": TEN_OFF, "vip": only_for(MORE_OFF, "sga", priority=1)}
    assert [(off.id, off.discount_fen) for off in told([item("a", 1, 1000)], made).discounts] == [("vip", 300)]


def test_one_that_would_take_the_place_of_a_better_one_is_left_out() -> None:
    made = {"all": MORE_OFF, "vip": only_for(TEN_OFF, "sga", priority=1)}
    assert [(off.id, off.discount_fen) for off in told([item("a", 1, 1000)], made).discounts] == [("all", 300)]


def test_one_after_which_a_chosen_coupon_could_not_be_used_is_left_out() -> None:
    made = {"vip": only_for(TEN_OFF, "sga")}
    coupon = held("k", kind="amount_off", amount_fen=500, threshold_fen=1000)
    assert [off.id for off in told([item("a", 1, 1000)], made, coupon).discounts] == ["k"]
    with pytest.raises(MallError, match="coupon_unusable"):
        told([item("a", 1, 999)], made, coupon)


def reckoned(bought: Sequence[Item], benefits: Benefits) -> int | None:
    """What it comes to, or None where a chosen coupon cannot be used."""
    try:
        return quote(bought, FREIGHT, PUDONG, benefits).payable_fen
    except MallError:
        return None


@given(baskets(), segmented(), wallets(), st.booleans(), st.booleans(), st.sets(st.sampled_from(SEGMENTS)), st.data())
def test_nobody_pays_more_for_being_in_a_segment(
    bought: Sequence[Item], made: Mapping[str, Promotion], wallet: list[Held], new: bool, best: bool, mine: set[str],
    data: st.DataObject,
) -> None:  # fmt: skip
    names = [one.coupon.coupon_id for one in wallet]
    chosen = "best" if best else data.draw(st.lists(st.sampled_from(names), max_size=1)) if names else []
    theirs = Benefits(
        now=NOW, promotions=open_to(made, mine), coupons=wallet, chosen=chosen, new_customer=new  # type: ignore[arg-type]
    )  # fmt: skip
    everybodys = reckoned(bought, msgspec.structs.replace(theirs, promotions=open_to(made, ())))
    ways = [fen for fen in (reckoned(bought, theirs), everybodys) if fen is not None]
    try:
        assert lowest(bought, FREIGHT, PUDONG, theirs).payable_fen == min(ways)
    except MallError:
        assert ways == []
