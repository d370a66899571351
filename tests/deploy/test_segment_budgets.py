"""What segments may cost: one write unit too many fails here. `python -m bench` says what it is (docs/bench.md)."""

from __future__ import annotations

import pytest

from bench.segments import (
    BATCH_WRITES,
    BEFORE_JOBS,
    BEFORE_WRITES,
    LATE_MS,
    ORDER_JOBS,
    ORDER_WRITES,
    TRANSITION_WRITES,
    part,
)
from bench.units import segments
from bench.units.figures import Segments
from local.client import Operator, Sandbox, in_process
from local.clock import LocalClock
from tests.support.operators import owner_token

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured(own_tables: None, sandbox: str, sandbox_clock: LocalClock) -> Segments:
    from chalicelib.core import clock

    before = clock.use(sandbox_clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operator, "arrive", lambda send: Operator(send, owner_token()))
        found = segments.Bench(in_process(), Sandbox(sandbox), sandbox_clock).run(3, 100, 100)
    clock.use(before)
    return found


def test_a_batch_that_moves_nobody(measured: Segments) -> None:
    assert 2_500 <= measured.batch.bytes <= 3_500
    assert measured.batch.work.writes <= BATCH_WRITES


def test_a_member_whom_time_moves(measured: Segments) -> None:
    assert [one.name for one in measured.transitions if one.work.writes > TRANSITION_WRITES[one.name]] == []
    assert 1_700 <= measured.transitions[0].bytes <= 2_300


def test_an_order_and_whom_it_moves(measured: Segments) -> None:
    """What it moves its member through as it is paid, and as it is completed, is a transition each."""
    assert {one.moves for one in measured.orders} >= {0, 2, 3}
    for one in measured.orders:
        changes = 0 if not one.moves else 2 if one.number == 1 and one.moves > 2 else 1
        assert one.writes <= BEFORE_WRITES + ORDER_WRITES + changes * TRANSITION_WRITES["few orders"], one
        assert one.jobs <= BEFORE_JOBS + ORDER_JOBS, one
        assert one.moves or one.jobs == BEFORE_JOBS, one


def test_a_rule_over_everybody_reads_a_member_once(measured: Segments) -> None:
    assert measured.build.members >= 100
    assert measured.build.work.reads <= 1
    assert measured.tried.work.reads <= 1


def test_very_many_hold_up_nobody_else(measured: Segments) -> None:
    assert [one for one in measured.at_once.late if one.most_ms > LATE_MS] == []
    assert "20 events" in part(measured)
