"""Two members are one person: what becomes of a cart, of what is kept of orders, of wrong codes and of lists."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.cart.rules import LINES_MAX, CartLine, united
from chalicelib.commerce.coupons.bulk_issue.rules import each_once
from chalicelib.commerce.coupons.rules import GUESS_SECONDS, Guesses
from chalicelib.commerce.orders.absorbing.rules import fitting, kept_of, moved
from chalicelib.commerce.orders.checks import Counted, audit
from chalicelib.commerce.orders.holding.rules import Standing, bought_of, hold_of, let_go_of
from chalicelib.commerce.orders.payment.rules import paid_from
from chalicelib.commerce.orders.rules import Event, Order, OrderCoupon
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.core import clock
from tests.support.orders import NOW, line, order

SKUS = st.integers(0, 60).map(lambda number: f"s{number}")


@st.composite
def carts(draw: st.DrawFn) -> list[CartLine]:
    skus = draw(st.lists(SKUS, unique=True, max_size=LINES_MAX))
    return [CartLine(sku, draw(st.integers(1, 9)), draw(st.booleans()), draw(st.integers(0, 99))) for sku in skus]


@given(carts(), carts())
def test_a_united_cart_has_all_that_there_is_room_for(own: list[CartLine], former: list[CartLine]) -> None:
    after, left = united(own, former)
    mine, theirs = {one.sku_id: one for one in own}, {one.sku_id: one for one in former}
    found = {one.sku_id: one for one in after}
    assert len(found) == len(after) <= LINES_MAX
    assert mine.keys() <= found.keys() <= mine.keys() | theirs.keys()
    assert {one.sku_id for one in left} == theirs.keys() - found.keys()
    assert not left or len(after) == LINES_MAX
    for sku_id, one in found.items():
        of_both = [cart[sku_id] for cart in (mine, theirs) if sku_id in cart]
        assert one.quantity == max(each.quantity for each in of_both)
        assert (one.selected, one.added) == (of_both[0].selected, of_both[0].added)
    came = [one.added for one in former if one.sku_id in found.keys() - mine.keys()]
    assert all(one.added <= min(came, default=one.added) for one in left), "the oldest are left"
    assert united(after, left) == (after, left), "done again, nothing changes"


def test_a_united_cart_is_the_former_one_where_there_was_none() -> None:
    former = [CartLine("a", 2, False, 1), CartLine("b", 1, True, 2)]
    assert sorted(united([], former)[0], key=lambda one: one.sku_id) == former


@given(st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_the_wrong_codes_that_hinder_more_count(theirs: int, own: int, is_over: bool) -> None:
    former = Guesses(theirs, 100 if is_over else 100 + GUESS_SECONDS)
    mine = Guesses(own, 101 + GUESS_SECONDS)
    assert former.outweighs(mine, 100) == (not is_over and theirs > own)


def test_listed_members_who_are_one_person_are_looked_at_once() -> None:
    persons = {"l": "s", "s": "s", "m": "m", "k": "s"}
    assert each_once(["m", "l", "s", "k"], persons) == ["m", "l"]


def of_each_kind() -> list[Order]:
    """An unpaid order, one that was let go, a paid one, all of one member."""
    unpaid = msgspec.structs.replace(order(line("a", 1, 100), state="awaiting_payment"), order_id="o1")
    cancelled = [Event(NOW, "placed", "member"), Event(NOW, "cancelled", "member")]
    let_go = msgspec.structs.replace(unpaid, order_id="o2", state="closed", history=cancelled)
    paid = msgspec.structs.replace(order(line("a", 2, 200)), order_id="o3", paid_at=NOW + timedelta(minutes=1))
    return [unpaid, let_go, paid]


@given(st.sets(st.sampled_from(["o1", "o2", "o3"])))
def test_what_is_kept_of_orders_goes_where_they_go(order_ids: set[str]) -> None:
    orders = of_each_kind()
    other = f"{clock.stamp(NOW)}|other"
    standing = Standing(
        orders=2, newcomer="o1", version=7, held=frozenset(filter(None, map(hold_of, orders))),
        let_go=frozenset([other, *filter(None, map(let_go_of, orders))]),
        bought=frozenset([other, *filter(None, map(bought_of, orders))]), regular=True,
    )  # fmt: skip
    kept = kept_of(standing, [one for one in orders if one.order_id in order_ids])
    assert (kept.orders, len(kept.held), kept.newcomer) == ((1, 1, "o1") if "o1" in order_ids else (0, 0, ""))
    assert [one.partition("|")[2] for one in kept.let_go] == [one for one in ("o2",) if one in order_ids]
    assert [one.partition("|")[2] for one in kept.bought] == [one for one in ("o3",) if one in order_ids]


def test_who_placed_an_order_stays_whoever_they_become() -> None:
    placed = of_each_kind()[0]
    once = moved(placed, "s")
    twice = moved(once, "t")
    assert (placed.placed_by, once.placed_by, twice.placed_by) == ("m", "m", "m")
    assert (once.member_id, twice.member_id, twice.placed_as) == ("s", "t", "m")


def test_as_many_orders_are_moved_at_once_as_a_transaction_takes() -> None:
    plain = of_each_kind()[0]
    limited = msgspec.structs.replace(line("a", 1, 100), limited=True)
    full = msgspec.structs.replace(
        plain, lines=[limited], coupons=[OrderCoupon("c", "t", 1, True), OrderCoupon("d", "t", 1, True)]
    )  # fmt: skip
    assert fitting([plain] * 10, 94, 1 << 20) == 10
    assert fitting([full] * 10, 94, 1 << 20) == 94 // 11
    assert fitting([plain] * 10, 94, 2000) < 10
    assert fitting([full], 3, 1 << 20) == 1


def test_an_order_keeps_the_openid_that_paid_unless_its_member_has_left() -> None:
    placed = of_each_kind()[0]
    assert paid_from(placed, "other").openid == "other"
    assert paid_from(placed, None) is placed
    assert paid_from(placed, placed.openid) is placed
    assert paid_from(msgspec.structs.replace(placed, openid=""), "other").openid == ""


def test_who_turned_out_to_be_one_may_each_have_had_the_price_for_new_customers() -> None:
    off = Discount(source="promotion", id="p", name="n", kind="new_customer_price", discount_fen=0, lines=[])
    cheap = msgspec.structs.replace(of_each_kind()[0], discounts=[off])
    one, other = (msgspec.structs.replace(cheap, order_id=f"o{number}") for number in range(2))

    def told(orders: list[Order], newcomer: str) -> list[str]:
        found = audit(orders, [], unpaid={"m": Counted(len(orders), newcomer)})
        return [each.what for each in found if "new customer" in each.what]

    assert told([one], "o0") == []
    assert told([one, other], "o1") == ["has the price for new customers, as o1 has"]
    theirs = msgspec.structs.replace(other, placed_as="l")
    for kept in ("o0", "o1", ""):
        assert told([one, theirs], kept) == []
    assert told([one, theirs], "o9") != []
    assert told([], "o0") != []
