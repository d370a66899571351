"""Refunds before shipping: at once while what stays meets the conditions of its prices; else a person decides, or what
the rest costs more is kept until it goes back, too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.accounting.rules import given_back, sold
from chalicelib.commerce.orders.conditions.rules import Dearer, has_terms, held_to_conditions, reckoned_anew
from chalicelib.commerce.orders.refunds.rules import withheld
from chalicelib.commerce.orders.rules import Pieces, Refund, Seat, SeatState
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import AddOn, Bundle, NewCustomerPrice, PiecesPercent, ThresholdOff
from chalicelib.commerce.pricing.rules import Benefits, quote
from chalicelib.core.errors import MallError
from tests.support.conditions import Bought, bought
from tests.support.orders import ask, line, order, send
from tests.support.pricing import (
    NOW,
    RUNS,
    baskets,
    floors,
    held,
    item,
    percents,
    pieces,
    prices,
    promotions,
    thresholds,
    wallets,
)


def free_from(fen: int, first_fen: int = 800) -> dict[str, FreightTemplate]:
    return {"default": FreightTemplate(name="t", rules=[FreightRule(first_fen=first_fen, free_from_fen=fen)])}


def add_on() -> Bought:
    """10000 and two extras of 5000 for 100 each, which they are when the rest costs 9900."""
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=9900, **RUNS)
    return bought([item("big", 1, 10000), item("x", 2, 5000)], {"p": extra})


def cheap_and_dear() -> Bought:
    return bought([item("cheap", 1, 100), item("dear", 1, 40000)], templates=free_from(30000))


def answer(refund: Refund) -> tuple[str, str, int]:
    return refund.state, refund.because, refund.amount_fen


def test_the_article_that_made_add_ons_cheap_is_not_let_go_by_itself() -> None:
    assert answer(add_on().ask("r", ("big", 1))) == ("requested", "promotion_condition", 10000)
    assert answer(add_on().ask("r", ("x", 1))) == ("approved", "", 100)
    assert answer(add_on().ask("r")) == ("approved", "", 10200)
    assert answer(add_on().ask("r", ("big", 1), by_mall=True)) == ("approved", "", 10000)


def test_with_deductions_it_goes_back_less_what_the_rest_costs_more_and_that_with_the_last_pieces() -> None:
    books = add_on()
    first = books.ask("r1", ("big", 1), deducts=True)
    assert (answer(first), first.withheld_fen) == (("approved", "", 200), 9800)
    second = books.ask("r2", ("x", 1), deducts=True)  # one extra for 5000 stays
    assert (answer(second), second.withheld_fen) == (("approved", "", 5000), -4900)
    assert answer(books.ask("r3")) == ("approved", "", 5000)
    assert books.order.state == "closed" and given_back(books.order) == sold(books.order)


def test_where_nothing_would_be_left_of_it_a_person_decides() -> None:
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=900, **RUNS)
    books = bought([item("small", 1, 1000), item("x", 1, 5000)], {"p": extra})
    assert answer(books.ask("r", ("small", 1), deducts=True)) == ("requested", "promotion_condition", 1000)
    assert books.order.refunds[0].withheld_fen == 0
    for fen, state in ((4900, "requested"), (4901, "approved")):
        books = bought([item("small", 1, fen), item("x", 1, 5000)], {"p": extra})
        assert books.ask("r", ("small", 1), deducts=True).state == state


def test_the_mall_itself_keeps_nothing_back_and_gives_back_what_need_not_be_kept() -> None:
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=9900, **RUNS)
    items = [item("big", 1, 10000), item("x", 2, 5000), item("y", 1, 5000)]
    books = bought(items, {"p": extra}, templates=free_from(22000))
    first = books.ask("r1", ("y", 1), deducts=True)
    assert (first.amount_fen, first.withheld_fen) == (4200, 800)
    for part, amount in (("big", 10000), ("x", 100)):
        again = Bought(books.order, books.terms)
        given = again.ask("r2", (part, 1), by_mall=True)
        assert (given.amount_fen, given.withheld_fen) == (amount, 0)
    assert books.ask("r3", by_mall=True).withheld_fen == -800
    books = add_on()
    books.ask("r1", ("big", 1), deducts=True)
    given = books.ask("r2", ("x", 1), by_mall=True)
    assert (given.amount_fen, given.withheld_fen) == (5000, -4900)


def test_a_fen_for_each_line_and_promotion_on_it_is_rounding() -> None:
    assert [Dearer(3, 0, 3).fen, Dearer(1, 2, 3).fen, Dearer(4, 0, 3).fen, Dearer(-9, 13, 3).fen] == [0, 0, 4, 4]
    assert [Dearer(3, 9, 3).because, Dearer(4, 9, 3).because] == ["free_freight", "promotion_condition"]
    offers = {"p": PiecesPercent(tiers=percents((1, 10)), **RUNS), "q": ThresholdOff(tiers=thresholds((1, 1)), **RUNS)}
    twice = bought([item("a", 2, 999), item("b", 1, 1)], offers)
    dearer = reckoned_anew(twice.order, ask(twice.order, "r", ("a", 1)), twice.terms)
    assert dearer is not None and dearer.slack_fen == 2 + 1  # two promotions on the one line, none on the other
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=9900, **RUNS)
    books = bought([item("big", 1, 10000), item("x", 2, 5000), item("y", 1, 50)], {"p": extra})
    first = books.new("r1", [Pieces("big", 1)], deducts=True)
    for missing, state in ((0, "approved"), (1, "approved"), (9, "requested")):
        less = Bought(books.order, books.terms)
        less.add(msgspec.structs.replace(first, withheld_fen=first.withheld_fen - missing))
        assert less.ask("r2", ("y", 1)).state == state


def test_goods_that_made_the_freight_free_are_not_let_go_by_themselves() -> None:
    assert answer(cheap_and_dear().ask("r", ("dear", 1))) == ("requested", "free_freight", 40000)
    assert answer(cheap_and_dear().ask("r", ("cheap", 1))) == ("approved", "", 100)
    assert answer(cheap_and_dear().ask("r", ("dear", 1), deducts=True)) == ("approved", "", 39200)
    charged = bought([item("cheap", 1, 100), item("dear", 1, 4000)], templates=free_from(30000))
    assert (charged.order.free_freight, has_terms(charged.order)) == ({}, False)
    assert answer(charged.ask("r", ("dear", 1))) == ("approved", "", 4000)


@pytest.mark.parametrize(
    ("given_back", "expected"),
    [
        ((("a", 1),), ("approved", "", 900)),  # two pieces of three: still ten percent
        ((("a", 2),), ("requested", "promotion_condition", 1800)),
        ((("a", 1), ("b", 1)), ("approved", "", 1800)),
        ((("b", 1),), ("approved", "", 900)),
    ],
)
def test_percent_by_pieces_holds_while_its_tier_is_reached(given_back: Any, expected: Any) -> None:
    off = PiecesPercent(tiers=percents((2, 10)), **RUNS)
    books = bought([item("a", 3, 1000), item("b", 1, 1000)], {"p": off})
    if given_back == (("a", 2),):  # and then one piece more
        assert answer(books.ask("r0", ("b", 1))) == ("approved", "", 900)
    assert answer(books.ask("r", *given_back)) == expected


def test_a_threshold_off_falls_to_the_lower_tier() -> None:
    off = ThresholdOff(tiers=thresholds((10000, 1000), (20000, 3000)), **RUNS)
    books = bought([item("a", 2, 10000)], {"p": off})  # 17000: two at 8500; one alone is 9000
    assert answer(books.ask("r", ("a", 1))) == ("requested", "promotion_condition", 8500)
    books = bought([item("a", 2, 10000)], {"p": off})
    first = books.ask("r", ("a", 1), deducts=True)
    assert (first.amount_fen, first.withheld_fen) == (8000, 500)
    every = ThresholdOff(tiers=thresholds((10000, 1000)), every=True, **RUNS)
    assert answer(bought([item("a", 2, 10000)], {"p": every}).ask("r", ("a", 1))) == ("approved", "", 9000)


def test_sets_go_back_whole() -> None:
    sets = Bundle(pieces=pieces(a=1, b=1), price_fen=9900, **RUNS)
    books = bought([item("a", 2, 6000), item("b", 2, 6000)], {"p": sets})
    assert answer(books.ask("r1", ("a", 1), ("b", 1))) == ("approved", "", 9900)
    assert answer(books.ask("r2", ("a", 1))) == ("requested", "promotion_condition", 4950)


def test_a_new_customers_price_and_a_coupons_threshold_are_no_conditions() -> None:
    welcome = NewCustomerPrice(prices=prices(a=100), **RUNS)
    books = bought([item("a", 1, 3000), item("b", 1, 3000)], {"p": welcome}, new_customer=True)
    assert (has_terms(books.order), answer(books.ask("r", ("b", 1)))) == (False, ("approved", "", 3000))
    coupon = held("k", kind="amount_off", amount_fen=1000, threshold_fen=6000)
    books = bought([item("a", 1, 3000), item("b", 1, 3000)], coupons=[coupon])
    assert answer(books.ask("r", ("b", 1))) == ("approved", "", 2500)
    off = ThresholdOff(tiers=thresholds((3000, 300)), **RUNS)
    coupon = held("k", kind="amount_off", amount_fen=1000, threshold_fen=5700)
    books = bought([item("a", 1, 3000), item("b", 1, 3000)], {"p": off}, [coupon])
    assert books.ask("r", ("b", 1)).state == "approved"


@pytest.mark.parametrize(
    ("seat", "because"), [("taken", "group_succeeded"), ("won", "lottery_drawn"), ("lost", "lottery_drawn")]
)
@pytest.mark.parametrize("deducts", [True, False])
def test_orders_of_a_group_that_came_together_go_back_by_a_persons_decision(
    seat: SeatState, because: str, deducts: bool
) -> None:
    one = msgspec.structs.replace(
        order(line("a", 2, 9000), freight_fen=800),
        group=Seat(lobby_id="l", activity_id="g", size=2, state=seat),
    )
    for asked in ((), (("a", 1),)):
        refund = held_to_conditions(one, ask(one, "r", *asked), None, deducts)
        assert (refund.state, refund.because, refund.first_state) == ("requested", because, "requested")
    assert not has_terms(msgspec.structs.replace(one, discounts=add_on().order.discounts))
    waits = msgspec.structs.replace(one, state="awaiting_group")
    assert held_to_conditions(waits, ask(waits, "r"), None, deducts).state == "approved"
    sent = send(one)
    assert (held_to_conditions(sent, ask(sent, "r"), None, deducts).because) == ""


@pytest.mark.parametrize("sent", [False, True])
def test_what_was_asked_whole_is_granted_with_the_freight_unless_something_was_sent_meanwhile(sent: bool) -> None:
    one = msgspec.structs.replace(
        order(line("a", 2, 9000), freight_fen=800), group=Seat(lobby_id="l", activity_id="g", size=2, state="taken")
    )
    books = Bought(one, add_on().terms)
    assert books.ask("r").amount_fen == 9800
    if sent:
        books.order = send(books.order, ("a", 1))
    assert books.approve("r").amount_fen == (9000 if sent else 9800)


def test_freight_goes_back_with_the_last_pieces_also_where_a_person_decided_about_some() -> None:
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=9900, **RUNS)
    books = bought([item("big", 1, 10000), item("x", 2, 5000)], {"p": extra}, templates=free_from(90000))
    assert answer(books.ask("r1", ("big", 1))) == ("requested", "promotion_condition", 10000)
    assert answer(books.ask("r2", ("x", 2))) == ("approved", "", 200)  # big alone costs what it did
    assert books.approve("r1").amount_fen == 10800
    assert books.order.state == "closed" and given_back(books.order) == sold(books.order)


def test_what_is_not_known_any_more_is_for_a_person() -> None:
    books = add_on()
    refund = ask(books.order, "r", ("x", 1))
    assert answer(held_to_conditions(books.order, refund, None, True)) == ("requested", "promotion_condition", 100)
    books.terms = msgspec.structs.replace(
        books.terms, promotions={"p": AddOn(prices=prices(x=99), limit=2, threshold_fen=9900, **RUNS)}
    )  # another one than the order was priced by
    assert books.ask("r", ("x", 1)).because == "promotion_condition"
    freed = cheap_and_dear()
    moved = [msgspec.structs.replace(one, template_id="other") for one in freed.terms.items]
    freed.terms = msgspec.structs.replace(freed.terms, items=moved)
    assert freed.ask("r", ("cheap", 1)).because == "free_freight"
    freed = cheap_and_dear()
    freed.terms = msgspec.structs.replace(freed.terms, templates=free_from(90000))  # by which it would not have been
    assert answer(freed.ask("r", ("dear", 1), deducts=True)) == ("requested", "free_freight", 40000)


def test_pieces_that_were_sent_are_as_ever_for_a_person_whatever_the_rest_costs() -> None:
    books = add_on()
    books.order = send(books.order, ("big", 1))
    assert answer(books.ask("r1", ("big", 1))) == ("requested", "", 10000)
    assert answer(books.ask("r2", ("x", 1))) == ("approved", "", 100)


# Whatever is bought and given back

TEMPLATES = st.sampled_from([{}, free_from(500), free_from(3000, 1), free_from(100_000)])


@st.composite
def purchases(draw: st.DrawFn) -> Bought:
    items = [msgspec.structs.replace(one, group=False, sale_price_fen=None) for one in draw(baskets())]
    wallet = [one for one in draw(wallets()) if one.state == "unused"][: draw(st.integers(0, 1))]
    offers, templates, floor_bp = draw(promotions()), draw(TEMPLATES), draw(floors)
    is_new = draw(st.booleans())
    try:
        return bought(items, offers, wallet, templates, is_new, floor_bp)
    except MallError as fault:
        assert fault.code == "coupon_unusable"
        return bought(items, offers, (), templates, is_new, floor_bp)


def paid_for_the_rest(books: Bought) -> int:
    """What stays paid, and what coupons took off it."""
    now = books.order
    back = sum(refund.amount_fen for refund in now.refunds if refund.state == "approved")
    coupons = sum(
        -(-part.discount_fen * (one.quantity - one.cancelled) // one.quantity)
        for off in now.discounts if off.source == "coupon"
        for part in off.lines for one in now.lines if one.sku_id == part.sku_id
    )  # fmt: skip
    return now.paid_fen - now.freight_fen - back + coupons


def costs_alone(books: Bought) -> int:
    """What the rest would cost had it been ordered alone, freight included where it went free."""
    terms, left = books.terms, {one.sku_id: one.to_ship for one in books.order.lines}
    rest = [msgspec.structs.replace(one, quantity=left[one.sku_id]) for one in terms.items if left[one.sku_id]]
    facts = Benefits(now=NOW, promotions=terms.promotions, new_customer=books.order.newcomer, floor_bp=terms.floor_bp)
    return quote(rest, terms.templates, "310115" if terms.templates else None, facts).payable_fen


@given(purchases(), st.booleans(), st.data())
def test_what_is_granted_at_once_leaves_what_the_rest_costs_alone_and_all_of_it_comes_back(
    books: Bought, deducts: bool, data: st.DataObject
) -> None:
    on_lines = [part for off in books.order.discounts for part in off.lines]
    by_mall = False
    for number in range(12):
        left = [one for one in books.order.lines if one.to_ship]
        asked = {r.refund_id for r in books.order.refunds if r.state == "requested"}
        if not left:
            break
        if asked and data.draw(st.booleans()):
            books.approve(data.draw(st.sampled_from(sorted(asked))))
            by_mall = True
        else:
            one = data.draw(st.sampled_from(left))
            mall = data.draw(st.integers(0, 5)) == 5
            try:
                part = (one.sku_id, data.draw(st.integers(1, one.to_ship)))
                refund = books.ask(f"r{number}", part, by_mall=mall, deducts=deducts)
            except MallError as fault:
                assert fault.code in ("invalid", "nothing_to_refund")
                continue
            by_mall |= mall
            assert refund.amount_fen >= 0 and (deducts or refund.withheld_fen <= 0)
        back = sum(refund.amount_fen for refund in books.order.refunds if refund.state == "approved")
        assert 0 <= back <= books.order.paid_fen and withheld(books.order) >= 0
        assert given_back(books.order).paid_fen == back
        if not by_mall and any(one.to_ship for one in books.order.lines):
            assert paid_for_the_rest(books) >= costs_alone(books) - len(books.order.lines) - len(on_lines)
    for refund in books.order.refunds:
        if refund.state == "requested":
            books.approve(refund.refund_id)
    if books.order.state != "closed":
        books.ask("the rest")
    assert books.order.state == "closed"
    assert sum(refund.amount_fen for refund in books.order.refunds) == books.order.paid_fen
    assert given_back(books.order) == sold(books.order)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3000)), min_size=1, max_size=4), st.integers(1, 99), st.data()
)
def test_what_holds_for_every_piece_alone_is_never_refused_for_a_fen(
    lines: list[tuple[int, int]], percent: int, data: st.DataObject
) -> None:
    items = [item(f"s{number}", *each) for number, each in enumerate(lines)]
    off = PiecesPercent(tiers=percents((1, percent)), **RUNS)
    coupon = [held("k", kind="amount_off", amount_fen=data.draw(st.integers(1, 200)))]
    try:
        books = bought(items, {"p": off}, coupon)
    except MallError:
        books = bought(items, {"p": off})
    for number in range(20):
        left = [one for one in books.order.lines if one.to_ship]
        if not left:
            break
        one = data.draw(st.sampled_from(left))
        refund = books.ask(f"r{number}", (one.sku_id, data.draw(st.integers(1, one.to_ship))))
        assert (refund.state, refund.withheld_fen) == ("approved", 0)
