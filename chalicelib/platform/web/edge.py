"""The HTTP edge: from a Chalice request to a handler and back, for every endpoint in the same way."""

from __future__ import annotations

import base64
import functools
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec
from chalice.app import Chalice, Request, Response

from chalicelib.core import clock, ids, log, metrics, text
from chalicelib.core.errors import MallError, OutsideError, malformed, unavailable
from chalicelib.core.metrics import Metric
from chalicelib.core.refusals import BAD_JSON, BODY_TOO_LARGE, NO_SUCH, UNKNOWN_FIELD
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.platform.web import limits, ports, problems, tokens
from chalicelib.platform.web.endpoint import (
    CALLBACK,
    IDEMPOTENCY_KEY,
    MEMBER,
    OPERATOR,
    PATH_VALUE,
    VISITOR,
    Call,
    Endpoint,
    Reply,
)
from chalicelib.platform.web.paths import is_operators


class Guard(Protocol):
    """What the edge asks of the wing that knows the operators (it lies above; app.py registers how it is come by)."""

    def enter(
        self, token: tokens.Token, endpoint: Endpoint, call: Call, path: Mapping[str, str]
    ) -> tuple[Any, frozenset[str]]:
        """Admit the operator and open the entry of the audit log; the entry, and all that the operator may do. Raises
        `unauthenticated` or `forbidden`."""

    def leave(self, entry: Any, status: int, outcome: Mapping[str, Any]) -> None:
        """Close the entry with how the call ended, and what it says of that."""


#: Query parameters that WeChat, and those who share or count links, add to any address.
_ADDED_BY_OTHERS = re.compile(r"(utm_\w+|from|isappinstalled|nsukey|_)$")
#: How long a browser is to reach the mall by https only, in seconds: a year.
_TRANSPORT_SECONDS = 31_536_000

#: Gives the guard when an operator comes: nobody else waits for that wing to be imported.
GuardFactory = Callable[[], Guard]


