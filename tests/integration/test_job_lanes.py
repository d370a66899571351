"""Jobs that call WeChat hold up no others; and those inside are run at their second, by one who looks ahead."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

import app
from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID, COMPLETE, CONFIRMED, PUSH_REFUND, RECEIVE, REPORT_SHIPPING
from chalicelib.core import clock
from chalicelib.core import settings as core
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import INSIDE, LANES, OUTSIDE, Event, Kind, Lane
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.tables import DEAD
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from infra import functions, permissions
from local.clock import LocalClock
from local.worker import Worker, control
from tests.support.jobs import Work, counts, exhausted, fail, hears, later, new_event, stored, taken

pytestmark = pytest.mark.usefixtures("no_jobs")

WINDOW = 65.0


@pytest.fixture
def naps(mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping moves the mall's clock and takes no time; how long each nap was."""
    taken: list[float] = []

    def sleep(seconds: float) -> None:
        taken.append(seconds)
        mall_clock.advance(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    monkeypatch.setattr(clock, "monotonic", mall_clock)
    return taken


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Each query that was sent: whether it was a consistent one."""
    sent: list[bool] = []
    send = read.call

    def counted(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        sent.append(arguments.get("ConsistentRead", False))
        return send(operation, arguments)

    monkeypatch.setattr(read, "call", counted)
    return sent


def lanes() -> list[Lane]:
    """The lane of each stored job, soonest first."""
    return [Lane(job.shard[0]) for job in stored()]


# Lanes.


def test_a_kind_has_the_lane_that_its_handler_declares() -> None:
    Work().owe("a", run_at=later(1))
    Work(lane=OUTSIDE).owe("a", run_at=later(2))
    assert lanes() == [INSIDE, OUTSIDE]
    assert counts() == (0, 2, 0)


@pytest.mark.parametrize(
    ("kind", "lane"),
    [(CLOSE_UNPAID, OUTSIDE), (REPORT_SHIPPING, OUTSIDE), (PUSH_REFUND, OUTSIDE), (RECEIVE, INSIDE),
     (COMPLETE, INSIDE), (CONFIRMED.kind, INSIDE), (REINDEX_PRODUCT, INSIDE)],
)  # fmt: skip
def test_what_calls_wechat_is_outside(kind: Kind, lane: Lane) -> None:
    tx = Transaction()
    schedule(tx, kind, "nothing", later(600))
    tx.commit()
    assert lanes() == [lane]


def test_a_worker_runs_only_the_lanes_that_it_works_on_and_both_unless_told_inside_first() -> None:
    order: list[str] = []
    inside, outside = Work(lambda _: order.append("inside")), Work(lambda _: order.append("outside"), OUTSIDE)

    def owe() -> None:
        outside.owe("a")
        inside.owe("a")

    owe()
    assert (worker.run_due(lanes=[INSIDE]), order) == (1, ["inside"])
    assert (worker.run_due(lanes=[INSIDE]), worker.run_due(lanes=[OUTSIDE])) == (0, 1)
    order.clear()
    owe()
    assert (worker.run_due(), order) == (2, ["inside", "outside"])


def test_while_wechat_does_not_answer_the_other_lane_is_worked() -> None:
    begun, answered = threading.Event(), threading.Event()

    def wait(_: Job) -> None:
        begun.set()
        assert answered.wait(30)

    calls, inside = Work(wait, OUTSIDE), Work()
    calls.owe(*(f"c{n}" for n in range(5)))
    inside.owe(*(f"i{n}" for n in range(20)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.run_due, lanes=[OUTSIDE])
        try:
            assert begun.wait(30)
            assert worker.run_due(lanes=[INSIDE]) == 20
            assert (len(inside.ran), len(calls.ran)) == (20, 1)
        finally:
            answered.set()
        assert waiting.result(30) == 5


def test_one_that_failed_or_asked_for_later_comes_again_in_its_lane() -> None:
    def not_yet(_: Job) -> None:
        raise RetryLater(30)

    Work(fail, OUTSIDE).owe("a")
    Work(not_yet, OUTSIDE).owe("a")
    Work(fail).owe("a")
    assert worker.run_due() == 3
    assert (sorted(lanes()), counts()) == ([OUTSIDE, OUTSIDE, INSIDE], (0, 3, 0))


@pytest.mark.parametrize("lane", LANES)
def test_a_dead_job_is_revived_in_its_lane(lane: Lane, mall_clock: LocalClock) -> None:
    work = Work(fail, lane)
    work.owe("a")
    exhausted(mall_clock)
    (dead,) = stored()
    assert dead.shard == DEAD
    work.act = lambda _: None
    queue.revive(dead.due)
    assert (lanes(), stored()[0].at_once) == ([lane], True)
    assert (worker.run_due(lanes=[lane]), counts()) == (1, (0, 0, 0))


def tell(event: Event) -> None:
    tx = Transaction()
    emit(tx, event, "a")
    tx.commit()


def test_an_event_is_told_inside_by_its_own_job_to_the_only_one_inside_and_by_another_to_one_outside() -> None:
    event, told = new_event(), list[str]()
    hears(event, "test.inside", lambda _: told.append("inside"))
    tell(event)
    assert (lanes(), worker.run_due(lanes=[INSIDE]), told, counts()) == ([INSIDE], 1, ["inside"], (0, 0, 0))

    event = new_event()
    hears(event, "test.outside", lambda _: told.append("outside"), OUTSIDE)
    tell(event)
    assert (lanes(), worker.run_due(lanes=[INSIDE]), told, lanes()) == ([INSIDE], 1, ["inside"], [OUTSIDE])
    assert (worker.run_due(lanes=[OUTSIDE]), told, counts()) == (1, ["inside", "outside"], (0, 0, 0))


def test_an_event_is_shared_out_to_the_lanes_of_several() -> None:
    event, told = new_event(), list[str]()
    hears(event, "test.outside", lambda _: told.append("outside"), OUTSIDE)
    hears(event, "test.inside", lambda _: told.append("inside"))
    tell(event)
    assert lanes() == [INSIDE]
    assert (worker.run_due(lanes=[INSIDE]), told, lanes()) == (2, ["inside"], [OUTSIDE])
    assert (worker.run_due(lanes=[OUTSIDE]), told, counts()) == (1, ["inside", "outside"], (0, 0, 0))


# The look ahead.


def test_who_looks_ahead_runs_each_job_at_its_second(naps: list[float]) -> None:
    at: dict[str, datetime] = {}

    def note(job: Job) -> None:
        at[job.key] = clock.now()

    work, due = Work(note), {f"{seconds} s": later(seconds) for seconds in (0.3, 3, 3.5, 30.5, 61)}
    for key, moment in due.items():
        work.owe(key, run_at=moment)
    assert worker.run_due(WINDOW, [INSIDE], ahead=True) == 5
    # beside other work a call takes real time, which the clock adds to the naps
    assert all(0 <= (at[key] - moment).total_seconds() < 5 for key, moment in due.items()), (due, at)
    assert max(naps) <= 2
    assert 45 <= sum(naps) <= 61


def test_it_ends_at_once_when_nothing_is_due_in_its_time(naps: list[float], queries: list[bool]) -> None:
    assert (worker.run_due(WINDOW, [INSIDE], ahead=True), naps) == (0, [])
    assert queries == [True] * 4  # of each of two shards, what is due and what is next: a unit each
    queries.clear()
    work = Work()
    work.owe(*(f"k{n}" for n in range(300)), run_at=later(WINDOW + 10))
    work.owe("now")
    assert (worker.run_due(WINDOW, [INSIDE], ahead=True), naps, len(queries)) == (1, [], 6)
    assert counts() == (0, 300, 0)


def test_nobody_waits_unless_asked_to(naps: list[float]) -> None:
    Work().owe("a", run_at=later(3))
    assert (worker.run_due(WINDOW), naps) == (0, [])


def test_what_is_due_when_its_time_is_over_is_for_the_next_one(naps: list[float]) -> None:
    work = Work()
    work.owe("a", run_at=later(20))
    work.owe("b", run_at=later(3))
    assert (worker.run_due(10, [INSIDE], ahead=True), work.ran) == (1, {"b": 1})
    assert sum(naps) <= 3


def test_what_is_scheduled_while_it_sleeps_is_run_at_its_second_too(
    naps: list[float], mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    work = Work(lambda job: order.append(job.key))
    work.owe("first there", run_at=later(30))

    def sleep(seconds: float) -> None:
        if not naps:
            work.owe("later thought of", run_at=later(9))
        naps.append(seconds)
        mall_clock.advance(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    assert worker.run_due(WINDOW, [INSIDE], ahead=True) == 2
    assert order == ["later thought of", "first there"]


def test_a_failure_is_tried_again_in_the_same_window(naps: list[float]) -> None:
    def fail_once(job: Job) -> None:
        if work.ran[job.key] == 1:
            raise MallError("unavailable")

    work = Work(fail_once)
    work.owe("a")
    assert (worker.run_due(WINDOW, [INSIDE], ahead=True), counts()) == (2, (0, 0, 0))
    assert 2 <= sum(naps) <= 5


def test_another_ones_job_is_not_waited_for(naps: list[float]) -> None:
    work = Work()
    work.owe("a")
    taken(stored()[0])
    assert (worker.run_due(WINDOW, [INSIDE], ahead=True), naps, work.ran) == (0, [], {})


# Who works on which lane: the deployed handlers, and the local worker.

CONTEXT = SimpleNamespace(aws_request_id="test", get_remaining_time_in_millis=lambda: 83_000)
MINUTE = {
    "version": "0", "account": "", "region": "", "detail": {}, "detail-type": "Scheduled Event",
    "source": "aws.events", "time": "", "id": "", "resources": [],
}  # fmt: skip


def test_each_schedule_runs_its_lane_and_only_the_one_inside_looks_ahead(naps: list[float]) -> None:
    inside, outside = Work(), Work(lane=OUTSIDE)
    for work in (inside, outside):
        work.owe("now", run_at=later(0))
        work.owe("soon", run_at=later(20))
        work.owe("in the next window", run_at=later(75))
    app.run_due_calls(MINUTE, CONTEXT)
    assert (outside.ran, inside.ran, naps) == ({"now": 1}, {}, [])
    app.run_due_jobs(MINUTE, CONTEXT)
    assert (outside.ran, inside.ran) == ({"now": 1}, {"now": 1, "soon": 1})
    assert 19 <= sum(naps) <= 20


@pytest.mark.parametrize("schedule", [app.run_due_jobs, app.run_due_calls])
def test_what_is_owed_at_once_a_schedule_leaves_to_the_stream_for_ten_seconds(
    schedule: Any, mall_clock: LocalClock
) -> None:
    """Two who run one job at once pay for it twice; one whose record was lost is run all the same."""
    works = [Work(), Work(lane=OUTSIDE)]
    for work in works:
        work.owe("now")
    mall_clock.advance(worker.STREAM_SECONDS - 1)
    schedule(MINUTE, CONTEXT)
    assert [work.ran for work in works] == [{}, {}]
    mall_clock.advance(1.1)
    schedule(MINUTE, CONTEXT)
    assert sum(work.ran["now"] for work in works) == 1


def test_a_stream_that_is_always_busy_keeps_no_schedule_from_its_nap(
    naps: list[float], mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As each sweep ends there is a job that was not there before it, and is another's."""
    stream, sweep = Work(), worker._sweep

    def busy(*given: Any) -> int:
        mall_clock.advance(0.01)
        stream.owe(f"{len(naps)}")
        return sweep(*given)

    monkeypatch.setattr(worker, "_sweep", busy)
    assert worker.run_due(3, [INSIDE], ahead=True, streamed=True) == 0
    assert (min(naps), len(naps) <= 16) == (worker._STREAMED_NAP_SECONDS, True)


def test_what_the_stream_has_before_it_is_passed_over_in_a_few_pages(queries: list[bool]) -> None:
    streams, own = Work(), Work()
    streams.owe(*(f"{number}" for number in range(600)))
    own.owe(*(f"{number}" for number in range(20)), run_at=later(0))
    assert (worker.run_due(lanes=[INSIDE], streamed=True), streams.ran) == (20, {})
    # Of each shard the first two pages, and the third with what is this worker's; and once more, for there was some.
    assert len(queries) <= 2 * 3 * core.settings().job_shards


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of each lane."""
    core.use(dict(os.environ) | {"YUTANG_JOB_WORKERS": str(request.param), "YUTANG_JOB_SHARDS": "4"})
    yield request.param
    core.use(os.environ)


@pytest.mark.parametrize("workers", [1, 2, 3, 6], indirect=True)
def test_several_workers_of_a_lane_share_its_shards(workers: int, naps: list[float]) -> None:
    """As the template wakes them: no job is left out, and each worker has some."""
    inside, outside = Work(), Work(lane=OUTSIDE)
    for number in range(24):
        inside.owe(f"{number}", run_at=later(0))
        outside.owe(f"{number}", run_at=later(0))
    kept = {name: f"ssm:/{name}" for grant in permissions.declared().values() for name in grant.secrets}
    events = functions.resources({}, kept, workers)["RunDueJobs"]["Properties"]["Events"]
    told = [MINUTE | json.loads(event["Properties"].get("Input", "{}")) for event in events.values()]
    assert len(told) == workers
    for event in told:
        before = len(inside.ran), len(outside.ran)
        app.run_due_jobs(event, CONTEXT)
        app.run_due_calls(event, CONTEXT)
        busy = event["detail"].get("part", 0) < core.settings().job_shards
        assert (len(inside.ran) > before[0], len(outside.ran) > before[1]) == (busy, busy)
    every = {f"{number}": 1 for number in range(24)}
    assert (inside.ran, outside.ran, counts()[0]) == (every, every, 0)


def test_the_local_worker_runs_one_lane_while_the_other_waits(mall_clock: LocalClock) -> None:
    begun, answered = threading.Event(), threading.Event()

    def wait(_: Job) -> None:
        begun.set()
        assert answered.wait(30)

    local, inside = Worker(), Work()
    Work(wait, OUTSIDE).owe("a")
    inside.owe("a")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(local.run_lane, OUTSIDE)
        try:
            assert begun.wait(30)
            assert local.run_lane(INSIDE) == 1
        finally:
            answered.set()
        assert waiting.result(30) == 1


def test_the_local_control_runs_what_the_lanes_owe_each_other(mall_clock: LocalClock) -> None:
    inside, outside = Work(), Work(lane=OUTSIDE)
    inside.act = lambda job: outside.owe("b") if job.key == "a" else None
    outside.act = lambda _: inside.owe("c")
    asked = control(Worker(), mall_clock).test_client()
    inside.owe("a")
    assert asked.get("/status").get_json()["jobs"] == {"due": 1, "later": 0, "dead": 0}
    assert asked.post("/jobs/run").get_json() == {"ran": 3}
    assert (inside.ran, outside.ran) == ({"a": 1, "c": 1}, {"b": 1})
    assert asked.get("/status").get_json()["jobs"] == {"due": 0, "later": 0, "dead": 0}
