"""A quote of what cannot all be bought, and of who named no address; and the order that follows it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders.placement import rules as placement_rules
from chalicelib.platform.store import cache
from local.client import SHANGHAI, Answer, Operator, Shopper

PRICE = 1000


@pytest.fixture
def product(operator: Operator) -> Callable[..., Any]:
    def make(stock: int = 9, **more: Any) -> Any:
        return operator.product(stock=stock, price_fen=PRICE, **more)

    return make


def sku_of(product: Any) -> str:
    return str(product["skus"][0]["sku_id"])


def quote(shopper: Shopper, *lines: tuple[str, int], **more: Any) -> Any:
    asked = {"lines": [{"sku_id": sku_id, "quantity": quantity} for sku_id, quantity in lines]} if lines else {}
    return shopper.post("/v1/quotes", asked | more).ok()


def problems(quoted: Any) -> dict[str, tuple[str | None, int | None]]:
    return {line["sku_id"]: (line.get("problem"), line.get("left")) for line in quoted["lines"]}


def order(shopper: Shopper, payable_fen: int, **asked: Any) -> Answer:
    body = {"address_id": shopper.address_id, "expected_payable_fen": payable_fen} | asked
    return shopper.post("/v1/orders", body, key=secrets.token_hex(8))


def off_sale(operator: Operator, product: Any) -> None:
    operator.post(f"/v1/admin/products/{product['product_id']}/unpublish").ok()
    cache.forget("catalogue")


def test_a_quote_tells_of_shortages_and_of_what_cannot_be_bought_line_by_line(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    good, few, hidden, limited = product(), product(stock=3), product(), product(limit_per_order=2)
    off_sale(operator, hidden)
    asked = [(sku_of(good), 2), (sku_of(few), 5), (sku_of(hidden), 1), (sku_of(limited), 3), ("pnone-none", 1)]
    quoted = quote(shopper, *asked)
    assert problems(quoted) == {
        sku_of(good): (None, None), sku_of(few): ("out_of_stock", 3), sku_of(hidden): ("not_on_sale", None),
        sku_of(limited): ("limit", 2), "pnone-none": ("gone", None),
    }  # fmt: skip
    assert (quoted["can_order"], quoted["goods_fen"], quoted["payable_fen"]) == (False, 2 * PRICE, 2 * PRICE)
    line = quoted["lines"][0]
    assert {field: line[field] for field in ("product_id", "name", "specs", "picture_url")} == {
        "product_id": good["product_id"], "name": good["name"], "specs": {"规格": "标准"}, "picture_url": "",
    }  # fmt: skip
    bought = quote(shopper, (sku_of(good), 2), (sku_of(few), quoted["lines"][1]["left"]), (sku_of(limited), 2))
    assert (bought["can_order"], bought["payable_fen"]) == (True, 7 * PRICE)


def test_a_shortage_in_shards_is_told_of_all_of_them_together(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    sku = sku_of(product(stock=10))
    operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": 3}).ok()
    cache.forget("catalogue")
    assert problems(quote(shopper, (sku, 10))) == {sku: (None, None)}
    cache.forget("catalogue")
    assert problems(quote(shopper, (sku, 11))) == {sku: ("out_of_stock", 10)}
    problem = order(shopper, 11 * PRICE, lines=[{"sku_id": sku, "quantity": 11}]).refused(409, "out_of_stock")
    assert (problem["skus"], problem["short"]) == ([sku], [{"sku_id": sku, "left": 10}])


def test_the_cart_s_lines_that_left_sale_are_told_left_out_and_left_in_the_cart(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    good, hidden, two = product(), product(), operator.product(
        skus=[
            {"sku_code": f"c{secrets.token_hex(4)}", "specs": {"号": name}, "price_fen": PRICE, "stock": 5}
            for name in "甲乙"
        ]
    )  # fmt: skip
    kept, removed = (one["sku_id"] for one in two["skus"])
    for sku_id in (sku_of(good), sku_of(hidden), removed):
        shopper.put(f"/v1/cart/lines/{sku_id}", {"quantity": 2}).ok()
    off_sale(operator, hidden)
    remaining = [one for one in two["skus"] if one["sku_id"] == kept]
    stays = [{"sku_code": one["sku_code"], "specs": one["specs"], "price_fen": PRICE} for one in remaining]
    operator.call("PATCH", f"/v1/admin/products/{two['product_id']}", {"skus": stays}).ok()
    cache.forget("catalogue")

    quoted = quote(shopper, from_cart=True)
    assert problems(quoted) == {
        sku_of(good): (None, None),
        sku_of(hidden): ("not_on_sale", None),
        removed: ("gone", None),
    }
    assert (quoted["can_order"], quoted["payable_fen"]) == (True, 2 * PRICE)
    told = order(shopper, 1, from_cart=True).refused(409, "price_changed")["quote"]
    assert told == quote(shopper, from_cart=True)
    placed = order(shopper, quoted["payable_fen"], from_cart=True).ok(201)
    assert [(line["sku_id"], line["quantity"]) for line in placed["lines"]] == [(sku_of(good), 2)]
    assert {line["sku_id"] for line in shopper.get("/v1/cart").ok()["lines"]} == {sku_of(hidden), removed}

    nothing = quote(shopper, from_cart=True)
    assert (nothing["can_order"], nothing["payable_fen"], nothing["freight_fen"]) == (False, 0, 0)
    refusal = order(shopper, 0, from_cart=True).refused(409, "product_unavailable")
    assert set(refusal["skus"]) == {sku_of(hidden), removed}
    for sku_id in (sku_of(hidden), removed):
        shopper.put(f"/v1/cart/lines/{sku_id}", {"quantity": 2, "selected": False}).ok()
    shopper.post("/v1/quotes", {"from_cart": True}).refused(422, "cart_empty")


def test_an_order_from_the_cart_leaves_lines_in_it_that_are_short_or_above_a_limit(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    good, few, limited = sku_of(product()), sku_of(product(stock=2)), sku_of(product(limit_per_order=2))
    for sku_id, quantity in ((good, 1), (few, 2), (limited, 3)):
        shopper.put(f"/v1/cart/lines/{sku_id}", {"quantity": quantity}).ok()
    other = order(shopper, PRICE, lines=[{"sku_id": few, "quantity": 1}]).ok(201)
    cache.forget("catalogue")
    quoted = quote(shopper, from_cart=True)
    told = {good: (None, None), few: ("out_of_stock", 1), limited: ("limit", 2)}
    assert (quoted["can_order"], quoted["payable_fen"], problems(quoted)) == (True, PRICE, told)
    assert order(shopper, 3 * PRICE, from_cart=True).refused(409, "price_changed")["quote"] == quoted
    placed = order(shopper, PRICE, from_cart=True).ok(201)
    assert [line["sku_id"] for line in placed["lines"]] == [good]
    assert {line["sku_id"] for line in shopper.get("/v1/cart").ok()["lines"]} == {few, limited}
    shopper.delete(f"/v1/cart/lines/{limited}").ok()
    problem = order(shopper, 2 * PRICE, from_cart=True).refused(409, "out_of_stock")
    assert (problem["skus"], problem["short"]) == ([few], [{"sku_id": few, "left": 1}])
    shopper.post(f"/v1/orders/{other['order_id']}/cancel").ok()
    assert order(shopper, 2 * PRICE, from_cart=True).ok(201)["payable_fen"] == 2 * PRICE
    shopper.put(f"/v1/cart/lines/{limited}", {"quantity": 3}).ok()
    assert order(shopper, 3 * PRICE, from_cart=True).refused(422, "purchase_limit")["sku_id"] == limited


def test_a_line_of_the_cart_that_is_short_in_shards_is_left_in_it(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    good, spread = sku_of(product()), sku_of(product(stock=3))
    operator.put(f"/v1/admin/skus/{spread}/shards", {"shards": 2}).ok()
    for sku_id, quantity in ((good, 1), (spread, 4)):
        shopper.put(f"/v1/cart/lines/{sku_id}", {"quantity": quantity}).ok()
    cache.forget("catalogue")
    quoted = quote(shopper, from_cart=True)
    assert (quoted["can_order"], problems(quoted)[spread]) == (True, ("out_of_stock", 3))
    placed = order(shopper, quoted["payable_fen"], from_cart=True).ok(201)
    assert [line["sku_id"] for line in placed["lines"]] == [good]


def test_a_line_that_leaves_sale_between_the_quote_and_the_order_changes_the_price(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    good, leaves = product(), product()
    for one in (good, leaves):
        shopper.put(f"/v1/cart/lines/{sku_of(one)}", {"quantity": 1}).ok()
    quoted = quote(shopper, from_cart=True)
    off_sale(operator, leaves)
    told = order(shopper, quoted["payable_fen"], from_cart=True).refused(409, "price_changed")["quote"]
    assert (told["payable_fen"], told["can_order"], problems(told)[sku_of(leaves)]) == (
        PRICE, True, ("not_on_sale", None),
    )  # fmt: skip
    assert told["address_id"] == shopper.address_id


def test_the_default_address_is_where_a_quote_goes_that_names_none(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    template = f"t-{secrets.token_hex(4)}"
    rules = [{"first_fen": 800, "regions": ["310000"]}, {"first_fen": 1500}]
    operator.put(f"/v1/admin/freight-templates/{template}", {"name": "n", "rules": rules, "unserved": ["540000"]}).ok()
    sku = sku_of(product(freight_template_id=template))
    quoted = quote(shopper, (sku, 1))
    assert (quoted["address_id"], quoted["freight_fen"]) == (shopper.address_id, 800)
    assert quoted == quote(shopper, (sku, 1), address_id=shopper.address_id)
    body = {"name": "林", "phone": "13800000000", "province": "省", "city": "市", "detail": "1", "is_default": True}
    north = shopper.post("/v1/me/addresses", body | {"region_code": "110101"}).ok(201)["address_id"]
    assert (quote(shopper, (sku, 1))["address_id"], quote(shopper, (sku, 1))["freight_fen"]) == (north, 1500)
    far = shopper.post("/v1/me/addresses", body | {"region_code": "540102"}).ok(201)["address_id"]
    unserved = quote(shopper, (sku, 1))
    assert (unserved["address_id"], unserved["freight_fen"], unserved["payable_fen"]) == (None, 0, PRICE)
    shopper.post("/v1/quotes", {"lines": [{"sku_id": sku, "quantity": 1}], "address_id": far}).refused(
        422, "region_not_served"
    )
    for address_id in (far, north, shopper.address_id):
        shopper.delete(f"/v1/me/addresses/{address_id}").ok(204)
    nowhere = quote(shopper, (sku, 1))
    assert (nowhere["address_id"], nowhere["freight_fen"], nowhere["can_order"]) == (None, 0, True)
    shopper.post("/v1/me/addresses", SHANGHAI).ok(201)


def test_of_a_group_with_pieces_of_its_own_the_quote_and_the_refusal_tell_how_many_these_are(
    shopper: Shopper, operator: Operator
) -> None:
    shelf = operator.product(stock=9, price_fen=PRICE)
    sku = sku_of(shelf)
    activity = operator.group_activity({2: 600}, product=shelf, stock=[{"sku_id": sku, "pieces": 3}])
    group = {"activity_id": activity["activity_id"], "size": 2}
    good = quote(shopper, (sku, 3), group=group)
    assert (good["can_order"], good["payable_fen"], good["lines"][0]["unit_price_fen"]) == (True, 1800, 600)
    short = quote(shopper, (sku, 4), group=group)
    assert (short["can_order"], problems(short), short["payable_fen"]) == (False, {sku: ("out_of_stock", 3)}, 0)
    lines = [{"sku_id": sku, "quantity": 4}]
    problem = order(shopper, 2400, lines=lines, group=group).refused(409, "out_of_stock")
    assert (problem["skus"], problem["short"]) == ([sku], [{"sku_id": sku, "left": 3}])


def test_pieces_that_go_as_the_order_is_placed_are_told_with_how_many_are_left(
    shopper: Shopper, operator: Operator, product: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is decided on three pieces; two of them are sold before it is written."""
    sku = sku_of(product(stock=3))
    price = placement_rules.price
    sold: list[bool] = []

    def meanwhile(purchase: Any) -> Any:
        if not sold:
            sold.append(True)
            order(shopper, 2 * PRICE, lines=[{"sku_id": sku, "quantity": 2}]).ok(201)
        return price(purchase)

    monkeypatch.setattr(placement_rules, "price", meanwhile)
    other = Shopper.arrive(shopper.send, shopper.sandbox)
    problem = order(other, 3 * PRICE, lines=[{"sku_id": sku, "quantity": 3}]).refused(409, "out_of_stock")
    assert (problem["short"], problem["errors"][0]["code"]) == ([{"sku_id": sku, "left": 1}], "few_left_named")
    assert operator.stock(sku) == (1, 2)


def test_of_many_at_once_who_is_refused_is_told_what_was_left_and_nothing_is_sold_twice(
    shopper: Shopper, operator: Operator, product: Callable[..., Any]
) -> None:
    sku = sku_of(product(stock=5))
    crowd = [Shopper.arrive(shopper.send, shopper.sandbox) for _ in range(4)]

    def attempt(who: Shopper) -> Answer:
        return order(who, 2 * PRICE, lines=[{"sku_id": sku, "quantity": 2}])

    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(pool.map(attempt, crowd))
    placed = [answer for answer in answers if answer.status == 201]
    refused = [answer.refused(409, "out_of_stock") for answer in answers if answer.status != 201]
    assert (len(placed), operator.stock(sku)) == (2, (1, 4))
    assert all(one["short"][0]["left"] in (0, 1) for one in refused)
