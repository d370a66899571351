"""The OpenAPI document is valid and true: a fuzzer made from it meets no answer that it does not state."""

from __future__ import annotations

import html.parser
import re
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import app
from chalicelib.commerce.pricing import queries as pricing_queries
from chalicelib.commerce.pricing import service as pricing
from chalicelib.core import clock, ids
from chalicelib.core.errors import CODES
from chalicelib.customers.members.rules import Addresses, Profile
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Members
from chalicelib.mall.operators import service as operators
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.settings import service as settings_service
from chalicelib.platform.store import cache
from chalicelib.platform.store.transaction import save
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import ENDPOINTS
from local.client import Client, in_process
from local.serve import gateway

EXAMPLES = 8


@pytest.fixture(scope="module")
def anybody(dynamodb: str) -> Client:
    return Client(in_process())


@pytest.fixture(scope="module")
def document(anybody: Client) -> Any:
    return anybody.get("/openapi.json").ok()


@pytest.fixture(scope="module")
def callers(dynamodb: str) -> Iterator[dict[str, dict[str, str]]]:
    """Headers of nobody, of a member, and of an owner. Hashing is made cheap."""
    member_id, name = ids.new("m"), f"fuzz-{secrets.token_hex(4)}"
    profile = Profile(member_id=member_id, openid="o-fuzz", joined_at=clock.now())
    save(Members(member_id, PROFILE, profile=profile, version=1))
    save(Members(member_id, ADDRESSES, addresses=Addresses(), version=1))
    if not operators.bootstrap(name, "long enough for anyone"):
        operators.create(name, "long enough for anyone", ["owner"])
    until = clock.now() + timedelta(hours=1)
    patch = pytest.MonkeyPatch()
    patch.setattr(passwords, "_COST", 16)
    patch.setattr(passwords, "NOBODY", passwords.hashed("nobody"))
    yield {
        "public": {},
        "member": logged_in(member_id),
        # Issued after all that is tried here: it outlives its own logging out.
        "operator": {"Authorization": f"Bearer {tokens.issue('operator', name, until, until)}"},
    }
    patch.undo()
    for (
        section
    ) in settings_service.SECTIONS.values():  # other tests of this process go by the defaults, and by no promotion
        section.change(section.struct())
    for promotion_id in pricing_queries.promotions():
        pricing.delete_promotion(promotion_id)
    cache.forget("pricing")


def logged_in(member_id: str) -> dict[str, str]:
    """The headers of the member with a token that nothing before has called in."""
    now = clock.now()
    token = tokens.issue("member", member_id, now + timedelta(hours=1), now + timedelta(seconds=1))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def api(dynamodb: str, sandbox: str) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", gateway(app.app, app.operators))


def test_the_document_is_valid(document: Any) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_what_is_wrong_with_a_field_has_a_code_and_its_parameters(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"]["errors"]["items"] == {"$ref": "#/components/schemas/FieldProblem"}
    for name in ("FieldProblem", "LineProblem"):
        assert schemas[name]["required"] == ["field", "code", "message"]
        assert schemas[name]["additionalProperties"] is True


def test_every_endpoint_is_in_it_once(document: Any) -> None:
    stated = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert stated == {f"{each.method} {each.path}" for each in ENDPOINTS}
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_names_of_types_do_not_tell_where_they_live(document: Any) -> None:
    assert not [name for name in document["components"]["schemas"] if "chalicelib" in name]


def test_every_operation_says_what_it_is(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert operation["summary"][-1] in ".。", (method, path)
            assert len(operation["tags"]) == 1
            assert "503" in operation["responses"]


def test_what_follows_from_a_declaration_is_stated(document: Any) -> None:
    by_route = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    place = by_route["POST /v1/orders"]
    assert {"201", "400", "401", "409", "413", "422", "503"} <= set(place["responses"])
    key = next(each for each in place["parameters"] if each["name"] == "Idempotency-Key")
    assert key["required"] and key["in"] == "header"
    reused = place["responses"]["422"]["content"]["application/problem+json"]["schema"]["allOf"][1]
    assert "idempotency_key_reused" in reused["properties"]["code"]["enum"]
    products = by_route["GET /v1/products"]
    assert {"ETag", "Cache-Control"} <= set(products["responses"]["304"]["headers"])
    assert products["security"] == []
    change = by_route["PATCH /v1/admin/operators/{name}"]
    assert change["security"] == [{"operator": []}]
    assert {"403", "404", "409"} <= set(change["responses"])
    assert change["x-permission"] == "operators.write"
    assert by_route["DELETE /v1/me/addresses/{address_id}"]["responses"]["204"].keys() == {"description", "headers"}


def test_the_document_is_kept_by_clients(anybody: Client) -> None:
    first = anybody.get("/openapi.json")
    etag = first.headers["etag"]
    again = anybody.get("/openapi.json", If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")


class Page(html.parser.HTMLParser):
    """What a page links, loads and runs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.add(given.get("href") or "")
        self.loads |= {given[name] or "" for name in ("src", "srcset", "data", "action") if name in given}
        assert not [name for name in given if name.startswith("on")]


def test_the_page_needs_nothing_from_anywhere(anybody: Client) -> None:
    answer = anybody.get("/docs")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page(answer.body.decode())
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not page.loads
    assert page.links - {f"#{anchor}" for anchor in page.ids} == {"openapi.json"}
    assert len(page.ids) == len(set(page.ids))
    assert {f"error-{code}" for code in CODES} <= set(page.ids)


def test_what_is_shown_is_escaped(document: Any) -> None:
    from chalicelib.platform.web import docs_page

    evil = "<script>alert('x')</script>"
    operation = {"operationId": evil, "summary": evil, "description": evil, "tags": [evil], "x-audience": evil}
    parameter = {"name": evil, "in": "query", "required": True, "schema": {"pattern": evil, "default": evil}}
    responses = {"200": {"description": evil, "content": {evil: {}}}, "404": {"description": evil}}
    page = docs_page.render(
        {
            **document,
            "tags": [{"name": evil}],
            "paths": {evil: {"get": operation | {"parameters": [parameter], "responses": responses}}},
            "components": {
                "schemas": {evil: {"title": evil, "description": evil, "properties": {evil: {"enum": [evil]}}}}
            },
        }
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 10


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("route", [f"{each.method} {each.path}" for each in ENDPOINTS])
def test_no_answer_that_is_not_stated(
    route: str, mode: GenerationMode, api: Any, callers: dict[str, dict[str, str]]
) -> None:
    method, path = route.split(" ")
    member = tokens.read("member", callers["member"]["Authorization"]).subject
    callers["member"] = logged_in(member)  # one of the routes before may have been to log out

    @given(case=api[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=HealthCheck)
    def fuzz(case: schemathesis.Case) -> None:
        for headers in callers.values():
            case.validate_response(case.call(headers=headers), checks=CHECKS)

    try:
        fuzz()
    except Unsatisfiable:
        pytest.skip("this operation takes nothing that could be wrong")
