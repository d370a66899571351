"""Behind one greedy resource every operator's endpoint is found, and what is none is refused as everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.app import Chalice
from werkzeug.test import Client, TestResponse

from chalicelib.platform.web import edge
from chalicelib.platform.web.endpoint import Call, Endpoint, Reply
from chalicelib.platform.web.operators_edge import OperatorsEdge
from chalicelib.platform.web.paths import OPERATORS, Router, is_operators
from local.serve import gateway
from tests.support.endpoints import endpoint_of


def told(name: str) -> Any:
    """A handler that says which one it is, and what it was given."""

    def handler(call: Call, order_id: str = "", refund_id: str = "") -> Reply:
        said = [name, order_id, refund_id, call.raw_body.decode(), dict(call.query), call.address]
        return Reply(json.dumps(said).encode())

    return handler


SHOP = [endpoint_of("GET /v1/orders/{order_id}", told("shop"))]
DECLARED = [
    endpoint_of(route, told(route))
    for route in (
        "GET /v1/admin/orders", "POST /v1/admin/orders", "GET /v1/admin/orders/export",
        "GET /v1/admin/orders/{order_id}", "POST /v1/admin/orders/{order_id}/refunds/{refund_id}/approve", "GET /docs",
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def http() -> Client:
    """Both functions behind the gateway."""
    everything: list[Endpoint] = [*SHOP, *DECLARED]
    app = Chalice("two", configure_logs=False)
    edge.register(app, no_guard, [one for one in everything if not is_operators(one.path)])
    assert list(app.routes) == ["/v1/orders/{order_id}"]
    return Client(gateway(app, OperatorsEdge(no_guard, everything)))


def no_guard() -> Any:
    raise AssertionError("nobody here needs a token")


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/v1/orders/o1", ["shop", "o1", ""]),
        ("GET", "/v1/admin/orders", ["GET /v1/admin/orders", "", ""]),
        ("GET", "/v1/admin/orders/", ["GET /v1/admin/orders", "", ""]),
        ("POST", "/v1/admin/orders", ["POST /v1/admin/orders", "", ""]),
        ("GET", "/v1/admin/orders/export", ["GET /v1/admin/orders/export", "", ""]),
        ("GET", "/v1/admin/orders/o1", ["GET /v1/admin/orders/{order_id}", "o1", ""]),
        ("POST", "/v1/admin/orders/o1/refunds/r_2/approve",
         ["POST /v1/admin/orders/{order_id}/refunds/{refund_id}/approve", "o1", "r_2"]),
        ("GET", "/docs", ["GET /docs", "", ""]),
    ],
)  # fmt: skip
def test_a_request_comes_to_its_endpoint(http: Client, method: str, path: str, said: list[str]) -> None:
    answer = http.open(path, method=method, data=b"{}", environ_overrides={"REMOTE_ADDR": "127.0.0.9"})
    assert answer.status_code == 200
    assert answer.json == [*said, "{}", {}, "127.0.0.9"]


def problem(answer: TestResponse) -> tuple[int, str]:
    """Status and code of a refusal, which has the form of all."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    document = json.loads(answer.data)
    assert document["request_id"] == answer.headers["X-Request-Id"] == answer.headers["x-amzn-RequestId"]
    return answer.status_code, document["code"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/admin", "/v1/admin/", "/v1/admin/nothing", "/v1/admin/orders/o1/refunds", "/v1/admin//orders",
        "/v1/admin/orders//", "/v1/admin/orders/o1//approve", "/v1/admin/../orders/o1", "/V1/ADMIN/orders",
        "/v1/admin/Orders", "/v1/admin/order%73", "/v1/admin/orders/{order_id}/", "/v1/admin/{proxy+}",
        "/v1/admin/orders/a%2Fb", "/v1/admin/orders/a%20b", "/v1/admin/orders/" + "a" * 65,
        "/v1/admin/orders/o1/refunds/r.1/approve", "/v1/admin/orders/%E9%B1%BC", "/v1/admin/orders/%00",
        "/v1/adminx/orders",
    ],
)  # fmt: skip
def test_any_other_path_is_not_found(http: Client, path: str) -> None:
    method = "POST" if path.endswith("approve") else "GET"
    answer = http.open(base_url="http://mall", path="/", method=method, environ_overrides={"REQUEST_URI": path})
    assert answer.status_code == 404
    assert json.loads(answer.data)["code"] == "not_found"


def test_a_path_that_is_not_there_is_refused_as_every_call_is(http: Client) -> None:
    answer = http.put("/v1/admin/nothing?name=zhang", headers={"Accept-Language": "en"}, data=b"x" * 300_000)
    assert problem(answer) == (404, "not_found")
    assert json.loads(answer.data)["detail"] == "Not found"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/admin/orders", "GET, POST"),
        ("/v1/admin/orders/export", "GET"),
        ("/v1/admin/orders/o1", "GET"),
        ("/v1/admin/orders/o1/refunds/r1/approve", "POST"),
        ("/docs", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "GEt"])
def test_another_method_is_refused_and_told_which_there_are(http: Client, path: str, allowed: str, method: str) -> None:
    answer = http.open(path, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert problem(answer) == (405, "method_not_allowed")


def test_the_log_of_a_refusal_tells_no_path(http: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "yutang")
    http.get("/v1/admin/13712345678?phone=13712345678")
    lines = [json.loads(line) for line in caplog.messages]
    (answered,) = [line for line in lines if line["event"] == "answered"]
    assert (answered["path"], answered["status"]) == ("/v1/admin/{proxy+}", 404)
    assert "13712345678" not in json.dumps(lines)


def test_an_endpoint_declared_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="GET /docs is declared twice"):
        OperatorsEdge(no_guard, [*DECLARED, DECLARED[-1]])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/admin/orders", ("/v1/admin/{proxy+}", {"proxy": "orders"})),
        ("/v1/admin/orders/o%201/x", ("/v1/admin/{proxy+}", {"proxy": "orders/o 1/x"})),
        ("/v1/admin//x", ("/v1/admin/{proxy+}", {"proxy": "/x"})),
        ("/v1/admin/login", ("/v1/admin/login", None)),
        ("/v1/x/login", ("/v1/{one}/login", {"one": "x"})),
        ("/v1/admin", None),
        ("/docs", ("/docs", None)),
        ("/docs/x", None),
    ],
)
def test_a_greedy_resource_takes_what_no_other_does(path: str, found: object) -> None:
    assert Router(["/v1/{one}/login", "/v1/admin/login", *OPERATORS]).find(path) == found


def test_what_is_the_operators_is_told_by_the_path() -> None:
    assert all(map(is_operators, ["/v1/admin/login", "/v1/admin/orders/{order_id}", "/docs", "/openapi.json"]))
    assert not any(map(is_operators, ["/v1/adminx", "/v1/admin", "/v1/orders/admin", "/docs/", "/v1/auth/login"]))
