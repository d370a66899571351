"""The OpenAPI 3.1 document. Everything in it follows from the declared endpoints; GET /docs is the same for reading."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import msgspec

from chalicelib.core.errors import CODES
from chalicelib.core.settings import settings
from chalicelib.platform.web import problems
from chalicelib.platform.web.endpoint import (
    CALLBACK,
    ENDPOINTS,
    IDEMPOTENCY_KEY,
    MEMBER,
    OPERATOR,
    PATH_VALUE,
    VISITOR,
    Endpoint,
)
from chalicelib.platform.web.types import Answer

Json = dict[str, Any]
#: The schema of each type that an endpoint names.
Schemas = dict[Any, Json]

_REF = "#/components/schemas/{name}"
_JSON = "application/json"
_DESCRIPTION = """鱼塘 (Yutang): the backend of a private-domain mall on WeChat.

Money is integer fen in fields named `*_fen`; instants are RFC 3339 in UTC (`*_at`); ids are opaque. Lists take
`limit` and `cursor` and answer `items` and `next_cursor`. Every refusal is `application/problem+json` with a stable
`code`; its `detail` is in the language of `Accept-Language` (zh-CN unless en is asked for)."""


@functools.cache
def document() -> Json:
    """Make the document of all endpoints declared so far, when first asked for."""
    wanted = [kind for each in ENDPOINTS for kind in (each.body, each.query, each.output) if kind is not None]
    schemas, components = msgspec.json.schema_components([*wanted, problems.Problem], ref_template=_REF)
    by_type: Schemas = dict(zip(wanted, schemas, strict=False))
    for schema in components.values():
        _mark_instants(schema)
        if "description" in schema:  # a docstring, which only Python 3.13 and newer have without its indentation
            schema["description"] = inspect.cleandoc(schema["description"])
    field_problems: list[type[problems.FieldProblem]] = [
        problems.FieldProblem, *problems.FieldProblem.__subclasses__(),
    ]  # fmt: skip
    for kind in field_problems:
        if kind.__name__ in components:
            components[kind.__name__]["additionalProperties"] = True  # the parameters of its code
    for query in {each.query for each in ENDPOINTS if each.query is not None}:
        # Its fields become parameters, so it is no component.
        by_type[query] = components.pop(by_type[query]["$ref"].rpartition("/")[2])
    paths: dict[str, Json] = {}
    for each in ENDPOINTS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Yutang", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": settings().public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(_tag(each) for each in ENDPOINTS)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "member": {"type": "http", "scheme": "bearer", "description": "Token from POST /v1/auth/login"},
                "operator": {"type": "http", "scheme": "bearer", "description": "Token from POST /v1/admin/login"},
            },
        },
    }


def _mark_instants(schema: Json) -> None:
    """Say that `*_at` is an instant, which msgspec leaves out where it would take one without a time zone too."""
    for name, field in schema.get("properties", {}).items():
        if name == "at" or name.endswith("_at"):
            for choice in field.get("anyOf", [field]):
                if choice == {"type": "string"} or ("default" in choice and choice.get("type") == "string"):
                    choice["format"] = "date-time"


def _operation(declared: Endpoint, by_type: Schemas) -> Json:
    summary, _, description = inspect.cleandoc(declared.handler.__doc__ or "").partition("\n\n")
    operation: Json = {
        "operationId": f"{_wing(declared)}_{declared.handler.__name__}",
        "summary": summary.replace("\n", " "),
        "tags": [_tag(declared)],
        "security": _security(declared),
        "x-audience": declared.audience.value,
    }
    if description:
        operation["description"] = description
    if declared.permission:
        operation["x-permission"] = declared.permission
    parameters = _parameters(declared, by_type)
    if parameters:
        operation["parameters"] = parameters
    if declared.body is not None:
        content = _content(declared.takes, by_type[declared.body])
        operation["requestBody"] = {"required": not declared.may_be_empty, "content": content}
    elif declared.takes != _JSON:
        operation["requestBody"] = {"required": True, "content": _content(declared.takes, {"type": "string"})}
    operation["responses"] = _responses(declared, by_type)
    return operation


def _security(declared: Endpoint) -> list[Json]:
    if declared.audience is VISITOR:
        return [{}, {MEMBER.value: []}]
    return [{declared.audience.value: []}] if declared.audience in (MEMBER, OPERATOR) else []


def _parameters(declared: Endpoint, by_type: Schemas) -> list[Json]:
    found: list[Json] = []
    for part in declared.path.split("/"):
        if part.startswith("{"):
            schema = {"type": "string", "pattern": PATH_VALUE.pattern}
            found.append({"name": part[1:-1], "in": "path", "required": True, "schema": schema})
    if declared.query is not None:
        query = by_type[declared.query]
        for name, schema in query["properties"].items():
            required = name in query.get("required", [])
            found.append({"name": name, "in": "query", "required": required, "schema": _without_null(schema)})
    if declared.idempotent:
        schema = {"type": "string", "pattern": IDEMPOTENCY_KEY}
        text = "The same key and body gives the same answer; the same key with another body is refused."
        found.append(
            {
                "name": "Idempotency-Key", "in": "header", "required": declared.idempotent is True, "schema": schema,
                "description": text,
            }
        )  # fmt: skip
    if declared.cache_seconds is not None:
        found.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    return found


def _without_null(schema: Json) -> Json:
    """A query parameter is left out rather than null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    if "anyOf" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and value is not None}
    return {**rest, **choices[0]} if len(choices) == 1 else {**rest, "anyOf": choices}


