"""An order that is placed: what of the catalogue, its group, the freight and the coupons is written into it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import Category, Product, Sku
from chalicelib.commerce.orders.holding.rules import Standing
from chalicelib.commerce.orders.inputs import GroupInput, LineInput, OrderInput, QuoteInput
from chalicelib.commerce.orders.placement import rules
from chalicelib.commerce.orders.placement.rules import Checkout, Deal, Purchase, Referral, Selection
from chalicelib.commerce.orders.rules import Event, Order, OrderCoupon, OrderLine, Pieces, Receiver, Seat
from chalicelib.commerce.orders.views import admin_view, view
from chalicelib.commerce.pricing.basket.rules import Item, Lead
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.rules import Benefits
from chalicelib.core.errors import MallError
from chalicelib.core.money import FEN_MAX
from chalicelib.customers.channels.touches.rules import OrderSource, Touch
from chalicelib.customers.members.rules import Address, Profile
from tests.support.pricing import NOW, held

HOME = Address(
    address_id="a1", name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
    district="浦东新区", detail="1 号", is_default=True,
)  # fmt: skip
SOURCE = OrderSource(last=Touch(at=NOW, channel="poster-1", kind="poster", trust="server"), assists=2)
FREE = FreightTemplate(name="t", rules=[FreightRule(first_fen=800, free_from_fen=2000)])
CHARGED = FreightTemplate(name="t", rules=[FreightRule(first_fen=500)])
FOREST = Forest([Category(category_id="root", name="r"), Category(category_id="c1", name="c", parent_id="root")])
DEAL = Deal(
    prices={"a": 700}, pool="pool", pay_by=NOW + timedelta(minutes=5), terms=None, lead=Lead("ga1", 50),
    seat=Seat(lobby_id="g1", activity_id="ga1", size=2),
)  # fmt: skip


def offer(sku_id: str, price_fen: int = 1000, weight_g: int = 0, picture_url: str = "", **of_product: Any) -> Offer:
    sku = Sku(
        sku_id=sku_id, sku_code=sku_id, specs={"颜色": "红"}, price_fen=price_fen, weight_g=weight_g,
        picture_url=picture_url,
    )  # fmt: skip
    product = Product(
        product_id=f"p-{sku_id}", product_code="c", name="抱枕", skus=[sku], picture_url="product.jpg", created_at=NOW,
        updated_at=NOW, **of_product,
    )  # fmt: skip
    return Offer(product, sku, 9)


def selected(wanted: Mapping[str, int], offers: Mapping[str, Offer], deal: Deal | None = None) -> Selection:
    return Selection(lines=[Pieces(*line) for line in wanted.items()], offers=offers, address=HOME, deal=deal)


def placed(chosen: Selection, **of_purchase: Any) -> Order:
    benefits = of_purchase.pop("benefits", Benefits(now=NOW, floor_bp=2500))
    of_purchase.setdefault("templates", {})
    checkout = Checkout(
        purchase=Purchase(
            selection=chosen, items=rules.items_of(chosen, None), benefits=benefits, **of_purchase,
        ),
        profile=Profile(member_id="m1", openid="w1", joined_at=NOW), address=HOME,
        places={line.sku_id: f"{line.sku_id}~1" for line in chosen.lines}, referral=Referral(["m8"]), cart_lines=[],
        pay_minutes=15, standing=Standing(), unpaid_max=50, notify_to="https://mall",
        source=SOURCE, segment="silent",
    )  # fmt: skip
    asked = OrderInput(address_id="a1", expected_payable_fen=0, remark="请放门口")
    return rules.new_order("o1", "digest", asked, checkout, rules.price(checkout.purchase))


# What is priced


@pytest.mark.parametrize(("forest", "categories"), [(None, ()), (FOREST, ("c1", "root"))])
def test_a_line_is_priced_by_what_its_sku_and_product_say(forest: Forest | None, categories: tuple[str, ...]) -> None:
    offers = {
        "a": offer("a", weight_g=250, category_id="c1", freight_template_id="t9"),
        "b": offer("b", price_fen=300, category_id="c1"),
    }
    common: dict[str, Any] = {"categories": categories, "group": False, "lead": None}
    assert rules.items_of(selected({"b": 3, "a": 2}, offers), forest) == [
        Item(
            sku_id="b", quantity=3, unit_price_fen=300, weight_g=0, template_id="default", product_id="p-b",
            sale_price_fen=300, **common,
        ),
        Item(
            sku_id="a", quantity=2, unit_price_fen=1000, weight_g=250, template_id="t9", product_id="p-a",
            sale_price_fen=1000, **common,
        ),
    ]  # fmt: skip


def test_a_line_of_a_group_is_priced_by_its_deal_and_keeps_the_price_it_is_sold_at_alone() -> None:
    assert rules.items_of(selected({"a": 2}, {"a": offer("a", weight_g=9, category_id="c1")}, DEAL), FOREST) == [
        Item(
            sku_id="a", quantity=2, unit_price_fen=700, weight_g=9, template_id="default", product_id="p-a",
            categories=("c1", "root"), group=True, sale_price_fen=1000, lead=Lead("ga1", 50),
        )
    ]  # fmt: skip


@pytest.mark.parametrize(("more_fen", "too_large"), [(-1, False), (0, False), (1, True)])
def test_an_order_comes_to_the_highest_amount_at_most(more_fen: int, too_large: bool) -> None:
    chosen = selected({"a": 1}, {"a": offer("a", FEN_MAX + more_fen)})
    items = rules.items_of(chosen, None)
    purchase = Purchase(selection=chosen, items=items, templates={}, benefits=Benefits(now=NOW))
    if not too_large:
        assert rules.price(purchase).payable_fen == FEN_MAX + more_fen
        return
    with pytest.raises(MallError) as refusal:
        rules.price(purchase)
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [("lines", "order_too_large")]


@pytest.mark.parametrize(("address", "freight_fen"), [(None, 0), (HOME, 500)])
def test_freight_is_reckoned_once_it_is_known_where_the_goods_go(address: Address | None, freight_fen: int) -> None:
    chosen = msgspec.structs.replace(selected({"a": 1}, {"a": offer("a")}), address=address)
    items = rules.items_of(chosen, None)
    templates = {"default": CHARGED}
    told = rules.price(Purchase(selection=chosen, items=items, templates=templates, benefits=Benefits(now=NOW)))
    assert (told.freight_fen, told.payable_fen) == (freight_fen, 1000 + freight_fen)


# What is written


def test_an_order_says_for_ever_what_it_was_placed_by() -> None:
    coupons = [
        held("k", kind="amount_off", amount_fen=300, returns=False),
        held("x", kind="amount_off", amount_fen=100, stacking="extra"),
        held("other", kind="amount_off", amount_fen=1),
    ]
    offers = {"a": offer("a", picture_url="sku.jpg", limit_per_member=5), "b": offer("b", 500, limit_per_order=5)}
    benefits = Benefits(now=NOW, coupons=coupons, chosen=["k", "x"], floor_bp=2500)
    order = placed(selected({"a": 2, "b": 4}, offers), benefits=benefits)
    common: dict[str, Any] = {"name": "抱枕", "specs": {"颜色": "红"}, "floor_fen": 0}
    assert order == Order(
        order_id="o1", member_id="m1", openid="w1", state="awaiting_payment", body_digest="digest", goods_fen=4000,
        discount_fen=400, freight_fen=0, payable_fen=3600, created_at=NOW, pay_by=NOW + timedelta(minutes=15),
        lines=[
            OrderLine(
                sku_id="a", product_id="p-a", picture_url="sku.jpg", quantity=2, unit_price_fen=1000, amount_fen=2000,
                discount_fen=200, payable_fen=1800, pool="a~1", limited=True, **common,
            ),
            OrderLine(
                sku_id="b", product_id="p-b", picture_url="product.jpg", quantity=4, unit_price_fen=500,
                amount_fen=2000, discount_fen=200, payable_fen=1800, pool="b~1", limited=False, **common,
            ),
        ],
        address=Receiver(
            name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
            district="浦东新区", detail="1 号",
        ),
        history=[Event(NOW, "placed", "member")], remark="请放门口", chain=["m8"], notify_to="https://mall",
        source=SOURCE, segment="silent", discounts=order.discounts,
        coupons=[OrderCoupon("k", "t", 300, False), OrderCoupon("x", "t", 100, True)],
    )  # fmt: skip
    assert [(off.source, off.id, off.discount_fen) for off in order.discounts] == [
        ("coupon", "k", 300), ("coupon", "x", 100),
    ]  # fmt: skip


def test_a_line_remembers_the_category_and_the_role_of_its_product_and_only_operators_see_the_role() -> None:
    offers = {"a": offer("a", category_id="c1", role="hit", values=["practical", "added"]), "b": offer("b")}
    order = placed(selected({"a": 1, "b": 1}, offers))
    assert [(line.category_id, line.role) for line in order.lines] == [("c1", "hit"), ("", "")]
    assert [line.values for line in order.lines] == [["practical", "added"], []]
    assert [(line.category_id, line.role) for line in view(order).lines] == [("c1", ""), ("", "")]
    assert [line.values for line in view(order).lines] == [[], []]
    assert admin_view(order, []).lines == order.lines
    stored = msgspec.json.decode(msgspec.json.encode(order))["lines"]
    assert ["category_id" in line or "role" in line for line in stored] == [True, False]


def test_an_order_remembers_which_templates_sent_it_free_and_in_which_version() -> None:
    offers = {
        "a": offer("a", 2000, freight_template_id="new"),
        "b": offer("b", 2000, freight_template_id="old"),
        "c": offer("c", 1999, freight_template_id="cheap"),
        "d": offer("d", 9000, freight_template_id="charged"),
    }
    templates = {"new": FREE, "old": FREE, "cheap": FREE, "charged": CHARGED}
    order = placed(
        selected(dict.fromkeys("abcd", 1), offers),
        templates=templates, template_versions={"new": 4, "cheap": 2, "charged": 3},
    )  # fmt: skip
    assert (order.free_freight, order.freight_fen) == ({"new": 4, "old": 0}, 800 + 500)


def test_an_order_of_a_group_goes_back_whole_so_it_remembers_no_template() -> None:
    """And the least that its line may come to is reckoned from the price at which it is sold alone."""
    chosen = selected({"a": 3}, {"a": offer("a")}, msgspec.structs.replace(DEAL, lead=None))
    order = placed(chosen, templates={"default": FREE}, template_versions={"default": 4})
    assert (order.free_freight, order.freight_fen, order.payable_fen) == ({}, 0, 2100)
    assert (order.group, order.pay_by) == (DEAL.seat, DEAL.pay_by)
    assert [(line.unit_price_fen, line.floor_fen) for line in order.lines] == [(700, 750)]


# What is asked for


@pytest.mark.parametrize(
    ("lines", "from_cart", "is_one"),
    [(1, False, True), (2, False, False), (None, False, False), (None, True, False), (1, True, False)],
)
def test_a_group_is_of_one_line_that_is_named(lines: int | None, from_cart: bool, is_one: bool) -> None:
    named = None if lines is None else [LineInput(f"s{number}", 1) for number in range(lines)]
    asked = QuoteInput(lines=named, from_cart=from_cart, group=GroupInput(lobby_id="g"))
    if is_one:
        rules.check_group(asked)
        return
    with pytest.raises(MallError) as refusal:
        rules.check_group(asked)
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [("lines", "group_of_one_line")]


def test_lines_that_are_named_once_are_what_is_bought() -> None:
    lines = [LineInput("a", 1), LineInput("b", 2)]
    assert rules.lines_asked(QuoteInput(lines=lines)) == lines


def test_all_that_is_missing_hidden_or_sold_out_is_named_at_once_and_in_its_place() -> None:
    offers = {sku_id: offer(sku_id, published=sku_id in "bd") for sku_id in "abcd"}
    lines = [Pieces(sku_id, 20) for sku_id in "abcd"]
    with pytest.raises(MallError) as refusal:
        rules.check_offers(lines, {"b": offers["b"], "d": offers["d"]})
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [
        ("lines[0].sku_id", "no_such"), ("lines[2].sku_id", "no_such"),
    ]  # fmt: skip
    with pytest.raises(MallError) as refusal:
        rules.check_offers(lines, offers)
    assert refusal.value.data == {"skus": ["a", "c"]}
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [
        ("lines[0].sku_id", "off_sale"), ("lines[2].sku_id", "off_sale"),
    ]  # fmt: skip
    error = rules.out_of_stock(lines, {"b": 1, "d": 0}, offers)
    assert error.data == {"skus": ["b", "d"], "short": [{"sku_id": "b", "left": 1}, {"sku_id": "d", "left": 0}]}
    assert [(told.field, told.reason.code, told.params.get("left")) for told in error.errors] == [
        ("lines[1].sku_id", "few_left_named", 1), ("lines[3].sku_id", "sold_out_named", None),
    ]  # fmt: skip
