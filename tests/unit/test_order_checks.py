"""An order that the rules made has no fault by the checks, which reckon it anew; one that is tampered with is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Held, Scope, Terms
from chalicelib.commerce.orders.checks import Terms as Placed
from chalicelib.commerce.orders.checks import _right_newcomers, audit
from chalicelib.commerce.orders.holding.checks import Kept, holding_faults
from chalicelib.commerce.orders.holding.rules import bought_of, hold_of, let_go_of
from chalicelib.commerce.orders.placement.checks import coupon_faults, price_faults, promotion_faults
from chalicelib.commerce.orders.refunds.checks import refund_faults, stuck_refunds
from chalicelib.commerce.orders.refunds.rules import REJECTED_MAX, step_refund, with_refund
from chalicelib.commerce.orders.rules import Order, OrderCoupon, OrderLine, Refund, Seat, closed
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.checks import Goods, coupon_range
from chalicelib.commerce.pricing.promotions.rules import Promotion, ThresholdOff
from chalicelib.commerce.pricing.rules import Quote
from tests.support.orders import NOW, ask, grant, line, order, send
from tests.support.pricing import NOW as PRICED
from tests.support.pricing import PUDONG, RUNS, baskets, floors, held, lawful, price, promotions, thresholds, wallets

replace = msgspec.structs.replace


def ordered(items: list[Item], quote: Quote, coupons: Mapping[str, Held]) -> Order:
    """The order that a quote makes."""
    lines = [
        OrderLine(
            sku_id=one.sku_id, product_id=item.product_id, name="n", specs={}, picture_url="", quantity=one.quantity,
            unit_price_fen=one.unit_price_fen, amount_fen=one.amount_fen, discount_fen=one.discount_fen,
            payable_fen=one.payable_fen,
        )
        for item, one in zip(items, quote.lines, strict=True)
    ]  # fmt: skip
    used = [OrderCoupon(one.coupon_id, "t", one.discount_fen, coupons[one.coupon_id].coupon.terms.returns)
            for one in quote.coupons]  # fmt: skip
    placed = order(*lines, freight_fen=quote.freight_fen, state="awaiting_payment")
    return replace(placed, coupons=used, discounts=quote.discounts, created_at=PRICED)


@given(baskets(), promotions(), wallets(), floors, st.booleans(), st.data())
def test_whatever_a_quote_comes_to_the_checks_come_to_as_well(
    items: list[Item], running: dict[str, Promotion], wallet: list[Held], floor_bp: int, new: bool, data: st.DataObject
) -> None:
    items = [replace(item, group=False, sale_price_fen=None, lead=None) for item in items]
    free = [one for one in wallet if one.state == "unused"]
    usable = price(items, *free, chosen=[], region=PUDONG, promotions=running, floor_bp=floor_bp, new_customer=new)
    can = {one.coupon_id for one in usable.usable_coupons}
    chosen = data.draw(lawful([one for one in free if one.coupon.coupon_id in can]))
    versions = dict.fromkeys(running, 1)
    quote = price(
        items, *free, chosen=chosen, region=PUDONG, promotions=running, floor_bp=floor_bp, new_customer=new,
        versions=versions,
    )  # fmt: skip
    coupons = {one.coupon.coupon_id: one for one in wallet}
    made = ordered(items, quote, coupons)
    assert list(price_faults(made)) == []
    assert list(coupon_faults(made, coupons, floor_bp)) == []
    assert list(promotion_faults(made, {(name, 1): one for name, one in running.items()})) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 9999)), min_size=1, max_size=3), st.data())
def test_whatever_refunds_are_granted_and_rejected_each_gives_a_fair_share(
    bought: list[tuple[int, int]], data: st.DataObject
) -> None:
    now = replace(order(*(line(f"s{n}", q, fen) for n, (q, fen) in enumerate(bought)), freight_fen=800), paid_at=NOW)
    for number in range(6):
        free = {one.sku_id: one.quantity - _in_refunds(now, one.sku_id) for one in now.lines}
        left = [sku_id for sku_id, pieces in free.items() if pieces]
        if now.state == "closed" or not left or sum(one.state == "rejected" for one in now.refunds) == REJECTED_MAX:
            break
        sku_id = data.draw(st.sampled_from(left))
        refund = ask(now, f"r{number}", (sku_id, data.draw(st.integers(1, free[sku_id]))))
        fate = data.draw(st.sampled_from(["granted", "rejected", "asked"]))
        if fate == "granted":
            now = grant(now, refund)
        else:
            asked = replace(refund, state="requested")
            now = with_refund(now, asked)
            if fate == "rejected":
                now = with_refund(now, step_refund(asked, "reject"))
        assert list(refund_faults(now)) == []


def _in_refunds(of: Order, sku_id: str) -> int:
    return sum(x.quantity for one in of.refunds if one.state != "rejected" for x in one.lines if x.sku_id == sku_id)


# One order, tampered with


def sound() -> Order:
    """Two of three pieces are sent, one is given back; five yuan are off by a coupon, some by a promotion."""
    off = ThresholdOff(tiers=thresholds((1000, 300)), **RUNS)
    items = [Item(sku_id="a", quantity=3, unit_price_fen=1000, product_id="p1")]
    coupon = held("k", kind="amount_off", amount_fen=500, threshold_fen=2000)
    quote = price(items, coupon, region=PUDONG, promotions={"less": off}, versions={"less": 1})
    made = ordered(items, quote, {"k": coupon})
    paid = replace(
        made, state="awaiting_shipment", paid_at=NOW, confirmed_at=NOW, paid_fen=made.payable_fen, transaction_id="t"
    )
    return send(grant(paid, ask(paid, "r", ("a", 1))), ("a", 2))


PLACED = Placed(
    coupons={"k": held("k", kind="amount_off", amount_fen=500, threshold_fen=2000)},
    promotions={("less", 1): ThresholdOff(tiers=thresholds((1000, 300)), **RUNS)},
)


def told(of: Order, terms: Placed = PLACED, now: Any = None) -> list[str]:
    """What its document gets wrong; that the journal has nothing of it is left out."""
    return [one.what for one in audit([of], [], terms=terms, now=now) if "entr" not in one.what]


def with_line(of: Order, **changes: Any) -> Order:
    return replace(of, lines=[replace(of.lines[0], **changes)])


def with_coupon(**terms: Any) -> Placed:
    return replace(PLACED, coupons={"k": held("k", **({"kind": "amount_off", "amount_fen": 500} | terms))})


TAMPERED: dict[str, Callable[[Order], Order]] = {
    "3 pieces of 1000 fen are not 2900": lambda o: with_line(o, amount_fen=2900),
    "3000 less 700 fen is not 2200": lambda o: with_line(o, discount_fen=700),
    "its goods is 3001 fen, its lines say 3000": lambda o: replace(o, goods_fen=3001),
    "its payable is 1 fen": lambda o: replace(o, payable_fen=1),
    "700 fen are off, its discounts say 800": lambda o: with_line(o, discount_fen=700, payable_fen=2300),
    "coupon k takes off 400 fen, the discounts say otherwise": lambda o: replace(
        o, coupons=[replace(o.coupons[0], discount_fen=400)]
    ),
    "coupon k takes 500 fen off, and is none of the order's": lambda o: replace(o, coupons=[]),
    "is a promotion, and the order is of a group": lambda o: replace(
        o, group=Seat(lobby_id="g", activity_id="ga", size=2, state="taken")
    ),
    "is of another template": lambda o: replace(o, coupons=[replace(o.coupons[0], template_id="x")]),
    "was not valid as the order was placed": lambda o: replace(o, created_at=PRICED + timedelta(days=2)),
    "is m's": lambda o: replace(o, member_id="other"),
    "2 pieces are cancelled or returned, its refunds say 1": lambda o: with_line(o, cancelled=2),
    "the price is lowered by 5 fen, its refunds say 0": lambda o: with_line(o, reduced_fen=5),
    "its lines say 733": lambda o: replace(o, refunds=[replace(o.refunds[0], goods_fen=1)]),
    "refunded: the order says 9 fen, its refunds say 0": lambda o: replace(o, refunded_fen=9),
    "800 fen freight are given back, and pieces stay": lambda o: replace(
        o, refunds=[replace(o.refunds[0], freight_fen=800)]
    ),
    "its refunds give back more than was withheld": lambda o: replace(
        o, refunds=[replace(o.refunds[0], withheld_fen=-1)]
    ),
    "is closed, and not all of its pieces are refunded": lambda o: replace(o, state="closed"),
    "1 pieces are sent, its parcels say otherwise": lambda o: with_line(o, shipped=1),
    "3 pieces went back into stock, of 1 to 1": lambda o: with_line(o, restocked=3),
    "is awaiting_payment, and paid": lambda o: replace(o, state="awaiting_payment"),
    "is received, and was not received": lambda o: replace(o, state="received"),
    "awaits its shipment, and nothing is to be sent": lambda o: replace(o, state="awaiting_shipment"),
    "paid 1 fen of": lambda o: replace(o, paid_fen=1),
    "was never paid": lambda o: replace(o, paid_at=None),
    "by the payment that it has not": lambda o: replace(o, transaction_id=""),
}


def test_a_sound_order_has_no_fault() -> None:
    assert told(sound(), now=NOW) == []


@pytest.mark.parametrize("said", TAMPERED)
def test_an_order_that_is_tampered_with_is_named(said: str) -> None:
    assert [one for one in told(TAMPERED[said](sound())) if said in one], told(TAMPERED[said](sound()))


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"amount_fen": 250}, "coupon k takes off 500 fen, by its terms 250"),
        ({"amount_fen": 600}, "coupon k takes off 500 fen, by its terms 600"),
        ({"threshold_fen": 2701}, "coupon k is from 2701 fen on"),
        ({"kind": "percent_off", "percent_off": 10}, "by its terms 270"),
        ({"kind": "percent_off", "percent_off": 50, "ceiling_fen": 499}, "by its terms 499"),
        ({"kind": "exchange", "amount_fen": 100}, "by its terms 800"),
        ({"kind": "free_shipping"}, "by its terms 1600"),
        ({"scope": Scope(excluded_products=["p1"])}, "by its terms 0"),
        ({"scope": Scope(products=["p2"])}, "by its terms 0"),
    ],
)
def test_a_coupon_is_held_against_its_own_terms(terms: dict[str, Any], said: str) -> None:
    assert [one for one in told(sound(), with_coupon(**terms)) if said in one], told(sound(), with_coupon(**terms))


def test_where_categories_and_floors_are_in_doubt_a_coupon_has_a_range() -> None:
    goods = [Goods(sku_id="a", product_id="p1", quantity=1, unit_fen=1000, cost_fen=1000, floor_high_fen=700)]
    terms = Terms(kind="amount_off", amount_fen=500)
    assert msgspec.structs.astuple(coupon_range(terms, goods)) == (300, 500)
    named = replace(terms, scope=Scope(categories=["c"]))
    assert msgspec.structs.astuple(coupon_range(named, goods)) == (0, 500)


def test_a_promotion_of_a_version_that_is_not_known_is_left_alone_and_of_one_that_is_held_to_it() -> None:
    less = ThresholdOff(tiers=thresholds((1000, 200)), **RUNS)
    assert told(sound(), replace(PLACED, promotions={("less", 2): less})) == []
    assert told(sound(), replace(PLACED, promotions={("less", 1): less})) == [
        "n takes off 300 fen, by its terms 200 at the most"
    ]


def test_an_unpaid_order_is_overdue_an_hour_after_its_deadline() -> None:
    unpaid = order(line("a", 1, 500), state="awaiting_payment")
    assert told(unpaid, now=unpaid.pay_by + timedelta(hours=1)) == []
    late = unpaid.pay_by + timedelta(hours=1, seconds=1)
    assert [one for one in told(unpaid, now=late) if "and is still open" in one]
    assert told(closed(unpaid, "closed_unpaid", "system", late), now=late) == []


@pytest.mark.parametrize("state", ["approved", "processing"])
def test_a_refund_is_stuck_after_a_day_without_a_word(state: Any) -> None:
    whole = sound()
    refund: Refund = replace(whole.refunds[0], state=state)
    on_its_way = replace(whole, refunds=[refund])
    assert list(stuck_refunds(on_its_way, NOW + timedelta(days=1))) == []
    assert list(stuck_refunds(on_its_way, NOW + timedelta(days=1, seconds=1))) != []
    failed = replace(whole, refunds=[replace(refund, state="failed")])
    assert list(stuck_refunds(failed, NOW + timedelta(days=9))) == []


def test_what_is_kept_of_a_member_is_held_against_their_orders() -> None:
    waiting = order(line("a", 2, 500), state="awaiting_payment")
    let_go = replace(closed(replace(waiting, order_id="o2"), "cancelled", "member", NOW))
    paid = replace(sound(), order_id="o3")
    paid = with_line(paid, limited=True)
    marks = hold_of(waiting), let_go_of(let_go), bought_of(paid)
    assert None not in marks
    held_, gone, bought = (frozenset({str(one)}) for one in marks)
    kept = Kept(held=held_, let_go=gone, bought=bought, pieces={"p1": 2})
    orders = [waiting, let_go, paid]
    assert list(holding_faults(kept, orders)) == []
    assert list(holding_faults(replace(kept, held=frozenset()), orders)) == ["holds 0 times for o"]
    assert list(holding_faults(kept, [replace(waiting, state="closed"), let_go, paid])) == [
        "holds something for o, which is closed"
    ]
    more = replace(waiting, lines=[replace(waiting.lines[0], quantity=3)])
    assert list(holding_faults(kept, [more, let_go, paid])) == ["holds something else for o than was ordered"]
    assert list(holding_faults(replace(kept, let_go=bought), orders)) == ["is said to have let go o3, and has not"]
    assert list(holding_faults(replace(kept, bought=gone), orders)) == ["is said to have bought o2, and has not"]
    assert list(holding_faults(replace(kept, pieces={}), orders)) == ["has 0 pieces of p1 counted, orders say 2"]


def test_of_two_who_had_the_price_for_new_customers_each_none_may_be_kept_once_one_is_closed() -> None:
    own, theirs = (SimpleNamespace(order_id=who, placed_as=None, state="shipped") for who in ("own", "theirs"))
    assert _right_newcomers([own]) == ["own"]
    theirs.placed_as, theirs.state = "former", "closed"
    assert _right_newcomers([own, theirs]) == ["", "own"]
    own.state = "closed"
    assert _right_newcomers([own, theirs]) == [""]
