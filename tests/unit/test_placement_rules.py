"""The decision of an order, from what was gathered: pure, so that it is tried without a store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.cart.rules import CartLine
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import Product, Sku
from chalicelib.commerce.catalogue.stock.rules import OWN, SCATTERED
from chalicelib.commerce.orders.holding.rules import Standing
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.placement import rules
from chalicelib.commerce.orders.placement.rules import Checkout, Deal, Purchase, Referral, Selection
from chalicelib.commerce.orders.quotes.views import price_changed, quote_view
from chalicelib.commerce.orders.refusals import FIELDS
from chalicelib.commerce.orders.rules import Pieces, Seat
from chalicelib.commerce.pricing.promotions.rules import Promotion, ThresholdOff, ThresholdTier
from chalicelib.commerce.pricing.rules import Benefits
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Address, Addresses, Profile

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOME = Address(
    address_id="a1", name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
    district="浦东新区", detail="1 号", is_default=True,
)  # fmt: skip
MEMBER = Profile(member_id="m1", openid="w1", joined_at=NOW)
TEN_OFF: dict[str, Promotion] = {
    "p": ThresholdOff(
        name="满减", starts_at=NOW - timedelta(1), ends_at=NOW + timedelta(1),
        tiers=[ThresholdTier(threshold_fen=1000, off_fen=100)],
    )
}  # fmt: skip


def offer(
    sku_id: str, price_fen: int = 500, free: int = 9, name: str = "棉麻抱枕", shards: int = 0, published: bool = True,
    others: int = 0,
) -> Offer:  # fmt: skip
    skus = [
        Sku(sku_id=one, sku_code=one, specs={"颜色": f"红{one}"}, price_fen=price_fen)
        for one in [sku_id, *(f"x{number}" for number in range(others))]
    ]
    product = Product(
        product_id=f"p-{sku_id}", product_code="c", name=name, skus=skus, published=published, created_at=NOW,
        updated_at=NOW,
    )  # fmt: skip
    return Offer(product, skus[0], free, [f"{number}~s" for number in range(shards)])


def selection(wanted: Mapping[str, int], offers: Mapping[str, Offer], deal: Deal | None = None) -> Selection:
    return Selection(lines=[Pieces(*line) for line in wanted.items()], offers=offers, address=HOME, deal=deal)


def deal(pool: str = "") -> Deal:
    seat = Seat(lobby_id="g1", activity_id="ga1", size=2)
    return Deal(prices={"a": 300}, pool=pool, pay_by=NOW + timedelta(minutes=5), seat=seat, terms=None)


def purchase(chosen: Selection, promotions: Mapping[str, Promotion] | None = None) -> Purchase:
    return Purchase(
        selection=chosen,
        items=rules.items_of(chosen, None),
        templates={},
        benefits=Benefits(now=NOW, promotions=promotions or {}, floor_bp=2000),
    )


def checkout(
    chosen: Selection, places: Mapping[str, str], promotions: Mapping[str, Promotion] | None = None
) -> Checkout:
    return Checkout(
        purchase=purchase(chosen, promotions), profile=MEMBER, address=HOME, places=places,
        referral=Referral(["m8", "m9"]), cart_lines=[], pay_minutes=15,
        standing=Standing(), unpaid_max=50,
    )  # fmt: skip


def asked(**more: Any) -> OrderInput:
    return OrderInput(**{"address_id": "a1", "expected_payable_fen": 0, "remark": "请放门口", **more})


def refusal(code: str, work: Any, *arguments: Any) -> tuple[MallError, list[tuple[str, str]]]:
    with pytest.raises(MallError) as refused:
        work(*arguments)
    assert refused.value.code == code
    return refused.value, [(error.field, error.reason.code) for error in refused.value.errors]  # type: ignore[union-attr]


# The order


@given(st.dictionaries(st.sampled_from("abcde"), st.tuples(st.integers(1, 9), st.integers(0, 2000)), min_size=1))
def test_an_order_is_what_was_gathered_at_the_price_that_it_was_quoted(wanted: dict[str, tuple[int, int]]) -> None:
    """Its lines add up to the fen, whatever comes off, and stand where their pieces are taken from."""
    offers = {sku_id: offer(sku_id, price_fen) for sku_id, (_, price_fen) in wanted.items()}
    chosen = selection({sku_id: quantity for sku_id, (quantity, _) in wanted.items()}, offers)
    given_to_it = checkout(chosen, {sku_id: f"{sku_id}~1" for sku_id in wanted}, TEN_OFF)
    price = rules.price(given_to_it.purchase)
    order = rules.new_order("o1", "digest", asked(), given_to_it, price)
    assert [(line.sku_id, line.quantity, line.pool) for line in order.lines] == [
        (sku_id, quantity, f"{sku_id}~1") for sku_id, (quantity, _) in wanted.items()
    ]
    assert order.goods_fen == sum(quantity * price_fen for quantity, price_fen in wanted.values())
    assert order.payable_fen == sum(line.payable_fen for line in order.lines) + order.freight_fen == price.payable_fen
    assert (
        order.discount_fen
        == (100 if order.goods_fen >= 1000 else 0)
        == sum(off.discount_fen for off in order.discounts)
    )
    assert (order.state, order.created_at, order.pay_by) == ("awaiting_payment", NOW, NOW + timedelta(minutes=15))
    assert (order.member_id, order.openid, order.chain, order.body_digest) == ("m1", "w1", ["m8", "m9"], "digest")
    assert (order.address.detail, order.remark) == ("1 号", "请放门口")
    assert order == rules.new_order("o1", "digest", asked(), given_to_it, price)


def test_an_order_of_a_group_is_at_its_deal_s_price_time_and_seat() -> None:
    chosen = selection({"a": 2}, {"a": offer("a")}, deal("pool"))
    order = rules.new_order("o1", "d", asked(), checkout(chosen, {"a": "pool"}), rules.price(purchase(chosen)))
    assert (order.payable_fen, order.pay_by, order.group) == (600, NOW + timedelta(minutes=5), deal().seat)
    assert [(line.pool, line.floor_fen) for line in order.lines] == [("pool", 200)]


def test_an_order_that_is_too_large_is_refused() -> None:
    chosen = selection(dict.fromkeys("abc", 999), {sku_id: offer(sku_id, 1_000_000) for sku_id in "abc"})
    assert refusal("invalid", rules.price, purchase(chosen))[1] == [("lines", "order_too_large")]


def test_a_changed_price_is_told_with_the_new_quote() -> None:
    bought = purchase(selection({"a": 2}, {"a": offer("a", 617)}))
    error = price_changed(quote_view(bought, rules.price(bought), from_cart=False))
    assert error.data["quote"].payable_fen == 1234
    assert error.text("zh", FIELDS) == "价格已变动，现在应付 12.34 元，请确认后重新提交"
    assert error.text("en", FIELDS) == "The price has changed to ¥12.34; please confirm it and order again"


# Where its pieces come from


@given(
    st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(1, 9), st.integers(0, 9), st.none() | st.lists(
        st.integers(0, 9), min_size=3, max_size=3)), min_size=1)
)  # fmt: skip
def test_each_line_has_a_place_or_the_order_is_refused_for_those_that_have_none(wanted: dict[str, Any]) -> None:
    offers = {sku_id: offer(sku_id, free=own, shards=3 if frees else 0) for sku_id, (_, own, frees) in wanted.items()}
    counted = {
        sku_id: {OWN: own} | dict(zip(offers[sku_id].shards, frees, strict=True))
        for sku_id, (_, own, frees) in wanted.items()
        if frees
    }
    chosen = selection({sku_id: quantity for sku_id, (quantity, _, _) in wanted.items()}, offers)
    free = {sku_id: own + sum(frees or []) for sku_id, (_, own, frees) in wanted.items()}
    short = [sku_id for sku_id, (quantity, _, _) in wanted.items() if free[sku_id] < quantity]
    if short:
        error, _ = refusal("out_of_stock", rules.choose_places, "o1", chosen, counted)
        assert error.data["skus"] == short
        assert [told.params.get("left", 0) for told in error.errors] == [free[sku_id] for sku_id in short]
        assert error.data["short"] == [{"sku_id": sku_id, "left": free[sku_id]} for sku_id in short]
    else:
        for sku_id, place in rules.choose_places("o1", chosen, counted).items():
            quantity, own, _ = wanted[sku_id]
            there = free[sku_id] if place == SCATTERED else counted.get(sku_id, {OWN: own})[place]
            assert there >= quantity


def test_nobody_has_looked_so_the_shard_that_the_order_falls_to_is_taken() -> None:
    chosen = selection({"a": 1}, {"a": offer("a", free=0, shards=4)})
    places = {rules.choose_places(f"o{number}", chosen, {"a": None})["a"] for number in range(40)}
    assert places == {f"{number}~s" for number in range(4)}


def test_the_pieces_of_a_group_come_from_its_pool_where_it_has_one() -> None:
    sold_out = {"a": offer("a", free=0)}
    assert rules.choose_places("o1", selection({"a": 2}, sold_out, deal("pool")), {}) == {"a": "pool"}
    refusal("out_of_stock", rules.choose_places, "o1", selection({"a": 2}, sold_out, deal()), {})


@pytest.mark.parametrize(
    ("left", "known", "code", "zh", "en"),
    [
        (2, True, "few_left_named", "库存不足：棉麻抱枕 只剩 2 件", "Out of stock: 棉麻抱枕, only 2 left"),
        (0, True, "sold_out_named", "棉麻抱枕 已售罄", "棉麻抱枕 is sold out"),
        (
            2, False, "few_left_line", "库存不足：商品（第 2 项）只剩 2 件",
            "Out of stock: product (item 2), only 2 left",
        ),
        (0, False, "sold_out_line", "商品（第 2 项）已售罄", "Product (item 2) is sold out"),
    ],
)  # fmt: skip
def test_what_is_out_of_stock_is_named_and_how_many_are_left(
    left: int, known: bool, code: str, zh: str, en: str
) -> None:
    error = rules.out_of_stock([Pieces("b", 1), Pieces("a", 5)], {"a": left}, {"a": offer("a")} if known else {})
    assert [(told.field, told.reason.code) for told in error.errors] == [("lines[1].sku_id", code)]
    assert (error.data["skus"], error.text("zh", FIELDS), error.text("en", FIELDS)) == (["a"], zh, en)
    assert error.data["short"] == [{"sku_id": "a", "left": left}]


def test_a_sku_is_named_by_what_sets_it_apart_where_its_product_has_others() -> None:
    assert (offer("a").name, offer("a", others=1).name) == ("棉麻抱枕", "棉麻抱枕 红a")


# What is asked for


def test_a_group_is_opened_or_joined_by_one_line() -> None:
    one, two = [LineInput("a", 1)], [LineInput("a", 1), LineInput("b", 1)]
    rules.check_group(QuoteInput(lines=two))
    rules.check_group(QuoteInput(lines=one, group=GroupInput(lobby_id="g")))
    rules.check_group(QuoteInput(lines=one, group=GroupInput(activity_id="ga", size=2)))
    for group, more, told in [
        (GroupInput(), {"lines": one}, ("group", "open_or_join")),
        (GroupInput(lobby_id="g", activity_id="ga"), {"lines": one}, ("group", "open_or_join")),
        (GroupInput(lobby_id="g", size=2), {"lines": one}, ("group.size", "size_of_its_own")),
        (GroupInput(lobby_id="g"), {"lines": two}, ("lines", "group_of_one_line")),
        (GroupInput(lobby_id="g"), {"from_cart": True}, ("lines", "group_of_one_line")),
    ]:
        wanted = QuoteInput(group=group, **more)  # type: ignore[arg-type]
        assert refusal("invalid", rules.check_group, wanted)[1] == [told]


def test_lines_are_named_or_selected_in_the_cart_and_not_both() -> None:
    cart = [CartLine("a", 2, True, 2), CartLine("b", 1, False, 1)]
    assert rules.lines_selected(QuoteInput(from_cart=True), cart) == cart[:1]
    refusal("cart_empty", rules.lines_selected, QuoteInput(from_cart=True), cart[1:])
    both = QuoteInput(from_cart=True, lines=[LineInput("a", 1)])
    assert refusal("invalid", rules.lines_selected, both, cart)[1] == [("lines", "lines_and_cart")]
    assert refusal("invalid", rules.lines_asked, QuoteInput())[1] == [("lines", "lines_or_cart")]
    twice = QuoteInput(lines=[LineInput("a", 1), LineInput("a", 2)])
    assert refusal("invalid", rules.lines_asked, twice)[1] == [("lines[1].sku_id", "named_twice")]
    assert rules.pieces(cart) == [Pieces("a", 2), Pieces("b", 1)]


def test_an_address_is_the_member_s_own() -> None:
    assert rules.address_of(Addresses([HOME]), "a1") == HOME
    for book in (None, Addresses(), Addresses([msgspec.structs.replace(HOME, address_id="a2")])):
        assert refusal("not_found", rules.address_of, book, "a1")[1] == [("address_id", "no_such")]


def test_what_is_not_there_or_not_on_sale_is_named() -> None:
    lines = [Pieces("a", 1), Pieces("b", 1)]
    rules.check_offers(lines, {"a": offer("a"), "b": offer("b")})
    assert refusal("not_found", rules.check_offers, lines, {"a": offer("a")})[1] == [("lines[1].sku_id", "no_such")]
    hidden = {"a": offer("a"), "b": offer("b", name="竹篮", published=False)}
    error, told = refusal("product_unavailable", rules.check_offers, lines, hidden)
    assert (told, error.data["skus"]) == ([("lines[1].sku_id", "off_sale")], ["b"])
    assert error.text("zh", FIELDS) == "竹篮 已下架，请从订单中移除"
    assert error.text("en", FIELDS) == "竹篮 is no longer on sale; remove it from the order"
