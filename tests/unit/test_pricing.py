"""What a purchase costs: coupons worked out by hand, and what holds of every quote whatever it is made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Held, Scope
from chalicelib.commerce.orders.refunds.rules import apply_refund, new_refund
from chalicelib.commerce.orders.rules import Event, Order, OrderLine, Pieces, Receiver
from chalicelib.commerce.pricing.basket.rules import Basket, Discount, Item, Lead, LineDiscount
from chalicelib.commerce.pricing.promotions.rules import Promotion, ThresholdOff
from chalicelib.commerce.pricing.rules import Quote
from chalicelib.core.errors import MallError
from tests.support.pricing import (
    DAY,
    NAMED_PRICES,
    NOW,
    PUDONG,
    RUNS,
    baskets,
    floors,
    held,
    item,
    lawful,
    payable,
    price,
    promotions,
    scopes,
    thresholds,
    wallets,
)

A, B = item("a", 2, 1000), item("b", 1, 3000)


def reasons(quote: Quote) -> dict[str, str]:
    return {each.coupon_id: each.why for each in quote.unusable_coupons}


# Each kind by hand


def test_an_amount_off_is_shared_by_what_the_lines_cost() -> None:
    quote = price([A, B], held("k", kind="amount_off", amount_fen=1001))
    assert [line.discount_fen for line in quote.lines] == [400, 601]
    assert (quote.goods_fen, quote.discount_fen, quote.freight_fen, quote.payable_fen) == (5000, 1001, 0, 3999)
    assert price([A], held("k", kind="amount_off", amount_fen=99_999)).payable_fen == 0


@pytest.mark.parametrize(("ceiling", "expected"), [(None, 749), (749, 749), (748, 748), (1, 1)])
def test_percent_off_has_a_ceiling(ceiling: int | None, expected: int) -> None:
    coupon = held("k", kind="percent_off", percent_off=15, ceiling_fen=ceiling)
    assert price([item("a", 1, 4999)], coupon).discount_fen == expected


def test_an_exchange_coupon_gives_the_dearest_piece_for_its_price() -> None:
    assert payable(price([A, B], held("k", kind="exchange", amount_fen=990))) == [2000, 990]
    assert payable(price([A, B], held("k", kind="exchange", scope=Scope(products=["p-a"])))) == [1000, 3000]
    assert reasons(price([A, B], held("k", kind="exchange", amount_fen=3000), chosen=[])) == {
        "k": "nothing_to_take_off"
    }


def test_an_exchange_coupon_takes_no_more_off_than_its_ceiling() -> None:
    assert payable(price([A, B], held("k", kind="exchange", amount_fen=990, ceiling_fen=500))) == [2000, 2500]
    assert payable(price([A, B], held("k", kind="exchange", amount_fen=990, ceiling_fen=9000))) == [2000, 990]
    assert reasons(price([A, B], held("k", kind="exchange", ceiling_fen=0), chosen=[])) == {"k": "nothing_to_take_off"}


def test_a_piece_that_is_cheaper_by_now_is_exchanged_at_what_it_costs_by_now() -> None:
    half = held("m", kind="percent_off", percent_off=50, scope=Scope(products=["p-b"]))
    quote = price([A, B], half, held("x", kind="exchange", amount_fen=990, stacking="extra"))
    assert payable(quote) == [2000, 990]
    assert [each.discount_fen for each in quote.coupons] == [1500, 510]


def test_free_shipping_takes_the_freight_off_up_to_its_ceiling_and_is_on_no_line() -> None:
    lines = [item("a", 4, 1000)]  # 8.00 for two pieces, 3.00 for each further one
    quote = price(lines, held("f", kind="free_shipping"), region=PUDONG)
    assert (quote.discount_fen, quote.freight_fen, quote.payable_fen) == (0, 0, 4000)
    assert [(each.kind, each.discount_fen, each.lines) for each in quote.discounts] == [("free_shipping", 1400, [])]
    assert price(lines, held("f", kind="free_shipping", ceiling_fen=1000), region=PUDONG).freight_fen == 400
    assert reasons(price(lines, held("f", kind="free_shipping"), chosen=[])) == {"f": "nothing_to_take_off"}


def test_one_of_each_place_in_the_order_main_extra_freight() -> None:
    quote = price(
        [item("a", 1, 10_000)],
        held("f", kind="free_shipping"),
        held("x", kind="percent_off", percent_off=10, stacking="extra"),
        held("m", kind="amount_off", amount_fen=1000),
        region=PUDONG,
    )
    assert [(each.coupon_id, each.discount_fen) for each in quote.coupons] == [("m", 1000), ("x", 900), ("f", 800)]
    assert [each.id for each in quote.discounts] == ["m", "x", "f"]
    # Alone, the percentage is of the whole.
    assert [(each.coupon_id, each.discount_fen) for each in quote.usable_coupons] == [
        ("m", 1000), ("x", 1000), ("f", 800),
    ]  # fmt: skip
    assert quote.payable_fen == 8100


def test_the_threshold_is_held_against_the_goods_in_scope_after_promotions_and_before_coupons() -> None:
    less: dict[str, Promotion] = {"p": ThresholdOff(tiers=thresholds((1, 1)), **RUNS)}
    main = held("m", kind="amount_off", amount_fen=1999, threshold_fen=2000)
    extra = held("x", kind="amount_off", amount_fen=5, threshold_fen=2000, stacking="extra")
    assert [each.discount_fen for each in price([A], main, extra).coupons] == [1999, 1]
    assert reasons(price([A], main, extra, chosen=[], promotions=less)) == {"m": "threshold", "x": "threshold"}
    narrow = held("n", kind="amount_off", amount_fen=1, threshold_fen=2001, scope=Scope(excluded_products=["p-b"]))
    assert reasons(price([A, B], narrow, chosen=[])) == {"n": "threshold"}


def test_coupons_take_off_the_price_of_a_group() -> None:
    group = item("a", 1, 1000, group=True, sale_price_fen=3000)
    assert price([group], held("k", kind="amount_off", amount_fen=300)).payable_fen == 700
    assert price([group], held("k", kind="amount_off", amount_fen=900), floor_bp=3000).payable_fen == 900
    below = price([group], held("k", kind="amount_off", amount_fen=300), chosen=[], floor_bp=5000)
    assert (below.payable_fen, reasons(below)) == (1000, {"k": "nothing_to_take_off"})


def test_the_leader_of_a_group_has_one_piece_for_less_before_all_coupons() -> None:
    """Ten pieces with a leader's price of nothing cost nine; the merchant's word holds below the floor, too."""
    led = item("a", 10, 8900, group=True, sale_price_fen=9900, lead=Lead("ga1", 8900))
    quote = price([led])
    assert (quote.goods_fen, quote.discount_fen, quote.payable_fen) == (89_000, 8900, 80_100)
    assert quote.discounts == [
        Discount(
            source="promotion", id="ga1", name="团长优惠", kind="leader_price", discount_fen=8900,
            lines=[LineDiscount("a", 8900)],
        )
    ]  # fmt: skip
    tenth = price([led], held("k", kind="percent_off", percent_off=10))
    assert [one.discount_fen for one in tenth.discounts] == [8900, 8010]
    assert reasons(price([led], held("k", kind="amount_off", amount_fen=1, threshold_fen=80_101), chosen=[])) == {
        "k": "threshold"
    }
    alone = item("a", 1, 8900, group=True, sale_price_fen=9900, lead=Lead("ga1", 8900))
    assert price([alone], floor_bp=5000).payable_fen == 0
    assert price([item("a", 1, 8900, group=True, lead=Lead("ga1", 0))]).discounts == []


# What cannot be used

WHY: list[tuple[dict[str, Any], str]] = [
    ({"begins": NOW + timedelta(microseconds=1)}, "not_yet"),
    ({"until": NOW}, "expired"),
    ({"state": "locked"}, "locked"),
    ({"state": "used", "until": NOW - DAY}, "used"),
    ({"scope": Scope(categories=["c"])}, "scope"),
    ({"threshold_fen": 5001}, "threshold"),
    ({"amount_fen": 0}, "nothing_to_take_off"),
]


@pytest.mark.parametrize(("bad", "why"), WHY)
def test_why_a_coupon_cannot_be_used(bad: dict[str, Any], why: str) -> None:
    good = held("g", kind="amount_off", amount_fen=1, stacking="extra")
    coupon = held("k", **({"kind": "amount_off", "amount_fen": 1} | bad))
    quote = price([A, B], good, coupon, chosen=["g"])
    assert reasons(quote) == {"k": why}
    assert [each.coupon_id for each in quote.usable_coupons] == ["g"]
    with pytest.raises(MallError) as refusal:
        price([A, B], good, coupon)
    assert (refusal.value.code, refusal.value.data) == ("coupon_unusable", {"why": why})
    assert [(one.field, one.reason.code) for one in refusal.value.errors] == [("coupon_ids[1]", why)]


@pytest.mark.parametrize("chosen", [["m", "x", "n"], ["m", "x", "m"]])
def test_two_of_one_place_do_not_go_together(chosen: list[str]) -> None:
    coupons = [held(name, kind="amount_off", amount_fen=1) for name in ("m", "n")]
    extra = held("x", kind="amount_off", amount_fen=1, stacking="extra")
    with pytest.raises(MallError) as refusal:
        price([A], *coupons, extra, chosen=chosen)
    assert (refusal.value.code, refusal.value.data) == ("coupon_unusable", {"why": "combination"})
    assert [(one.field, one.reason.code) for one in refusal.value.errors] == [("coupon_ids[2]", "combination")]


def test_a_coupon_that_another_leaves_nothing_is_used_all_the_same_where_it_is_chosen() -> None:
    main, extra = held("m", kind="amount_off", amount_fen=9999), held("x", kind="exchange", stacking="extra")
    quote = price([A], main, extra)
    assert [(each.coupon_id, each.discount_fen) for each in quote.coupons] == [("m", 2000), ("x", 0)]
    assert [each.id for each in quote.discounts] == ["m"]


# Whatever it is made of

whatever: dict[str, Any] = {
    "bought": baskets(), "running": promotions(), "wallet": wallets(), "floor": floors, "new": st.booleans(),
    "region": st.sampled_from([None, PUDONG]), "data": st.data(),
}  # fmt: skip


def usable(quote: Quote, wallet: list[Held]) -> list[Held]:
    known = {each.coupon_id for each in quote.usable_coupons}
    return [each for each in wallet if each.coupon.coupon_id in known]


class Priced:
    """A quote of anything, with a lawful choice of coupons, and how to ask for it with another choice."""

    def __init__(
        self, bought: list[Item], running: dict[str, Promotion], wallet: list[Held], floor: int, new: bool,
        region: str | None, data: st.DataObject,
    ) -> None:  # fmt: skip
        self.facts: dict[str, Any] = {
            "promotions": running, "floor_bp": floor, "new_customer": new, "region": region,
        }  # fmt: skip
        self.bought, self.wallet, self.floor = bought, wallet, floor
        self.usable = usable(self.ask([]), wallet)
        self.chosen: list[str] = data.draw(lawful(self.usable))
        self.quote = self.ask(self.chosen)

    def ask(self, chosen: Any) -> Quote:
        return price(self.bought, *self.wallet, chosen=chosen, **self.facts)


@given(**whatever)
def test_a_quote_adds_up_to_the_fen_on_every_level(**made: Any) -> None:
    priced = Priced(**made)
    quote, before = priced.quote, priced.ask([])
    for line, one in zip(quote.lines, priced.bought, strict=True):
        parts = [part.discount_fen for each in quote.discounts for part in each.lines if part.sku_id == line.sku_id]
        assert line.amount_fen == one.unit_price_fen * one.quantity
        assert line.discount_fen == sum(parts)
        assert line.payable_fen == line.amount_fen - line.discount_fen >= 0
        assert all(part > 0 for part in parts)
    on_freight = [each for each in quote.discounts if each.kind == "free_shipping"]
    on_goods = [each for each in quote.discounts if each.kind != "free_shipping"]
    assert all(each.discount_fen == sum(part.discount_fen for part in each.lines) > 0 for each in on_goods)
    assert all(each.discount_fen > 0 and not each.lines for each in on_freight)
    assert quote.goods_fen == sum(line.amount_fen for line in quote.lines)
    assert quote.discount_fen == sum(each.discount_fen for each in on_goods)
    assert quote.freight_fen == before.freight_fen - sum(each.discount_fen for each in on_freight) >= 0
    assert quote.payable_fen == quote.goods_fen - quote.discount_fen + quote.freight_fen
    used = {each.coupon_id: each.discount_fen for each in quote.coupons}
    assert used.keys() == set(priced.chosen)
    assert {key: fen for key, fen in used.items() if fen} == {
        each.id: each.discount_fen for each in quote.discounts if each.source == "coupon"
    }


@given(**whatever)
def test_nothing_is_stacked_below_the_floor(**made: Any) -> None:
    priced = Priced(**made)
    for line, one in zip(priced.quote.lines, priced.bought, strict=True):
        named = sum(
            part.discount_fen
            for each in priced.quote.discounts
            if each.kind in NAMED_PRICES
            for part in each.lines
            if part.sku_id == line.sku_id
        )
        sale = one.unit_price_fen if one.sale_price_fen is None else one.sale_price_fen
        own_price = line.amount_fen - named
        assert line.payable_fen == own_price or line.payable_fen * 10_000 >= sale * one.quantity * priced.floor


@given(**whatever)
def test_one_more_coupon_never_raises_the_price(**made: Any) -> None:
    priced = Priced(**made)
    places = {each.coupon.terms.place for each in priced.usable if each.coupon.coupon_id in priced.chosen}
    for each in priced.usable:
        if each.coupon.terms.place not in places:
            more = priced.ask([*priced.chosen, each.coupon.coupon_id])
            assert more.payable_fen <= priced.quote.payable_fen


@given(**whatever)
def test_no_coupon_disables_another(**made: Any) -> None:
    priced = Priced(**made)
    none = priced.ask([])
    assert (priced.quote.usable_coupons, priced.quote.unusable_coupons) == (none.usable_coupons, none.unusable_coupons)
    for each in none.usable_coupons:
        alone = priced.ask([each.coupon_id])
        assert none.payable_fen - alone.payable_fen == each.discount_fen > 0


@given(**whatever)
def test_the_order_of_coupons_does_not_matter(**made: Any) -> None:
    priced = Priced(**made)
    best = priced.ask("best")
    priced.wallet = made["data"].draw(st.permutations(priced.wallet))
    assert priced.ask(made["data"].draw(st.permutations(priced.chosen))) == priced.quote
    assert priced.ask("best") == best


@given(baskets(), scopes)
def test_a_basket_knows_what_a_scope_covers(bought: list[Item], scope: Scope) -> None:
    covered = [index for index, one in enumerate(bought) if scope.covers(one.product_id, one.categories)]
    assert Basket.at_full_price(bought, 0).within(scope) == covered


# What goes back


def order(quote: Quote) -> Order:
    """The order of a quote, paid."""
    lines = [
        OrderLine(
            sku_id=line.sku_id, product_id="p", name="n", specs={}, picture_url="", quantity=line.quantity,
            unit_price_fen=line.unit_price_fen, amount_fen=line.amount_fen, discount_fen=line.discount_fen,
            payable_fen=line.payable_fen,
        )
        for line in quote.lines
    ]  # fmt: skip
    return Order(
        order_id="o", member_id="m", openid="w", state="awaiting_shipment", body_digest="d", lines=lines,
        goods_fen=quote.goods_fen, discount_fen=quote.discount_fen, freight_fen=quote.freight_fen,
        payable_fen=quote.payable_fen, paid_fen=quote.payable_fen, created_at=NOW, pay_by=NOW,
        address=Receiver(name="", phone="", region_code=PUDONG, province="", city="", district="", detail=""),
        history=[Event(NOW, "placed", "member")],
    )  # fmt: skip


@given(**whatever)
def test_a_refund_in_any_split_of_pieces_gives_back_exactly_what_was_paid(**made: Any) -> None:
    priced = Priced(**made)
    bought = order(priced.quote)
    left = [Pieces(line.sku_id, 1) for line in bought.lines for _ in range(line.quantity)]
    for number, piece in enumerate(made["data"].draw(st.permutations(left))):
        refund = new_refund(bought, f"r{number}", [piece], "why", "digest", NOW)
        assert refund.amount_fen >= 0
        bought = apply_refund(bought, refund, False, "operator", NOW)[0]
    assert sum(refund.amount_fen for refund in bought.refunds) == priced.quote.payable_fen
    for line in bought.lines:
        back = [part.amount_fen for refund in bought.refunds for part in refund.lines if part.sku_id == line.sku_id]
        assert sum(back) == line.payable_fen
