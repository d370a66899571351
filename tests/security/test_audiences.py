"""Who may call what. A route that is not in this table fails, and so does one that answers anybody else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from chalicelib.core import clock, settings
from chalicelib.mall.operators import service
from chalicelib.mall.operators.access import passwords
from chalicelib.mall.operators.audit import queries as audit_queries
from chalicelib.mall.operators.rules import OWNER, PERMISSIONS, ROLES, SELF
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import CALLBACK, ENDPOINTS, MEMBER, OPERATOR, PUBLIC, VISITOR
from tests.support.audiences import AUDIENCES, DOORS
from tests.support.distribution import bare_member
from tests.support.spied_mall import SpiedMall, in_an_hour

PASSWORD = "long enough for anyone"
ROUTES = pytest.mark.parametrize("route", AUDIENCES)


@pytest.fixture(scope="module")
def mall(dynamodb: str) -> Iterator[SpiedMall]:
    spied = SpiedMall()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", 16)
        spied.open()
        for role in [*ROLES, "disabled"]:
            name = f"{role}-{secrets.token_hex(4)}"
            if role != OWNER or not service.bootstrap(name, PASSWORD):
                service.create(name, PASSWORD, ["auditor" if role == "disabled" else role])
            spied.operators[role] = f"Bearer {tokens.issue('operator', name, in_an_hour())}"
            if role == "disabled":
                service.change(name, disabled=True)
        spied.member = f"Bearer {tokens.issue('member', bare_member(), in_an_hour())}"
    yield spied


def tampered(authorization: str) -> Iterator[str]:
    """The header with its subject, its end or its signature changed, and what is no token at all."""
    scheme, token = authorization.split(" ")
    payload, _, signature = token.rpartition(".")
    yield f"{scheme} {payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    yield f"{scheme} {'A' if payload[0] != 'A' else 'B'}{payload[1:]}.{signature}"
    yield f"{scheme} {payload}"
    yield f"{scheme} {token}x"
    yield f"Basic {token}"
    yield token
    yield "Bearer "
    yield f"Bearer {'A' * 2000}"


def test_every_route_is_in_the_table_and_nothing_else(dynamodb: str) -> None:
    import app

    declared = {
        f"{each.method} {each.path}": each.permission if each.audience is OPERATOR else each.audience.value
        for each in ENDPOINTS
    }
    assert declared == AUDIENCES
    by_shop, by_operators = app.app.routes, app.office().served
    served = {f"{method} {path}" for path, methods in (by_shop | by_operators).items() for method in methods}
    assert served == set(AUDIENCES)
    assert not by_shop.keys() & by_operators.keys()


def test_who_is_an_operator_calls_the_operators_function_and_nobody_else_does(dynamodb: str) -> None:
    import app

    inside = {f"{method} {path}" for path, methods in app.office().served.items() for method in methods}
    told_of = {"GET /docs", "GET /openapi.json"}
    assert inside == {route for route in AUDIENCES if " /v1/admin/" in route} | told_of


def test_every_permission_is_one_that_a_role_can_give() -> None:
    assert set(AUDIENCES.values()) - {"public", "visitor", "member", "callback", SELF} == PERMISSIONS


def test_the_table_is_held_by_the_path() -> None:
    for route, audience in AUDIENCES.items():
        admin = " /v1/admin/" in route and route not in DOORS
        assert (audience not in ("public", "visitor", "member", "callback")) == admin, route


def test_what_a_cdn_may_keep_is_the_same_for_everybody(dynamodb: str) -> None:
    """Its handler is not told who calls, with which token, in which language or from where."""
    import app

    assert app.app.routes
    kept = [each for each in ENDPOINTS if each.shared]
    catalogue = {"/v1/categories", "/v1/products", "/v1/products/{product_id}", "/v1/promotions"}
    assert {each.path for each in kept} == catalogue
    for each in kept:
        assert (each.method, each.audience, "call" in each.wants) == ("GET", PUBLIC, False), each.path
        assert each.cache_seconds is not None, each.path


@ROUTES
def test_without_a_token(mall: SpiedMall, route: str) -> None:
    open_to_all = AUDIENCES[route] in ("public", "visitor", "callback")
    assert mall.call(route, None) == ((200, "", True) if open_to_all else (401, "unauthenticated", False))


@ROUTES
def test_with_a_member_s_token(mall: SpiedMall, route: str) -> None:
    admitted = AUDIENCES[route] in ("public", "callback", "visitor", "member")
    told = mall.call(route, mall.member)
    assert told == ((200, "", True) if admitted else (401, "unauthenticated", False))


@ROUTES
def test_with_an_operator_s_token_of_every_role(mall: SpiedMall, route: str) -> None:
    audience = AUDIENCES[route]
    for role, authorization in mall.operators.items():
        told = mall.call(route, authorization)
        if audience in ("public", "callback"):
            assert told == (200, "", True)
        elif audience in ("visitor", "member") or role == "disabled":
            assert told == (401, "unauthenticated", False), role
        elif audience == SELF or audience in ROLES[role]:
            assert told == (200, "", True), role
        else:
            assert told == (403, "forbidden", False), role


@pytest.mark.parametrize("route", [route for route, audience in AUDIENCES.items() if audience in (SELF, *PERMISSIONS)])
def test_who_must_have_a_second_factor_and_has_none_may_only_set_it_up(mall: SpiedMall, route: str) -> None:
    audience, before = AUDIENCES[route], settings._environment
    settings.use({**before, "YUTANG_TOTP_OBLIGATORY": "true"})
    try:
        for role, authorization in mall.operators.items():
            told = mall.call(route, authorization)
            if role in (OWNER, "finance") and audience != SELF and audience in ROLES[role]:
                assert told == (403, "totp_not_set_up", False), role
            elif role != "disabled" and (audience == SELF or audience in ROLES[role]):
                assert told == (200, "", True), role
    finally:
        settings.use(before)


@ROUTES
def test_with_a_token_that_has_ended_or_was_tampered_with(mall: SpiedMall, route: str) -> None:
    audience = AUDIENCES[route]
    if audience in ("public", "callback"):
        pytest.skip("no token is looked at")
    if audience in ("visitor", "member"):
        good = mall.member
        ended = f"Bearer {tokens.issue('member', tokens.read('member', good).subject, clock.now())}"
    else:
        good = mall.operators[OWNER]
        name = tokens.read("operator", good).subject
        ended = f"Bearer {tokens.issue('operator', name, clock.now())}"
    assert mall.call(route, good) == (200, "", True)
    for bad in (ended, *tampered(good)):
        assert mall.call(route, bad) == (401, "unauthenticated", False), bad


def test_a_token_of_nobody(mall: SpiedMall) -> None:
    nobody = f"Bearer {tokens.issue('operator', 'nobody', in_an_hour())}"
    assert mall.call("GET /v1/admin/me", nobody) == (401, "unauthenticated", False)


def test_refused_operators_are_in_the_log(mall: SpiedMall) -> None:
    name = tokens.read("operator", mall.operators["service"]).subject
    before = time.time()
    assert mall.call("POST /v1/admin/operators", mall.operators["service"])[0] == 403
    items, _ = audit_queries.page(clock.day(clock.now()), name, 1, None)
    assert (items[0].entry.permission, int(items[0].status or 0)) == ("operators.write", 403)
    assert items[0].entry.at.timestamp() >= before - 1


def test_audiences_are_what_their_names_say() -> None:
    assert {each.value for each in (PUBLIC, VISITOR, MEMBER, CALLBACK)} == {"public", "visitor", "member", "callback"}
