"""What an order of a ladder costs in the end: as if the price of the step that was reached had been there from the
start, with its coupons, and never more than was paid; to the fen, in the order, in the journal and in its refunds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Coupon, Held, Scope
from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.accounting.rules import given_back, lapsed, sold
from chalicelib.commerce.orders.refunds.rules import apply_refund, freight_left, new_refund, reduction
from chalicelib.commerce.orders.rules import Order, OrderCoupon, OrderLine, Pieces, Seat, as_placed, step
from chalicelib.commerce.pricing.basket.rules import Discount, Item, Lead, LineDiscount, floor_fen
from chalicelib.commerce.pricing.rules import Benefits, Quote, quote
from chalicelib.growth.groupbuy.lobbies.rules import Anew, reckon_anew
from chalicelib.growth.groupbuy.rules import Price, Terms
from chalicelib.ledger import rules as ledger
from chalicelib.ledger.rules import Entry, Sale
from tests.support.orders import line, order
from tests.support.pricing import FREIGHT, NOW, PUDONG, floors, held, lawful
from tests.unit.test_group_rules import STEPS, ladders, price, terms

SALE_FEN = 12_000


def item(at: Price, quantity: int, leader: bool) -> Item:
    lead = Lead("ga1", at.price_fen - at.leader_fen) if leader else None
    return Item(
        sku_id="a", quantity=quantity, unit_price_fen=at.price_fen, product_id="p", group=True, lead=lead,
        sale_price_fen=SALE_FEN,
    )  # fmt: skip


def asked(at: Price, quantity: int, leader: bool, wallet: list[Held], chosen: list[str], floor_bp: int = 0) -> Quote:
    """The quote of so many pieces at this price, sent to Pudong."""
    benefits = Benefits(now=NOW, coupons=wallet, chosen=chosen, floor_bp=floor_bp)
    return quote([item(at, quantity, leader)], FREIGHT, PUDONG, benefits)


def placed(at: Price, quantity: int, leader: bool, wallet: list[Held], chosen: list[str], floor_bp: int = 0) -> Order:
    """The order of that quote, paid, whose lobby has just ended."""
    told = asked(at, quantity, leader, wallet, chosen, floor_bp)
    one = told.lines[0]
    bought = OrderLine(
        sku_id="a", product_id="p", name="n", specs={}, picture_url="", quantity=quantity,
        unit_price_fen=one.unit_price_fen, amount_fen=one.amount_fen, discount_fen=one.discount_fen,
        payable_fen=one.payable_fen, floor_fen=floor_fen(SALE_FEN * quantity, floor_bp),
    )  # fmt: skip
    return msgspec.structs.replace(
        order(bought, freight_fen=told.freight_fen, state="awaiting_group"), created_at=NOW, paid_at=NOW,
        paid_fen=told.payable_fen, transaction_id="t", discounts=told.discounts,
        coupons=[OrderCoupon(used.coupon_id, "t", used.discount_fen, True) for used in told.coupons],
        group=Seat(lobby_id="g1", activity_id="ga1", size=5, leader=leader, state="taken"),
    )  # fmt: skip


def coupons(paid: Order, wallet: list[Held]) -> list[Coupon]:
    used = {one.coupon_id for one in paid.coupons}
    return [one.coupon for one in wallet if one.coupon.coupon_id in used]


class Ended(msgspec.Struct):
    """An order at its step, and what was posted for it."""

    order: Order
    entries: list[Entry]
    anew: Anew | None

    def refund(self, number: str, asked: list[Pieces] | None) -> int:
        """Give pieces back; what that gives back in fen."""
        refund = new_refund(self.order, number, asked, "why", "", NOW)
        self._apply(refund)
        return refund.amount_fen

    def _apply(self, refund: Any) -> None:
        after = apply_refund(self.order, refund, False, "system", NOW)[0]
        if (part := given_back(after).less(given_back(self.order))) != Sale():
            self.entries.append(ledger.refund_granted(refund.refund_id, "o", NOW, part))
        self.order = after

    def differences(self) -> list[str]:
        return [one.what for one in differences_of_order(self.order, self.entries)]


def at_its_step(ladder: Terms, reached: int, paid: Order, wallet: list[Held]) -> Ended:
    """What the mall does with the order when its lobby has ended on that step."""
    anew = reckon_anew(ladder, reached, paid, coupons(paid, wallet))
    entries = [ledger.paid("o", NOW, sold(paid))] if sold(paid) != Sale() else []
    now = step(paid, "proceed", "group_succeeded", "system", NOW)
    ended = Ended(now, entries, anew)
    if anew is None:
        return ended
    kept = [
        msgspec.structs.replace(one, came_back=one.coupon_id in anew.coupons_back) for one in paid.coupons
    ]  # fmt: skip
    ended.order = msgspec.structs.replace(now, reckoned=anew.reckoned, coupons=kept)
    if (gone := lapsed(ended.order)) != Sale():
        ended.entries.append(ledger.reckoned_anew("o", NOW, gone))
    if anew.back_fen:
        ended._apply(reduction("r0", {"a": anew.back_fen}, 0, anew.why, NOW))
    return ended


@st.composite
def wallets(draw: st.DrawFn) -> list[Held]:
    """At most one coupon of each place, of all kinds, with thresholds and ceilings of the size of the prices."""
    found = []
    for name, kinds, stacking in (
        ("m", ["amount_off", "percent_off", "exchange"], "main"), ("x", ["amount_off", "percent_off"], "extra"),
        ("f", ["free_shipping"], "main"),
    ):  # fmt: skip
        fen = st.sampled_from([0, 1, 3000, 10_000, 99_999]) | st.integers(0, 200_000)
        found.append(
            held(
                name,
                kind=draw(st.sampled_from(kinds)),
                amount_fen=draw(fen),
                percent_off=draw(st.integers(1, 100)),
                ceiling_fen=draw(st.none() | st.integers(1, 50_000)),
                threshold_fen=draw(fen),
                stacking=stacking,
                scope=draw(st.sampled_from([Scope(), Scope(products=["p"])])),
            )
        )
    return draw(st.lists(st.sampled_from(found), unique_by=lambda one: one.coupon.coupon_id))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Terms, int, Order, list[Held], int]:
    """A ladder, the step that was reached, an order of it, its member's coupons, and the floor."""
    ladder, wallet, floor_bp = draw(ladders()), draw(wallets()), draw(floors)
    quantity, leader = draw(st.integers(1, 9)), draw(st.booleans())
    first = ladder.price_of("a")
    assert first is not None
    usable = {one.coupon_id for one in asked(first, quantity, leader, wallet, [], floor_bp).usable_coupons}
    chosen = draw(lawful([one for one in wallet if one.coupon.coupon_id in usable]))
    paid = placed(first, quantity, leader, wallet, chosen, floor_bp)
    return ladder, draw(st.sampled_from([one.size for one in ladder.prices])), paid, wallet, floor_bp


