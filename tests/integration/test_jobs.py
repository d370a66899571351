"""What is owed is done: once, by one worker, again after a fault, and at no more cost than there is due.

Lanes and the look ahead: test_job_lanes.py; who works on which: test_job_workers.py.
"""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.core.errors import MallError, unavailable
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs import declarations, queue, worker
from chalicelib.platform.jobs.declarations import (
    INSIDE,
    LANES,
    MANY,
    NOTHING,
    OUTSIDE,
    SENDS,
    Event,
    Kind,
    Lane,
    handles,
)
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.tables import DEAD, TABLES, Jobs
from chalicelib.platform.store import read
from chalicelib.platform.store.base import call
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from local.client import Operator, in_process
from local.clock import LocalClock
from tests.support.jobs import Work, counts, exhausted, fail, hears, later, new_event, stored
from tests.support.operators import owner_token

pytestmark = pytest.mark.usefixtures("no_jobs")


@pytest.mark.parametrize("lane", LANES)
def test_what_is_owed_at_once_is_done_once_and_is_gone(lane: Lane) -> None:
    work = Work(lane=lane)
    work.owe("a", "b")
    assert [job.at_once for job in stored()] == [True, True]
    assert (worker.run_due(), work.ran, counts()) == (2, {"a": 1, "b": 1}, (0, 0, 0))
    assert (worker.run_due(), work.ran) == (0, {"a": 1, "b": 1})


@pytest.mark.parametrize("lane", LANES)
def test_scheduled_twice_for_one_time_is_one_job(lane: Lane) -> None:
    work, at = Work(lane=lane), later(0)
    work.owe("a", run_at=at)
    work.owe("a", run_at=at)
    assert counts() == (1, 0, 0)
    assert (worker.run_due(), work.ran) == (1, {"a": 1})


def test_a_job_is_run_when_its_time_has_come_and_not_before(mall_clock: LocalClock) -> None:
    work = Work()
    work.owe("a", run_at=later(600))
    assert (stored()[0].at_once, counts(), worker.run_due()) == (None, (0, 1, 0), 0)
    mall_clock.advance(590)
    assert (worker.run_due(), work.ran) == (0, {})
    mall_clock.advance(11)
    assert (worker.run_due(), work.ran, counts()) == (1, {"a": 1}, (0, 0, 0))


def test_a_transaction_that_fails_owes_nothing() -> None:
    work = Work()
    tx = Transaction()
    schedule(tx, work.kind, "a")
    tx.check(Jobs, ("s0", "nothing"), Jobs.shard.exists(), "not there")
    with pytest.raises(ConditionFailed) as refusal:
        tx.commit()
    assert (refusal.value.failed, counts(), worker.run_due()) == (("not there",), (0, 0, 0), 0)


@pytest.mark.parametrize("lane", [INSIDE, MANY, SENDS])
def test_workers_who_look_at_once_run_each_job_once(lane: Lane) -> None:
    work = Work(lane=lane)
    keys = [f"k{n}" for n in range(60)]
    work.owe(*keys)
    with ThreadPoolExecutor(4) as workers:
        ran = sum(workers.map(lambda _: worker.run_due(), range(4)))
    assert (ran, work.ran) == (60, dict.fromkeys(keys, 1))
    assert counts() == (0, 0, 0)


@pytest.mark.parametrize(("own", "next_one"), list(itertools.product([INSIDE, MANY, SENDS], repeat=2)))
def test_what_a_handler_commits_with_its_end_is_written_with_it(own: Lane, next_one: Lane) -> None:
    after = Work(lane=next_one)

    def chain(job: Job) -> None:
        tx = Transaction()
        schedule(tx, after.kind, f"after {job.key}")
        job.finish(tx)
        tx.commit()

    first = Work(chain, own)
    first.owe("a")
    worker.run_due()
    assert (first.ran, after.ran, counts()) == ({"a": 1}, {"after a": 1}, (0, 0, 0))


