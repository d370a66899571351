"""A definition that this version of the mall cannot read, as a later one wrote it before it was rolled back: what
happens goes on, nobody gets or loses anything by it, a person is told, and it is made up for once it can be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.coupons.centre import service as centre
from chalicelib.core import ids, log, metrics
from chalicelib.core.metrics import Metric
from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.jobs import READ_AGAIN
from chalicelib.growth.segments.tables import ALL, DEFINITION, Segments
from chalicelib.growth.segments.unreadable import service as unreadable
from chalicelib.platform.store import read
from chalicelib.platform.store.base import call
from local.jobs import all_jobs
from tests.support.coupons import fresh, template, told
from tests.support.segment_mall import SegmentMall, opened

BOUGHT = {"purchases": "count", "op": ">=", "value": 1}
#: What a later version may have written: a condition that is unknown here, and a part of another kind.
NEWER: dict[str, dict[str, Any]] = {
    "a condition": {"rule": {"weather": "rain"}},
    "a part": {"version": "one", "ttl_days": {"days": 3}},
}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segments-unreadable") as mall:
        yield mall


@contextlib.contextmanager
def rolled_back(segment_id: str, newer: dict[str, Any]) -> Iterator[None]:
    """What is stored of the definition is `newer`, until this version of the mall is rolled forward."""
    before = _text(segment_id)
    _store(segment_id, msgspec.json.encode(msgspec.json.decode(before) | newer).decode())
    yield
    _store(segment_id, before)


def _text(segment_id: str) -> str:
    raw = read.get_raw(Segments, ALL, DEFINITION + segment_id)
    assert raw is not None
    return str(raw["definition"]["S"])


def _store(segment_id: str, text: str) -> None:
    key = {"partition": {"S": ALL}, "part": {"S": DEFINITION + segment_id}}
    item = {**key, "definition": {"S": text}}
    call("PutItem", {"TableName": Segments.Meta.table_name, "Item": item})
    definitions.forget()


def sight() -> tuple[dict[str, Any], dict[str, Any]]:
    """What somebody looks at whom nobody else looks at, and a rule for who did."""
    product_id = ids.new("p")
    rule = {"event": "product_view", "where": {"product_id": product_id}, "within_days": 30, "op": ">=", "count": 1}
    return {"product_id": product_id, "from": "home"}, rule


def owed() -> list[str]:
    return [job.task.key for job in all_jobs() if job.task.kind == READ_AGAIN.name]


def views(world: SegmentMall, kind: str = "segments") -> dict[str, dict[str, Any]]:
    found = world.operator.get(f"/v1/admin/{kind}").ok()["items"]
    return {one.get("segment_id") or one["tag_id"]: one for one in found}


@pytest.mark.parametrize("newer", NEWER.values(), ids=NEWER)
def test_what_happens_goes_on_and_is_made_up_for(world: SegmentMall, newer: dict[str, Any]) -> None:
    inside, later, other_one = world.member(), world.member(), world.member()
    view, rule = sight()
    world.hear(inside, "product_view", **view)
    viewed, (tag_id, name) = world.segment(rule), world.tag(rule=rule)
    naming, other = world.segment({"not": {"segment": viewed}}), world.segment(BOUGHT)
    world.built()
    assert (world.listed(viewed), world.listed(tag_id)) == ({inside}, {inside})
    outside = world.listed(naming)
    with rolled_back(viewed, newer), rolled_back(tag_id, newer):
        for member_id in (later, inside):
            world.hear(member_id, "product_view", **view)
            world.mall.buy(member_id, ("cup", 1))
        joined = world.member()
        world.mall.wait(60)
        assert world.listed(other) >= {later, inside}  # the others are decided
        assert (world.listed(viewed), world.listed(tag_id)) == ({inside}, {inside})
        assert world.listed(naming) == outside and joined not in outside
        assert [world.is_in(viewed, one) for one in (inside, later)] == [True, False]
        profile = members.current(inside)
        assert profile is not None and profile.tags == [name]
        assert views(world)[viewed]["state"] == views(world)[naming]["state"] == "undecided"
        assert views(world, "tags")[tag_id]["state"] == "undecided"
        assert views(world)[other]["state"] == "live"
        assert {viewed, tag_id} <= set(owed())
        world.mall.wait(2 * unreadable.LOOK_SECONDS)  # it is read again, and again
        assert sorted(owed()) == sorted({viewed, tag_id})
        assert world.listed(viewed) == {inside}
    world.mall.wait(unreadable.LOOK_SECONDS)
    world.built()
    assert owed() == []
    assert world.listed(viewed) == world.listed(tag_id) == {inside, later}
    assert {other_one, joined} <= world.listed(naming) and not {inside, later} & world.listed(naming)
    assert views(world)[viewed]["state"] == "live"
    world.check()


def test_nothing_is_given_for_it_and_nothing_new_may_name_it(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.buy(member_id, ("cup", 1))
    bought, (tag_id, name) = world.segment(BOUGHT), world.tag()
    world.built()
    made = template(audience={"segments": [bought]}, limit_per_member=9, total=100)
    with rolled_back(bought, NEWER["a condition"]), rolled_back(tag_id, NEWER["a part"]):
        fresh()
        assert told(lambda: centre.claim(member_id, made.template_id)) == "not_for_you"
        admin = world.operator
        rule = {"segment": bought}
        refusals = [
            admin.post("/v1/admin/segments/preview", {"rule": rule}).refused(422, "rule_invalid"),
            admin.post("/v1/admin/audiences", {"segment_id": bought}, key="unreadable").refused(422, "invalid"),
        ]
        assert [one["errors"][0]["code"] for one in refusals] == ["segment_unreadable"] * 2
        body = {"add": [name], "remove": [], "reason": "常客"}
        admin.post(f"/v1/admin/members/{member_id}/tags", body).refused(422, "invalid")
        admin.put(f"/v1/admin/tags/{tag_id}", {"group": "g"}).refused(409, "conflict")
    fresh()
    assert told(lambda: centre.claim(member_id, made.template_id)) != "not_for_you"


def test_it_may_be_taken_away(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.buy(member_id, ("cup", 1))
    (tag_id, name), plain = world.tag(rule=BOUGHT), world.segment(BOUGHT)
    world.built()
    assert world.listed(tag_id) >= {member_id}
    key = DEFINITION + tag_id
    with contextlib.ExitStack() as stack:
        stack.enter_context(rolled_back(tag_id, NEWER["a part"]))
        # What cannot be read may name anything.
        refused = world.operator.delete(f"/v1/admin/segments/{plain}").refused(409, "in_use")
        assert refused["users"] == [f"segment:{tag_id}"]
        world.operator.delete(f"/v1/admin/tags/{tag_id}").ok(204)
        stack.pop_all()
    assert read.get_raw(Segments, ALL, key) is None
    world.built()
    profile = members.current(member_id)
    assert profile is not None and name not in profile.tags
    world.mall.wait(unreadable.LOOK_SECONDS)
    assert owed() == []
    world.check()


def test_a_person_is_told_once_of_each_state(world: SegmentMall, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    counted: list[Metric] = []
    monkeypatch.setattr(log, "error", lambda event, *_, **__: lines.append(event))
    monkeypatch.setattr(metrics, "add", lambda metric, *_, **__: counted.append(metric))
    segment_id = world.segment(BOUGHT)
    with rolled_back(segment_id, NEWER["a condition"]):
        for _ in range(3):
            definitions.fresh()
        definitions.book()
        assert (lines, counted) == (["definition_unreadable"], [Metric.DEFINITIONS_UNREADABLE])
        world.segment(BOUGHT)
        definitions.fresh()
        assert len(lines) == len(counted) == 2