@given(cases())
def test_in_the_end_a_member_has_paid_what_the_step_costs_with_the_coupon_or_less(case: Any) -> None:
    """What the member has paid in the end is the quote at the step with those of the coupons that apply there, freight
    apart; or what was paid, where that is less."""
    ladder, reached, paid, wallet, floor_bp = case
    bought, at = paid.lines[0], ladder.price_at(reached, "a")
    ended = at_its_step(ladder, reached, paid, wallet)
    used = [one for one in wallet if one.coupon.coupon_id in {each.coupon_id for each in paid.coupons}]
    there = asked(at, bought.quantity, paid.group.leader, used, [], floor_bp)
    goods = [one.coupon_id for one in there.usable_coupons if one.coupon_id != "f"]
    due = asked(at, bought.quantity, paid.group.leader, used, goods, floor_bp).lines[0].payable_fen
    kept = bought.payable_fen - ended.order.lines[0].reduced_fen
    assert kept == min(due, bought.payable_fen)
    assert sum(refund.amount_fen for refund in ended.order.refunds) == bought.payable_fen - kept
    assert freight_left(ended.order) == paid.freight_fen
    back = {one.coupon_id for one in ended.order.coupons if one.came_back}
    assert back == ({one.coupon_id for one in paid.coupons} - {*goods, "f"} if due <= bought.payable_fen else set())
    assert bool(ended.anew and ended.anew.back_fen) == (kept < bought.payable_fen)