def test_a_failure_is_tried_again_after_waits_that_double_up_to_ten_minutes(mall_clock: LocalClock) -> None:
    work = Work(fail)
    work.owe("a", note="kept")
    waits = []
    for attempt in range(1, 11):
        before = clock.now()
        assert worker.run_due() == 1
        job = stored()[0]
        assert (job.task.attempts, job.task.last_error, job.task.payload) == (
            attempt, "MallError: conflict", {"note": "kept"},
        )  # fmt: skip
        waits.append((clock.from_stamp(job.due.split("|")[0]) - before).total_seconds())
        assert worker.run_due() == 0
        mall_clock.advance(waits[-1] + 0.5)
    for wait, most in zip(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600, 600], strict=True):
        assert most / 2 <= wait <= most + 2
    assert work.ran == {"a": 10}


def test_one_that_fails_does_not_keep_the_others_from_being_done() -> None:
    bad, good = Work(fail), Work()
    bad.owe("x")
    good.owe("a", "b", "c")
    assert worker.run_due() == 4
    assert (bad.ran, good.ran, counts()) == ({"x": 1}, {"a": 1, "b": 1, "c": 1}, (0, 1, 0))


def test_later_is_no_failure_however_often(mall_clock: LocalClock) -> None:
    def wait(job: Job) -> None:
        if work.ran["a"] <= worker.ATTEMPTS_MAX + 6:
            raise RetryLater(30)

    work = Work(wait)
    work.owe("a")
    for _ in range(worker.ATTEMPTS_MAX + 6):
        assert worker.run_due() == 1
        assert (stored()[0].task.attempts, counts()[2]) == (0, 0)
        assert worker.run_due() == 0
        mall_clock.advance(31)
    assert (worker.run_due(), counts()) == (1, (0, 0, 0))


@pytest.mark.parametrize("lane", LANES)
def test_what_gives_way_with_more_to_do_wakes_a_reader_of_the_stream_and_what_waits_does_not(
    lane: Lane, mall_clock: LocalClock
) -> None:
    def go_on(job: Job) -> None:
        if work.ran[job.key] == 1:
            raise RetryLater(0 if job.key == "more" else 1)

    work = Work(go_on, lane)
    work.owe("more", "waits")
    for job in stored():
        assert worker.run_one(job)
    assert {job.task.key: job.at_once for job in stored()} == {"more": True, "waits": None}
    mall_clock.advance(2)
    assert (worker.run_due(), work.ran, counts()) == (2, {"more": 2, "waits": 2}, (0, 0, 0))


@pytest.mark.parametrize("lane", LANES)
def test_after_its_last_attempt_a_job_is_dead_and_is_run_again_only_when_revived(
    lane: Lane, mall_clock: LocalClock
) -> None:
    work = Work(fail, lane)
    work.owe("a")
    exhausted(mall_clock)
    assert (work.ran["a"], counts(), worker.run_due()) == (worker.ATTEMPTS_MAX, (0, 0, 1), 0)
    dead = stored()[0]
    assert (dead.shard, dead.task.key, dead.task.attempts) == (DEAD, "a", worker.ATTEMPTS_MAX)
    work.act = lambda _: None
    queue.revive(dead.due)
    assert counts() == (1, 0, 0)
    with pytest.raises(MallError) as refusal:
        queue.revive(dead.due)
    assert (refusal.value.code, worker.run_due(), counts()) == ("job_not_dead", 1, (0, 0, 0))
    assert work.ran["a"] == worker.ATTEMPTS_MAX + 1


@pytest.mark.parametrize("fault", [unavailable(), WechatError("network", retryable=True, outcome_unknown=True)])
def test_no_job_dies_of_an_outage_however_long_it_takes(fault: Exception, mall_clock: LocalClock) -> None:
    def out(_: Job) -> None:
        raise fault

    work = Work(out)
    work.owe("a")
    for _ in range(2 * worker.ATTEMPTS_MAX):
        assert worker.run_due() == 1
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
    assert counts() == (1, 0, 0)
    work.act = lambda _: None
    assert (worker.run_due(), counts()) == (1, (0, 0, 0))


