"""The crash sweep over what is known of members: a batch of events, the lists that follow, a look, a build, a tag, an
audience, an erasure.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
Then what is owed is done, and everything equals a recompute: nothing is counted twice, and nobody is left on a list.
"""

from __future__ import annotations

import contextlib
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chalicelib.core import settings
from chalicelib.core.errors import MallError
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.growth.segments.audiences import queries as audiences
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.traits.queries import stored
from local.client import Sandbox
from local.clock import LocalClock
from tests.support.outside import Outside, may_change
from tests.support.segment_mall import SegmentMall, batch, opened, traits_of
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

VIEW = {"product_id": "p1", "from": "home"}
#: After so many seconds an event of now has left the window of the rule, and the look at it is due.
_LOOK = 3600 + 20


@dataclass
class Play(World):
    """One member, in a mall where a rule, a nested one and a tag look at what members view."""

    mall: SegmentMall
    viewed: str
    nested: str
    tag: str
    member_id: str
    sent: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    made: str = ""

    def write_batch(self) -> None:
        self.sent = batch("product_view", **VIEW)

    def tell(self) -> None:
        self.mall.phone(self.member_id).post("/v1/me/events", self.sent)

    def told(self) -> None:
        self.write_batch()
        self.tell()

    def told_and_listed(self) -> None:
        self.told()
        self.work("segments.")

    def an_hour_later(self) -> None:
        self.told_and_listed()
        self.clock.advance(_LOOK)

    def follow(self) -> None:
        self.work("segments.")

    def nothing(self) -> None:
        """What is owed is done by itself."""

    def define(self) -> None:
        self.told_and_listed()
        self.made = self.mall.segment(
            {"event": "product_view", "where": {"product_id": "p1"}, "within_hours": 1, "op": ">=", "count": 1}
        )
        self.clock.advance(FENCE_MS / 1000 + 1)

    def give(self) -> None:
        body = {"add": [self.tag], "reason": "x"}
        self.operator.post(f"/v1/admin/members/{self.member_id}/tags", body)

    def ask(self) -> None:
        self.told_and_listed()
        self.clock.advance(1)
        self.key = secrets.token_hex(8)

    def list_them(self) -> None:
        self.operator.post("/v1/admin/audiences", {"rule": {"segment": self.viewed}}, key=self.key)

    def leave(self) -> None:
        try:
            privacy.erase(self.member_id)
        except MallError as fault:
            assert fault.code in ("unauthenticated", "unavailable")
        self.work("members.erase", "segments.")


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


def _counted_once(play: Play) -> None:
    traits = traits_of(play.member_id)
    assert max(len(ring) for ring in traits.rings.values()) == 1
    assert {play.viewed, play.nested} <= traits.inside.keys()


def _out_again(play: Play) -> None:
    assert {play.viewed, play.nested} & traits_of(play.member_id).inside.keys() == set()


def _built(play: Play) -> None:
    assert play.operator.get(f"/v1/admin/segments/{play.made}").ok()["state"] == "live"
    assert play.made in traits_of(play.member_id).inside
    play.operator.delete(f"/v1/admin/segments/{play.made}").ok(204)
    play.run_jobs(FENCE_MS / 1000 + 1)
    assert play.made not in traits_of(play.member_id).inside


def _tagged(play: Play) -> None:
    assert traits_of(play.member_id).tags[play.tag].why == "x"


def _listed(play: Play) -> None:
    made = play.operator.post("/v1/admin/audiences", {"rule": {"segment": play.viewed}}, key=play.key).ok(201)
    found, rest = audiences.listed(made["audience_id"], "", 500)
    assert (made["state"], rest, made["count"]) == ("made", None, len(found))
    assert len(set(found)) == len(found)
    assert play.member_id in found


def _gone(play: Play) -> None:
    assert stored(play.member_id) is None
    assert play.member_id not in play.mall.listed(play.viewed) | play.mall.listed("new")


FLOWS = [
    Flow("a build", Play.define, Play.follow, Play.nothing, _built),
    Flow("a batch", Play.write_batch, Play.tell, Play.tell, _counted_once),
    Flow("the lists", Play.told, Play.follow, Play.nothing, _counted_once),
    Flow("a look", Play.an_hour_later, Play.follow, Play.nothing, _out_again),
    Flow("a tag", Play.nothing, Play.give, Play.give, _tagged),
    Flow("an audience", Play.ask, Play.list_them, Play.list_them, _listed),
    Flow("an erasure", Play.told_and_listed, Play.leave, Play.leave, _gone),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    environment = settings._environment
    settings.use({**environment, "YUTANG_MEMBER_SHARDS": "1"})  # fewer parts of a build, each struck alike
    with opened("segment-sweep") as mall, pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_PAGE", 40)
        yield mall
    settings.use(environment)


@pytest.fixture(scope="module")
def named(world: SegmentMall) -> tuple[str, str, str]:
    """A segment of who viewed something within the hour, one that names it, and a tag by hand."""
    viewed = world.segment({"event": "product_view", "within_hours": 1, "op": ">=", "count": 1})
    nested = world.segment({"all": [{"segment": viewed}, {"life_cycle": ["new"]}]})
    _, tag = world.tag()
    world.built()
    return viewed, nested, tag


@pytest.fixture
def sweep(world: SegmentMall, named: tuple[str, str, str], outside: Outside) -> Sweep[Flow, Play]:
    def new_world(_: Flow) -> Play:
        held = cast(LocalClock, world.mall.clock)
        play = Play(
            world.operator.send, Sandbox("http://localhost:1"), held, world.operator, world, *named, world.member()
        )
        play.work("segments.")
        return play

    def check(flow: Flow, play: Play) -> None:
        flow.ends(play)
        assert world.segment_differences() == []
        assert dead_jobs() == []

    return Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_it_counts_once_and_lists_agree = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)


def test_in_a_storm_of_throttles_and_conflicts_everything_ends_alike(
    sweep: Sweep[Flow, Play], outside: Outside, world: SegmentMall
) -> None:
    plays = [(flow, sweep.new_world(flow)) for flow in FLOWS if flow.name != "a build"]
    for flow, play in plays:
        flow.before(play)
    before = totals(plays[0][1].viewed)
    outside.storm(0.25, random.Random(7))
    for flow, play in plays:
        with contextlib.suppress(MallError):
            flow.act(play)
    struck = outside.stormed
    outside.disarm()
    assert struck > 10
    for flow, play in plays:
        flow.again(play)
    plays[0][1].rest()
    assert totals(plays[0][1].viewed).entered >= before.entered
    assert world.segment_differences() == []
    assert dead_jobs() == []