@given(cases(), st.data())
def test_the_journal_explains_it_to_the_fen_and_refunds_give_back_all_that_was_paid(
    case: Any, data: st.DataObject
) -> None:
    ladder, reached, paid, wallet, _ = case
    ended = at_its_step(ladder, reached, paid, wallet)
    assert ended.differences() == []
    stands = ended.order.discounts if ended.order.reckoned is None else ended.order.reckoned.discounts
    left = sold(ended.order).less(given_back(ended.order))
    assert left.paid_fen == paid.paid_fen - sum(refund.amount_fen for refund in ended.order.refunds)
    assert (left.coupons_fen, left.promotions_fen) == tuple(
        sum(one.discount_fen for one in stands if one.source == source) for source in ("coupon", "promotion")
    )
    if ended.order.reckoned is not None:
        assert left.goods_fen == ended.order.reckoned.unit_price_fen * paid.lines[0].quantity
    number = 0
    while ended.order.state != "closed":
        number += 1
        pieces = data.draw(st.integers(1, ended.order.lines[0].quantity - ended.order.lines[0].cancelled))
        assert ended.refund(f"r{number}", [Pieces("a", pieces)]) >= 0
        assert ended.differences() == []
    assert sum(refund.amount_fen for refund in ended.order.refunds) == paid.paid_fen
    assert given_back(ended.order) == sold(ended.order)
    assert msgspec.structs.replace(as_placed(ended.order), history=[]) == msgspec.structs.replace(
        as_placed(paid), history=[]
    )


# By hand

LADDER = terms(kind="ladder", sizes=[2, 3], prices=[price(2, 10_000), price(3, 6000)])


@pytest.mark.parametrize(
    ("coupon", "paid_fen", "back_fen", "comes_back"),
    [
        ({"kind": "percent_off", "percent_off": 20}, 8000, 3200, False),  # 20 % of 6000
        ({"kind": "amount_off", "amount_fen": 3000, "threshold_fen": 10_000}, 7000, 1000, True),
        ({"kind": "amount_off", "amount_fen": 3000, "threshold_fen": 6000}, 7000, 4000, False),
        ({"kind": "amount_off", "amount_fen": 4000, "threshold_fen": 10_000}, 6000, 0, True),  # the same price
        ({"kind": "amount_off", "amount_fen": 4001, "threshold_fen": 10_000}, 5999, 0, False),  # it saved one fen
        ({"kind": "exchange", "amount_fen": 6000}, 6000, 0, True),  # nothing to take off
        ({"kind": "exchange", "amount_fen": 5000}, 5000, 0, False),
        ({"kind": "percent_off", "percent_off": 20, "ceiling_fen": 1000}, 9000, 4000, False),
        ({"kind": "amount_off", "amount_fen": 99_999}, 0, 0, False),
    ],
)
def test_a_coupon_is_worth_its_terms(coupon: dict[str, Any], paid_fen: int, back_fen: int, comes_back: bool) -> None:
    wallet = [held("m", **coupon)]
    paid = placed(price(2, 10_000), 1, False, wallet, ["m"])
    assert paid.lines[0].payable_fen == paid_fen
    ended = at_its_step(LADDER, 3, paid, wallet)
    assert ended.order.lines[0].reduced_fen == back_fen
    assert [one.came_back for one in ended.order.coupons] == [comes_back]
    assert ended.differences() == []


def test_the_coupon_for_the_freight_stays_with_the_freight_it_paid() -> None:
    wallet = [held("f", kind="free_shipping", threshold_fen=10_000)]
    paid = placed(price(2, 10_000), 1, False, wallet, ["f"])
    assert (paid.freight_fen, paid.payable_fen) == (0, 10_000)
    ended = at_its_step(LADDER, 3, paid, wallet)
    assert (ended.order.lines[0].reduced_fen, ended.order.coupons[0].came_back) == (4000, False)
    assert ended.order.reckoned is not None
    assert ended.order.reckoned.discounts == paid.discounts


def test_the_leader_has_off_one_piece_what_the_step_says() -> None:
    prices = [price(2, 8900, 8000), price(3, 7900, 7500), price(5, 6900, 6900)]
    ladder = terms(kind="ladder", sizes=STEPS, prices=prices)
    paid = placed(prices[0], 3, True, [], [])
    assert (paid.payable_fen - paid.freight_fen, paid.lines[0].amount_fen) == (2 * 8900 + 8000, 3 * 8900)
    for reached, due in ((2, 25_800), (3, 2 * 7900 + 7500), (5, 3 * 6900)):
        ended = at_its_step(ladder, reached, paid, [])
        assert paid.lines[0].payable_fen - ended.order.lines[0].reduced_fen == due
        assert ended.differences() == []
    anew = reckon_anew(ladder, 3, paid, [])
    assert anew is not None
    assert anew.reckoned.discounts == [
        Discount(
            source="promotion", id="ga1", name="团长优惠", kind="leader_price", discount_fen=400,
            lines=[LineDiscount("a", 400)],
        )
    ]  # fmt: skip


