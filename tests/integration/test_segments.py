"""Members come into segments and leave them: at once in what they are shown, and soon in the lists and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.gateways.wechat import mini
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from local.client import Client, Operator
from tests.support.own_tables import own_tables
from tests.support.segment_world import check_lists, inside, join, member_id, run_jobs

DAY = 86_400.0


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb: str) -> Iterator[None]:
    with own_tables("segments"):
        yield


@pytest.fixture(autouse=True)
def wired(no_jobs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat says that a code is its shopper's openid; and no job of another test runs."""
    monkeypatch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=None))


def defined(operator: Operator, rule: Any, **more: Any) -> str:
    made = operator.post("/v1/admin/segments", {"name": "分群", "rule": rule, **more}).ok(201)
    assert (made["state"], made["progress"]) == ("building", {"members": 0})
    return str(made["segment_id"])


def built(advance: Callable[[float], None]) -> None:
    """Everybody has been looked at for what was defined last."""
    advance(FENCE_MS / 1000 + 1)
    run_jobs()


def segments_of(shopper: Client) -> set[str]:
    return {one["segment_id"] for one in shopper.get("/v1/me").ok()["segments"]}


def test_who_joins_is_new_and_silent_a_millisecond_after_thirty_days(later: Callable[[float], None]) -> None:
    who = member_id(join())
    run_jobs()
    check_lists([who])
    assert inside(who) == {"new"}
    later(30 * DAY)
    assert inside(who) == {"new"}
    later(0.001)
    assert inside(who) == {"silent"}
    later(20)
    run_jobs()
    check_lists([who])


def test_a_rule_finds_everybody_also_those_who_change_while_it_is_built(
    operator: Operator, advance: Callable[[float], None]
) -> None:
    shoppers = [join() for _ in range(6)]
    members = [member_id(one) for one in shoppers]
    run_jobs()
    for one in shoppers[:2]:
        one.put("/v1/me", {"nickname": "小鱼"}).ok()
    named = defined(operator, {"profile": "nickname", "op": "exists"}, shown=True)
    shoppers[2].put("/v1/me", {"nickname": "小虾"}).ok()
    assert segments_of(shoppers[2]) == {named}
    assert segments_of(shoppers[0]) == {named}
    built(advance)
    shown = operator.get(f"/v1/admin/segments/{named}").ok()
    assert (shown["state"], shown["count"]) == ("live", 3)
    listed = operator.get(f"/v1/admin/segments/{named}/members").ok()["items"]
    assert {one["member_id"] for one in listed} == set(members[:3])
    shoppers[2].put("/v1/me", {"nickname": ""}).ok()
    run_jobs()
    assert operator.get(f"/v1/admin/segments/{named}").ok()["count"] == 2
    why = operator.get(f"/v1/admin/segments/{named}/members/{members[0]}").ok()
    assert (why["inside"], why["why"]["holds"]) == (True, True)
    operator.delete(f"/v1/admin/segments/{named}").ok(204)
    built(advance)
    assert all(inside(who) == {"new"} for who in members)
