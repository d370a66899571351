"""Kinds of jobs and events for tests, what is stored of them, and how they fail."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import INSIDE, Event, Lane, event, handles, subscribe
from chalicelib.platform.jobs.job import Handler, Job
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store.transaction import Transaction
from local.clock import LocalClock
from local.jobs import all_jobs

_numbers = itertools.count()


class Work:
    """A kind of job, and how often each of its jobs was run; `act` is what its handler does."""

    def __init__(self, act: Callable[[Job], None] = lambda _: None, lane: Lane = INSIDE, leased: bool = True) -> None:
        self.ran: Counter[str] = Counter()
        self.act = act
        self.kind = handles(new_name("work"), named(self.run), lane, leased=leased)

    def run(self, job: Job) -> None:
        self.ran[job.key] += 1
        self.act(job)

    def owe(self, *keys: str, run_at: datetime | None = None, **payload: str) -> None:
        for start in range(0, len(keys), 100):
            tx = Transaction()
            for key in keys[start : start + 100]:
                queue.schedule(tx, self.kind, key, run_at, **payload)
            tx.commit()


def named(handler: Handler) -> str:
    """A reference by which that handler is found, as declarations name theirs."""
    name = f"handler_{next(_numbers)}"
    setattr(sys.modules[__name__], name, handler)
    return f"{__name__}:{name}"


def new_event() -> Event:
    """An event that nobody else tells."""
    return event(new_name("event"))


def hears(heard: Event | str, name: str, handler: Handler, lane: Lane = INSIDE) -> None:
    """Declare a subscriber of the event, which may be declared later."""
    subscribe(heard if isinstance(heard, str) else heard.name, name, named(handler), lane)


def new_name(what: str) -> str:
    """A kind or an event that nobody else uses."""
    return f"test.{what}-{next(_numbers)}"


def stored() -> list[Jobs]:
    return sorted(all_jobs(), key=lambda job: job.due)


def taken(found: Jobs) -> Job:
    """The job, as a worker has it that has taken it under a lease."""
    job = Job(found.shard, found.due, found.task)
    job.hold()
    return job


def counts() -> tuple[int, int, int]:
    """Jobs that are due, later, dead."""
    found = queue.counts()
    return found.due, found.later, found.dead


def later(seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def fail(_: Job) -> None:
    raise MallError("conflict")


def exhausted(mall_clock: LocalClock) -> None:
    """The only job there is, which fails, has failed for good."""
    for _ in range(worker.ATTEMPTS_MAX):
        assert worker.run_due() == 1
        mall_clock.advance(worker.BACKOFF_SECONDS_MAX + 1)
