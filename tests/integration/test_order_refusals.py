"""What a shopper is told when an order is refused: by name, by how many are left, in their language."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from bench.units.recorder import Recorder
from chalicelib.platform.store import cache
from local.client import Answer, Operator, Shopper

PRICE = 500

Product = Callable[..., str]


@pytest.fixture
def product(operator: Operator) -> Product:
    """Make a product of so many pieces; its SKU."""

    def make(name: str, stock: int, shards: int = 0) -> str:
        sku_id: str = operator.product(name=name, stock=stock, price_fen=PRICE)["skus"][0]["sku_id"]
        if shards:
            operator.put(f"/v1/admin/skus/{sku_id}/shards", {"shards": shards}).ok()
        return sku_id

    return make


def order(shopper: Shopper, *lines: tuple[str, int], payable_fen: int | None = None) -> Answer:
    fen = sum(quantity for _, quantity in lines) * PRICE if payable_fen is None else payable_fen
    return shopper.post("/v1/orders", shopper.order_body(list(lines), fen), key=secrets.token_hex(8))


def told(problem: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in problem["errors"]]


def test_what_is_short_is_named_with_what_is_left(shopper: Shopper, product: Product) -> None:
    cup, pillow, pot = product("青瓷杯", 9), product("棉麻抱枕", 2), product("紫砂壶", 0)
    problem = order(shopper, (cup, 1), (pillow, 3), (pot, 1)).refused(409, "out_of_stock")
    assert problem["skus"] == [pillow, pot]
    assert told(problem) == [("lines[1].sku_id", "few_left_named"), ("lines[2].sku_id", "sold_out_named")]
    assert problem["errors"][0]["left"] == 2
    assert problem["detail"] == "库存不足：棉麻抱枕 只剩 2 件；紫砂壶 已售罄"


def test_of_an_order_from_the_cart_it_is_the_line_as_the_quote_shows_it(
    shopper: Shopper, operator: Operator, product: Product
) -> None:
    cup, pillow = product("青瓷杯", 9), product("棉麻抱枕", 2)
    for sku in (pillow, cup):  # the latest is the first
        shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 2}).ok()
    body = {"from_cart": True, "address_id": shopper.address_id}
    quoted = shopper.post("/v1/quotes", body).ok()
    for sku, less in ((pillow, -1), (cup, -8)):  # nothing is left that can be bought
        operator.post(f"/v1/admin/skus/{sku}/stock", {"quantity": less, "reason": "盘点"}, key=f"less{sku}").ok()
    asked = body | {"expected_payable_fen": quoted["payable_fen"]}
    problem = shopper.post("/v1/orders", asked, key=secrets.token_hex(8)).refused(409, "out_of_stock")
    assert told(problem) == [("lines[0].sku_id", "few_left_named"), ("lines[1].sku_id", "few_left_named")]
    assert [one["sku_id"] for one in problem["short"]] == [line["sku_id"] for line in quoted["lines"]]
    assert problem["detail"] == "库存不足：青瓷杯 只剩 1 件；库存不足：棉麻抱枕 只剩 1 件"


def test_what_is_said_from_memory_has_the_names_that_memory_has_and_reads_nothing_for_them(
    shopper: Shopper, product: Product, one_instant: None
) -> None:
    sku = product("棉麻抱枕", 4, shards=2)
    order(shopper, (sku, 3)).ok(201)
    order(shopper, (sku, 2)).refused(409, "out_of_stock")
    cache.forget("catalogue")
    nameless, trips = recorded(lambda: order(shopper, (sku, 2)))
    problem = nameless.refused(409, "out_of_stock")
    assert (told(problem), problem["errors"][0]["left"]) == ([("lines[0].sku_id", "few_left_line")], 1)
    shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()  # it has seen the product
    named, trips_then = recorded(lambda: order(shopper, (sku, 2)))
    assert named.refused(409, "out_of_stock")["detail"] == "库存不足：棉麻抱枕 只剩 1 件"
    assert trips_then == trips == ["limits", "orders"]


def recorded(call: Callable[[], Answer]) -> tuple[Answer, list[str]]:
    """The answer, and which tables each of its round trips asked."""
    with Recorder().recording() as trips:
        answer = call()
    return answer, [touch.table for trip in trips for touch in trip.touches]


def test_what_is_off_sale_is_named(shopper: Shopper, operator: Operator, product: Product) -> None:
    cup, pillow = product("青瓷杯", 9), product("棉麻抱枕", 9)
    operator.call("PATCH", f"/v1/admin/products/{pillow.partition('-')[0]}", {"publish": False}).ok()
    problem = order(shopper, (cup, 1), (pillow, 1)).refused(409, "product_unavailable")
    assert (told(problem), problem["skus"]) == ([("lines[1].sku_id", "off_sale")], [pillow])
    assert problem["detail"] == "棉麻抱枕 已下架，请从订单中移除"
    cache.forget("catalogue")
    in_cart = shopper.put(f"/v1/cart/lines/{pillow}", {"quantity": 1}).refused(409, "product_unavailable")
    assert in_cart["detail"] == "棉麻抱枕 已下架，不能加入购物车"


def test_a_changed_price_is_told_in_yuan(shopper: Shopper, product: Product) -> None:
    problem = order(shopper, (product("青瓷杯", 9), 3), payable_fen=1).refused(409, "price_changed")
    assert told(problem) == [("expected_payable_fen", "price_is_now")]
    assert (problem["detail"], problem["quote"]["payable_fen"]) == (
        "价格已变动，现在应付 15.00 元，请确认后重新提交",
        1500,
    )


def test_what_is_not_the_member_s_or_not_there_is_named(shopper: Shopper, product: Product) -> None:
    cup = product("青瓷杯", 9)
    body = shopper.order_body([(cup, 1)], PRICE)
    nowhere = shopper.post("/v1/orders", body | {"address_id": "a-none"}, key="1").refused(404, "not_found")
    assert (told(nowhere), nowhere["detail"]) == ([("address_id", "no_such")], "没有这个收货地址")
    no_coupon = shopper.post("/v1/orders", body | {"coupon_ids": ["k-none"]}, key="2").refused(404, "not_found")
    assert told(no_coupon) == [("coupon_ids[0]", "no_such")]
    unknown = order(shopper, (cup, 1), (f"{cup}x", 1)).refused(404, "not_found")
    assert told(unknown) == [("lines[1].sku_id", "no_such")]
