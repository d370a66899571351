"""The crash sweep over runs of journeys: coming in, going on with each effect, hearing of something, waking, a coupon,
a message's end, a merge and an erasure.

Each with a fault at its k-th call that may change something, for every k, and once with every call failing at first.
Then what is owed is done: each effect has come once, nobody is lost, and everything equals a recompute.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.erasing.service import erase
from chalicelib.growth.journeys.limits.queries import received
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.observing.service import tell
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.settings import JOURNEYS, JourneyRules
from chalicelib.growth.messaging.ports import results
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.growth.segments.tags import queries as tagged
from chalicelib.platform.store import tools
from chalicelib.platform.store.transaction import Transaction
from local.client import Sandbox
from local.clock import LocalClock
from tests.support.coupons import template
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, message_template, messages_to, opened
from tests.support.merging import redirect
from tests.support.outside import Outside, may_change
from tests.support.sweep import Steps, Sweep, World, dead_jobs, struck_again_and_again, struck_once

_HOUR = 3600


@dataclass
class Named:
    """Two journeys, the second of which the first leads into, and what the first does."""

    journey_id: str
    other: str
    coupon: str
    tag: str


@dataclass
class Play(World):
    """One member, and another who turns out to be the same person."""

    mall: JourneyMall
    named: Named
    member_id: str
    former: str

    def nothing(self) -> None:
        """What is owed is done by itself."""

    def enter(self) -> None:
        self.mall.enter(self.named.journey_id, self.member_id, cause="c")

    def inside(self) -> None:
        self.enter()
        self.work("journeys.")

    def hear(self) -> None:
        tx = Transaction()
        tell(tx, self.member_id, [Heard(f"view|{self.member_id}", "cart_view", clock.now())])
        with contextlib.suppress(MallError):
            tx.commit()
        self.follow()

    def heard(self) -> None:
        self.inside()
        self.clock.advance(1)
        self.hear()

    def follow(self) -> None:
        self.work("journeys.")

    def time_over(self) -> None:
        self.inside()
        self.clock.advance(_HOUR + 20)

    def to_coupon(self) -> None:
        self.inside()
        self.clock.advance(1)
        tx = Transaction()
        tell(tx, self.member_id, [Heard(f"view|{self.member_id}", "cart_view", clock.now())])
        tx.commit()
        self.work("journeys.hear")

    def to_message(self) -> None:
        self.to_coupon()
        self.work("journeys.")

    def told(self) -> None:
        message = next(one for one in messages_to(self.member_id) if one.run)
        tx = Transaction()
        results().ended(tx, msgspec.structs.replace(message, state="sent"))
        with contextlib.suppress(MallError):
            tx.commit()
        self.work("journeys.")

    def both_inside(self) -> None:
        self.inside()
        self.mall.enter(self.named.journey_id, self.former)
        self.mall.enter(self.named.other, self.former)
        self.work("journeys.")
        redirect(self.former, self.member_id)

    def merge(self) -> None:
        with contextlib.suppress(MallError):
            absorb_all(self.former, self.member_id)

    def erase(self) -> None:
        with contextlib.suppress(MallError):
            erase(self.member_id)

    @property
    def run(self) -> Run:
        """The member's run of the first journey that goes on, or else the only one."""
        runs = runs_of(self.member_id, self.named.journey_id)
        return next((one for one in runs if one.state != "ended"), runs[0])


@dataclass
class Flow(Steps[Play]):
    """And what must have come of it."""

    ends: Callable[[Play], None]


def _in(play: Play) -> None:
    assert (play.run.step, play.run.state) == ("listen", "active")
    assert len(messages_to(play.member_id)) == 1
    assert [name for name, _ in tagged.tags_of(play.member_id)] == [play.named.tag]
    assert sum(item.task.member_id == play.member_id for item in tools.scan(Tasks)) == 1
    assert [one.entered_by for one in runs_of(play.member_id, play.named.other)] == ["enter"]


def _given(play: Play) -> None:
    _passed(play)
    assert play.mall.coupons(play.member_id) == [play.named.coupon]
    assert len(received(play.member_id).value.coupons) == 1


