"""The crash sweep: whatever call to the outside goes wrong, and however, the mall heals by itself.

A flow is played with a fault at its k-th call for every k, in a world of its own each time. Then the shopper tries
again where a shopper would, time passes, the jobs run until none is owed any more, and everything must add up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
import pytest

from chalicelib.commerce.orders.checks import PaidRefund, Payment
from chalicelib.platform.jobs import declarations, queue
from chalicelib.platform.jobs.job import LEASE_SECONDS
from local.client import Operator, Sandbox, Transport
from local.clock import LocalClock
from tests.support.outside import POINTS, WEATHER, Crash, Mode, Outside, may_change
from tests.support.owed import run_due

#: In so many rounds of running what is due, or letting time pass where nothing is, a healthy mall comes to rest.
_ROUNDS_MAX = 40
#: The variable that names the one point to play, where a failure is looked into.
ALONE = "CRASH_POINT"


@dataclass
class World:
    """The mall in this process, WeChat beside it, and a clock that can be moved."""

    send: Transport
    sandbox: Sandbox
    clock: LocalClock
    operator: Operator

    def run_jobs(self, advance: float = 0) -> None:
        """Run what is due, `advance` seconds from now."""
        self.clock.advance(advance)
        self.work("")

    def work(self, *kinds: str) -> None:
        """Run what is due of the kinds that begin so, until nothing is."""
        assert all(any(kind.name.startswith(asked) for kind in declarations.kinds()) for asked in kinds), kinds
        run_due(*kinds)

    def rest(self) -> None:
        """Run jobs and let time pass until none is due, nor held by a dead worker, before a lease would be over."""
        for _ in range(_ROUNDS_MAX):
            waits = [wait for wait in run_due() if wait <= LEASE_SECONDS]
            if not waits:
                return
            self.clock.advance(max(0.0, *waits) + 0.1)
        raise AssertionError("the jobs do not come to rest")

    def books(self, order_ids: Sequence[str]) -> tuple[list[Payment], list[PaidRefund]]:
        """What WeChat has of these orders: their payments, and the refunds that were paid out."""
        told = self.sandbox.get("ledger?" + urlencode([("out_trade_no", order_id) for order_id in order_ids]))
        refunds = [one for one in told["refunds"] if one["state"] == "SUCCESS"]
        return msgspec.convert(told["payments"], list[Payment]), msgspec.convert(refunds, list[PaidRefund])


def dead_jobs() -> list[Any]:
    """The jobs that failed for good."""
    return queue.dead(10, None)[0]


_W = TypeVar("_W", bound=World)


@dataclass
class Steps(Generic[_W]):
    """What is done before, what is done under fire, and what people do about it."""

    name: str
    before: Callable[[_W], None]
    act: Callable[[_W], None]
    again: Callable[[_W], None]


_F = TypeVar("_F", bound=Steps[Any])


@dataclass
class Sweep(Generic[_F, _W]):
    """How flows of one kind are played: where, what is struck, and what must hold in the end."""

    outside: Outside
    new_world: Callable[[_F], _W]
    check: Callable[[_F, _W], None]
    counts: Callable[[str], bool]

    def at_every_point(self, flow: _F, mode: Mode) -> int:
        """Play it with a fault at every call that counts, one after the other; how many there were.

        Where only those count that may change something, to die before one of them is to die after the one before it:
        then it is enough to die before the first.
        """
        if alone := os.environ.get(ALONE):
            return int(self.play(flow, mode, int(alone)))
        points = 0
        while self.play(flow, mode, points + 1):
            points += 1
            if mode == "crash_before" and self.counts is may_change:
                break
        return points

    def play(self, flow: _F, mode: Mode, at: int | None) -> bool:
        """Play it with this fault, let everything heal, and check how it ended; False when there was no such call."""
        world = self.new_world(flow)
        flow.before(world)
        self.outside.arm(at, mode, self.counts)
        try:
            with contextlib.suppress(Crash):
                flow.act(world)
            calls, struck = list(self.outside.calls), self.outside.struck
        finally:
            self.outside.disarm()
        if not struck:
            return False
        try:
            flow.again(world)
            world.rest()
            self.check(flow, world)
        except BaseException as fault:
            fault.add_note(f"{flow.name}: {mode} at call {at} of {calls}; to play it alone: {ALONE}={at}")
            raise
        return True


def struck_once(flows: Sequence[Steps[Any]], sweep: str = "sweep") -> Callable[..., None]:
    """Make the test that strikes each flow at every call that counts, in each way; `sweep` names the fixture that plays
    them."""

    @pytest.mark.parametrize("mode", POINTS)
    @_each(flows)
    def test(
        flow: Steps[Any], mode: Mode, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
    ) -> None:
        points = request.getfixturevalue(sweep).at_every_point(flow, mode)
        assert points, "it makes no call that counts"
        record_property("crash points", points)

    made: Callable[..., None] = test
    return made


def struck_again_and_again(flows: Sequence[Steps[Any]], sweep: str = "sweep") -> Callable[..., None]:
    """Make the test that has every call of each flow fail at first, in each way."""

    @pytest.mark.parametrize("mode", WEATHER)
    @_each(flows)
    def test(flow: Steps[Any], mode: Mode, request: pytest.FixtureRequest) -> None:
        assert request.getfixturevalue(sweep).play(flow, mode, None), "it makes no call"

    made: Callable[..., None] = test
    return made


def _each(flows: Sequence[Steps[Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("flow", flows, ids=lambda flow: flow.name)
