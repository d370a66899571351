"""Who does not send parcels does not see whom they go to: every answer to operators, for each role."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.mall.operators import service
from chalicelib.mall.operators.rules import ROLES
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import ENDPOINTS, OPERATOR
from local.client import SHANGHAI, Client, Operator, Shopper, poll
from local.notices import payment_callback

#: Chosen at random once, so that nothing else in a mall of tests has them.
PHONE, SPACED = "13756168064", "137 5616-8064"
RECEIVER = {"name": "欧阳石阡", "phone": PHONE, "detail": "人民路七号院三单元"}
MARKS = (*RECEIVER.values(), SPACED)


@pytest.fixture
def names() -> dict[str, str]:
    return {role: f"{role}-{secrets.token_hex(6)}" for role in ROLES}


@pytest.fixture
def roles(operator: Operator, names: dict[str, str]) -> Iterator[dict[str, Client]]:
    """An operator of each role."""
    found = {}
    for role, name in names.items():
        service.create(name, "long enough for anyone", [role])
        found[role] = Client(operator.send, tokens.issue("operator", name, clock.now() + timedelta(days=36500)))
    yield found


@pytest.fixture
def order(operator: Operator, shopper: Shopper) -> Any:
    """An order to them that was sent in part; with a remark, and refunds of every kind, that tell of the phone."""
    sku = operator.product(stock=100)["skus"][0]["sku_id"]
    shopper.address_id = shopper.post("/v1/me/addresses", SHANGHAI | RECEIVER).ok(201)["address_id"]
    shopper.call("PATCH", "/v1/me", {"nickname": "鱼"}).ok()
    body = shopper.order_body([(sku, 6)]) | {"remark": f"先打电话 {PHONE}"}
    order_id = shopper.post("/v1/orders", body, key="k").ok(201)["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    operator.ship(order_id, [(sku, 3)])
    asked = {"lines": [{"sku_id": sku, "quantity": 4}], "reason": f"退到 {SPACED}"}
    refund = shopper.post(f"/v1/orders/{order_id}/refunds", asked, key="r").ok(202)
    path = f"/v1/admin/orders/{order_id}/refunds"
    operator.post(f"{path}/{refund['refund_id']}/reject", {"reason": f"已与 {PHONE} 联系"}).ok()
    operator.post(path, {"lines": [{"sku_id": sku, "quantity": 1}], "reason": PHONE}, key="r").ok(202)
    waiting = shopper.post(f"/v1/orders/{order_id}/refunds", asked, key="again").ok(202)
    return {"order_id": order_id, "member_id": shopper.member_id, "refund_id": waiting["refund_id"], "sku_id": sku}


def paths(order: dict[str, str]) -> Iterator[str]:
    """Every GET of operators, about this order and its member where it is about one."""
    for endpoint in ENDPOINTS:
        if endpoint.audience is OPERATOR and endpoint.method == "GET":
            yield re.sub(r"{(\w+)}", lambda part: order.get(part[1], "x1"), endpoint.path)
    yield f"/v1/admin/orders?member_id={order['member_id']}"
    yield f"/v1/admin/withdrawals?member_id={order['member_id']}"
    for queue in ("awaiting_shipment", "refund_requested", "refund_waiting", "refund_failed", "shipped"):
        yield f"/v1/admin/orders?queue={queue}&limit=100"


def test_no_answer_to_who_does_not_ship_shows_a_receiver(
    roles: dict[str, Client], order: dict[str, str], shopper: Shopper
) -> None:
    shopper.post("/v1/distributor", {"agreed": True})
    for role, operator in roles.items():
        told = {path: operator.get(path).body.decode() for path in paths(order)}
        showing = {path for path, text in told.items() if any(mark in text for mark in MARKS)}
        if "orders.ship" in ROLES[role]:
            assert f"/v1/admin/orders/{order['order_id']}" in showing
            assert f"/v1/admin/orders?member_id={order['member_id']}" in showing
            assert "/v1/admin/orders?queue=refund_requested&limit=100" in showing
        else:
            assert showing == set(), role


def test_what_a_call_answers_is_masked_as_what_is_read(roles: dict[str, Client], order: dict[str, str]) -> None:
    path = f"/v1/admin/orders/{order['order_id']}"
    asked = [
        roles["service"].post(f"{path}/ask-wechat").ok(),
        roles["finance"].post(f"{path}/refunds/{order['refund_id']}/approve", {}).ok(),
        roles["service"].post(f"{path}/refunds", {"reason": PHONE}, key="rest").ok(202),
    ]
    assert asked[0]["address"] | {"region_code": "310115"} == asked[0]["address"]
    assert not [one for one in asked if any(mark in json.dumps(one, ensure_ascii=False) for mark in MARKS)]


def test_what_is_left_says_who_and_where_well_enough_to_ask(roles: dict[str, Client], order: dict[str, str]) -> None:
    path = f"/v1/admin/orders/{order['order_id']}"
    seen, whole = roles["service"].get(path).ok(), roles["fulfilment"].get(path).ok()
    assert seen["address"] == whole["address"] | {"name": "欧**", "phone": "***8064", "detail": "***"}
    assert seen["remark"] == "先打电话 ***"
    assert {refund["reason"] for refund in seen["refunds"]} == {"退到 ***", "***"}
    assert seen["shipments"] == whole["shipments"]
    notes = {event["what"]: event.get("note", "") for event in seen["history"]}
    assert notes["refund_rejected"] == "已与 *** 联系"
    assert notes["partly_shipped"].endswith(whole["shipments"][0]["tracking_no"])


def test_the_log_tells_who_opened_an_order(
    roles: dict[str, Client], names: dict[str, str], order: dict[str, str]
) -> None:
    roles["fulfilment"].get(f"/v1/admin/orders/{order['order_id']}").ok()
    day = clock.day(clock.now()).isoformat()
    opened = poll(lambda: roles["owner"].get(f"/v1/admin/audit?day={day}&operator={names['fulfilment']}").ok()["items"])
    assert {"order_id": order["order_id"]} in [entry["parameters"] for entry in opened]
