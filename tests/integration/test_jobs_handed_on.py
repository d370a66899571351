"""What is to be sent to very many at one time is handed to the stream's readers as it comes due, but for a few: so that
it is sent side by side, and each once."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest

import app
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import MANY, SENDS
from chalicelib.platform.jobs.job import LEASE_SECONDS, RetryLater
from chalicelib.platform.jobs.tables import Jobs, Task
from chalicelib.platform.store import transaction
from chalicelib.platform.store.transaction import save
from local.clock import LocalClock
from tests.integration.test_job_workers import CONTEXT
from tests.support.functions import stream_event
from tests.support.jobs import Work, counts, fail, later, stored, taken
from tests.support.outside import POINTS, WEATHER, Crash, Mode, boundary, may_change

pytestmark = pytest.mark.usefixtures("no_jobs")

SECONDS = 30.0
#: What of so many a schedule runs itself at most, of the last page of each shard.
A_FEW = worker._KEPT_MAX * settings().many_shards


def owe_at_one_time(work: Work, number: int) -> None:
    work.owe(*(f"{key}" for key in range(number)), run_at=later(0))


def by_schedule() -> int:
    return worker.run_due(SECONDS, [SENDS], streamed=True)


def by_stream() -> None:
    images = [job.serialize() for job in stored() if job.at_once]
    assert app.run_owed_sends(stream_event(images), CONTEXT) == {"batchItemFailures": []}


def test_what_is_due_at_one_time_is_owed_at_once_and_the_stream_runs_each_once() -> None:
    work = Work(lane=SENDS)
    owe_at_one_time(work, 200)
    assert (by_schedule(), {job.at_once for job in stored()}) == (200, {True})
    assert len(work.ran) <= A_FEW, "what is left of the last pages"
    assert counts() == (200 - len(work.ran), 0, 0)
    assert by_schedule() == 0, "the stream's readers have it before them"
    by_stream()
    assert (set(work.ran.values()), len(work.ran), counts()) == ({1}, 200, (0, 0, 0))


def test_a_few_a_schedule_runs_itself() -> None:
    work = Work(lane=SENDS)
    owe_at_one_time(work, worker._KEPT_MAX)
    assert (by_schedule(), set(work.ran.values()), counts()) == (worker._KEPT_MAX, {1}, (0, 0, 0))


def test_what_the_stream_lost_a_schedule_runs_and_hands_to_nobody(mall_clock: LocalClock) -> None:
    work = Work(lane=SENDS)
    owe_at_one_time(work, 50)
    assert by_schedule() == 50
    lost = counts()[0]
    assert lost >= 50 - A_FEW
    mall_clock.advance(worker.STREAM_SECONDS + 1)
    assert (by_schedule(), len(work.ran), set(work.ran.values()), counts()) == (lost, 50, {1}, (0, 0, 0))


def test_where_no_stream_wakes_anybody_the_worker_runs_all() -> None:
    """As a local mall's does."""
    work = Work(lane=SENDS)
    owe_at_one_time(work, 50)
    assert (worker.run_due(lanes=[SENDS]), len(work.ran), counts()) == (50, 50, (0, 0, 0))


def test_other_lanes_are_not_handed_on() -> None:
    work = Work(lane=MANY)
    owe_at_one_time(work, 50)
    assert (worker.run_due(SECONDS, [MANY], streamed=True), len(work.ran)) == (50, 50)


def test_how_a_job_has_fared_goes_with_it(mall_clock: LocalClock) -> None:
    """Those that failed, or asked for later, come again together, and die of no more attempts than any others."""
    failing = Work(fail, SENDS)
    failing.owe(*(f"{key}" for key in range(30)), run="r1")
    by_stream()
    mall_clock.advance(worker.BACKOFF_SECONDS)
    assert by_schedule() == 30
    handed = [job.task for job in stored() if job.at_once]
    assert len(handed) >= 30 - A_FEW
    assert {(one.attempts, one.last_error, one.payload["run"]) for one in handed} == {(1, "MallError: conflict", "r1")}


def test_who_asked_for_later_is_run_side_by_side_then(mall_clock: LocalClock) -> None:
    def not_yet(_: Any) -> None:
        raise RetryLater(60)

    work = Work(not_yet, SENDS)
    work.owe(*(f"{key}" for key in range(30)))
    by_stream()
    work.act = lambda _: None
    mall_clock.advance(61)
    assert by_schedule() == 30
    by_stream()
    assert (set(work.ran.values()), counts()) == ({2}, (0, 0, 0))


def test_what_another_worker_has_meanwhile_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its page are run one by one, and none twice."""
    work = Work(lane=SENDS)
    owe_at_one_time(work, 60)
    due, held = worker._due, list[str]()

    def meanwhile(shard: str, streamed: bool) -> Any:
        found = due(shard, streamed)
        if found and not held:
            job = taken(Jobs.from_raw_data(found[0]))
            held.append(job.key)
        return found

    monkeypatch.setattr(worker, "_due", meanwhile)
    by_schedule()
    by_stream()
    assert (set(work.ran.values()), set(work.ran) | set(held)) == ({1}, {f"{key}" for key in range(60)})
    assert ([job.task.key for job in stored()], len(work.ran)) == (held, 59)


def test_one_job_that_was_owed_for_several_times_is_run_for_each(
    mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed on at one instant they would be one."""
    work = Work(lane=SENDS)
    for seconds in range(10):
        work.owe("a", run_at=later(-seconds))
    instant = clock.now()
    monkeypatch.setattr(clock, "now", lambda: instant)
    assert (by_schedule(), work.ran["a"]) == (10, 9)
    by_stream()
    assert (work.ran["a"], counts()) == (10, (0, 0, 0))


def test_a_kind_that_nobody_knows_is_handed_on_in_its_lane() -> None:
    for key in range(40):
        save(queue.item(Task("test.nobody-knows-either", f"{key}"), SENDS, later(0)))
    assert by_schedule() == 40
    assert {job.shard[0] for job in stored()} == {SENDS.value}
    assert sum(job.at_once or 0 for job in stored()) >= 40 - A_FEW


def test_a_page_is_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    work, calls = Work(lane=SENDS), list[str]()
    owe_at_one_time(work, 100)
    send = transaction.call

    def counted(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        calls.append(operation)
        return send(operation, arguments)

    monkeypatch.setattr(transaction, "call", counted)
    shards = len({job.shard for job in stored()})
    assert by_schedule() == 100
    assert calls.count("TransactWriteItems") <= 100 / worker.BATCH + shards


@pytest.mark.parametrize("mode", [*POINTS, *WEATHER])
def test_whatever_happens_to_who_hands_on_none_is_lost_and_none_sent_twice(mode: Mode, mall_clock: LocalClock) -> None:
    """Struck at each call in turn that may change something. What it runs itself it may have run as it died."""
    work = Work(lane=SENDS)
    for number in itertools.count(1):
        work.ran.clear()
        owe_at_one_time(work, 40)
        with boundary() as outside:
            outside.arm(number, mode, may_change)
            with contextlib.suppress(Crash, MallError):
                by_schedule()
            struck, died_with = outside.struck, set(work.ran)
            outside.disarm()
            mall_clock.advance(LEASE_SECONDS + 1)
            by_schedule()
            by_stream()
        assert counts() == (0, 0, 0)
        assert set(work.ran) == {f"{key}" for key in range(40)}
        assert {key for key, times in work.ran.items() if times > 1} <= died_with
        if mode in WEATHER or not struck:
            return