def test_an_outage_leaves_a_job_its_attempts(mall_clock: LocalClock) -> None:
    def out(_: Job) -> None:
        raise unavailable()

    work = Work(out)
    work.owe("a")
    for _ in range(2 * worker.ATTEMPTS_MAX):
        assert worker.run_due() == 1
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
    work.act = fail
    for _ in range(worker.ATTEMPTS_MAX - worker.OUTAGE_ATTEMPTS_MAX):
        assert counts() == (1, 0, 0)
        assert worker.run_due() == 1
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
    assert counts() == (0, 0, 1)


@pytest.mark.parametrize("lane", LANES)
def test_an_operator_sees_the_dead_and_runs_one_again(lane: Lane, mall_clock: LocalClock) -> None:
    work = Work(fail, lane)
    work.owe("a", "b", "c")
    for _ in range(worker.ATTEMPTS_MAX):
        assert worker.run_due() == 3
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
    operator = Operator(in_process(), owner_token())
    first = operator.get("/v1/admin/jobs/dead?limit=2").ok()
    rest = operator.get(f"/v1/admin/jobs/dead?limit=2&cursor={first['next_cursor']}").ok()
    found = first["items"] + rest["items"]
    assert {(one["kind"], one["key"], one["attempts"], one["last_error"]) for one in found} == {
        (work.kind.name, key, worker.ATTEMPTS_MAX, "MallError: conflict") for key in "abc"
    }
    assert rest["next_cursor"] is None
    path = f"/v1/admin/jobs/dead/{found[0]['job_id']}/retry"
    operator.post(path).ok(204)
    operator.post(path).refused(404, "job_not_dead")
    operator.post("/v1/admin/jobs/dead/nothing/retry").refused(404, "job_not_dead")
    work.act = lambda _: None
    assert (worker.run_due(), counts()) == (1, (0, 0, 2))
    assert work.ran[found[0]["key"]] == worker.ATTEMPTS_MAX + 1


def test_a_job_of_an_unknown_kind_is_kept_for_a_version_that_knows_it() -> None:
    tx = Transaction()
    schedule(tx, Kind("test.nobody-knows", NOTHING, OUTSIDE), "a")
    tx.commit()
    assert (worker.run_due(), counts()) == (1, (0, 1, 0))
    assert stored()[0].task.last_error == "LookupError"


def test_an_event_reaches_every_subscriber_once_and_one_that_fails_keeps_no_other_waiting(
    mall_clock: LocalClock,
) -> None:
    event, told = new_event(), Counter[str]()

    def first(job: Job) -> None:
        told[f"first {job.key} {job.task.payload['word']}"] += 1

    def second(job: Job) -> None:
        told["second"] += 1
        if told["second"] == 1:
            raise MallError("unavailable")

    hears(event, "test.first", first)
    hears(event, "test.second", second)
    tx = Transaction()
    emit(tx, event, "o1", word="paid")
    assert len(tx) == 1
    tx.commit()
    worker.run_due()
    assert told == {"first o1 paid": 1, "second": 1}
    mall_clock.advance(6)
    worker.run_due()
    assert (told, counts()) == ({"first o1 paid": 1, "second": 2}, (0, 0, 0))


def test_an_event_with_one_subscriber_is_one_job_and_one_that_nobody_hears_is_none() -> None:
    event, told = new_event(), Counter[str]()
    hears(event, "test.only", lambda job: told.update([job.key]))
    tx = Transaction()
    emit(tx, event, "a")
    emit(tx, new_event(), "a")
    assert len(tx) == 1
    tx.commit()
    assert (worker.run_due(), told, counts()) == (1, {"a": 1}, (0, 0, 0))


@pytest.mark.parametrize("table", TABLES)
def test_on_one_machine_jobs_have_no_stream_which_would_make_each_slower_than_the_one_before(table: type[Jobs]) -> None:
    described = call("DescribeTable", {"TableName": table.Meta.table_name})["Table"]
    assert described["TableStatus"] == "ACTIVE"
    assert not described.get("StreamSpecification")