class _Answer(Response):
    """An answer as Lambda hands it to API Gateway: text as it is, anything else in base64."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = super().to_dict(binary_types)
        if isinstance(self.body, bytes):
            answer |= {"body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}
        return answer


def register(app: Chalice, guard: GuardFactory, endpoints: Iterable[Endpoint]) -> None:
    """Give these endpoints to Chalice as routes, all methods of a path together; paths that it has stay as they are.

    Another method of such a path is `method_not_allowed`: API Gateway hands on every one (infra/api.py).
    """
    # Chalice refuses to send a picture to a client that does not name its very type in Accept, and no browser does.
    # With no binary types it does not look; infra/template.json has API Gateway take everything as binary instead.
    app.api.binary_types = []
    declared = by_path(endpoints)
    for path in declared.keys() - app.routes.keys():
        # No content types: the edge reads the body itself and says in its own form what is wrong with it.
        app.route(path, methods=sorted(declared[path]), content_types=[])(_view(app, guard, declared[path]))

    @app.middleware("http")
    def refuse_other_methods(request: Request | None, get_response: Callable[[Request | None], Response]) -> Response:
        path = "" if request is None else request.context["resourcePath"]
        if request is None or path not in declared or request.method in declared[path]:
            return get_response(request)
        return answer(refusing_other(declared[path], path), request, {}, guard)


def by_path(endpoints: Iterable[Endpoint]) -> dict[str, dict[str, Endpoint]]:
    """Gather the endpoints by path and method. Raises ValueError for one that is declared twice."""
    found: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        methods = found.setdefault(endpoint.path, {})
        if endpoint.method in methods:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        methods[endpoint.method] = endpoint
    return found


def refusing_other(methods: Iterable[str], path: str) -> Endpoint:
    """Make an endpoint that refuses every method but these."""
    return refusing(MallError("method_not_allowed"), path, Allow=", ".join(sorted(methods)))


def refusing(error: MallError, path: str, **headers: str) -> Endpoint:
    """Make an endpoint that answers this refusal to everybody, so that it has the log, the id and the headers of all.

    As for a callback, nobody here knows what the query should hold.
    """

    def refuse(call: Call) -> Reply:
        body = problems.render(error, call.language, call.request_id, {})
        return Reply(body, status=error.status, content_type=problems.CONTENT_TYPE, headers=headers)

    return Endpoint(
        method="ANY", path=path, audience=CALLBACK, permission="", handler=refuse, status=error.status,
        idempotent=False, errors=(), cache_seconds=None, media=problems.CONTENT_TYPE, takes="", body_max=sys.maxsize,
        per_minute=None, fields_of=__name__,
    )  # fmt: skip


def _view(app: Chalice, guard: GuardFactory, methods: dict[str, Endpoint]) -> Any:
    def view(**path: str) -> Response:
        request = app.current_request
        assert request is not None
        return answer(methods[request.method], request, path, guard)

    return view


def answer(endpoint: Endpoint, request: Request, path: Mapping[str, str], guard: GuardFactory) -> Response:
    """Answer one request. Every way out is a Response; only a crash of the process is not."""
    request_id = request.context.get("requestId") or ids.new("r")
    with log.request(request_id), metrics.gather():
        started = clock.monotonic()
        reply = _answered(endpoint, request, path, guard, request_id)
        seconds = round(clock.monotonic() - started, 3)
        log.info("answered", method=endpoint.method, path=endpoint.path, status=reply.status, seconds=seconds)
    headers: dict[str, str | list[str]] = {
        "Content-Type": reply.content_type,
        "X-Request-Id": request_id,
        "Cache-Control": "no-store",  # somebody's own, unless the endpoint says otherwise
        "X-Content-Type-Options": "nosniff",
        **_transport(),
        **reply.headers,
    }
    if reply.cookies:
        headers["Set-Cookie"] = list(reply.cookies)
    body = reply.body if reply.content_type.startswith("image/") else reply.body.decode()
    return _Answer(body=body, status_code=reply.status, headers=headers)


@functools.cache
def _transport() -> dict[str, str]:
    """The header that keeps browsers on https, where the mall is reached by it."""
    secure = settings().public_url.startswith("https://")
    return {"Strict-Transport-Security": f"max-age={_TRANSPORT_SECONDS}"} if secure else {}


def _answered(
    endpoint: Endpoint, request: Request, path: Mapping[str, str], guard: GuardFactory, request_id: str
) -> Reply:
    language = "en" if request.headers.get("accept-language", "").lower().startswith("en") else "zh"
    try:
        with segment(f"{endpoint.method} {endpoint.path}"):
            return _perform(endpoint, request, path, guard, request_id, language)
    except MallError as error:
        return _problem(error, endpoint, language, request_id)
    except OutsideError as error:
        tell = log.warning if error.passing else log.error
        tell("outside_failed", reason=str(error), method=endpoint.method, path=endpoint.path)
        return _problem(unavailable(), endpoint, language, request_id)
    except Exception as error:
        log.error("request_failed", error, method=endpoint.method, path=endpoint.path)
        return _problem(MallError("internal"), endpoint, language, request_id)


def _problem(error: MallError, endpoint: Endpoint, language: str, request_id: str) -> Reply:
    refused = Metric.OPERATORS_REFUSED if is_operators(endpoint.path) else Metric.REFUSED
    metrics.add(refused, Reason=error.code)
    headers = {"Retry-After": str(error.retry_after or 1)} if error.status in (429, 503) else {}
    labels = problems.labels_of(endpoint.fields_of) if error.errors else {}
    body = problems.render(error, language, request_id, labels)
    return Reply(body=body, status=error.status, content_type=problems.CONTENT_TYPE, headers=headers)


def _perform(
    endpoint: Endpoint,
    request: Request,
    path: Mapping[str, str],
    guard: GuardFactory,
    request_id: str,
    language: str,
) -> Reply:
    authorization = request.headers.get("authorization")
    token = None
    if endpoint.audience is MEMBER or (endpoint.audience is VISITOR and authorization):
        token = tokens.read("member", authorization)
    elif endpoint.audience is OPERATOR:
        token = tokens.read("operator", authorization)
    if token is not None:
        log.about(caller=f"{endpoint.audience.value}:{ids.digest(token.subject.encode())[:12]}")
    caller = _admit(endpoint, token)
    call = Call(
        request_id=request_id,
        headers=request.headers,
        raw_body=_body(endpoint, request),
        language=language,
        caller=caller,
        subject=token.subject if token else "",
        token=token,
        address=request.context.get("identity", {}).get("sourceIp") or "",
        idempotency_key=_idempotency_key(endpoint, request),
        query=_known_query(endpoint, request),
        sent=request.query_params or {},
    )
    if token is not None and endpoint.audience is not OPERATOR:
        limits.count_here(endpoint.handler.__name__, call.caller)
    if endpoint.audience is not OPERATOR or token is None:
        _count(endpoint, call)
        return _serve(endpoint, call, path)
    operators = guard()
    entry, permissions = operators.enter(token, endpoint, call, path)
    call = msgspec.structs.replace(call, permissions=permissions)
    status = 500
    try:
        _count(endpoint, call)  # what is refused for being too often is in the log, too
        reply = _handle(endpoint, call, path)
        status = reply.status
    except MallError as error:
        status = error.status
        raise
    finally:
        operators.leave(entry, status, call.outcome)
    return reply


def _count(endpoint: Endpoint, call: Call) -> None:
    """Count a call that is limited. Raises `too_many_requests` for one too many in this minute, or this hour."""
    if endpoint.per_minute is not None:
        limits.count_call(endpoint.handler.__name__, call.caller, endpoint.per_minute)
    if endpoint.per_hour is not None:
        limits.count_call(endpoint.handler.__name__, call.caller, endpoint.per_hour, limits.HOUR)


def _admit(endpoint: Endpoint, token: tokens.Token | None) -> str:
    """Give who calls; refuse a member's token that was called in, wherever one is sent: `unauthenticated`. The guard
    looks at operators, and some handlers look themselves, by what they read anyway."""
    if token is None:
        return ""
    return token.subject if endpoint.audience is OPERATOR or endpoint.admits else ports.admit(token)


def _serve(endpoint: Endpoint, call: Call, path: Mapping[str, str]) -> Reply:
    """Have the handler answer a shopper. Where it admits them itself, it may refuse something before it has looked:
    that is told only to whom the gate lets in. And it refuses everything to who was merged into another member, as it
    finds nobody: then it is asked again for that one."""
    try:
        return _handle(endpoint, call, path)
    except MallError:
        if not endpoint.admits or call.token is None:
            raise
        member = ports.admit(call.token)
        if member == call.caller:
            raise
    return _handle(endpoint, msgspec.structs.replace(call, caller=member, token=None), path)


def _handle(endpoint: Endpoint, call: Call, path: Mapping[str, str]) -> Reply:
    arguments: dict[str, Any] = {}
    for name, value in path.items():
        if not PATH_VALUE.fullmatch(value):
            raise MallError("not_found", errors=(NO_SUCH.at(name),))
        if name == "order_id":
            log.about(order_id=value)
        if name in endpoint.wants:
            arguments[name] = value
    if "call" in endpoint.wants:
        arguments["call"] = call
    if endpoint.query is not None:
        arguments["query"] = _query(endpoint.query, call.query)
    if endpoint.body is not None:
        arguments["body"] = (
            None if endpoint.may_be_empty and not call.raw_body else decode(call.raw_body, endpoint.body)
        )
    result = endpoint.handler(**arguments)
    if order_id := getattr(result, "order_id", None):
        log.about(order_id=order_id)
    reply = result if isinstance(result, Reply) else _reply(endpoint, result)
    if endpoint.cache_seconds is not None and reply.status == 200:
        reply = _cacheable(reply, _kept(endpoint), call.headers)
    return reply


def _reply(endpoint: Endpoint, result: Any) -> Reply:
    if endpoint.output is None:
        return Reply(body=b"", status=204 if endpoint.status == 200 else endpoint.status)
    return Reply(body=msgspec.json.encode(result), status=endpoint.status)


def _kept(endpoint: Endpoint) -> str:
    """How long an answer may be kept: by clients; and one that is shared by a content delivery network, where there is
    one, which may give an old one for as long again while it asks for the new one."""
    by_cdn = settings().cdn_seconds if endpoint.shared else 0
    shared = f", s-maxage={by_cdn}, stale-while-revalidate={by_cdn}" if by_cdn else ""
    return f"public, max-age={endpoint.cache_seconds}{shared}"


def _cacheable(reply: Reply, kept: str, headers: Mapping[str, str]) -> Reply:
    etag = reply.headers.get("ETag") or f'"{ids.digest(reply.body)}"'
    cached = {"ETag": etag, "Cache-Control": kept, **reply.headers}
    asked = headers.get("if-none-match", "")
    if asked and (asked.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in asked.split(",")]):
        return Reply(body=b"", status=304, content_type=reply.content_type, headers=cached)
    return Reply(body=reply.body, status=reply.status, content_type=reply.content_type, headers=cached)


@functools.cache
def _decoder(struct: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def decode(body: bytes, struct: Any) -> Any:
    """Read the body as that struct, its texts in Unicode's composed form. Raises `malformed`, naming the field."""
    try:
        return _decoder(struct).decode(body if body.isascii() and b"\\u" not in body else text.normal_json(body))
    except msgspec.ValidationError as fault:
        raise problems.from_validation(fault, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed(BAD_JSON.at("body")) from None


def _body(endpoint: Endpoint, request: Request) -> bytes:
    sent = request.raw_body  # text, where the gateway handed it on as text
    body = sent.encode() if isinstance(sent, str) else sent
    if len(body) > endpoint.body_max:
        raise MallError("too_large", errors=(BODY_TOO_LARGE.at("body", limit_kb=endpoint.body_max // 1024),))
    return body


def _known_query(endpoint: Endpoint, request: Request) -> dict[str, str]:
    """The query parameters that were given a value. Raises `malformed` for names that nobody knows, but for what WeChat
    and browsers add, and for a page or a callback, whose addresses others write."""
    sent: Mapping[str, str] = request.query_params or {}
    fields = () if endpoint.query is None else endpoint.query.__struct_encode_fields__
    if endpoint.audience is not CALLBACK and not endpoint.media.startswith("text/html"):
        unknown = [name for name in sent if name not in fields and not _ADDED_BY_OTHERS.match(name)]
        if unknown:
            raise malformed(*(UNKNOWN_FIELD.at(name) for name in unknown))
    return {field: sent[field] for field in fields if sent.get(field)}


def _query(struct: Any, sent: Mapping[str, str]) -> Any:
    try:
        return msgspec.convert(sent, struct, strict=False)
    except msgspec.ValidationError as fault:
        raise problems.from_validation(fault, "query") from None


def _idempotency_key(endpoint: Endpoint, request: Request) -> str:
    key: str = request.headers.get("idempotency-key", "")
    if not endpoint.idempotent or (endpoint.idempotent == "optional" and not key):
        return ""
    if not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise MallError("idempotency_key_missing")
    return key
