"""What keeps a line from being bought: each line has at most one reason, and the others are reckoned without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.rules import Product, Sku
from chalicelib.commerce.coupons.rules import Coupon, Held, Terms
from chalicelib.commerce.orders.placement import rules as placement
from chalicelib.commerce.orders.placement.rules import Purchase, Selection
from chalicelib.commerce.orders.quotes import rules
from chalicelib.commerce.orders.quotes.rules import Problem
from chalicelib.commerce.orders.quotes.views import QuoteView, quote_view
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.rules import Benefits
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Address

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOME = Address(
    address_id="a1", name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区",
    district="", detail="1 号", is_default=True,
)  # fmt: skip


def offer(
    sku_id: str, free: int = 9, price_fen: int = 500, product: str = "", published: bool = True, **more: Any
) -> Offer:
    sku = Sku(
        sku_id=sku_id, sku_code=sku_id, specs={"颜色": sku_id}, price_fen=price_fen, picture_url=f"https://{sku_id}"
    )
    of = Product(
        product_id=product or f"p-{sku_id}", product_code="c", name=f"碗{sku_id}", skus=[sku], published=published,
        created_at=NOW, updated_at=NOW, **more,
    )  # fmt: skip
    return Offer(of, sku, free)


def lines(**wanted: int) -> list[Pieces]:
    return [Pieces(*line) for line in wanted.items()]


OFFERS = {
    "a": offer("a"), "few": offer("few", free=2), "none": offer("none", free=0), "off": offer("off", published=False),
    "s": offer("s", product="p", limit_per_order=5), "t": offer("t", product="p", limit_per_order=5),
    "sold": offer("sold", free=0, product="p", limit_per_order=5),
    "m": offer("m", limit_per_member=3, limit_per_order=4), "scarce": offer("scarce", free=1, limit_per_order=2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"a": 9}, {}),
        ({"a": 10, "few": 2}, {"a": Problem("out_of_stock", 9)}),
        ({"few": 3, "none": 1}, {"few": Problem("out_of_stock", 2), "none": Problem("out_of_stock", 0)}),
        ({"off": 1, "x": 1, "a": 1}, {"off": Problem("not_on_sale"), "x": Problem("gone")}),
        ({"s": 3, "t": 2}, {}),
        ({"s": 3, "t": 3}, {"s": Problem("limit", 5), "t": Problem("limit", 5)}),
        ({"m": 3}, {}),
        ({"m": 4}, {"m": Problem("limit", 3)}),
        ({"scarce": 3}, {"scarce": Problem("limit", 1)}),
        ({"scarce": 2}, {"scarce": Problem("out_of_stock", 1)}),
        ({"sold": 6, "s": 5}, {"sold": Problem("out_of_stock", 0)}),
    ],
)
def test_a_line_that_cannot_be_bought_says_why_and_how_many_could_be(
    wanted: dict[str, int], expected: dict[str, Problem]
) -> None:
    assert rules.line_problems(lines(**wanted), OFFERS, {}) == expected


def test_of_a_group_with_pieces_of_its_own_these_are_counted() -> None:
    assert rules.line_problems(lines(a=4), OFFERS, {"a": 3}) == {"a": Problem("out_of_stock", 3)}
    assert rules.line_problems(lines(none=4), OFFERS, {"none": 4}) == {}


def test_a_cart_of_which_nothing_can_be_bought_is_refused_with_all_of_it() -> None:
    wanted = lines(off=1, x=2)
    problems = rules.goods_problems(wanted, OFFERS)
    with pytest.raises(MallError) as refusal:
        rules.check_some_left(wanted, OFFERS, problems)
    assert (refusal.value.code, refusal.value.data) == ("product_unavailable", {"skus": ["off", "x"]})
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [
        ("lines[0].sku_id", "off_sale"), ("lines[1].sku_id", "no_such"),
    ]  # fmt: skip
    rules.check_some_left([*wanted, Pieces("a", 1)], OFFERS, problems)


def coupon(coupon_id: str, threshold_fen: int) -> Held:
    return Held(
        coupon=Coupon(
            coupon_id=coupon_id, template_id="t", member_id="m", name=f"券{coupon_id}",
            terms=Terms(kind="amount_off", amount_fen=100, threshold_fen=threshold_fen), valid_from=NOW,
            valid_until=NOW + timedelta(1), received_at=NOW, how="claim",
        ),
        state="unused",
    )  # fmt: skip


def quoted(
    wanted: list[Pieces], from_cart: bool = False, address: Address | None = HOME, named: bool = True,
    held: tuple[Held, ...] = (), chosen: tuple[str, ...] = (), unserved: tuple[str, ...] = (),
) -> QuoteView:  # fmt: skip
    problems = rules.line_problems(wanted, OFFERS, {})
    selection = Selection(
        lines=rules.without(wanted, problems),
        offers=OFFERS,
        address=address,
        deal=None,
        asked=wanted,
        problems=problems,
    )
    freight = FreightTemplate(name="n", rules=[FreightRule(first_fen=800)], unserved=list(unserved))
    purchase = Purchase(
        selection=selection, items=placement.items_of(selection, None), templates={"default": freight},
        benefits=Benefits(now=NOW, coupons=held, chosen=chosen),
    )  # fmt: skip
    return quote_view(*placement.estimate(purchase, named), from_cart)


@given(st.dictionaries(st.sampled_from([*OFFERS, "x", "y"]), st.integers(1, 12), min_size=1), st.booleans())
def test_a_quote_has_every_line_and_its_totals_are_those_of_the_lines_that_can_be_bought(
    wanted: dict[str, int], from_cart: bool
) -> None:
    quote = quoted(lines(**wanted), from_cart)
    assert [(line.sku_id, line.quantity) for line in quote.lines] == list(wanted.items())
    good = [line for line in quote.lines if line.problem is msgspec.UNSET]
    assert quote.goods_fen == sum(500 * line.quantity for line in good) == sum(line.amount_fen for line in quote.lines)
    assert quote.freight_fen == (800 if good else 0)
    assert quote.payable_fen == quote.goods_fen - quote.discount_fen + quote.freight_fen
    assert all(
        line.left < line.quantity
        for line in quote.lines
        if line.left is not msgspec.UNSET and line.problem == "out_of_stock"
    )
    assert quote.can_order == (bool(good) and (from_cart or len(good) == len(quote.lines)))


def test_a_line_shows_its_goods_and_one_that_is_gone_nothing() -> None:
    shown = msgspec.to_builtins(quoted(lines(a=2, few=3, off=1, x=1)).lines)
    assert shown[0] == {
        "sku_id": "a", "product_id": "p-a", "name": "碗a", "specs": {"颜色": "a"}, "picture_url": "https://a",
        "quantity": 2, "unit_price_fen": 500, "amount_fen": 1000, "discount_fen": 0, "payable_fen": 1000,
    }  # fmt: skip
    assert {field: shown[1][field] for field in ("problem", "left", "unit_price_fen", "amount_fen", "payable_fen")} == {
        "problem": "out_of_stock", "left": 2, "unit_price_fen": 500, "amount_fen": 0, "payable_fen": 0,
    }  # fmt: skip
    assert (shown[2]["name"], shown[2]["problem"], "left" in shown[2]) == ("碗off", "not_on_sale", False)
    assert (shown[3]["name"], shown[3]["specs"], shown[3]["unit_price_fen"], shown[3]["problem"]) == ("", {}, 0, "gone")


def test_a_default_address_that_is_not_served_spoils_no_quote_and_one_that_is_named_does() -> None:
    assert (quoted(lines(a=1)).address_id, quoted(lines(a=1)).freight_fen) == ("a1", 800)
    unasked = quoted(lines(a=1), named=False, unserved=("310000",))
    assert (unasked.address_id, unasked.freight_fen, unasked.payable_fen, unasked.can_order) == (None, 0, 500, True)
    assert quoted(lines(a=1), address=None, named=False).address_id is None
    with pytest.raises(MallError) as refusal:
        quoted(lines(a=1), unserved=("310000",))
    assert refusal.value.code == "region_not_served"


def test_coupons_that_do_not_fit_what_is_left_are_told_and_not_used() -> None:
    big, small = coupon("big", 3000), coupon("small", 500)
    spoilt = quoted(lines(a=2, few=9), held=(big, small), chosen=("big",))
    assert (spoilt.coupons, spoilt.discount_fen, spoilt.can_order) == ([], 0, False)
    assert [(one.coupon_id, one.name, one.valid_until, one.discount_fen) for one in spoilt.usable_coupons] == [
        ("small", "券small", NOW + timedelta(1), 100)
    ]
    assert [(one.coupon_id, one.name, one.valid_from, one.why) for one in spoilt.unusable_coupons] == [
        ("big", "券big", NOW, "threshold")
    ]
    assert [one.coupon_id for one in quoted(lines(a=2, few=9), held=(small,), chosen=("small",)).coupons] == ["small"]
    with pytest.raises(MallError) as refusal:
        quoted(lines(a=2), held=(big,), chosen=("big",))
    assert refusal.value.code == "coupon_unusable"
