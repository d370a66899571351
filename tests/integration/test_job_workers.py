"""Who works on which lane: the deployed handlers, of schedules and of streams, and the local worker."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

import app
from chalicelib.core import clock
from chalicelib.core import settings as core
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import INSIDE, LANES, MANY, OUTSIDE, SENDS, Lane
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import read
from infra import functions, permissions
from local.clock import LocalClock
from local.jobs import forget_all
from local.worker import Worker, control
from tests.support.functions import stream_event
from tests.support.jobs import Work, counts, later, stored

pytestmark = pytest.mark.usefixtures("no_jobs")

CONTEXT = SimpleNamespace(aws_request_id="test", get_remaining_time_in_millis=lambda: 83_000)
MINUTE = {
    "version": "0", "account": "", "region": "", "detail": {}, "detail-type": "Scheduled Event",
    "source": "aws.events", "time": "", "id": "", "resources": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "lane", "looks_ahead"),
    [(app.run_due_jobs, INSIDE, True), (app.run_due_calls, OUTSIDE, False), (app.run_due_many, MANY, True),
     (app.run_due_sends, SENDS, True)],
)  # fmt: skip
def test_each_schedule_runs_its_lane_and_only_the_one_outside_does_not_look_ahead(
    schedule: Any, lane: Lane, looks_ahead: bool, naps: list[float]
) -> None:
    works = {lane: Work(lane=lane) for lane in LANES}
    for work in works.values():
        work.owe("now", run_at=later(0))
        work.owe("soon", run_at=later(20))
        work.owe("in the next window", run_at=later(75))
    schedule(MINUTE, CONTEXT)
    assert works.pop(lane).ran == ({"now": 1, "soon": 1} if looks_ahead else {"now": 1})
    assert [work.ran for work in works.values()] == [{}, {}, {}]
    assert 19 <= sum(naps) <= 20 if looks_ahead else naps == []


def test_a_stream_handler_runs_what_was_written_many_at_a_time_wherever_it_lies() -> None:
    keys = [f"{number}" for number in range(30)]
    works = {lane: Work(lane=lane) for lane in LANES}
    handlers = (app.run_owed_jobs, app.run_owed_calls, app.run_owed_many, app.run_owed_sends)
    for lane, handler in zip(LANES, handlers, strict=True):
        works[lane].owe(*keys)
        images = [job.serialize() for job in stored()]
        assert {(image["shard"]["S"][0], image["at_once"]["BOOL"]) for image in images} == {(lane, True)}
        assert handler(stream_event(images), CONTEXT) == {"batchItemFailures": []}
        assert (works[lane].ran, counts()) == (dict.fromkeys(keys, 1), (0, 0, 0))


@pytest.mark.parametrize("schedule", [app.run_due_jobs, app.run_due_calls, app.run_due_many, app.run_due_sends])
def test_what_is_owed_at_once_a_schedule_leaves_to_the_stream_for_ten_seconds(
    schedule: Any, mall_clock: LocalClock
) -> None:
    """Two who run one job at once pay for it twice; one whose record was lost is run all the same."""
    works = [Work(lane=lane) for lane in LANES]
    for work in works:
        work.owe("now")
    mall_clock.advance(worker.STREAM_SECONDS - 1)
    schedule(MINUTE, CONTEXT)
    assert [work.ran for work in works] == [{}, {}, {}, {}]
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
    core.use(dict(os.environ) | {
        "YUTANG_JOB_WORKERS": str(request.param), "YUTANG_JOB_SHARDS": "4", "YUTANG_MANY_SHARDS": "6"
    })  # fmt: skip
    yield request.param
    core.use(os.environ)


@pytest.mark.parametrize("workers", [1, 2, 3, 6], indirect=True)
def test_several_workers_of_a_lane_share_its_shards(
    workers: int, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the template wakes them: no job is left out, and each worker has some."""
    monkeypatch.setattr(worker, "_KEPT_MAX", 60)  # what they hand to the stream counts as nobody's here
    works = [Work(lane=lane) for lane in LANES]
    for number in range(60):
        for work in works:
            work.owe(f"{number}", run_at=later(0))
    kept = {name: f"ssm:/{name}" for grant in permissions.declared().values() for name in grant.secrets}
    events = functions.resources({}, kept, workers)["RunDueJobs"]["Properties"]["Events"]
    told = [MINUTE | json.loads(event["Properties"].get("Input", "{}")) for event in events.values()]
    assert len(told) == workers
    for event in told:
        before = [len(work.ran) for work in works]
        for wake in (app.run_due_jobs, app.run_due_calls, app.run_due_many, app.run_due_sends):
            wake(event, CONTEXT)
        busy = [event["detail"].get("part", 0) < queue.shard_count(lane) for lane in LANES]
        assert [len(work.ran) > count for work, count in zip(works, before, strict=True)] == busy
    every = {f"{number}": 1 for number in range(60)}
    assert ([work.ran for work in works], counts()[0]) == ([every] * 4, 0)


