"""Whatever shows operators persons, or goes through all of them, is in the operators' log and limited by the minute,
or the hour, for each operator."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.mall.operators.audit import queries as audit
from chalicelib.platform.web import limits
from chalicelib.platform.web.endpoint import ENDPOINTS, OPERATOR, Endpoint
from local.client import Operator, in_process
from tests.support.distribution import bare_member
from tests.support.operators import NAME, SECOND, owner_token, second_token

WINGS = ("chalicelib.customers.", "chalicelib.growth.segments.", "chalicelib.insight.portraits.")
#: A member is blocked, logged out, or taken apart: nobody is shown.
DEEDS = {
    "POST /v1/admin/members/{member_id}/block", "POST /v1/admin/members/{member_id}/unblock",
    "POST /v1/admin/members/{member_id}/log-out", "POST /v1/admin/members/{member_id}/detach",
    "POST /v1/admin/merges", "POST /v1/admin/merges/{merge_id}/decide",
}  # fmt: skip
RULE = {"life_cycle": ["new"]}
TAGS = {"add": ["of-test"], "remove": [], "reason": "常客"}
#: How often an operator may make the call within a minute, and what it is sent.
LOOKS: dict[str, tuple[int, Any]] = {
    "GET /v1/admin/segments/{segment_id}/members": (60, None),
    "GET /v1/admin/segments/{segment_id}/members/{member_id}": (300, None),
    "GET /v1/admin/members?segment=new": (60, None),
    "GET /v1/admin/members?q=m2222": (60, None),
    "GET /v1/admin/members/{member_id}?purpose=risk": (300, None),
    "GET /v1/admin/members/{member_id}/tags": (300, None),
    "POST /v1/admin/members/{member_id}/tags": (300, TAGS),
    "GET /v1/admin/members/{member_id}/segment-history": (300, None),
    "GET /v1/admin/members/{member_id}/events": (300, None),
    "GET /v1/admin/members/{member_id}/touches": (300, None),
    "GET /v1/admin/merges?state=done": (60, None),
    # no person is shown, but all are looked at
    "POST /v1/admin/segments/preview": (30, {"rule": RULE}),
    "POST /v1/admin/audiences": (30, {"segment_id": "new"}),
}
#: Those that are limited by the hour.
BY_THE_HOUR = {"GET /v1/admin/members/{member_id}?purpose=risk"}


def route_of(declared: Endpoint) -> str:
    return f"{declared.method} {declared.path}"


@pytest.fixture(scope="module")
def member_id(dynamodb: str) -> Iterator[str]:
    owner = Operator(in_process(), owner_token())
    made = owner.post("/v1/admin/tags", {"name": "of-test"}).ok(201)
    yield bare_member()
    owner.delete(f"/v1/admin/tags/{made['tag_id']}").ok(204)


def test_every_call_about_persons_is_in_the_table(member_id: str) -> None:
    calls = [one for one in ENDPOINTS if one.audience is OPERATOR and one.handler.__module__.startswith(WINGS)]
    about = {route_of(one) for one in calls if one.permission.startswith("members.")}
    assert about > DEEDS and about - DEEDS <= {look.partition("?")[0] for look in LOOKS}


@pytest.mark.parametrize("look", LOOKS)
def test_it_is_logged_and_limited_for_each_operator(
    look: str, member_id: str, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, body = LOOKS[look]
    method, _, path = look.partition(" ")
    span = 3600 if look in BY_THE_HOUR else 60
    usual, asked = limits.count_call, list[tuple[str, int]]()

    def one_alone(what: str, who: str, most: int, seconds: int = 60) -> None:
        assert seconds == span
        asked.append((who, most))
        usual(what, who, 1, seconds)

    monkeypatch.setattr(limits, "count_call", one_alone)
    first, second = (Operator(in_process(), token) for token in (owner_token(), second_token()))

    def call(operator: Operator) -> Any:
        key = secrets.token_hex(8) if look.endswith("/audiences") else ""
        return operator.call(method, path.format(segment_id="new", member_id=member_id), body, key=key)

    assert call(first).status in (200, 201)
    later(1)
    call(first).refused(429, "too_many_requests")
    assert call(second).status in (200, 201)
    later(span)
    assert call(first).status in (200, 201)
    assert asked == [(name, most) for name in (NAME, NAME, SECOND, NAME)]
    entries, _ = audit.page(clock.day(clock.now()), NAME, 10, None)
    assert [(one.entry.method, one.entry.path, one.status // 100) for one in entries] == [
        (method, path.partition("?")[0], status) for status in (2, 4, 2)
    ]
    if "{member_id}" in path:
        assert {one.entry.parameters["member_id"] for one in entries} == {member_id}
