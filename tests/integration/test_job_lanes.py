"""Jobs that call WeChat hold up no others, nor do those that are owed to very many; who looks ahead runs each at its
second."""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID, COMPLETE, CONFIRMED, PUSH_REFUND, RECEIVE, REPORT_SHIPPING
from chalicelib.core import clock
from chalicelib.core import settings as core
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import INSIDE, LANES, MANY, OUTSIDE, SENDS, Event, Kind, Lane
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.tables import DEAD, Jobs, JobsOfMany, Task
from chalicelib.platform.store.transaction import Transaction, save
from local.clock import LocalClock
from tests.support.jobs import Work, counts, exhausted, fail, hears, later, new_event, stored, taken

pytestmark = pytest.mark.usefixtures("no_jobs")

WINDOW = 65.0


def lanes() -> list[Lane]:
    """The lane of each stored job, soonest first."""
    return [Lane(job.shard[0]) for job in stored()]


# Lanes.


def test_a_kind_has_the_lane_that_its_handler_declares() -> None:
    Work().owe("a", run_at=later(1))
    Work(lane=OUTSIDE).owe("a", run_at=later(2))
    Work(lane=MANY).owe("a", run_at=later(3))
    Work(lane=SENDS).owe("a", run_at=later(4))
    assert lanes() == [INSIDE, OUTSIDE, MANY, SENDS]
    assert [type(job) for job in stored()] == [Jobs, Jobs, JobsOfMany, JobsOfMany]
    assert counts() == (0, 4, 0)


@pytest.mark.parametrize("lane", [MANY, SENDS])
def test_what_is_owed_to_very_many_lies_in_as_many_shards_as_are_set_for_it(lane: Lane) -> None:
    """However few those of the orders are; and a job's shard is the same for ever."""
    core.use(dict(os.environ) | {"YUTANG_MANY_SHARDS": "16"})
    try:
        Work(lane=lane).owe(*(f"{number}" for number in range(200)))
        Work().owe(*(f"{number}" for number in range(200)))
        assert {job.shard for job in stored()} == {*(f"{lane}{number}" for number in range(16)), "s0", "s1"}
        first = [f"{lane}15", f"{lane}0"]
        assert (queue.shards([lane], 0.99)[:2], worker.run_due(), counts()) == (first, 400, (0, 0, 0))
    finally:
        core.use(os.environ)


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


def test_a_worker_runs_only_the_lanes_that_it_works_on_and_all_unless_told_inside_first() -> None:
    order: list[Lane] = []
    works = {lane: Work(lambda _, lane=lane: order.append(lane), lane) for lane in LANES}  # type: ignore[misc]

    def owe() -> None:
        for lane in reversed(LANES):
            works[lane].owe("a")

    owe()
    for number, lane in enumerate(LANES, start=1):
        assert (worker.run_due(lanes=[lane]), worker.run_due(lanes=[lane])) == (1, 0)
        assert order == list(LANES[:number])
    order.clear()
    owe()
    assert (worker.run_due(), order) == (4, [INSIDE, OUTSIDE, MANY, SENDS])


@pytest.mark.parametrize("slow", [OUTSIDE, MANY, SENDS])
def test_while_wechat_does_not_answer_or_very_many_wait_the_other_lanes_are_worked(slow: Lane) -> None:
    begun, answered = threading.Event(), threading.Event()

    def wait(_: Job) -> None:
        begun.set()
        assert answered.wait(30)

    calls, inside = Work(wait, slow), Work()
    calls.owe(*(f"c{n}" for n in range(5)))
    inside.owe(*(f"i{n}" for n in range(20)))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.run_due, lanes=[slow])
        try:
            assert begun.wait(30)
            assert worker.run_due(lanes=[lane for lane in LANES if lane is not slow]) == 20
            assert (len(inside.ran), len(calls.ran)) == (20, 1)
        finally:
            answered.set()
        assert waiting.result(30) == 5


def test_one_that_failed_or_asked_for_later_comes_again_in_its_lane() -> None:
    def not_yet(_: Job) -> None:
        raise RetryLater(30)

    for lane in (OUTSIDE, MANY, SENDS):
        Work(fail, lane).owe("a")
        Work(not_yet, lane).owe("a")
    Work(fail).owe("a")
    assert worker.run_due() == 7
    assert (sorted(lanes()), counts()) == ([MANY, MANY, OUTSIDE, OUTSIDE, SENDS, SENDS, INSIDE], (0, 7, 0))


