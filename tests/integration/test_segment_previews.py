"""A rule that is tried: how many it is for, honestly, and however many members there are no more of them are read than
was said; also before anybody was counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.preview import queries as preview
from chalicelib.growth.segments.preview.rules import interval
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Task
from tests.support.segment_mall import SegmentMall, before_segments, opened

NEW = {"life_cycle": ["new"]}
BOUGHT = {"purchases": "count", "op": ">=", "value": 1}


class Reads:
    """How many ids, and how many members, the previews of a test have read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ids = self.members = 0
        everybody, stored_of = members.everybody, preview.stored_of

        def some(*asked: Any) -> tuple[list[str], str | None]:
            found, after = everybody(*asked)
            self.ids += len(found)
            return found, after

        def documents(member_ids: Sequence[str], **more: Any) -> Any:
            self.members += len(member_ids)
            return stored_of(member_ids, **more)

        patch.setattr(members, "everybody", some)
        patch.setattr(preview, "stored_of", documents)


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-previews") as mall:
        yield mall


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def bounds(monkeypatch: pytest.MonkeyPatch, *, exact: int, looked_through: int, drawn_from: int) -> None:
    monkeypatch.setattr(preview, "EXACT_MAX", exact)
    monkeypatch.setattr(preview, "_LOOKED_THROUGH_MAX", looked_through)
    monkeypatch.setattr(preview, "_DRAWN_FROM_MAX", drawn_from)
    monkeypatch.setattr(preview, "_IDS_PAGE", 2)


def tried(world: SegmentMall, rule: Any) -> dict[str, Any]:
    answer: dict[str, Any] = world.operator.post("/v1/admin/segments/preview", {"rule": rule}).ok()
    return answer


def crowd(world: SegmentMall) -> tuple[set[str], list[str]]:
    """Members from before there were segments: those of them who have bought, and all who are there."""
    with before_segments():
        people = [world.member() for _ in range(12)]
        for who in people[::2]:
            world.mall.buy(who, ("cup", 1))
    return set(people[::2]), preview._some(1000)


def test_before_anybody_is_counted_no_more_are_read_than_was_said(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyers, everybody = crowd(world)
    there = len(everybody)
    assert definitions.fresh().built == 0
    for most, is_exact in ((there, True), (there - 1, False), (8, False)):
        with monkeypatch.context() as patch:
            reads = Reads(patch)
            bounds(patch, exact=1000, looked_through=most, drawn_from=there)
            told = tried(world, BOUGHT)
            assert told["members"] == there
            assert (reads.ids, reads.members) == (there, most)
        if is_exact:
            assert told == {"members": there, "count": 6}
        else:
            assert "count" not in told and told["sample"] == most
            hits = len(buyers.intersection(preview._drawn(everybody, most)))
            assert tuple(told["estimate"].values()) == interval(hits, most, there)
    with monkeypatch.context() as patch:
        reads = Reads(patch)
        bounds(patch, exact=1000, looked_through=8, drawn_from=there - 1)
        # Of how many a sample would be nobody knows: nothing is made up.
        refused = world.operator.post("/v1/admin/segments/preview", {"rule": BOUGHT}).refused(422, "invalid")
        assert [(one["field"], one["code"]) for one in refused["errors"]] == [("rule", "members_uncounted")]
        assert (reads.ids, reads.members) == (there, 0)


def test_when_they_are_counted_a_sample_of_very_many_needs_no_ids(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch, reads: Reads
) -> None:
    there = len(preview._some(1000))
    building.look_after(Job("m0", "x", Task("segments.look_after", "")))
    world.built()
    world.mall.work()
    assert definitions.fresh().built == 1
    reads.ids = reads.members = 0
    bounds(monkeypatch, exact=there, looked_through=4, drawn_from=there)
    assert tried(world, BOUGHT) == {"members": there, "count": 6}
    assert (reads.ids, reads.members) == (there, there)
    bounds(monkeypatch, exact=there - 1, looked_through=4, drawn_from=there - 1)
    reads.ids = reads.members = 0
    told = tried(world, NEW)
    assert told["members"] == there and "count" not in told
    assert tuple(told["estimate"].values()) == interval(reads.members, told["sample"], there)  # all of them are new
    assert reads.ids == 0 and reads.members == told["sample"] < there
