"""Two members turn out to be one person: what they did, their tags and their history become the one's; nothing is
counted twice, however often a step is done."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.customers.events import queries as events
from chalicelib.customers.members.ports import DataOwner, data_owners
from chalicelib.customers.members.tables import PROFILE, Members
from chalicelib.gateways.wechat import mini
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.queries import moves, tags_of
from chalicelib.growth.segments.traits.queries import stored
from chalicelib.platform.store.transaction import remove
from local.client import Client, Operator
from tests.support.own_tables import own_tables
from tests.support.segment_world import check_lists, inside, join, member_id, run_jobs


@pytest.fixture(scope="module", autouse=True)
def tables(dynamodb: str) -> Iterator[None]:
    with own_tables("absorbing"):
        yield


@pytest.fixture(autouse=True)
def wired(no_jobs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """WeChat says that a code is its shopper's openid; and no job of another test runs."""
    monkeypatch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=None))


def looks_at(shopper: Client, product: str) -> None:
    now = clock.now().isoformat()
    told = {"event_id": secrets.token_hex(4), "name": "product_view", "at": now,
            "props": {"product_id": product, "from": "home"}}  # fmt: skip
    batch = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-7{secrets.token_hex(2)[1:]}-8{secrets.token_hex(2)[1:]}"
    body = {"batch_id": f"{batch}-{secrets.token_hex(6)}", "sent_at": now, "events": [told]}
    assert shopper.post("/v1/me/events", body).ok(202)["accepted"] == 1


def absorb(owner: DataOwner, former: str, member: str) -> None:
    position: str | None = None
    while (position := owner.absorb(former, member, position)) is not None:
        pass


def test_what_two_members_did_is_what_one_has_done(operator: Operator, later: Any) -> None:
    keen = operator.post(
        "/v1/admin/segments",
        {"name": "看过三次", "rule": {"event": "product_view", "within_days": 30, "op": ">=", "count": 3}},
    ).ok(201)["segment_id"]
    operator.post("/v1/admin/tags", {"name": "茶友"}).ok(201)
    later(FENCE_MS / 1000 + 1)
    run_jobs()
    first, second = join(), join()
    former, member = member_id(first), member_id(second)
    for shopper, times in ((first, 1), (second, 2)):
        for number in range(times):
            looks_at(shopper, f"p{number}")
    operator.post(f"/v1/admin/members/{former}/tags", {"add": ["茶友"], "reason": "线下认识"}).ok()
    run_jobs()
    assert keen not in inside(member)
    count = len(moves(former, 100, None)[0]) + len(moves(member, 100, None)[0])

    remove(Members, (former, PROFILE))  # as a merge does first: nobody is the former member any more
    for _ in range(2):
        for owner in data_owners():
            absorb(owner, former, member)
        run_jobs()
    assert inside(member) == {"new", keen, *(one for one in inside(member) if one.startswith("tg"))}
    assert [(tag.name, tag.why) for tag in tags_of(member)] == [("茶友", "线下认识")]
    assert stored(former) is None
    since = clock.now() - timedelta(days=1)
    assert len(events.events_of(member, ["product_view"], since, clock.now())) == 3
    assert events.batches_of(former, 10) == []
    assert len(moves(member, 100, None)[0]) == count + 2  # and what follows from being one: the tag, and the segment
    check_lists([member])
