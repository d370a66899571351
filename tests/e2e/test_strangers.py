"""What is another member's is not there: neither to see, nor to change, nor to use."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from local.client import SHANGHAI, Answer, Operator, Sandbox, Shopper


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=10)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def stranger(arrive: Callable[[], Shopper]) -> Shopper:
    return arrive()


def attempts(order_id: str) -> dict[str, Callable[[Shopper], Answer]]:
    path = f"/v1/orders/{order_id}"
    return {
        "read": lambda who: who.get(path),
        "pay": lambda who: who.post(f"{path}/payment"),
        "cancel": lambda who: who.post(f"{path}/cancel"),
        "receive": lambda who: who.post(f"{path}/receive"),
        "refund": lambda who: who.post(f"{path}/refunds", {"reason": "x"}, key=secrets.token_hex(4)),
    }


@pytest.mark.parametrize("attempt", ["read", "pay", "cancel", "receive", "refund"])
def test_an_unpaid_order_of_somebody_else_is_not_there(
    attempt: str, shopper: Shopper, stranger: Shopper, sku: str, operator: Operator, wechat: Sandbox
) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]
    before = shopper.order(order_id)
    theirs = attempts(order_id)[attempt](stranger).refused(404, "not_found")
    nobodys = attempts("o" + "a" * 24)[attempt](stranger).refused(404, "not_found")
    assert {**theirs, "request_id": ""} == {**nobodys, "request_id": ""}
    assert shopper.order(order_id) == before
    assert wechat.trade(order_id) is None
    assert stranger.get("/v1/orders").ok() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("attempt", ["read", "pay", "cancel", "receive", "refund"])
def test_a_sent_order_of_somebody_else_is_not_there(
    attempt: str, shopper: Shopper, stranger: Shopper, sku: str, operator: Operator, wechat: Sandbox
) -> None:
    order_id = shopper.buy([(sku, 1)])
    operator.ship(order_id)
    before = shopper.order(order_id)
    attempts(order_id)[attempt](stranger).refused(404, "not_found")
    assert shopper.order(order_id) == before
    assert wechat.refunds(order_id) == []


def test_an_address_of_somebody_else_is_not_there(
    shopper: Shopper, stranger: Shopper, sku: str, operator: Operator
) -> None:
    before = shopper.get("/v1/me/addresses").ok()
    path = f"/v1/me/addresses/{shopper.address_id}"
    stranger.put(path, {**SHANGHAI, "detail": "别处"}).refused(404, "not_found")
    stranger.delete(path).refused(404, "not_found")
    lines = [{"sku_id": sku, "quantity": 1}]
    quote = {"lines": lines, "address_id": shopper.address_id}
    refusal = stranger.post("/v1/quotes", quote).refused(404, "not_found")
    assert [error["field"] for error in refusal["errors"]] == ["address_id"]
    refusal = stranger.post("/v1/orders", quote | {"expected_payable_fen": 1990}, key="k").refused(404, "not_found")
    assert [error["field"] for error in refusal["errors"]] == ["address_id"]
    assert shopper.address_id not in {one["address_id"] for one in stranger.get("/v1/me/addresses").ok()["items"]}
    assert shopper.get("/v1/me/addresses").ok() == before
    assert stranger.get("/v1/orders").ok()["items"] == []
    assert operator.stock(sku) == (10, 0)


def test_a_cart_is_its_members_alone(shopper: Shopper, stranger: Shopper, sku: str) -> None:
    shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 3}).ok()
    assert stranger.get("/v1/cart").ok()["lines"] == []
    assert stranger.delete(f"/v1/cart/lines/{sku}").ok()["lines"] == []
    stranger.put(f"/v1/cart/lines/{sku}", {"quantity": 1}).ok()
    body = {"from_cart": True, "address_id": stranger.address_id, "expected_payable_fen": 1990}
    assert stranger.post("/v1/orders", body, key="k").ok(201)["lines"][0]["quantity"] == 1
    assert [(line["sku_id"], line["quantity"]) for line in shopper.get("/v1/cart").ok()["lines"]] == [(sku, 3)]


def test_a_cursor_of_somebody_elses_list_opens_nothing(shopper: Shopper, stranger: Shopper, sku: str) -> None:
    for _ in range(2):
        shopper.place([(sku, 1)])
    cursor = shopper.get("/v1/orders?limit=1").ok()["next_cursor"]
    stranger.get(f"/v1/orders?limit=1&cursor={cursor}").refused(400, "cursor_invalid")
    shopper.get(f"/v1/orders?limit=1&state=closed&cursor={cursor}").refused(400, "cursor_invalid")
    assert len(shopper.get(f"/v1/orders?limit=1&cursor={cursor}").ok()["items"]) == 1


def test_a_member_is_no_operator_and_an_operator_is_no_member(shopper: Shopper, operator: Operator, sku: str) -> None:
    order_id = shopper.buy([(sku, 1)])
    calls: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"/v1/admin/orders/{order_id}", None),
        ("GET", f"/v1/admin/orders/{order_id}/ledger", None),
        ("POST", f"/v1/admin/orders/{order_id}/ship", {"carrier": "SF", "tracking_no": "1"}),
        ("POST", f"/v1/admin/skus/{sku}/stock", {"quantity": 5, "reason": "x"}),
    ]
    for method, path, body in calls:
        shopper.call(method, path, body, key="k").refused(401, "unauthenticated")
    assert shopper.order(order_id)["shipments"] == []
    assert operator.stock(sku) == (9, 1)
    operator.get(f"/v1/orders/{order_id}").refused(401, "unauthenticated")
    operator.get("/v1/cart").refused(401, "unauthenticated")
    payload, _, signature = shopper.token.rpartition(
        "."
    )  # the last character would not do: some of its bits are unused
    shopper.token = f"{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    shopper.get(f"/v1/orders/{order_id}").refused(401, "unauthenticated")
