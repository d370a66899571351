"""A member's token is called in: it is refused wherever one is taken, and nothing else is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.platform.store import cache
from chalicelib.platform.web import tokens
from chalicelib.platform.web.endpoint import CALLBACK, ENDPOINTS, MEMBER, PUBLIC
from local.client import Client, in_process
from tests.support.distribution import bare_member
from tests.support.spied_mall import SpiedMall, in_an_hour

#: The endpoints whose handlers admit the member themselves, by what they read anyway; with what each may be sent.
_LINES: dict[str, Any] = {"lines": [{"sku_id": "x1", "quantity": 1}]}
ADMITTING: dict[str, list[Any]] = {
    "GET /v1/me": [None],
    "GET /v1/cart": [None],
    "PUT /v1/cart/lines/{sku_id}": [{"quantity": 1}],
    "POST /v1/quotes": [{}, _LINES, _LINES | {"address_id": "x1"}, {"from_cart": True}],
    "POST /v1/orders": [
        {"address_id": "x1", "expected_payable_fen": 1, **_LINES},
        {"address_id": "x1", "expected_payable_fen": 1, "from_cart": True},
        {},
    ],
    "POST /v1/coupon-templates/{template_id}/claim": [None, {"share_token": "x1"}],
    "GET /v1/orders/{order_id}": [None],
    "POST /v1/orders/{order_id}/payment": [{}],
}  # fmt: skip
#: Why a member's token is good no more.
FATES = ("deleted", "blocked", "logged out", "logged out by an operator", "logged out everywhere", "on 21 devices")

OPEN = (200, "", True)
REFUSED = (401, "unauthenticated", False)


@pytest.fixture(scope="module")
def mall(dynamodb: str) -> SpiedMall:
    spied = SpiedMall()
    spied.open()
    return spied


@pytest.fixture(params=FATES)
def called_in(request: pytest.FixtureRequest, mall: SpiedMall) -> str:
    """A token that was good once."""
    from chalicelib.customers.members import service as members
    from chalicelib.customers.members.privacy import service as privacy

    member_id = bare_member()
    token = token_of(member_id, 1)
    match request.param:
        case "deleted":
            privacy.erase(member_id, False)
        case "blocked":
            members.block(member_id, "恶意占用库存")
        case "logged out by an operator":
            members.log_out_member(member_id)
        case "on 21 devices":
            for device in range(21):
                members.log_out(member_id, read(token_of(member_id, 2 + device)), False)
        case fate:
            members.log_out(member_id, read(token), everywhere=fate == "logged out everywhere")
    return token


def token_of(member_id: str, seconds: float = 0) -> str:
    """A token that was issued so many seconds ago."""
    return tokens.issue("member", member_id, in_an_hour(), clock.now() - timedelta(seconds=seconds))


def read(token: str) -> tokens.Token:
    return tokens.read("member", f"Bearer {token}")


def test_no_route_takes_it(mall: SpiedMall, called_in: str) -> None:
    """A visitor's neither: who sends a token wants to be known."""
    looked_at = [each for each in ENDPOINTS if not each.admits]
    expected = {
        f"{each.method} {each.path}": OPEN if each.audience in (PUBLIC, CALLBACK) else REFUSED for each in looked_at
    }
    for _ in ("read", "remembered"):
        assert {route: mall.call(route, f"Bearer {called_in}") for route in expected} == expected
    for each in looked_at:
        cache.forget(sessions.CACHE)
        route = f"{each.method} {each.path}"
        assert mall.call(route, f"Bearer {called_in}") == expected[route], route


@pytest.mark.parametrize("route", ADMITTING)
def test_neither_do_the_handlers_that_admit_members(called_in: str, route: str) -> None:
    method, path = re.sub(r"{\w+}", "x1", route).split(" ")
    asked = Client(in_process(), called_in)
    for body in ADMITTING[route]:
        cache.forget(sessions.CACHE)
        for _ in ("read", "remembered"):
            asked.call(method, path, body, key="k1").refused(401, "unauthenticated")


@pytest.mark.parametrize("route", ADMITTING)
def test_these_handlers_admit_whoever_is_a_member(dynamodb: str, route: str) -> None:
    method, path = re.sub(r"{\w+}", "x1", route).split(" ")
    known = Client(in_process(), token_of(bare_member()))
    for body in ADMITTING[route]:
        cache.forget(sessions.CACHE)
        for _ in ("read", "remembered"):
            assert known.call(method, path, body, key="k1").status in (200, 400, 404, 409, 422), (route, body)


def test_these_are_all_the_handlers_that_admit_members(mall: SpiedMall) -> None:
    assert {f"{each.method} {each.path}" for each in ENDPOINTS if each.admits} == set(ADMITTING)
    assert {each.audience for each in ENDPOINTS if each.admits} == {MEMBER}