def test_a_leader_whose_order_an_older_version_placed_pays_the_leader_s_price_for_all_pieces() -> None:
    ladder = terms(kind="ladder", sizes=[2, 3], prices=[price(2, 8900, 8000), price(3, 7900, 7000)])
    old = msgspec.structs.replace(line("a", 2, 16_000), unit_price_fen=8000, amount_fen=16_000)
    seat = Seat(lobby_id="g1", activity_id="ga1", size=3, leader=True, state="taken")
    paid = msgspec.structs.replace(order(old, state="awaiting_group"), group=seat, created_at=NOW)
    anew = reckon_anew(ladder, 3, paid, [])
    assert anew is not None
    assert (anew.back_fen, anew.reckoned.unit_price_fen, anew.reckoned.discounts) == (2000, 7000, [])
    assert reckon_anew(ladder, 2, paid, []) is None
    assert reckon_anew(terms(kind="ladder", sizes=[2, 3], prices=[price(2, 1, sku_id="b")]), 2, paid, []) is None


@pytest.mark.parametrize("leader", [True, False])
@pytest.mark.parametrize("priced", [2, 3])
def test_an_order_stays_as_it_was_paid_where_its_sku_has_no_price_on_a_step(priced: int, leader: bool) -> None:
    """Neither on the first, by which it was placed, nor on the one that was reached."""
    paid = placed(price(2, 10_000, 9000), 2, leader, [], [])
    for prices in ([price(priced, 6000, 5000)], [price(priced, 6000, 5000), price(5 - priced, 1, sku_id="b")]):
        ladder = terms(kind="ladder", sizes=[2, 3], prices=[*prices, price(2, 7, sku_id="c")])
        assert reckon_anew(ladder, 3, paid, []) is None


@pytest.mark.parametrize(
    ("thresholds", "discounts", "back_fen", "comes_back"),
    [
        ((6000, 5000), (1000, 500), 4000, []),
        ((10_000, 5000), (0, 500), 3000, ["b"]),
        ((6000, 6001), (1000, 0), 3500, ["a"]),
        ((6001, 10_000), (0, 0), 2500, ["a", "b"]),
    ],
)
def test_of_two_coupons_those_come_back_that_do_not_apply_on_the_step(
    thresholds: tuple[int, int], discounts: tuple[int, int], back_fen: int, comes_back: list[str]
) -> None:
    """Of 100.00 the coupons took 15.00, of 60.00 they take what their thresholds leave; the freight's stays."""
    main = held("b", kind="amount_off", amount_fen=1000, threshold_fen=thresholds[0])
    extra = held("a", kind="amount_off", amount_fen=500, threshold_fen=thresholds[1], stacking="extra")
    wallet = [main, held("f", kind="free_shipping"), extra]
    paid = placed(price(2, 10_000), 1, False, wallet, ["b", "f", "a"])
    assert (paid.lines[0].payable_fen, [one.discount_fen for one in paid.discounts]) == (8500, [1000, 500, 800])
    anew = reckon_anew(LADDER, 3, paid, coupons(paid, wallet))
    assert anew is not None
    assert (anew.back_fen, anew.coupons_back) == (back_fen, comes_back)
    left = [(one.id, one.discount_fen) for one in anew.reckoned.discounts]
    assert left == [(name, fen) for name, fen in zip("baf", (*discounts, 800), strict=True) if fen]
    assert (anew.reckoned.step, anew.reckoned.unit_price_fen) == (3, 6000)


@pytest.mark.parametrize(
    ("quantity", "coupon", "why"),
    [
        (2, None, "拼团满3人，单价100.00降至60.00元，2件退80.00元"),
        (1, {"kind": "percent_off", "percent_off": 20}, "拼团满3人，单价100.00降至60.00元，优惠按新价重算，退32.00元"),
        (
            1, {"kind": "amount_off", "amount_fen": 3000, "threshold_fen": 10_000},
            "拼团满3人，单价100.00降至60.00元，优惠按新价重算，退10.00元，不再适用的优惠券已退还",
        ),
    ],
)  # fmt: skip
def test_the_shopper_is_told_why(quantity: int, coupon: dict[str, Any] | None, why: str) -> None:
    wallet = [] if coupon is None else [held("m", **coupon)]
    paid = placed(price(2, 10_000), quantity, False, wallet, [one.coupon.coupon_id for one in wallet])
    anew = reckon_anew(LADDER, 3, paid, coupons(paid, wallet))
    assert anew is not None
    assert anew.why == why
