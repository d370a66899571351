"""Who may end a job: under a lease one worker at a time; without one whoever writes first, and nobody twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.platform.jobs import declarations, worker
from chalicelib.platform.jobs.job import LEASE_SECONDS, Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import transaction
from chalicelib.platform.store.base import call
from chalicelib.platform.store.transaction import Transaction
from local.clock import LocalClock
from tests.support.jobs import Work, counts, exhausted, fail, hears, later, new_event, stored, taken

pytestmark = pytest.mark.usefixtures("no_jobs")


def test_two_who_hold_the_same_job_in_hand_do_not_both_run_it() -> None:
    work = Work()
    work.owe("a")
    found = stored()[0]
    assert [worker.run_one(found), worker.run_one(found)] == [True, False]
    assert work.ran == {"a": 1}


def test_a_lease_keeps_the_job_until_it_ends_and_not_longer(mall_clock: LocalClock) -> None:
    work = Work()
    work.owe("a")
    taken(stored()[0])  # a worker takes it, and dies
    mall_clock.advance(LEASE_SECONDS - 5)
    assert (worker.run_due(), work.ran) == (0, {})
    mall_clock.advance(6)
    assert (worker.run_due(), work.ran, counts()) == (1, {"a": 1}, (0, 0, 0))


def test_a_worker_that_comes_back_too_late_writes_nothing(mall_clock: LocalClock) -> None:
    """It thought that it still had the job; another has done it meanwhile."""
    work = Work()

    def slow(job: Job) -> None:
        if work.ran["a"] > 1:
            return
        mall_clock.advance(LEASE_SECONDS + 1)
        assert worker.run_due() == 1
        tx = Transaction()
        schedule(tx, work.kind, "the slow one's")
        job.finish(tx)
        tx.commit()

    work.act = slow
    work.owe("a")
    worker.run_due()
    assert (work.ran, counts()) == ({"a": 2}, (0, 0, 0))


def owes_on(after: Work) -> Callable[[Job], None]:
    """All that it does is one transaction, which ends the job."""

    def act(job: Job) -> None:
        tx = Transaction()
        schedule(tx, after.kind, f"after {job.key}", later(60))
        job.finish(tx)
        tx.commit()

    return act


def test_without_a_lease_as_many_as_run_a_job_at_once_have_one_effect() -> None:
    """Each has begun before any ends: one writes, and the others are told that it is not theirs."""
    all_here, after = threading.Barrier(4), Work()
    act = owes_on(after)

    def together(job: Job) -> None:
        all_here.wait(30)
        act(job)

    work = Work(together, leased=False)
    work.owe("a")
    found = stored()[0]
    with ThreadPoolExecutor(4) as workers:
        told = list(workers.map(lambda _: worker.run_one(found), range(4)))
    assert (sorted(told), work.ran["a"]) == ([False, False, False, True], 4)
    assert [job.task.key for job in stored()] == ["after a"]


def test_without_a_lease_one_with_nothing_to_do_ends_once_and_the_second_time_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work(leased=False)
    work.owe("a")
    found = stored()[0]
    assert [worker.run_one(found), worker.run_one(found)] == [True, False]
    assert (work.ran, counts(), "job_failed" in caplog.text) == ({"a": 2}, (0, 0, 0), False)


def test_a_lease_is_one_more_write(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(transaction, "call", lambda name, given: (calls.append(name), call(name, given))[1])
    told = {}
    for leased in (True, False):
        work = Work(owes_on(Work()), leased=leased)
        work.owe("a")
        found = next(job for job in stored() if job.task.kind == work.kind.name)
        calls.clear()
        assert worker.run_one(found)
        told[leased] = list(calls)
    assert told == {True: ["UpdateItem", "TransactWriteItems"], False: ["TransactWriteItems"]}


@pytest.mark.parametrize("leased", [True, False])
def test_who_has_taken_it_keeps_others_from_ending_it(leased: bool) -> None:
    """A version that takes a lease for every kind may run beside this one."""
    work = Work(owes_on(Work()), leased=leased)
    work.owe("a")
    found = stored()[0]
    held = taken(found)
    assert (worker.run_one(found), len(stored())) == (False, 1)
    work.act(held)
    assert [job.task.key for job in stored()] == ["after a"]


def test_a_handler_that_looks_first_takes_the_lease_itself() -> None:
    work = Work(lambda job: job.hold(), leased=False)
    work.owe("a", "b")
    first, second = stored()
    held = taken(first)
    assert [worker.run_one(first), worker.run_one(second)] == [False, True]
    assert (work.ran, [job.lease for job in stored()]) == ({"a": 1, "b": 1}, [held.lease])


def test_a_fault_without_a_lease_is_tried_again_as_with_one(mall_clock: LocalClock) -> None:
    work = Work(fail, leased=False)
    work.owe("a")
    exhausted(mall_clock)
    assert (work.ran["a"], counts()) == (worker.ATTEMPTS_MAX, (0, 0, 1))


def test_an_event_needs_a_lease_where_its_only_subscriber_does() -> None:
    alone, several = new_event(), new_event()
    hears(alone, "test.only", lambda _: None)
    assert declarations.is_leased(alone.kind)
    for name in ("test.first", "test.second"):
        hears(several, name, lambda _: None)
    assert not declarations.is_leased(several.kind), "it shares out, in one transaction with its end"
    assert all(declarations.is_leased(kind) for kind in declarations.subscribers_of(several.name))
