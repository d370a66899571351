"""Two hundred want the last fifty: fifty get one each, the others are told, and what is not paid is free again."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from local.client import Answer, Control, Operator, Sandbox, Shopper, over_http, poll
from local.mall import Mall

SHOPPERS, PIECES, STARTED = 200, 50, 5


@pytest.mark.parametrize("shards", [0, 8])
def test_the_last_fifty_pieces_go_to_fifty_shoppers_and_come_back_when_nobody_pays(
    mall: Mall, operator: Operator, wechat: Sandbox, control: Control, arrive: Callable[[], Shopper],
    differences: Callable[[], list[str]], shards: int,
) -> None:  # fmt: skip
    sku = operator.product(stock=PIECES)["skus"][0]["sku_id"]
    operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": shards}).ok()
    with ThreadPoolExecutor(40) as crowd:
        shoppers = list(crowd.map(lambda _: arrive(), range(SHOPPERS)))
        bodies = [shopper.order_body([(sku, 1)], 1990) for shopper in shoppers]

        def order(number: int) -> Answer:
            return shoppers[number].post("/v1/orders", bodies[number], key=f"one-{number}")

        answers = list(crowd.map(order, range(SHOPPERS)))
    assert Counter(answer.status for answer in answers) == {201: PIECES, 409: SHOPPERS - PIECES}
    for answer in answers:
        if answer.status == 409:
            assert answer.refused(409, "out_of_stock")["skus"] == [sku]
    assert operator.stock(sku) == (0, PIECES)
    placed = [(shopper, a.json["order_id"]) for shopper, a in zip(shoppers, answers, strict=True) if a.status == 201]
    assert len({order_id for _, order_id in placed}) == PIECES
    losers = [shopper for shopper, answer in zip(shoppers, answers, strict=True) if answer.status == 409]
    assert [shopper.get("/v1/orders").ok()["items"] for shopper in losers[:5]] == [[]] * 5

    payments = [shopper.start_payment(order_id) for shopper, order_id in placed[:STARTED]]
    assert [wechat.trade(order_id)["state"] for _, order_id in placed[:STARTED]] == ["NOTPAY"] * STARTED

    control.run_jobs(advance=15 * 60 + 1)
    assert operator.stock(sku) == (PIECES, 0)
    for shopper, order_id in placed:
        order = shopper.order(order_id)
        assert order["state"] == "closed"
        assert [(event["what"], event["by"]) for event in order["history"]] == [
            ("placed", "member"),
            ("closed_unpaid", "system"),
        ]
    for (_, order_id), payment in zip(placed, payments, strict=False):
        assert wechat.trade(order_id)["state"] == "CLOSED"
        prepay = {"prepay_id": payment["package"].removeprefix("prepay_id=")}
        refused = requests.post(f"{wechat.url}/_control/pay", json=prepay, timeout=10)
        assert (refused.status_code, wechat.payments(order_id)) == (409, [])
    shopper, order_id = placed[-1]
    shopper.post(f"/v1/orders/{order_id}/payment").refused(409, "order_state")
    assert wechat.trade(order_id) is None
    again = losers[0].place([(sku, PIECES)])
    assert (again["state"], operator.stock(sku)) == ("awaiting_payment", (0, PIECES))
    assert differences() == []


def test_one_shopper_who_presses_from_many_devices_buys_no_more_than_there_is(
    mall: Mall, operator: Operator, shopper: Shopper
) -> None:
    sku = operator.product(stock=7)["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 2)])

    def order(_: int) -> int:
        device = Shopper(over_http(mall.api_url), shopper.sandbox, token=shopper.token)
        return device.post("/v1/orders", body, key=secrets.token_hex(8)).status

    with ThreadPoolExecutor(20) as devices:
        statuses = Counter(devices.map(order, range(20)))
    assert statuses == {201: 3, 409: 17}
    assert operator.stock(sku) == (1, 6)


def test_an_order_of_two_products_takes_both_or_neither(shopper: Shopper, operator: Operator) -> None:
    plenty = operator.product(stock=5)["skus"][0]["sku_id"]
    scarce = operator.product(stock=1)["skus"][0]["sku_id"]
    body = shopper.order_body([(plenty, 2), (scarce, 2)])
    refusal = shopper.post("/v1/orders", body, key="both").refused(409, "out_of_stock")
    assert refusal["skus"] == [scarce]
    assert (operator.stock(plenty), operator.stock(scarce)) == ((5, 0), (1, 0))
    body = shopper.order_body([(plenty, 2), (scarce, 1)])
    assert shopper.post("/v1/orders", body, key="both").status == 201
    assert (operator.stock(plenty), operator.stock(scarce)) == ((3, 2), (0, 1))


def test_stock_that_the_shelf_shows_is_what_can_be_bought(shopper: Shopper, operator: Operator) -> None:
    product = operator.product(stock=3)
    sku = product["skus"][0]["sku_id"]
    shopper.place([(sku, 3)])

    def shown() -> bool:
        page = shopper.get(f"/v1/products/{product['product_id']}").ok()
        return [one["stock"] for one in page["skus"]] == [0] and page["in_stock"] is False

    poll(shown)
    body = shopper.order_body([(sku, 1)], 1990)
    shopper.post("/v1/orders", body, key="late").refused(409, "out_of_stock")
    answer = operator.post(f"/v1/admin/skus/{sku}/stock", {"quantity": 1, "reason": "补货"}, key="supply").ok()
    assert answer == {"free": 1, "taken": 3, "supplied": 4}
    assert shopper.post("/v1/orders", body, key="late").status == 201
