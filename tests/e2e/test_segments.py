"""Segments from outside: what members are shown, the lists and the counts, as the clock is moved by random spans and to
the millisecond, are what anybody finds in the members' exports.

SEGMENT_MEMBERS (24), SEGMENT_JUMPS (4), SEGMENT_HALTS (20) and SEGMENT_SEED choose how long it goes on, and with what.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.client import PATIENCE_SECONDS, Control, Operator, Sandbox, poll
from local.clock import LocalClock
from local.mall import Mall
from tests.support.segment_crowd import Crowd, Person, joiner

MEMBERS = int(os.environ.get("SEGMENT_MEMBERS", "24"))
JUMPS = int(os.environ.get("SEGMENT_JUMPS", "4"))
#: Of one jump, at instants at which time alone changes something.
HALTS = int(os.environ.get("SEGMENT_HALTS", "20"))
SEED = int(os.environ.get("SEGMENT_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture
def member_token(mall: Mall) -> Callable[[str], str]:
    """A token of a member for as long as a test moves the clock."""
    from chalicelib.core import clock, settings  # only now: tables are named after the environment
    from chalicelib.platform.web import tokens

    def token(member_id: str) -> str:
        here, now = settings._environment, clock.from_ms(int(LocalClock(mall.clock_file)() * 1000))
        settings.use(mall.environment)
        try:
            return tokens.issue("member", member_id, now + timedelta(days=3650), now)
        finally:
            settings.use(here)

    return token


class Watch:
    """Whoever holds what the mall says against what the exports say."""

    def __init__(self, crowd: Crowd, operator: Operator, control: Control, clock: LocalClock) -> None:
        self.crowd, self.operator, self.control, self.clock = crowd, operator, control, clock
        self.chance = crowd.chance
        self.compared = self.halts = 0
        self.slowest = 0.0

    def now(self) -> int:
        return int(self.clock() * 1000)

    def members_are_exact(self) -> None:
        """What each member is shown at one instant, at which the time stands still."""
        with self.clock.standing():
            for person in self.crowd.people:
                self.is_exact(person)

    def is_exact(self, person: Person) -> None:
        """What the member is shown while the time stands still."""
        shown, wanted = self.shown(person), self.wanted(person)
        assert shown == wanted, (SEED, person.shopper.member_id, self.now(), shown, wanted)
        self.compared += len(self.crowd.defined.segments)

    def shown(self, person: Person) -> tuple[str, set[str], list[str]]:
        """What the member is shown. Of who has an order or a refund under way the export is read again behind it, for a
        job may change that meanwhile."""
        while True:
            before = person.exported
            me = person.shopper.get("/v1/me").ok()
            if not before.moves or person.read().orders == before.orders:
                return me["segment"], {one["segment_id"] for one in me["segments"]}, me["tags"]

    def wanted(self, person: Person) -> tuple[str, set[str], list[str]]:
        exported, defined, now = person.exported, self.crowd.defined, self.now()
        own = {one for one in exported.inside(defined, now) if one.startswith("sg")}
        return exported.life_cycle(now), own, exported.tags(defined, now)

    def lists_follow(self) -> None:
        """Within a minute the lists are exact, too; and a count is that of its list whenever nothing is due."""
        began = time.monotonic()
        while not self._lists_are_exact():
            assert time.monotonic() < began + PATIENCE_SECONDS, (SEED, self.differences)
            time.sleep(0.2)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def _lists_are_exact(self) -> bool:
        self.differences: Any = self.control.status()
        if self._is_due():
            return False
        with self.clock.standing():
            if self._is_due():
                return False
            own = {person.shopper.member_id: person for person in self.crowd.people}
            for person in own.values():
                if person.exported.moves:
                    person.read()
            inside = {who: person.exported.inside(self.crowd.defined, self.now()) for who, person in own.items()}
            self.differences = []
            for segment_id in self.crowd.defined.segments:
                path = f"/v1/admin/segments/{segment_id}"
                listed = [one["member_id"] for one in self.operator.items(f"{path}/members")]
                counted = self.operator.get(path).ok()["count"]
                wanted = {who for who, segments in inside.items() if segment_id in segments}
                found = {who for who in listed if who in own}
                if self._is_due():
                    return False  # a job has come meanwhile
                assert len(listed) == len(set(listed)) == counted, (SEED, segment_id, len(listed), counted)
                self.differences += [(segment_id, who) for who in found ^ wanted]
            return not self.differences

    def _is_due(self) -> bool:
        status = self.control.status()
        return bool(status["jobs"]["due"] or status["segments"]["due"])

    def passes(self, seconds: float) -> None:
        """Let so much time pass, with halts at instants at which time alone changes the segments of somebody: as late
        as nothing has changed, and a millisecond later."""
        end = self.now() + int(seconds * 1000)
        edges = [
            (edge, person)
            for person in self.crowd.people
            for edge in person.exported.edges(self.crowd.defined, self.now() + 10_000, end)
        ]
        for edge, person in sorted(self.chance.sample(edges, min(HALTS, len(edges))), key=lambda one: one[0]):
            if edge > self.now():  # two may be within the time that it takes to look
                with self.clock.standing((edge + 0.5) / 1000):
                    self.is_exact(person)
                    self.clock.advance(0.001)
                    self.is_exact(person)
                self.halts += 1
        self.clock.advance(max(0, end - self.now()) / 1000)


def test_members_lists_and_counts_are_what_the_exports_say_at_every_instant(
    mall: Mall, wechat: Sandbox, operator: Operator, control: Control, member_token: Callable[[str], str]
) -> None:
    chance, clock = random.Random(SEED), LocalClock(mall.clock_file)
    crowd = Crowd(mall.api_url, operator, clock, chance)
    crowd.arrive(MEMBERS, joiner(mall.api_url, wechat, member_token))
    crowd.act(crowd.people, 2)
    crowd.define()
    crowd.act(chance.sample(crowd.people, MEMBERS // 4), 1)  # while everybody is looked at for what was defined
    control.run_jobs(advance=36)
    poll(
        lambda: all(operator.get(f"/v1/admin/segments/{one}").ok()["state"] == "live" for one in crowd.defined.segments)
    )

    watch = Watch(crowd, operator, control, clock)
    watch.members_are_exact()
    watch.lists_follow()
    for _ in range(JUMPS):
        watch.passes(chance.uniform(60, 12 * 86_400))
        watch.members_are_exact()
        crowd.act(chance.sample(crowd.people, max(2, MEMBERS // 10)), 2)
        watch.members_are_exact()
        clock.advance(16)  # who is due is looked at by the quarter of a minute
        watch.lists_follow()
    print(
        f"{watch.compared} comparisons, {watch.halts} to the millisecond, lists after {watch.slowest:.1f} s at most, "
        f"seed {SEED}"
    )
