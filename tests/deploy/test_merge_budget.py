"""What it may cost that two members become one: one write unit too many fails here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from bench.merges import MERGE_WRITES
from bench.units import merges
from bench.units.figures import Merged
from bench.units.recorder import Recorder
from local.client import Client, Operator, Sandbox, in_process
from local.clock import LocalClock
from tests.support.operators import owner_token

pytestmark = pytest.mark.slow


class Units(NamedTuple):
    """Round trips, read units and write units."""

    trips: int
    reads: float
    writes: float


@pytest.fixture(scope="module")
def measured(own_tables: None, sandbox: str, sandbox_clock: LocalClock) -> Merged:
    from chalicelib.core import clock

    before = clock.use(sandbox_clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operator, "arrive", lambda send: Operator(send, owner_token()))
        found = merges.Bench(in_process(), Sandbox(sandbox), sandbox_clock).run()
    clock.use(before)
    return found


def test_a_member_of_200_orders_becomes_another(measured: Merged) -> None:
    assert (measured.orders, measured.commissions, measured.batches) == (100, 50, 90)
    assert sum(measured.writes.values()) <= MERGE_WRITES, measured


def test_what_is_looked_for_again_later_costs_next_to_nothing(measured: Merged) -> None:
    assert measured.writes["the last run"] <= 30, measured


@pytest.fixture
def stranger(own_tables: None, sandbox: str, sandbox_clock: LocalClock) -> Iterator[Callable[..., Units]]:
    """Logs in somebody new, or whom WeChat knows by that name, and gives what that costs, with its round trips."""
    from chalicelib.core import clock

    before, send, wechat = clock.use(sandbox_clock), in_process(), Sandbox(sandbox)

    def log_in(user: str, **more: Any) -> Units:
        code = wechat.post("login", {"user": user, **more})["code"]
        with Recorder().recording() as trips:
            Client(send).post("/v1/auth/login", {"code": code}).ok()
        units = [(trip.units.reads, trip.units.writes) for trip in trips]
        return Units(len(trips), sum(one for one, _ in units), sum(one for _, one in units))

    yield log_in
    clock.use(before)


def test_a_unionid_costs_a_first_login_next_to_nothing_and_others_nothing(stranger: Callable[..., Units]) -> None:
    stranger("first", unionid=None)  # what a process remembers from then on
    plain, known = stranger("plain", unionid=None), stranger("plain", unionid=None)
    told, again = stranger("told"), stranger("told")
    assert told.trips == plain.trips
    assert told.reads <= plain.reads + 1
    assert told.writes <= plain.writes + 2
    assert again == known