def _responses(declared: Endpoint, by_type: Schemas) -> dict[str, Json]:
    responses: dict[str, Json] = {}
    headers: Json = {"X-Request-Id": {"schema": {"type": "string"}}}
    if declared.output is None:
        responses[str(204 if declared.status == 200 else declared.status)] = {"description": "Done", "headers": headers}
    else:
        cached = {name: {"schema": {"type": "string"}} for name in ("ETag", "Cache-Control")}
        kept = headers | cached if declared.cache_seconds is not None else headers
        content = _content(declared.media, by_type[declared.output])
        responses[str(declared.status)] = {"description": "Answer", "headers": kept, "content": content}
        if declared.cache_seconds is not None:
            responses["304"] = {"description": "What If-None-Match names is still so", "headers": kept}
    by_status: dict[int, list[str]] = {}
    for code in codes(declared):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, stated in sorted(by_status.items()):
        responses[str(status)] = _refusal(status, stated)
    if declared.audience is CALLBACK:
        for number, text in ((400, "It is not for this mall"), (401, "It cannot be believed")):
            responses[str(number)] = {"description": text, "content": _content(_JSON, by_type[Answer])}
    return responses


def codes(declared: Endpoint) -> list[str]:
    """List every code that the endpoint may answer: its own, and those that follow from its declaration."""
    follows = {
        "malformed": declared.audience is not CALLBACK or declared.body is not None,
        "idempotency_key_missing": bool(declared.idempotent),
        "idempotency_key_reused": bool(declared.idempotent),
        "unauthenticated": declared.audience in (VISITOR, MEMBER, OPERATOR),
        "forbidden": declared.audience is OPERATOR,
        "totp_not_set_up": declared.audience is OPERATOR,
        "not_found": "{" in declared.path,
        "too_large": declared.method != "GET",
        "too_many_requests": declared.audience in (VISITOR, MEMBER)
        or declared.per_minute is not None
        or declared.per_hour is not None,
        "unavailable": True,
    }
    return list(dict.fromkeys([code for code, holds in follows.items() if holds] + list(declared.errors)))


def _refusal(status: int, codes: list[str]) -> Json:
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    schema = {"allOf": [{"$ref": _REF.format(name="Problem")}, narrowed]}
    refusal: Json = {
        "description": "\n".join(f"- `{code}`: {CODES[code].zh} / {CODES[code].en}" for code in codes),
        "content": {problems.CONTENT_TYPE: {"schema": schema}},
    }
    if status in (429, 503):
        refusal["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return refusal


def _tag(declared: Endpoint) -> str:
    """The first segment after /v1; an operator's endpoints have tags of their own, admin/..."""
    parts = declared.path.strip("/").split("/")
    if parts[0] != "v1":
        return "about"
    return "/".join(parts[1:3]) if parts[1] == "admin" else parts[1]


def _wing(declared: Endpoint) -> str:
    return declared.handler.__module__.split(".")[2]


def _content(media: str, schema: Json) -> Json:
    """The schema under each of the media types, which are separated by commas and told without their parameters.

    A picture has none: OpenAPI 3.1 takes bytes for what they are.
    """
    kinds = [each.partition(";")[0].strip() for each in media.split(",")]
    return {kind: {} if kind.startswith("image/") else {"schema": schema} for kind in kinds}
