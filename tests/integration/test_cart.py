"""The cart: what shoppers put into it lies in it, at today's price and stock, for them alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.products.inputs import SkuInput
from chalicelib.commerce.catalogue.products.rules import said
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.platform.store import cache


@pytest.fixture
def member(dynamodb: str) -> str:
    return ids.new("m")


@pytest.fixture
def product(dynamodb: str) -> Callable[..., Any]:
    """Puts a product on sale; its shelf."""

    def make(*stocks: int, price_fen: int = 1000) -> Any:
        from chalicelib.commerce.catalogue.products.inputs import ProductInput

        skus = [
            SkuInput(sku_code=f"c{secrets.token_hex(4)}", specs={"号": str(n)}, price_fen=price_fen + n, stock=stock)
            for n, stock in enumerate(stocks)
        ]
        return products.create(said(ProductInput(name="杯", skus=skus, publish=True))).product

    return make


def lines(member: str) -> list[tuple[str, int, bool]]:
    from chalicelib.commerce.cart import queries as cart_queries

    return [(line.sku_id, line.quantity, line.selected) for line in cart_queries.get(member).lines]


def put(member: str, sku_id: str, quantity: int, selected: bool | None = None) -> Any:
    from chalicelib.commerce.cart import service

    cache.forget("catalogue")
    return service.put(member, sku_id, quantity, selected)


def test_a_new_member_has_an_empty_cart(member: str) -> None:
    from chalicelib.commerce.cart import queries as cart_queries
    from chalicelib.commerce.cart import service
    from chalicelib.commerce.cart import views as cart_views

    assert cart_queries.get(member) == cart_views.CartView([], 0)
    sku = "p" + "a" * 24 + "-b"
    assert service.remove(member, sku) == cart_views.CartView([], 0)


def test_the_first_line_of_a_cart_lies_in_it(member: str, product: Callable[..., Any]) -> None:
    sku = product(5).skus[0]
    cart = put(member, sku.sku_id, 2)
    assert [(line.sku_id, line.quantity, line.selected, line.price_fen, line.available) for line in cart.lines] == [
        (sku.sku_id, 2, True, 1000, 5)
    ]
    assert (cart.lines[0].problem, cart.selected_total_fen) == (None, 2000)
    assert lines(member) == [(sku.sku_id, 2, True)]


def test_a_line_is_changed_where_it_is_and_keeps_whether_it_was_selected(
    member: str, product: Callable[..., Any]
) -> None:
    first, second = (sku.sku_id for sku in product(5, 5).skus)
    put(member, first, 1)
    put(member, second, 1, selected=False)
    assert put(member, first, 3).selected_total_fen == 3000
    cart = put(member, second, 4)
    assert {(line.sku_id, line.quantity, line.selected) for line in cart.lines} == {
        (first, 3, True),
        (second, 4, False),
    }
    assert (cart.selected_total_fen, len(lines(member))) == (3000, 2)
    assert put(member, second, 1, selected=True).selected_total_fen == 3000 + 1001


def test_a_line_taken_out_is_gone_and_taken_out_again_is_no_error(member: str, product: Callable[..., Any]) -> None:
    from chalicelib.commerce.cart import service

    first, second = (sku.sku_id for sku in product(5, 5).skus)
    put(member, first, 1)
    put(member, second, 1)
    for _ in range(2):
        assert [line.sku_id for line in service.remove(member, first).lines] == [second]
    assert lines(member) == [(second, 1, True)]


def test_two_devices_never_undo_each_other(member: str, product: Callable[..., Any]) -> None:
    skus = [sku.sku_id for sku in product(*[9] * 10).skus]
    with ThreadPoolExecutor(10) as devices:
        list(devices.map(lambda n: put(member, skus[n], n + 1), range(10)))
    assert sorted(lines(member)) == sorted((sku, n + 1, True) for n, sku in enumerate(skus))


def test_what_does_not_exist_or_is_not_on_sale_does_not_go_in(member: str, product: Callable[..., Any]) -> None:
    with pytest.raises(MallError) as unknown:
        put(member, "p" + "a" * 24 + "-b", 1)
    hidden = product(5)
    products.change(hidden.product_id, {"publish": False})
    with pytest.raises(MallError) as off_sale:
        put(member, hidden.skus[0].sku_id, 1)
    assert (unknown.value.code, off_sale.value.code) == ("not_found", "product_unavailable")
    assert [told.reason.code for one in (unknown, off_sale) for told in one.value.errors] == [
        "no_such",
        "not_for_the_cart",
    ]
    assert lines(member) == []


def test_a_cart_holds_fifty_lines_and_not_one_more(member: str, product: Callable[..., Any]) -> None:
    from chalicelib.commerce.cart import service

    skus = [sku.sku_id for sku in product(*[9] * 51).skus]
    for sku in skus[:50]:
        put(member, sku, 1)
    with pytest.raises(MallError) as full:
        put(member, skus[50], 1)
    assert (full.value.code, full.value.data, len(lines(member))) == ("cart_full", {"limit": 50}, 50)
    assert full.value.text("zh", {}) == "购物车最多放 50 种商品，请先移除一些"
    assert put(member, skus[0], 7).lines[-1].quantity == 7
    service.remove(member, skus[0])
    assert len(put(member, skus[50], 1).lines) == 50


def test_the_cart_says_what_keeps_a_line_from_being_bought_and_does_not_count_it(
    member: str, product: Callable[..., Any]
) -> None:
    from chalicelib.commerce.cart import queries as cart_queries

    good, short, out = (sku.sku_id for sku in product(9, 2, 0).skus)
    hidden = product(9, price_fen=7)
    for sku in (good, short, out, hidden.skus[0].sku_id):
        put(member, sku, 3)
    products.change(hidden.product_id, {"publish": False})
    cache.forget("catalogue")
    cart = cart_queries.get(member)
    assert {line.sku_id: (line.problem, line.available) for line in cart.lines} == {
        good: (None, 9), short: ("not_enough_stock", 2), out: ("out_of_stock", 0),
        hidden.skus[0].sku_id: ("not_on_sale", 0),
    }  # fmt: skip
    assert cart.selected_total_fen == 3000


def test_a_sku_that_is_removed_from_its_product_is_gone_from_sale_but_not_from_sight(
    member: str, product: Callable[..., Any]
) -> None:
    from chalicelib.commerce.cart import queries as cart_queries

    shelf = product(9, 9)
    kept, removed = shelf.skus
    put(member, removed.sku_id, 1)
    one = SkuInput(sku_code=kept.sku_code, specs=kept.specs, price_fen=kept.price_fen)
    products.change(shelf.product_id, {"skus": [one]})
    cache.forget("catalogue")
    cart = cart_queries.get(member)
    assert [(line.sku_id, line.problem) for line in cart.lines] == [(removed.sku_id, "gone")]
    assert cart.selected_total_fen == 0


@pytest.mark.parametrize("gone", [False, True], ids=["off sale", "removed"])
def test_a_line_whose_goods_left_sale_can_be_deselected_and_not_selected(
    member: str, product: Callable[..., Any], gone: bool
) -> None:
    shelf = product(9, 9)
    kept, other = shelf.skus
    put(member, other.sku_id, 2)
    one = SkuInput(sku_code=kept.sku_code, specs=kept.specs, price_fen=kept.price_fen)
    products.change(shelf.product_id, {"skus": [one]} if gone else {"publish": False})
    cart = put(member, other.sku_id, 2, selected=False)
    assert [(line.sku_id, line.selected, line.problem) for line in cart.lines] == [
        (other.sku_id, False, "gone" if gone else "not_on_sale")
    ]
    code = "not_found" if gone else "product_unavailable"
    for refused in (lambda: put(member, other.sku_id, 2), lambda: put(member, other.sku_id, 2, selected=True)):
        with pytest.raises(MallError) as refusal:
            refused()
        assert refusal.value.code == code
    assert lines(member) == [(other.sku_id, 2, False)]


def test_deselecting_puts_nothing_into_a_cart(member: str, product: Callable[..., Any]) -> None:
    shelf = product(9)
    products.change(shelf.product_id, {"publish": False})
    for sku_id, code in ((shelf.skus[0].sku_id, "product_unavailable"), ("p" + "a" * 24 + "-b", "not_found")):
        with pytest.raises(MallError) as refusal:
            put(member, sku_id, 1, selected=False)
        assert refusal.value.code == code
    assert lines(member) == []


def test_a_product_off_sale_is_shown_as_it_was_last_and_what_never_was_on_sale_is_not_known(
    member: str, product: Callable[..., Any]
) -> None:
    from chalicelib.commerce.cart import queries as cart_queries
    from chalicelib.commerce.catalogue.products.inputs import ProductInput

    shelf = product(9)
    sku = shelf.skus[0]
    put(member, sku.sku_id, 1)
    changed = SkuInput(sku_code=sku.sku_code, specs=sku.specs, price_fen=12345)
    products.change(shelf.product_id, {"publish": False, "name": "改价后"})
    products.change(shelf.product_id, {"skus": [changed], "picture_url": "https://a/secret"})
    cache.forget("catalogue")
    line = cart_queries.get(member).lines[0]
    assert (line.name, line.price_fen, line.picture_url, line.problem) == ("杯", 1000, "", "not_on_sale")
    with pytest.raises(MallError) as refusal:
        put(member, sku.sku_id, 1)
    assert "改价后" not in refusal.value.text("zh", {})
    products.change(shelf.product_id, {"publish": True})
    cache.forget("catalogue")
    line = cart_queries.get(member).lines[0]
    assert (line.name, line.price_fen, line.picture_url, line.problem) == ("改价后", 12345, "https://a/secret", None)

    draft = ProductInput(name="未发布", skus=[SkuInput(sku_code=f"c{secrets.token_hex(4)}", price_fen=1, stock=1)])
    hidden = products.create(said(draft) | {"publish": False}).product
    assert hidden is not None
    with pytest.raises(MallError) as unknown:
        put(member, hidden.skus[0].sku_id, 1)
    assert unknown.value.code == "not_found"


def test_a_sku_that_came_while_its_product_was_off_sale_is_not_known(member: str, product: Callable[..., Any]) -> None:
    shelf = product(9)
    products.change(shelf.product_id, {"publish": False})
    old = SkuInput(sku_code=shelf.skus[0].sku_code, specs={"号": "0"}, price_fen=1000)
    new = SkuInput(sku_code=f"c{secrets.token_hex(4)}", specs={"号": "新"}, price_fen=1, stock=1)
    after = products.change(shelf.product_id, {"skus": [old, new]}).product
    assert after is not None
    told = []
    for sku in after.skus:
        with pytest.raises(MallError) as refusal:
            put(member, sku.sku_id, 1)
        told.append(refusal.value.code)
    assert told == ["product_unavailable", "not_found"]


def test_the_price_in_the_cart_is_todays(member: str, product: Callable[..., Any]) -> None:
    from chalicelib.commerce.cart import queries as cart_queries

    shelf = product(9)
    put(member, shelf.skus[0].sku_id, 2)
    one = SkuInput(sku_code=shelf.skus[0].sku_code, specs=shelf.skus[0].specs, price_fen=1)
    products.change(shelf.product_id, {"skus": [one]})
    cache.forget("catalogue")
    assert cart_queries.get(member).selected_total_fen == 2
