"""Asked again, by impatience or because the answer was lost: one order, one payment, one answer."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from local.client import PATIENCE_SECONDS, Answer, Control, Operator, Sandbox, Shopper, over_http, poll
from local.mall import Mall


def test_twenty_times_at_once_with_one_key_is_one_order_and_one_answer(
    mall: Mall, shopper: Shopper, operator: Operator
) -> None:
    sku = operator.product(stock=30)["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 2)])
    start = threading.Barrier(20)

    def order(_: int) -> Answer:
        device = Shopper(over_http(mall.api_url), shopper.sandbox, token=shopper.token)
        start.wait()
        return device.post("/v1/orders", body, key="the-one")

    with ThreadPoolExecutor(20) as devices:
        answers = list(devices.map(order, range(20)))
    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert operator.stock(sku) == (28, 2)
    assert len(shopper.get("/v1/orders").ok()["items"]) == 1


def test_the_answer_stays_the_same_whatever_has_become_of_the_order(
    shopper: Shopper, operator: Operator, wechat: Sandbox
) -> None:
    product = operator.product(stock=5)
    sku = product["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 1)])
    first = shopper.post("/v1/orders", body, key="k")
    order_id = first.ok(201)["order_id"]
    wechat.pay(shopper.start_payment(order_id))
    poll(lambda: shopper.order(order_id)["state"] == "awaiting_shipment")
    operator.ship(order_id)
    operator.post(f"/v1/admin/products/{product['product_id']}/unpublish").ok()
    shopper.delete(f"/v1/me/addresses/{shopper.address_id}").ok(204)
    again = shopper.post("/v1/orders", body, key="k")
    assert (again.status, again.body) == (201, first.body)
    assert operator.stock(sku) == (4, 1)


def test_one_key_with_another_body_is_refused_and_orders_nothing(shopper: Shopper, operator: Operator) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)], key="k")["order_id"]
    for changed in ({"lines": [{"sku_id": sku, "quantity": 2}]}, {"expected_payable_fen": 1}, {"remark": "快"}):
        body = shopper.order_body([(sku, 1)]) | changed
        shopper.post("/v1/orders", body, key="k").refused(422, "idempotency_key_reused")
    assert operator.stock(sku) == (4, 1)
    assert [order["order_id"] for order in shopper.get("/v1/orders").ok()["items"]] == [order_id]


@pytest.mark.parametrize("key", ["", "x" * 65, "鱼".encode().decode("latin-1"), "a\tb"])
def test_a_key_that_is_missing_too_long_or_not_printable_is_refused_and_orders_nothing(
    key: str, shopper: Shopper, operator: Operator
) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    shopper.post("/v1/orders", shopper.order_body([(sku, 1)]), key=key).refused(400, "idempotency_key_missing")
    assert operator.stock(sku) == (5, 0)


@pytest.mark.parametrize("key", ["x", "x" * 64, "a b", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"])
def test_any_printable_key_of_1_to_64_characters_will_do(key: str, shopper: Shopper, operator: Operator) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 1)])
    answers = [shopper.post("/v1/orders", body, key=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert operator.stock(sku) == (4, 1)


def test_two_members_with_one_key_have_an_order_each(operator: Operator, arrive: Callable[[], Shopper]) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    orders = {arrive().place([(sku, 1)], key="same")["order_id"] for _ in range(2)}
    assert (len(orders), operator.stock(sku)) == (2, (3, 2))


def test_payment_asked_for_again_is_the_same_payment(shopper: Shopper, operator: Operator, wechat: Sandbox) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)])["order_id"]
    payments = [shopper.start_payment(order_id) for _ in range(3)]
    wechat.pay(payments[1])
    poll(lambda: shopper.order(order_id)["state"] == "awaiting_shipment")
    prepay = {"prepay_id": payments[0]["package"].removeprefix("prepay_id=")}
    assert requests.post(f"{wechat.url}/_control/pay", json=prepay, timeout=10).status_code == 409
    assert shopper.post(f"/v1/orders/{order_id}/payment").ok() == {"paid": True}
    assert [one["amount_fen"] for one in wechat.payments(order_id)] == [1990]


def test_cancelled_twice_is_cancelled_once(shopper: Shopper, operator: Operator) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 2)])["order_id"]
    answers = [shopper.post(f"/v1/orders/{order_id}/cancel") for _ in range(2)]
    assert [answer.ok()["state"] for answer in answers] == ["closed", "closed"]
    assert operator.stock(sku) == (5, 0)
    assert [event["what"] for event in shopper.order(order_id)["history"]] == ["placed", "cancelled"]


def test_one_parcel_told_twice_is_one_parcel(shopper: Shopper, operator: Operator) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.buy([(sku, 3)])
    parcel = {"carrier": "SF", "tracking_no": "SF1", "lines": [{"sku_id": sku, "quantity": 1}]}
    for _ in range(2):
        answer = operator.post(f"/v1/admin/orders/{order_id}/ship", parcel).ok()
        assert ([line["shipped"] for line in answer["lines"]], len(answer["shipments"])) == ([1], 1)


@pytest.fixture
def own_mall(dynamodb_engine: str, tmp_path: Path) -> Iterator[Mall]:
    """A mall that nobody else is in, to be killed."""
    with Mall(tmp_path, endpoint=dynamodb_engine, prefix=f"killed-{secrets.token_hex(3)}-") as mall:
        yield mall


def test_killed_in_the_middle_of_a_rush_it_loses_nothing_and_doubles_nothing(own_mall: Mall) -> None:
    operator = Operator.arrive(over_http(own_mall.api_url))
    sku = operator.product(stock=60)["skus"][0]["sku_id"]
    wechat, control = Sandbox(own_mall.sandbox_url), Control(own_mall.control_url)
    shoppers = [Shopper.arrive(over_http(own_mall.api_url), wechat) for _ in range(12)]
    done = threading.Semaphore(0)
    orders: dict[str, tuple[Shopper, str]] = {}

    def again(ask: Callable[[], Answer], status: int) -> Answer:
        """As a mini-program does: until there is an answer."""

        def attempt() -> Answer | None:
            with contextlib.suppress(requests.RequestException):
                answer = ask()
                return answer if answer.status < 500 else None
            return None

        answer = poll(attempt)
        assert answer.status == status, answer.body
        return answer

    def shop(shopper: Shopper) -> None:
        for number in range(4):
            body = shopper.order_body([(sku, 1)], 1990)
            key = f"rush-{number}"
            order_id = again(lambda body=body, key=key: shopper.post("/v1/orders", body, key=key), 201).json["order_id"]
            orders[f"{shopper.user} {key}"] = shopper, order_id
            path = f"/v1/orders/{order_id}/payment"
            payment = again(lambda path=path: shopper.post(path), 200).json
            wechat.pay(payment, notify="duplicate" if number % 2 else "normal")
            done.release()

    with ThreadPoolExecutor(len(shoppers)) as crowd:
        shopping = [crowd.submit(shop, shopper) for shopper in shoppers]
        for _ in range(3):
            for _ in range(8):
                assert done.acquire(timeout=PATIENCE_SECONDS), [one.exception() for one in shopping if one.done()]
            own_mall.restart_api(kill=True)
        for one in shopping:
            one.result()
    assert len({order_id for _, order_id in orders.values()}) == len(orders) == 48
    control.run_jobs(advance=61)
    for shopper, order_id in orders.values():
        poll(lambda s=shopper, o=order_id: s.order(o)["state"] == "awaiting_shipment")
    operator = Operator.arrive(over_http(own_mall.api_url))
    assert operator.stock(sku) == (12, 48)
    ledger = wechat.get("ledger")
    assert sorted(one["out_trade_no"] for one in ledger["payments"]) == sorted(o for _, o in orders.values())
    assert ([one["amount_fen"] for one in ledger["payments"]], ledger["refunds"]) == ([1990] * 48, [])
    for shopper in shoppers:
        assert len(shopper.get("/v1/orders").ok()["items"]) == 4
