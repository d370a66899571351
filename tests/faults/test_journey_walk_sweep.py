"""The crash sweep over what operators do with journeys: to publish one, to let members in, to take those up again who
stood still, to let them leave, to take them over into another version.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
Then what is owed is done: nobody is lost, nothing was done twice, and everything equals a recompute.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.checks import audit
from chalicelib.growth.journeys.definitions import service as defining
from chalicelib.growth.journeys.enrolling import queries as enrolments
from chalicelib.growth.journeys.enrolling import service as enrolling
from chalicelib.growth.journeys.inputs import EnterInput, JourneyInput, MigrateInput
from chalicelib.growth.journeys.jobs import MOVE
from chalicelib.growth.journeys.moving import queries as moves
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.tables import JOURNEY_SHARDS
from chalicelib.growth.journeys.taking_over import service as taking_over
from chalicelib.growth.segments.audiences import service as audiences
from chalicelib.growth.segments.inputs import AudienceInput
from chalicelib.platform.jobs import worker
from local.client import Sandbox
from local.clock import LocalClock
from local.jobs import all_jobs
from tests.support.distribution import bare_member
from tests.support.journey_mall import BY_HAND, JourneyMall, opened
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once
from tools import growth_books

_HOUR = 3600
FIRST = {"rest": {"wait": {"hours": 1}, "next": "more"}, "more": {"wait": {"hours": 100}}}
THEN = {"more": {"wait": {"hours": 50}}}


@dataclass
class Play(World):
    """A journey, and two members who are in it or are to come in."""

    mall: JourneyMall
    members: tuple[str, str]
    journey_id: str = ""
    audience_id: str = ""
    key: str = field(default_factory=lambda: ids.new("k"))

    def nothing(self) -> None:
        """What is owed is done by itself."""

    def drafted(self) -> None:
        asked = JourneyInput(name="旅程", entry=BY_HAND, steps=FIRST, first="rest")
        self.journey_id = defining.create(asked, "zh").journey_id

    def publish(self) -> None:
        with contextlib.suppress(MallError):
            defining.publish(self.journey_id, "anna")

    def published(self) -> None:
        self.drafted()
        self.publish()

    def listed(self) -> None:
        self.published()
        made = audiences.create("anna", self.key, AudienceInput(members=list(self.members)))
        self.audience_id = made.audience_id

    def enrol(self) -> None:
        with contextlib.suppress(MallError):
            enrolling.enrol(self.journey_id, "anna", self.key, EnterInput(members=list(self.members)))

    def enrol_audience(self) -> None:
        with contextlib.suppress(MallError):
            enrolling.enrol(self.journey_id, "anna", self.key, EnterInput(audience_id=self.audience_id))
        self.work("journeys.enrol")

    def inside(self) -> None:
        self.published()
        self.mall.enter(self.journey_id, *self.members)
        self.work("journeys.")

    def parked(self) -> None:
        self.inside()
        defining.pause(self.journey_id)
        self.clock.advance(_HOUR + 20)
        self.work("journeys.")
        assert [run.state for run in self.runs] == ["parked", "parked"]

    def changed(self) -> None:
        self.inside()
        asked = JourneyInput(name="旅程", entry=BY_HAND, steps=THEN, first="more")
        defining.change_draft(self.journey_id, asked, "zh")
        defining.publish(self.journey_id, "anna")

    def resume(self) -> None:
        with contextlib.suppress(MallError):
            defining.resume(self.journey_id, "anna")
        self.walk()

    def leave(self) -> None:
        with contextlib.suppress(MallError):
            defining.end(self.journey_id, "exit", "anna")
        self.walk()

    def take_over(self) -> None:
        with contextlib.suppress(MallError):
            asked = MigrateInput(version=1, mapped={"rest": "more"})
            taking_over.migrate(self.journey_id, asked, "anna")
        self.walk()

    def walk(self) -> None:
        """Walk through the shard of the first member: the others are walked through alike."""
        shard = ids.shard(self.members[0], JOURNEY_SHARDS)
        due = clock.stamp(clock.now())
        for job in all_jobs():
            named = f"|{job.task.kind}|{self.journey_id}|"
            if job.task.kind == MOVE.name and named in job.due and job.due <= due and job.due.endswith(f"|{shard}"):
                worker.run_one(job)

    @property
    def runs(self) -> list[Run]:
        """Their runs."""
        return [self.mall.run(one, self.journey_id) for one in self.members]


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


def _published(play: Play) -> None:
    books.forget()  # who died had not yet
    journey = books.find(play.journey_id).journey
    assert (journey.state, journey.version, journey.draft) == ("live", 1, None)
    assert books.version(play.journey_id, 2) is None
    assert play.mall.enter(play.journey_id, play.members[0]) == ["entered"]


def _enrolled(play: Play) -> None:
    assert [run.step for run in play.runs] == ["rest", "rest"]
    told = enrolments.progress(play.journey_id, ids.derived("je", play.journey_id, "anna", play.key))
    assert (told.state, told.entered, told.refused) == ("done", 2, {})
    assert play.mall.counted(play.journey_id)["entered"] == 2


def _resumed(play: Play) -> None:
    assert [(run.state, run.step) for run in play.runs] == [("active", "more")] * 2
    assert play.mall.counted(play.journey_id).get("parked", 0) == 0


def _left(play: Play) -> None:
    assert [(run.state, run.reason) for run in play.runs] == [("ended", "journey_ended")] * 2
    assert play.mall.counted(play.journey_id)["ended|journey_ended"] == 2


def _taken_over(play: Play) -> None:
    assert [(run.version, run.step) for run in play.runs] == [(2, "more")] * 2
    assert play.mall.counted(play.journey_id, 1).get("entered", 0) == 0
    assert play.mall.counted(play.journey_id, 2)["entered"] == 2
    move = moves.latest(play.journey_id, "version")
    assert move is not None and moves.is_done(move)
    assert moves.counted(move) == {"mapped|rest": 2}


FLOWS = [
    Flow("publishing", Play.drafted, Play.publish, Play.publish, _published),
    Flow("letting members in", Play.published, Play.enrol, Play.enrol, _enrolled),
    Flow("letting an audience in", Play.listed, Play.enrol_audience, Play.enrol_audience, _enrolled),
    Flow("taking up again", Play.parked, Play.resume, Play.resume, _resumed),
    Flow("leaving", Play.inside, Play.leave, Play.leave, _left),
    Flow("taking over", Play.changed, Play.take_over, Play.take_over, _taken_over),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-walk-sweep") as mall:
        yield mall


@pytest.fixture
def sweep(world: JourneyMall, outside: Outside) -> Sweep[Flow, Play]:
    def new_world(_: Flow) -> Play:
        held = cast(LocalClock, world.mall.clock)
        members = bare_member(), bare_member()
        play = Play(world.operator.send, Sandbox("http://localhost:1"), held, world.operator, world, members)
        play.work("segments.")
        return play

    def check(flow: Flow, play: Play) -> None:
        flow.ends(play)
        assert audit(growth_books.journeys()) == []
        assert [one for one in dead_jobs() if one.task.kind.startswith("journeys.")] == []

    return Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_nobody_is_lost = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)
