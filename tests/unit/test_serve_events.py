"""From HTTP to API Gateway's proxy event and back (local/gateway.py), with a tiny Chalice application."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from typing import Any

import pytest
from chalice.app import Chalice, Response

from chalicelib.core.errors import MallError
from chalicelib.platform.web import edge
from chalicelib.platform.web.endpoint import Reply
from chalicelib.platform.web.paths import Router
from local.gateway import BODY_BYTES_MAX, Gateway
from local.processes import ROOT
from local.serve import gateway
from tests.support.endpoints import endpoint_of

ROUTES = {
    "/": {"GET": None},
    "/v1/orders": {"GET": None, "POST": None},
    "/v1/orders/export": {"GET": None},
    "/v1/orders/{order_id}": {"GET": None},
    "/v1/orders/{order_id}/refunds/{refund_id}": {"GET": None},
    "/v1/{wing}/count": {"GET": None},
}


def environ(method: str, uri: str, body: bytes = b"", **variables: str) -> dict[str, Any]:
    path, _, query = uri.partition("?")
    return {
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": "127.0.0.9",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": io.BytesIO(body),
        **variables,
    }


def event(method: str, uri: str, body: bytes = b"", **variables: str) -> dict[str, Any]:
    return Gateway(lambda event, context: {}, ROUTES).event(environ(method, uri, body, **variables), "request-1")


def call(wsgi: Any, *request: Any, **variables: str) -> tuple[str, dict[str, str], bytes]:
    started: list[Any] = []
    body = b"".join(wsgi(environ(*request, **variables), lambda status, headers: started.extend([status, headers])))
    return started[0], dict(started[1]), body


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/", "/", None),
        ("/v1/orders", "/v1/orders", None),
        ("/v1/orders/", "/v1/orders", None),
        ("/v1/orders/export", "/v1/orders/export", None),
        ("/v1/orders/o1", "/v1/orders/{order_id}", {"order_id": "o1"}),
        ("/v1/orders/count", "/v1/orders/{order_id}", {"order_id": "count"}),
        ("/v1/coupons/count", "/v1/{wing}/count", {"wing": "coupons"}),
        ("/v1/orders/a%2Fb%20%E9%B1%BC", "/v1/orders/{order_id}", {"order_id": "a/b 鱼"}),
        ("/v1/orders/{}", "/v1/orders/{order_id}", {"order_id": "{}"}),
        (
            "/v1/orders/o1/refunds/r1",
            "/v1/orders/{order_id}/refunds/{refund_id}",
            {"order_id": "o1", "refund_id": "r1"},
        ),
    ],
)
def test_a_path_finds_its_resource(path: str, template: str, parameters: dict[str, str] | None) -> None:
    assert Router(ROUTES).find(path) == (template, parameters)


@pytest.mark.parametrize("path", ["/v2", "/v1", "/v1/orders/o1/refunds", "/v1//count", "/v1/orders/o1/refunds/"])
def test_a_path_without_a_resource(path: str) -> None:
    assert Router(ROUTES).find(path) is None


def test_the_event_has_what_api_gateway_sends() -> None:
    found = event(
        "GET",
        "/v1/orders/o%201?state=paid&tag=a&tag=b%20c&flag=",
        HTTP_ACCEPT_LANGUAGE="en",
        HTTP_AUTHORIZATION="Bearer t",
    )
    headers = {"Accept-Language": "en", "Authorization": "Bearer t"}
    assert found == {
        "resource": "/v1/orders/{order_id}",
        "path": "/v1/orders/o%201",
        "httpMethod": "GET",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {"state": "paid", "tag": "b c", "flag": ""},
        "multiValueQueryStringParameters": {"state": ["paid"], "tag": ["a", "b c"], "flag": [""]},
        "pathParameters": {"order_id": "o 1"},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/v1/orders/{order_id}",
            "httpMethod": "GET",
            "path": "/v1/orders/o%201",
            "stage": "local",
            "requestId": "request-1",
            "protocol": "HTTP/1.1",
            "identity": {"sourceIp": "127.0.0.9", "userAgent": ""},
        },
        "body": None,
        "isBase64Encoded": False,
    }


def test_nothing_asked_is_none_and_not_empty() -> None:
    found = event("GET", "/v1/orders")
    assert found["queryStringParameters"] is None
    assert found["multiValueQueryStringParameters"] is None
    assert found["pathParameters"] is None


@pytest.mark.parametrize(
    ("content", "kind"),
    [('{"name": "鱼"}'.encode(), "application/json; charset=utf-8"), (b"plain", ""), (b"\xff\xfe", "application/json")],
)
def test_a_body_comes_in_base64_whatever_it_is(content: bytes, kind: str) -> None:
    found = event("POST", "/v1/orders", content, CONTENT_TYPE=kind)
    assert found["isBase64Encoded"]
    assert base64.b64decode(found["body"]) == content


def test_what_the_gateway_refuses_by_itself() -> None:
    with pytest.raises(MallError) as refusal:
        event("GET", "/nowhere")
    assert refusal.value.code == "not_found"


def test_a_body_above_the_limit_is_refused_unread() -> None:
    request = environ("POST", "/v1/orders", b"x", CONTENT_TYPE="application/json")
    request["CONTENT_LENGTH"] = str(BODY_BYTES_MAX + 1)
    with pytest.raises(MallError) as refusal:
        Gateway(lambda event, context: {}, ROUTES).event(request, "request-1")
    assert refusal.value.code == "too_large"
    assert request["wsgi.input"].tell() == 0


def test_a_refusal_is_a_problem_document() -> None:
    wsgi = Gateway(lambda event, context: {}, ROUTES)
    status, headers, body = call(wsgi, "GET", "/nowhere", HTTP_ACCEPT_LANGUAGE="en-GB")
    assert status == "404 Not Found"
    assert headers["Content-Type"] == "application/problem+json"
    problem = json.loads(body)
    assert (problem["code"], problem["status"], problem["detail"]) == ("not_found", 404, "Not found")
    assert problem["request_id"] == headers["x-amzn-RequestId"]


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_a_refused_method_is_told_which_are_allowed(method: str) -> None:
    mall = Chalice("mall", configure_logs=False)
    edge.register(mall, None, [endpoint_of(f"{one} /v1/orders", lambda: None) for one in ("GET", "POST")])
    status, headers, body = call(gateway(mall), method, "/v1/orders")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, POST")
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("application/problem+json", "nosniff")
    assert headers["X-Request-Id"] == headers["x-amzn-RequestId"]
    assert body == b"" if method == "HEAD" else json.loads(body)["code"] == "method_not_allowed"


def test_an_answer_of_the_function_is_sent_as_it_is() -> None:
    answer = {
        "statusCode": 201,
        "headers": {"Content-Type": "image/png", "ETag": '"1"'},
        "multiValueHeaders": {"Set-Cookie": ["a=1"]},
        "body": base64.b64encode(b"\x89PNG").decode(),
        "isBase64Encoded": True,
    }
    status, headers, body = call(Gateway(lambda event, context: answer, ROUTES), "GET", "/v1/orders")
    assert (status, body) == ("201 Created", b"\x89PNG")
    assert headers["Content-Length"] == "4"
    assert (headers["Content-Type"], headers["ETag"], headers["Set-Cookie"]) == ("image/png", '"1"', "a=1")


def picture(answer: Reply) -> tuple[dict[str, str], bytes]:
    """An answer of ours, as a browser gets it that would rather have another kind of picture."""
    app = Chalice("pictures", configure_logs=False)

    def handler() -> Reply:
        return answer

    declared = endpoint_of("GET /picture", handler)
    edge.register(app, None, [declared])  # type: ignore[arg-type]  # no operator calls here
    status, headers, body = call(gateway(app), "GET", "/picture", HTTP_ACCEPT="image/avif,image/webp")
    assert status == "200 OK"
    assert call(gateway(app), "GET", "/picture")[2] == body
    return headers, body


def test_a_picture_comes_as_it_is_whatever_the_client_says_it_takes() -> None:
    png = b"\x89PNG\r\n\x1a\n\xff\x00"
    headers, body = picture(Reply(png, content_type="image/png"))
    assert (headers["Content-Type"], headers["Content-Length"], body) == ("image/png", str(len(png)), png)


def test_api_gateway_takes_every_body_as_binary() -> None:
    template = json.loads((ROOT / "infra" / "template.json").read_text())
    api = template["Resources"]["RestAPI"]["Properties"]
    assert api["DefinitionBody"]["x-amazon-apigateway-binary-media-types"] == ["*/*"]


def tiny_app() -> Chalice:
    app = Chalice("tiny", configure_logs=False)

    @app.route("/things/{thing}", methods=["POST"], content_types=[])
    def thing(thing: str) -> Response:
        request = app.current_request
        before = request.headers["x-caller"]
        time.sleep(0.01)
        assert app.current_request.headers["x-caller"] == before
        left = request.lambda_context.get_remaining_time_in_millis()
        said = {"thing": thing, "body": request.raw_body.decode(), "caller": before, "left": left}
        return Response(body=json.dumps(said), headers={"Content-Type": "application/json"})

    return app


def test_chalice_reads_the_event() -> None:
    status, headers, body = call(gateway(tiny_app()), "POST", "/things/%E9%B1%BC", b"hello", HTTP_X_CALLER="me")
    said = json.loads(body)
    assert (status, headers["Content-Type"]) == ("200 OK", "application/json")
    assert (said["thing"], said["body"], said["caller"]) == ("鱼", "hello", "me")
    assert 28_000 < said["left"] <= 29_000


def test_threads_do_not_see_each_others_requests() -> None:
    wsgi = gateway(tiny_app())
    seen: dict[str, str] = {}

    def caller(name: str) -> None:
        _, _, body = call(wsgi, "POST", "/things/one", b"x", HTTP_X_CALLER=name)
        seen[name] = json.loads(body).get("caller")

    names = [f"caller-{number}" for number in range(16)]
    threads = [threading.Thread(target=caller, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {name: name for name in names}