@pytest.mark.parametrize(("was", "becomes"), list(itertools.permutations(LANES, 2)))
def test_what_was_stored_before_its_kind_had_that_lane_is_put_back_into_it(was: Lane, becomes: Lane) -> None:
    work = Work(fail, becomes)
    save(queue.item(Task(work.kind.name, "a"), was, later(0)))
    assert (worker.run_due(lanes=[was]), lanes(), counts()) == (1, [becomes], (0, 1, 0))


@pytest.mark.parametrize("lane", LANES)
def test_a_kind_that_only_another_version_knows_stays_in_its_lane(lane: Lane) -> None:
    """However many they are, they stand before no order's job, and whoever has the rights for them runs them then."""
    save(queue.item(Task("test.nobody-knows", "a"), lane, later(0)))
    assert (worker.run_due(), lanes(), stored()[0].task.last_error) == (1, [lane], "LookupError")


@pytest.mark.parametrize("lane", LANES)
def test_a_dead_job_is_revived_in_its_lane(lane: Lane, mall_clock: LocalClock) -> None:
    work = Work(fail, lane)
    work.owe("a")
    exhausted(mall_clock)
    (dead,) = stored()
    assert (type(dead), dead.shard) == (Jobs, DEAD), "the dead of all lanes are one list"
    work.act = lambda _: None
    queue.revive(dead.due)
    assert (lanes(), stored()[0].at_once) == ([lane], True)
    assert (worker.run_due(lanes=[lane]), counts()) == (1, (0, 0, 0))


def tell(event: Event) -> None:
    tx = Transaction()
    emit(tx, event, "a")
    tx.commit()


@pytest.mark.parametrize("lane", [OUTSIDE, MANY, SENDS])
def test_an_event_is_told_inside_by_its_own_job_to_the_only_one_inside_and_by_another_to_one_elsewhere(
    lane: Lane,
) -> None:
    event, told = new_event(), list[str]()
    hears(event, "test.inside", lambda _: told.append("inside"))
    tell(event)
    assert (lanes(), worker.run_due(lanes=[INSIDE]), told, counts()) == ([INSIDE], 1, ["inside"], (0, 0, 0))

    event = new_event()
    hears(event, "test.elsewhere", lambda _: told.append("elsewhere"), lane)
    tell(event)
    assert (lanes(), worker.run_due(lanes=[INSIDE]), told, lanes()) == ([INSIDE], 1, ["inside"], [lane])
    assert (worker.run_due(lanes=[lane]), told, counts()) == (1, ["inside", "elsewhere"], (0, 0, 0))


def test_an_event_is_shared_out_to_the_lanes_of_several() -> None:
    event, told = new_event(), list[str]()
    hears(event, "test.many", lambda _: told.append("many"), MANY)
    hears(event, "test.outside", lambda _: told.append("outside"), OUTSIDE)
    hears(event, "test.sends", lambda _: told.append("sends"), SENDS)
    hears(event, "test.inside", lambda _: told.append("inside"))
    tell(event)
    assert lanes() == [INSIDE]
    assert (worker.run_due(lanes=[INSIDE]), told, sorted(lanes())) == (2, ["inside"], [MANY, OUTSIDE, SENDS])
    assert (worker.run_due(lanes=[OUTSIDE, MANY, SENDS]), counts()) == (3, (0, 0, 0))
    assert told == ["inside", "outside", "many", "sends"]


# The look ahead.


@pytest.mark.parametrize("lane", [INSIDE, MANY, SENDS])
def test_who_looks_ahead_runs_each_job_at_its_second(lane: Lane, naps: list[float]) -> None:
    at: dict[str, datetime] = {}

    def note(job: Job) -> None:
        at[job.key] = clock.now()

    work, due = Work(note, lane), {f"{seconds} s": later(seconds) for seconds in (0.3, 3, 3.5, 30.5, 61)}
    for key, moment in due.items():
        work.owe(key, run_at=moment)
    assert worker.run_due(WINDOW, [lane], ahead=True) == 5
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