@pytest.mark.parametrize("slow", [OUTSIDE, MANY, SENDS])
def test_the_local_worker_runs_one_lane_while_another_waits(slow: Lane, mall_clock: LocalClock) -> None:
    begun, answered = threading.Event(), threading.Event()

    def wait(_: Job) -> None:
        begun.set()
        assert answered.wait(30)

    local, inside = Worker(), Work()
    Work(wait, slow).owe("a")
    inside.owe("a")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(local.run_lane, slow)
        try:
            assert begun.wait(30)
            assert local.run_lane(INSIDE) == 1
        finally:
            answered.set()
        assert waiting.result(30) == 1


@pytest.mark.parametrize(("lane", "of_orders"), [(MANY, INSIDE), (SENDS, INSIDE), (SENDS, OUTSIDE)])
def test_a_thousand_owed_to_very_many_delay_no_job_of_an_order(
    lane: Lane, of_orders: Lane, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten lobbies end, or refunds are pushed, while they are worked off: each at its second, and read at no more cost
    than without them."""
    begun, asked = threading.Event(), Counter[str]()
    send = read.call

    def counted(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked[f"{threading.current_thread().name} {arguments['TableName']}"] += 1
        return send(operation, arguments)

    waited: list[float] = []

    def end(job: Job) -> None:
        waited.append((clock.now() - clock.from_stamp(job.key)).total_seconds())

    local, many, orders = Worker(), Work(lambda _: begun.set(), lane, leased=False), Work(end, of_orders)
    many.owe(*(f"{number}" for number in range(1000)))
    with ThreadPoolExecutor(1, "many") as thread:
        worked = thread.submit(local.run_lane, lane)
        assert begun.wait(30)
        monkeypatch.setattr(read, "call", counted)
        for _ in range(10):
            moment = clock.now()
            orders.owe(clock.stamp(moment), run_at=moment)
            assert local.run_lane(of_orders) == 1
        assert (sum(many.ran.values()) < 1000, worked.done()) == (True, False), "they were still being worked off"
        forget_all()
        worked.result(30)
    assert max(waited) < 2, waited
    here = threading.current_thread().name
    assert {name: number for name, number in asked.items() if name.startswith(here)} == {
        f"{here} {Jobs.Meta.table_name}": 10 * 2 * core.settings().job_shards
    }


def test_the_local_control_runs_what_the_lanes_owe_each_other(mall_clock: LocalClock) -> None:
    inside, outside, many, sends = (Work(lane=lane) for lane in LANES)
    inside.act = lambda job: outside.owe("b") if job.key == "a" else None
    outside.act = lambda _: many.owe("c")
    many.act = lambda _: sends.owe("d")
    sends.act = lambda _: inside.owe("e")
    asked = control(Worker(), mall_clock).test_client()
    inside.owe("a")
    assert asked.get("/status").get_json()["jobs"] == {"due": 1, "later": 0, "dead": 0}
    assert asked.post("/jobs/run").get_json() == {"ran": 5}
    assert (inside.ran, outside.ran, many.ran, sends.ran) == ({"a": 1, "e": 1}, {"b": 1}, {"c": 1}, {"d": 1})
    assert asked.get("/status").get_json()["jobs"] == {"due": 0, "later": 0, "dead": 0}