def _passed(play: Play) -> None:
    assert play.run.step == "say"
    assert sum(bool(one.run) for one in messages_to(play.member_id)) == 1


def _late(play: Play) -> None:
    assert (play.run.state, play.run.reason) == ("ended", "late")
    assert play.mall.coupons(play.member_id) == []


def _said(play: Play) -> None:
    assert (play.run.state, play.run.reason, play.run.last) == ("ended", "done", "sent")


def _one(play: Play) -> None:
    assert runs_of(play.former) == []
    mine = runs_of(play.member_id, play.named.journey_id)
    assert sorted(one.reason for one in mine) == ["", "merged"]
    assert sum(one.state == "active" for one in runs_of(play.member_id, play.named.other)) == 1


def _gone(play: Play) -> None:
    assert runs_of(play.member_id) == []


FLOWS = [
    Flow("coming in", Play.nothing, Play.enter, Play.enter, _in),
    Flow("the effects of coming in", Play.nothing, Play.inside, Play.enter, _in),
    Flow("hearing", Play.inside, Play.hear, Play.hear, _given),
    Flow("a coupon", Play.to_coupon, Play.follow, Play.nothing, _given),
    Flow("a wake", Play.time_over, Play.follow, Play.nothing, _late),
    Flow("a message's end", Play.to_message, Play.told, Play.told, _said),
    Flow("a merge", Play.both_inside, Play.merge, Play.merge, _one),
    Flow("an erasure", Play.inside, Play.erase, Play.erase, _gone),
]


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-sweep") as mall:
        JOURNEYS.change(JourneyRules(grants_max=200))
        yield mall


@pytest.fixture(scope="module")
def named(world: JourneyMall) -> Named:
    coupon = template(how=["journey"], total=10_000, limit_per_member=100).template_id
    said = message_template()
    message = {"purpose": "service", "template": said}
    _, tag = world.tag()
    other = world.journey({"rest": {"wait": {"days": 300}}})
    steps: dict[str, Any] = {
        "greet": {"message": message, "next": "mark"},
        "mark": {"tag": tag, "next": "ask"},
        "ask": {"task": {"title": "回访"}, "next": "also"},
        "also": {"enter": {"journey": other}, "next": "listen"},
        "listen": {
            "wait_for": {"event": "cart_view", "timeout": {"hours": 1}, "then": "give", "on_timeout": "late"},
        },
        "give": {"grant": {"template": coupon}, "next": "say"},
        "say": {"message": {**message, "on_skip": "wait"}},
        "late": {"exit": {"reason": "late"}},
    }
    return Named(world.journey(steps), other, coupon, tag)


@pytest.fixture
def sweep(world: JourneyMall, named: Named, outside: Outside) -> Sweep[Flow, Play]:
    def new_world(_: Flow) -> Play:
        held = cast(LocalClock, world.mall.clock)
        people = bare_member(), bare_member()
        play = Play(
            world.operator.send, Sandbox("http://localhost:1"), held, world.operator, world, named, *people
        )  # fmt: skip
        play.work("segments.")
        return play

    def check(flow: Flow, play: Play) -> None:
        flow.ends(play)
        assert world.journey_differences() == []
        assert [one for one in dead_jobs() if one.task.kind.startswith("journeys.")] == []

    return Sweep(outside, new_world, check, may_change)


test_wherever_it_is_struck_each_effect_comes_once = struck_once(FLOWS)
test_when_every_call_fails_at_first_it_ends_alike = struck_again_and_again(FLOWS)


def test_in_a_storm_of_throttles_and_conflicts_everything_ends_alike(
    sweep: Sweep[Flow, Play], outside: Outside, world: JourneyMall
) -> None:
    plays = [(flow, sweep.new_world(flow)) for flow in FLOWS]
    for flow, play in plays:
        flow.before(play)
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
    for flow, play in plays:
        if flow.name not in ("a merge", "an erasure", "a message's end"):
            assert runs_of(play.member_id)
    assert world.journey_differences() == []
