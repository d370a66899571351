"""What API Gateway does in front of the Lambda function: an HTTP request in, a REST proxy event to Chalice, and back.

Also its limits and the refusals of its own, in the form that the deployed gateway's responses have.
"""

from __future__ import annotations

import base64
import functools
import http
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from chalicelib.core.errors import MallError
from chalicelib.platform.web import problems
from chalicelib.platform.web.paths import Router

#: API Gateway's own limit of a request's payload.
BODY_BYTES_MAX = 10 * 1024 * 1024
_LAMBDA_SECONDS = 29
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in http.HTTPStatus}

Event = dict[str, Any]
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
Lambda = Callable[[Event, Any], dict[str, Any]]


class Context:
    """What Lambda hands a function beside the event, as far as anyone asks."""

    function_name = "yutang-local"
    function_version = "$LATEST"
    memory_limit_in_mb = 1024
    log_stream_name = ""

    def __init__(self, request_id: str) -> None:
        self.aws_request_id = request_id
        self._until = time.monotonic() + _LAMBDA_SECONDS

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's time-out."""
        return max(0, int((self._until - time.monotonic()) * 1000))


class Gateway:
    """A WSGI application that answers with a Lambda function behind these resources, whatever the method.

    `others` are resources of further functions.
    """

    def __init__(self, function: Lambda, resources: Iterable[str], others: Mapping[str, Lambda] | None = None) -> None:
        self._function = function
        self._others = dict(others or {})
        self._router = Router([*resources, *self._others])

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer one request."""
        request_id = str(uuid.uuid4())
        try:
            event = self.event(environ, request_id)
        except MallError as error:
            status, headers, body = self._refusal(error, environ, request_id)
        else:
            function = self._others.get(event["resource"], self._function)
            status, headers, body = _answer(function(event, Context(request_id)))
        headers += [("x-amzn-RequestId", request_id), ("Content-Length", str(len(body)))]
        start_response(status_line(status), headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def event(self, environ: Environ, request_id: str) -> Event:
        """The proxy event of a request. Raises MallError where API Gateway refuses by itself."""
        method = environ["REQUEST_METHOD"]
        path = _path(environ)
        found = self._router.find(path)
        if found is None:
            raise MallError("not_found")
        template, parameters = found
        headers = _headers(environ)
        body = _body(environ)
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        queries: dict[str, list[str]] = {}
        for name, value in query:
            queries.setdefault(name, []).append(value)
        return {
            "resource": template,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": dict(query) or None,
            "multiValueQueryStringParameters": queries or None,
            "pathParameters": parameters,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": template,
                "httpMethod": method,
                "path": path,
                "stage": "local",
                "requestId": request_id,
                "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "identity": {
                    "sourceIp": environ.get("REMOTE_ADDR", "127.0.0.1"),
                    "userAgent": environ.get("HTTP_USER_AGENT", ""),
                },
            },
            "body": body,
            "isBase64Encoded": body is not None,
        }

    def _refusal(self, error: MallError, environ: Environ, request_id: str) -> tuple[int, list[tuple[str, str]], bytes]:
        language = "en" if environ.get("HTTP_ACCEPT_LANGUAGE", "").lower().startswith("en") else "zh"
        headers = [("Content-Type", problems.CONTENT_TYPE), ("X-Request-Id", request_id)]
        return error.status, headers, problems.render(error, language, request_id, {})


def status_line(status: int) -> str:
    """The status and its name, as WSGI wants it."""
    return _STATUS_LINES.get(status) or f"{status} Unknown"


def _path(environ: Environ) -> str:
    """The path as it was sent, still percent-encoded, so that an encoded slash does not split a segment."""
    sent: str = environ.get("REQUEST_URI", "")
    if sent.startswith("/"):
        return sent.partition("?")[0]
    return quote(environ["PATH_INFO"].encode("latin-1"))


@functools.lru_cache(maxsize=512)
def _header_name(variable: str) -> str | None:
    if variable in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return variable.replace("_", "-").title()
    return variable[5:].replace("_", "-").title() if variable.startswith("HTTP_") else None


def _headers(environ: Environ) -> dict[str, str]:
    headers = {}
    for variable, value in environ.items():
        name = _header_name(variable)
        if name is not None and value:
            headers[name] = value
    return headers


def _body(environ: Environ) -> str | None:
    """The body in base64, as API Gateway hands it on where all media types are binary (infra/template.json)."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_BYTES_MAX:
        raise MallError("too_large")
    content: bytes = environ["wsgi.input"].read(length) if length else b""
    return base64.b64encode(content).decode() if content else None


def _answer(response: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    headers = [(name, str(value)) for name, value in (response.get("headers") or {}).items()]
    for name, values in (response.get("multiValueHeaders") or {}).items():
        headers += [(name, str(value)) for value in values]
    content = response.get("body") or ""
    if isinstance(content, str):
        content = content.encode()
    return response["statusCode"], headers, base64.b64decode(content) if response.get("isBase64Encoded") else content
