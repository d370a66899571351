"""Typed endpoints: one declaration says who may call, what comes in and what goes out.

    @endpoint("POST /v1/orders", MEMBER, status=201, idempotent=True, errors=("out_of_stock",))
    def place(call: Call, body: PlaceOrder) -> OrderView:

Validation, authentication, error answers and the OpenAPI document all follow from it. The handler's
parameters are `call`, `body`, `query` and the names in the path, whichever it wants, each by its annotation. A body
that may be None may be left out.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar

import msgspec

from chalicelib.platform.web.tokens import Token

_F = TypeVar("_F", bound=Callable[..., Any])

#: Every id in a path; anything else is nobody's, so 404.
PATH_VALUE = re.compile(r"^[A-Za-z0-9_-]{1,64}$")

#: An Idempotency-Key: 1 to 64 printable ASCII characters. HTTP drops spaces at either end of a header, so none there.
IDEMPOTENCY_KEY = r"^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$"


#: Whether an endpoint takes an Idempotency-Key: True, it must be there; "optional", it may.
Idempotent = bool | Literal["optional"]


class Audience(Enum):
    """Who may call an endpoint."""

    PUBLIC = "public"
    VISITOR = "visitor"  # anybody; a member, where a member's token is sent
    MEMBER = "member"
    OPERATOR = "operator"
    CALLBACK = "callback"  # an outside service, proved by its signature in the handler


PUBLIC, VISITOR, MEMBER = Audience.PUBLIC, Audience.VISITOR, Audience.MEMBER
OPERATOR, CALLBACK = Audience.OPERATOR, Audience.CALLBACK


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The request around the body: who calls, and with what headers. `caller` is "" where nobody is known.

    `subject` is whom the caller's token was made for: a member who was merged into the caller since, else the same.
    What is derived from who sent a key, and which login of theirs it is, goes by the subject.
    """

    request_id: str
    headers: Mapping[str, str]
    raw_body: bytes
    language: str = "zh"
    caller: str = ""
    subject: str = ""
    #: What the caller is known by; for a handler that admits them itself (`admits`).
    token: Token | None = None
    #: The address that the request came from, as the gateway saw it.
    address: str = ""
    idempotency_key: str = ""
    #: The query parameters that the endpoint knows, as they were sent.
    query: Mapping[str, str] = {}
    #: All of them, for a callback, whose query is signed.
    sent: Mapping[str, str] = {}
    #: All that the operator who calls may do; nothing where it is no operator.
    permissions: frozenset[str] = frozenset()
    #: What the handler of an operator's call says of its end, for their log: a few words, ids and numbers.
    outcome: dict[str, Any] = {}


class Reply(msgspec.Struct, frozen=True):
    """An answer that is not simply the output as JSON."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    #: Each a Set-Cookie header.
    cookies: tuple[str, ...] = ()


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path, as declared."""

    method: str
    path: str
    audience: Audience
    permission: str
    handler: Callable[..., Any]
    status: int
    idempotent: Idempotent
    errors: tuple[str, ...]
    cache_seconds: int | None
    shared: bool = False
    media: str
    takes: str
    body_max: int
    per_minute: int | None
    per_hour: int | None = None
    admits: bool = False
    fields_of: str
    secret: bool = False

    @property
    def wants(self) -> frozenset[str]:
        """The names of the handler's parameters."""
        return frozenset(_hints(self.handler)) - {"return"}

    @property
    def body(self) -> Any:
        """The type of the body, or None."""
        return _hints(self.handler).get("body")

    @property
    def body_fields(self) -> frozenset[str]:
        """The names of the body's fields."""
        kinds = typing.get_args(self.body) or (self.body,)
        return frozenset(name for kind in kinds for name in getattr(kind, "__struct_encode_fields__", ()))

    @property
    def query(self) -> Any:
        """The type of the query, or None."""
        return _hints(self.handler).get("query")

    @property
    def output(self) -> Any:
        """The type of the answer, or None."""
        return _answered(_hints(self.handler)["return"])

    @property
    def may_be_empty(self) -> bool:
        """Whether the body may be left out."""
        return type(None) in typing.get_args(self.body)


#: Every declared endpoint, in order of declaration. app.py hands them to Chalice, OpenAPI reads them.
ENDPOINTS: list[Endpoint] = []

#: Bytes of a body, unless the endpoint says otherwise.
BODY_MAX = 256 * 1024


def endpoint(
    route: str,
    audience: Audience,
    *,
    permission: str = "",
    status: int = 200,
    idempotent: Idempotent = False,
    errors: tuple[str, ...] = (),
    cache_seconds: int | None = None,
    shared: bool = False,
    media: str = "application/json",
    takes: str = "application/json",
    body_max: int = BODY_MAX,
    per_minute: int | None = None,
    per_hour: int | None = None,
    admits: bool = False,
    fields_of: str = "",
    secret: bool = False,
) -> Callable[[_F], _F]:
    """Declare an endpoint. `route` is "METHOD /path/{name}"; `permission` is required for operators.

    `errors` are the codes it may answer beyond those that follow from the declaration; `cache_seconds` gives the answer
    an ETag and lets clients keep it that long; one that is `shared` is the same for everybody, and a content delivery
    network may keep it too (`cdn_seconds`); `media` is the type of the answer, `takes` of the body. A member or an
    operator may call it `per_minute` times, or `per_hour`, and is refused with `too_many_requests` then. Where a
    handler `admits`, it is the handler that refuses a member's token which was called in, by what it reads anyway; else
    the edge looks. `fields_of` is a module of the wing whose refusals.py names the fields for people, where that is
    another wing than the handler's. Of a `secret` body, which holds a password or a code, the operators' log keeps
    nothing, also where it stands in a wrong field.
    """
    if (per_minute is not None or per_hour is not None) and audience not in (MEMBER, OPERATOR):
        raise ValueError(f"{route}: members and operators are counted, of others it is not known who they are")
    if admits and audience is not MEMBER:
        raise ValueError(f"{route}: only a member is admitted by the handler")
    if shared and (audience is not PUBLIC or cache_seconds is None):
        raise ValueError(f"{route}: what is shared is told to everybody, and may be kept")
    if (audience is OPERATOR) != bool(permission):
        raise ValueError(f"{route}: an operator's endpoint names a permission, and no other does")
    method, path = route.split(" ")

    def declare(handler: _F) -> _F:
        ENDPOINTS.append(
            Endpoint(
                method=method,
                path=path,
                audience=audience,
                permission=permission,
                handler=handler,
                status=status,
                idempotent=idempotent,
                errors=errors,
                cache_seconds=cache_seconds,
                shared=shared,
                media=media,
                takes=takes,
                body_max=body_max,
                per_minute=per_minute,
                per_hour=per_hour,
                admits=admits,
                fields_of=fields_of or handler.__module__,
                secret=secret,
            )
        )
        return handler

    return declare


@functools.cache
def _hints(handler: Callable[..., Any]) -> dict[str, Any]:
    """What the handler's annotations say; asked for when an endpoint is first called, not when all are declared."""
    return typing.get_type_hints(handler)


def _answered(annotation: Any) -> Any:
    """What an answer's body is: the annotation without `Reply` (which is only how it is sent), None for no body."""
    parts = [part for part in typing.get_args(annotation) if part is not Reply]
    if isinstance(annotation, types.UnionType) and len(parts) == 1:
        return parts[0]
    return None if annotation in (type(None), Reply) else annotation
