"""Time moves members at its instants: a look that is lost, comes too soon or fails keeps nobody where they were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.membership import queries as looks
from chalicelib.growth.segments.membership import service as membership
from chalicelib.growth.segments.traits.queries import stored_of
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Task
from tests.support.segment_mall import DAY, SegmentMall, before_segments, opened

VIEW: dict[str, Any] = {"product_id": "p1", "from": "home"}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-looks") as mall:
        yield mall


def test_a_look_that_was_lost_is_made_up_for_by_night(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.work()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "_look", lambda *_: None)  # its job ends, and nothing is done
        world.mall.wait(31 * DAY)
    assert member_id in world.listed("new")
    building.look_after(Job("m0", "x", Task("segments.look_after", "")))
    world.check()
    assert member_id in world.listed("silent")


def test_who_was_written_a_moment_before_the_look_is_looked_at_when_the_index_knows_of_it(world: SegmentMall) -> None:
    segment_id = world.live({"event": "product_view", "within_hours": 1, "op": ">=", "count": 1})
    member_id = world.member()
    world.mall.work()
    world.mall.clock.advance(20.0 - clock.now().timestamp() % 15.0)  # the look is 10 s away
    world.hear(member_id, "product_view", ago=timedelta(minutes=59, seconds=57), **VIEW)
    world.mall.work()
    assert member_id in world.listed(segment_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looks, "due_in", lambda *_: ([], None))  # the index is behind
        world.mall.wait(10.5)
    assert member_id in world.listed(segment_id)
    world.mall.wait(15)
    assert member_id not in world.listed(segment_id)
    world.check()


def test_one_member_of_whom_nothing_can_be_decided_keeps_nobody_waiting(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [world.member() for _ in range(6)]
    with before_segments():
        early = [world.member() for _ in range(2)]
    broken = {people[0], early[0]}
    advance, find = membership.advance, building.restored

    def fails(book: Any, traits: Any, *rest: Any) -> Any:
        if traits.member_id in broken:
            raise ArithmeticError
        return advance(book, traits, *rest)

    def finds(member_id: str, book: Any) -> Any:
        if member_id in broken:
            raise ArithmeticError
        return find(member_id, book)

    with monkeypatch.context() as patch:
        patch.setattr(membership, "advance", fails)
        patch.setattr(building, "restored", finds)
        made = world.segment({"days_since": "joined", "op": "<=", "days": 3})
        world.built()
        assert world.operator.get(f"/v1/admin/segments/{made}").ok()["state"] == "live"
        assert world.listed(made) & {*people, *early} == {*people, *early} - broken
        world.mall.clock.advance(3 * DAY)
        assert membership.settle_all([one for one in stored_of(people) if one is not None]) == [people[0]]
        assert world.listed(made) & set(people) == set()
    world.mall.wait(700)
    assert world.listed(made) & {*people, *early} == set()
    world.check()