@pytest.mark.parametrize("lane", LANES)
def test_a_sweep_reads_what_is_due_and_not_what_is_stored(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(lane=lane)
    reads: list[dict[str, Any]] = []
    send = read.call

    def counted(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = send(operation, arguments)
        reads.append({"operation": operation, "items": answer.get("ScannedCount", 1)})
        return answer

    def sweep() -> tuple[int, int]:
        """Calls, and items looked at, of a sweep with ten jobs due."""
        work.owe(*(f"due-{n}" for n in range(10)), run_at=later(-1))
        reads.clear()
        assert worker.run_due() == 10
        assert {one["operation"] for one in reads} == {"Query"}
        return len(reads), sum(one["items"] for one in reads)

    monkeypatch.setattr(read, "call", counted)
    empty = sweep()
    work.owe(*(f"later-{n}" for n in range(2000)), run_at=later(86_400))
    assert counts() == (0, 2000, 0)
    full = sweep()
    assert full == empty
    assert full[1] == 10
    assert full[0] <= 16  # two rounds over each shard


def test_more_is_done_in_one_sweep_than_one_page_holds() -> None:
    work = Work()
    work.owe(*(f"k{n}" for n in range(300)))
    assert (worker.run_due(), len(work.ran), counts()) == (300, 300, (0, 0, 0))


def test_a_sweep_gives_way_when_its_time_is_over() -> None:
    work = Work()
    work.owe("a", "b", "c")
    assert (worker.run_due(seconds=-1), work.ran) == (0, {})
    assert worker.run_due() == 3


# A release declares jobs and events otherwise than the one that queued them.

#: The subscribers of one event, in the order in which a version's wings declare them.
BEFORE = ("members.count_purchase", "coupons.after_purchase", "reviews.invite")
AFTER = ("segments.refresh", "coupons.after_purchase", "members.count_purchase")


def declare_anew(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[Event, Counter[str]]:
    """Another version's declarations, with these subscribers of one event; and what each of them will be told."""
    for table in ("_kinds", "_subscribers", "_daily"):
        monkeypatch.setattr(declarations, table, {})
    told = Counter[str]()
    for name in names:
        hears("test.completed", name, lambda job, name=name: told.update([f"{name} {job.key}"]))  # type: ignore[misc]
    return declarations.event("test.completed"), told


def tell(event: Event, *keys: str) -> None:
    tx = Transaction()
    for key in keys:
        emit(tx, event, key)
    tx.commit()


def test_what_was_queued_reaches_whom_it_names_also_after_a_release_that_declares_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event, told_before = declare_anew(monkeypatch, *BEFORE)
    tell(event, "shared out")
    assert worker.run_one(stored()[0])
    assert {job.task.kind for job in stored()} == {f"test.completed/{name}" for name in BEFORE}
    tell(event, "not yet")

    event, told = declare_anew(monkeypatch, *AFTER)
    handles("test.completed/reviews.invite", NOTHING)
    worker.run_due()
    assert (told_before, counts()) == ({}, (0, 0, 0))
    assert told == {f"{name} not yet": 1 for name in AFTER} | {f"{name} shared out": 1 for name in AFTER[1:]}


def test_one_who_was_the_only_subscriber_is_told_also_when_a_release_adds_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event, told = declare_anew(monkeypatch, BEFORE[0])
    tell(event, "a")
    event, told = declare_anew(monkeypatch, BEFORE[1], BEFORE[0])
    worker.run_due()
    assert (told, counts()) == ({f"{BEFORE[0]} a": 1, f"{BEFORE[1]} a": 1}, (0, 0, 0))


def test_an_event_whose_last_subscriber_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    event, _ = declare_anew(monkeypatch, BEFORE[0])
    tell(event, "a")
    event, told = declare_anew(monkeypatch)
    assert (worker.run_due(), told, counts()) == (1, {}, (0, 0, 0))
    tx = Transaction()
    emit(tx, event, "b")
    assert len(tx) == 0
