"""Wrong input, field by field: each refusal names the field, in the language asked for, and changes nothing."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
import requests

from local.client import SHANGHAI, Answer, Operator, Sandbox, Shopper
from local.mall import Mall

HUGE = 10**30


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=10)["skus"][0]["sku_id"]
    return sku_id


def order_of(shopper: Shopper, sku: str) -> dict[str, Any]:
    lines = [{"sku_id": sku, "quantity": 1}]
    return {"lines": lines, "address_id": shopper.address_id, "expected_payable_fen": 1990}


def refused(answer: Answer, status: int, code: str, *fields: str) -> None:
    """A problem document that names these fields, in Chinese where that was asked for (by nothing)."""
    problem = answer.refused(status, code)
    assert set(problem) >= {"type", "title", "status", "code", "detail", "request_id"}
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [error["field"] for error in problem.get("errors", [])] == list(fields)
    assert all(error["message"] for error in problem.get("errors", []))
    assert any("\u4e00" <= letter <= "\u9fff" for letter in problem["detail"])
    assert "Traceback" not in answer.body.decode()
    assert "chalicelib" not in answer.body.decode()


def nothing_happened(shopper: Shopper, operator: Operator, sku: str) -> None:
    assert operator.stock(sku) == (10, 0)
    assert shopper.get("/v1/orders").ok()["items"] == []
    assert shopper.get("/v1/cart").ok()["lines"] == []
    assert len(shopper.get("/v1/me/addresses").ok()["items"]) == 1


DEEP = b"[" * 100_000
BROKEN = [
    b"", b"{", b"nonsense", b"[]", b"null", b'"x"', b"1", b'{"a":1}garbage', DEEP, b'{"lines":' + DEEP, b"\xff\xfe",
    b'{"address_id": "\\ud800"}', b'{"address_id": "\\udc00\\ud800"}', b"NaN", b"{'lines': []}", b'{"lines": [],}',
    b"\xef\xbb\xbf{}",
]  # fmt: skip


def test_a_body_that_cannot_be_read_is_refused_and_changes_nothing(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    ways = [
        ("POST", "/v1/orders"), ("POST", "/v1/quotes"), ("PUT", f"/v1/cart/lines/{sku}"), ("POST", "/v1/me/addresses"),
        ("PUT", f"/v1/me/addresses/{shopper.address_id}"),
    ]  # fmt: skip
    for body in BROKEN:
        for method, path in ways:
            answer = shopper.call(method, path, body, key="k")
            assert len(answer.refused(400, "malformed")["errors"]) == 1, (method, path, body[:40])
    for body in (b"", b"{", b"[]", b"null", DEEP):
        refused(shopper.call("POST", "/v1/orders", body, key="k"), 400, "malformed", "body")
    nothing_happened(shopper, operator, sku)


QUANTITIES = [0, -1, 1000, HUGE, -HUGE, 1.5, "1", True, None, [], {}, 2**63, 2**64]
LINE = {"sku_id": "p", "quantity": 1}
ORDER_CHANGES: list[tuple[dict[str, Any], int, str, str]] = [
    *(({"lines": [{"quantity": value}]}, 400, "malformed", "lines[0].quantity") for value in QUANTITIES),
    ({"lines": []}, 400, "malformed", "lines"),
    ({"lines": {}}, 400, "malformed", "lines"),
    ({"lines": "x"}, 400, "malformed", "lines"),
    ({"lines": [1]}, 400, "malformed", "lines[0]"),
    ({"lines": [LINE] * 51}, 400, "malformed", "lines"),
    ({"lines": [{"sku_id": ""}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "x" * 65}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "枕"}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "a\u0000b"}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "a\n"}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": 7}]}, 400, "malformed", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "-"}]}, 404, "not_found", "lines[0].sku_id"),
    ({"lines": [{"sku_id": "pnone-none"}]}, 404, "not_found", "lines[0].sku_id"),
    ({"lines": [{"price_fen": 1}]}, 400, "malformed", "lines[0].price_fen"),
    ({"lines": None}, 422, "invalid", "lines"),
    ({"from_cart": True}, 422, "invalid", "lines"),
    ({"from_cart": 1}, 400, "malformed", "from_cart"),
    ({"address_id": None}, 400, "malformed", "address_id"),
    ({"address_id": ""}, 400, "malformed", "address_id"),
    ({"address_id": "a" * 65}, 400, "malformed", "address_id"),
    ({"address_id": "a" * 25}, 404, "not_found", "address_id"),
    ({"expected_payable_fen": -1}, 400, "malformed", "expected_payable_fen"),
    ({"expected_payable_fen": HUGE}, 400, "malformed", "expected_payable_fen"),
    ({"expected_payable_fen": 1990.5}, 400, "malformed", "expected_payable_fen"),
    ({"expected_payable_fen": "1990"}, 400, "malformed", "expected_payable_fen"),
    ({"expected_payable_fen": None}, 400, "malformed", "expected_payable_fen"),
    ({"remark": "x" * 257}, 400, "malformed", "remark"),
    ({"remark": 5}, 400, "malformed", "remark"),
    ({"state": "paid"}, 400, "malformed", "state"),
    ({"payable_fen": 1}, 400, "malformed", "payable_fen"),
    ({"member_id": "m"}, 400, "malformed", "member_id"),
]


def changed(body: dict[str, Any], change: dict[str, Any], sku: str) -> dict[str, Any]:
    lines = change.get("lines")
    if isinstance(lines, list) and len(lines) == 1 and isinstance(lines[0], dict):
        change = {**change, "lines": [{"sku_id": sku, "quantity": 1, **lines[0]}]}
    return body | change


def test_a_wrong_field_of_an_order_is_named_and_nothing_is_ordered(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    for change, status, code, field in ORDER_CHANGES:
        body = changed(order_of(shopper, sku), change, sku)
        answer = shopper.post("/v1/orders", body, key=secrets.token_hex(4))
        try:
            refused(answer, status, code, field)
        except BaseException as fault:
            fault.add_note(f"order with {change}")
            raise
    for missing in ("address_id", "expected_payable_fen", "lines"):
        body = {name: value for name, value in order_of(shopper, sku).items() if name != missing}
        code, status = ("invalid", 422) if missing == "lines" else ("malformed", 400)
        refused(shopper.post("/v1/orders", body, key="k"), status, code, missing)
    twice = order_of(shopper, sku) | {"lines": [{"sku_id": sku, "quantity": 1}] * 2}
    refused(shopper.post("/v1/orders", twice, key="k"), 422, "invalid", "lines[1].sku_id")
    refused(shopper.post("/v1/orders", order_of(shopper, sku) | {"lines": None, "from_cart": True}, key="k"), 422,
            "cart_empty")  # fmt: skip
    nothing_happened(shopper, operator, sku)


def test_a_wrong_field_of_a_quote_is_named(shopper: Shopper, sku: str) -> None:
    own = {"expected_payable_fen", "remark"}
    for change, status, code, field in ORDER_CHANGES:
        if own & change.keys() or change == {"address_id": None} or (status, field) == (404, "lines[0].sku_id"):
            continue  # of a SKU that there is not, a quote tells in its lines
        body = {name: value for name, value in order_of(shopper, sku).items() if name not in own}
        try:
            refused(shopper.post("/v1/quotes", changed(body, change, sku)), status, code, field)
        except BaseException as fault:
            fault.add_note(f"quote with {change}")
            raise


def test_a_wrong_quantity_of_a_cart_line_is_named_and_nothing_lies_in_the_cart(
    shopper: Shopper, operator: Operator, sku: str
) -> None:
    for value in QUANTITIES:
        refused(shopper.put(f"/v1/cart/lines/{sku}", {"quantity": value}), 400, "malformed", "quantity")
    refused(shopper.put(f"/v1/cart/lines/{sku}", {}), 400, "malformed", "quantity")
    refused(shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1, "selected": "yes"}), 400, "malformed", "selected")
    refused(shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 1, "price_fen": 1}), 400, "malformed", "price_fen")
    refused(shopper.put("/v1/cart/lines/pnone-none", {"quantity": 1}), 404, "not_found", "sku_id")
    nothing_happened(shopper, operator, sku)


ADDRESS_CHANGES: list[tuple[str, Any]] = [
    ("name", ""), ("name", "x" * 65), ("name", "a\u0000"), ("name", "a\n"), ("name", 5), ("phone", "123"),
    ("phone", "电话"), ("phone", "1" * 21), ("phone", "-----"), ("region_code", "31011"),
    ("region_code", "3101155"), ("region_code", "31011x"), ("region_code", 310115), ("region_code", "310115\n"),
    ("province", ""), ("city", None), ("detail", ""), ("detail", "x" * 257), ("detail", "\t\n"), ("is_default", 1),
    ("lat", 1),
]  # fmt: skip


def test_a_wrong_field_of_an_address_is_named_and_none_is_kept(shopper: Shopper, operator: Operator, sku: str) -> None:
    for field, value in ADDRESS_CHANGES:
        try:
            refused(shopper.post("/v1/me/addresses", {**SHANGHAI, field: value}), 400, "malformed", field)
            path = f"/v1/me/addresses/{shopper.address_id}"
            refused(shopper.put(path, {**SHANGHAI, field: value}), 400, "malformed", field)
        except BaseException as fault:
            fault.add_note(f"address with {field} {value!r}")
            raise
    for field in set(SHANGHAI) - {"district", "is_default"}:
        body = {name: value for name, value in SHANGHAI.items() if name != field}
        refused(shopper.post("/v1/me/addresses", body), 400, "malformed", field)
    nothing_happened(shopper, operator, sku)


def test_a_wrong_field_of_a_refund_is_named_and_nothing_goes_back(
    shopper: Shopper, operator: Operator, sku: str, wechat: Sandbox
) -> None:
    order_id = shopper.buy([(sku, 2)])
    path = f"/v1/orders/{order_id}/refunds"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "reason"), ({"reason": ""}, "reason"), ({"reason": "x" * 257}, "reason"), ({"reason": None}, "reason"),
        ({"reason": "\u0000\n"}, "reason"), ({"reason": "x", "lines": []}, "lines"),
        ({"reason": "x", "amount_fen": 1}, "amount_fen"),
        *(({"reason": "x", "lines": [{"sku_id": sku, "quantity": q}]}, "lines[0].quantity") for q in QUANTITIES),
    ]  # fmt: skip
    for body, field in wrong:
        refused(shopper.post(path, body, key=secrets.token_hex(4)), 400, "malformed", field)
    order = shopper.order(order_id)
    assert (order["state"], order["refunds"], wechat.refunds(order_id)) == ("awaiting_shipment", [], [])
    assert operator.stock(sku) == (8, 2)


@pytest.mark.parametrize(
    "text", ["林小鱼 🐟", "𠮷野家 👨‍👩‍👧‍👦", "Zoë Ærøskøbing", "عربى", "a' OR 1=1; --",
             "<script>alert(1)</script>", "{{7*7}} ${x} %s %(x)s", "\\ud800", "#lines", "size(lines)"],
)  # fmt: skip
def test_what_people_write_comes_back_as_they_wrote_it(
    text: str, shopper: Shopper, operator: Operator, sku: str
) -> None:
    kept = shopper.post("/v1/me/addresses", {**SHANGHAI, "name": text, "detail": text}).ok(201)
    assert (kept["name"], kept["detail"]) == (text, text)
    body = order_of(shopper, sku) | {"address_id": kept["address_id"], "remark": text}
    order_id = shopper.post("/v1/orders", body, key="k").ok(201)["order_id"]
    order = shopper.order(order_id)
    assert (order["address"]["name"], order["address"]["detail"], order["remark"]) == (text, text, text)
    assert operator.get(f"/v1/admin/orders/{order_id}").ok()["remark"] == text


def test_the_language_is_the_readers(shopper: Shopper, sku: str) -> None:
    body = order_of(shopper, sku) | {"lines": [{"sku_id": sku, "quantity": 0}]}
    for language in ("zh-CN", "fr", ""):
        problem = shopper.post("/v1/orders", body, key="k", Accept_Language=language).refused(400, "malformed")
        message = "数量（第 1 项）不能小于 1"
        assert problem["detail"] == message
        assert problem["errors"] == [{"field": "lines[0].quantity", "code": "at_least", "limit": 1, "message": message}]
    for language in ("en", "en-GB,en;q=0.9"):
        problem = shopper.post("/v1/orders", body, key="k", Accept_Language=language).refused(400, "malformed")
        message = "Quantity (item 1) must be at least 1"
        assert problem["detail"] == message
        assert problem["errors"] == [{"field": "lines[0].quantity", "code": "at_least", "limit": 1, "message": message}]


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/quotes", "/v1/me/addresses"])
def test_a_body_above_256_kib_is_refused_whatever_it_says(path: str, shopper: Shopper, sku: str) -> None:
    for size in (256 * 1024 + 1, 300_000, 11 * 1024 * 1024):
        answer = shopper.call("POST", path, json.dumps({"remark": "x" * size}).encode(), key="k")
        answer.refused(413, "too_large")
    assert shopper.get("/v1/orders").ok()["items"] == []


def test_a_body_of_exactly_256_kib_is_read(shopper: Shopper, sku: str) -> None:
    body = json.dumps(order_of(shopper, sku)).encode()
    padded = body + b" " * (256 * 1024 - len(body))
    assert shopper.call("POST", "/v1/orders", padded, key="k").status == 201


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "application/json; charset=utf-8", "application/xml", "x"]
)
def test_json_is_read_as_json_whatever_its_type_is_called(kind: str, shopper: Shopper, sku: str) -> None:
    body = json.dumps(order_of(shopper, sku)).encode()
    assert shopper.call("POST", "/v1/orders", body, key="k", Content_Type=kind).status == 201
    form = b"sku_id=1&quantity=2"
    answer = shopper.call("POST", "/v1/orders", form, key="l", Content_Type="application/x-www-form-urlencoded")
    refused(answer, 400, "malformed", "body")


@pytest.mark.parametrize(
    "order_id",
    ["%2e%2e%2fmembers", "o%00", "o%0a", "%E6%9E%95", "x" * 65, "x" * 5000, "o%2Fx", "o%20", "'", "o;x", "o%252F", "-",
     "%"],
)  # fmt: skip
def test_an_id_that_nothing_has_is_not_found(order_id: str, shopper: Shopper) -> None:
    for method, path in (
        ("GET", f"/v1/orders/{order_id}"), ("POST", f"/v1/orders/{order_id}/payment"),
        ("POST", f"/v1/orders/{order_id}/cancel"), ("GET", f"/v1/products/{order_id}"),
        ("DELETE", f"/v1/me/addresses/{order_id}"),
    ):  # fmt: skip
        shopper.call(method, path).refused(404, "not_found")


def test_an_id_that_is_percent_encoded_is_the_same_id(shopper: Shopper, sku: str) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]
    encoded = "".join(f"%{ord(letter):02x}" for letter in order_id)
    assert shopper.get(f"/v1/orders/{encoded}").ok()["order_id"] == order_id


FORGED = ["x", "e30", "x" * 3000, "WyJhIl0.AAAA", "%00", "枕", "null", "..", "eyJhIjoxfQ.x.y"]


@pytest.mark.parametrize("cursor", FORGED, ids=lambda cursor: cursor[:12])
@pytest.mark.parametrize("path", ["/v1/orders", "/v1/products", "/v1/admin/orders"])
def test_a_forged_cursor_is_refused(path: str, cursor: str, shopper: Shopper, operator: Operator) -> None:
    who = operator if "admin" in path else shopper
    answer = who.get(f"{path}?cursor={cursor}")
    refused(answer, 400, "malformed" if len(cursor) > 2048 else "cursor_invalid", "cursor")


def test_a_cursor_of_another_list_is_refused(shopper: Shopper, operator: Operator, sku: str) -> None:
    for _ in range(2):
        shopper.place([(sku, 1)])
    mine = shopper.get("/v1/orders?limit=1").ok()["next_cursor"]
    operators = operator.get("/v1/admin/orders?queue=awaiting_payment&limit=1").ok()["next_cursor"]
    refused(shopper.get(f"/v1/orders?cursor={operators}"), 400, "cursor_invalid", "cursor")
    refused(operator.get(f"/v1/admin/orders?cursor={mine}"), 400, "cursor_invalid", "cursor")
    refused(operator.get(f"/v1/admin/orders?queue=shipped&cursor={operators}"), 400, "cursor_invalid", "cursor")
    refused(shopper.get(f"/v1/products?cursor={mine}"), 400, "cursor_invalid", "cursor")
    for place in (0, mine.index(".") - 2, mine.index(".") + 1, len(mine) - 2):  # of the position and of its signature
        altered = mine[:place] + ("A" if mine[place] != "A" else "B") + mine[place + 1 :]
        refused(shopper.get(f"/v1/orders?cursor={altered}"), 400, "cursor_invalid", "cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1.5", "x", str(HUGE)])
def test_a_wrong_limit_is_named(limit: str, shopper: Shopper) -> None:
    refused(shopper.get(f"/v1/orders?limit={limit}"), 400, "malformed", "limit")


def test_a_wrong_state_is_named(shopper: Shopper) -> None:
    refused(shopper.get("/v1/orders?state=paid"), 400, "malformed", "state")


def test_what_is_no_route_is_not_found_and_what_is_no_method_is_not_allowed(mall: Mall, shopper: Shopper) -> None:
    shopper.get("/v1/nothing").refused(404, "not_found")
    shopper.get("/v1/orders//payment").refused(404, "not_found")
    assert shopper.put("/v1/orders", {}).refused(405, "method_not_allowed")
    raw = requests.get(f"{mall.api_url}/v1/orders", headers={"Authorization": "Bearer x"}, timeout=10)
    assert (raw.status_code, raw.json()["code"]) == (401, "unauthenticated")
