"""What journeys and messages may cost: one write unit too many fails here. `python -m bench journeys` says what it is
(docs/bench.md)."""

from __future__ import annotations

import pytest

from bench.journeys import LATE_MS, WRITES, part
from bench.units import journeys
from bench.units.figures import ENROLLED, SENT, WOKEN, Doing, Journeys
from local.client import Operator, Sandbox, in_process
from local.clock import LocalClock
from tests.support.operators import owner_token

pytestmark = pytest.mark.slow

_MEMBERS = 100


@pytest.fixture(scope="module")
def measured(own_tables: None, sandbox: str, sandbox_clock: LocalClock) -> Journeys:
    from chalicelib.core import clock

    before = clock.use(sandbox_clock)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Operator, "arrive", lambda send: Operator(send, owner_token()))
        found = journeys.Bench(in_process(), Sandbox(sandbox), sandbox_clock).run(_MEMBERS)
    clock.use(before)
    return found


def written(doing: Doing) -> float:
    return (doing.step.writes + doing.step.index_writes) / doing.together


def test_each_step_writes_no_more_than_it_may(measured: Journeys) -> None:
    assert {doing.step.name for doing in measured.doings} == set(WRITES)
    assert {
        doing.step.name: written(doing) for doing in measured.doings if written(doing) > WRITES[doing.step.name]
    } == {}


def test_of_very_many_many_are_in_one_transaction_and_a_message_is_one_call(measured: Journeys) -> None:
    by_name = {doing.step.name: doing for doing in measured.doings}
    for name in (ENROLLED, WOKEN):
        assert by_name[name].step.transactions / by_name[name].together <= 1 / 10
    assert by_name[SENT].step.wechat == 1


def test_very_many_hold_up_no_refund(measured: Journeys) -> None:
    assert [one for one in measured.rush.late if one.most_ms > LATE_MS] == []
    assert f"{_MEMBERS} members come into a journey" in part(measured)
