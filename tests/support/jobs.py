"""Kinds of jobs for tests, what is stored of them, and how they fail."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.jobs import service as jobs
from chalicelib.jobs.service import INSIDE, Lane
from chalicelib.jobs.tables import Jobs
from chalicelib.store import tools
from chalicelib.store.transaction import Transaction
from local.clock import LocalClock

_numbers = itertools.count()


class Work:
    """A kind of job, and how often each of its jobs was run; `act` is what its handler does."""

    def __init__(self, act: Callable[[jobs.Job], None] = lambda _: None, lane: Lane = INSIDE) -> None:
        self.kind = new_name("work")
        self.ran: Counter[str] = Counter()
        self.act = act
        jobs.handles(self.kind, lane)(self.run)

    def run(self, job: jobs.Job) -> None:
        self.ran[job.key] += 1
        self.act(job)

    def owe(self, *keys: str, run_at: datetime | None = None, **payload: str) -> None:
        for start in range(0, len(keys), 100):
            tx = Transaction()
            for key in keys[start : start + 100]:
                jobs.schedule(tx, self.kind, key, run_at, **payload)
            tx.commit()


def new_name(what: str) -> str:
    """A kind or an event that nobody else uses."""
    return f"test.{what}-{next(_numbers)}"


def stored() -> list[Jobs]:
    return sorted(tools.scan(Jobs), key=lambda job: job.due)


def counts() -> tuple[int, int, int]:
    """Jobs that are due, later, dead."""
    found = jobs.counts()
    return found.due, found.later, found.dead


def later(seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def fail(_: jobs.Job) -> None:
    raise MallError("conflict")


def exhausted(mall_clock: LocalClock) -> None:
    """The only job there is, which fails, has failed for good."""
    for _ in range(jobs.ATTEMPTS_MAX):
        assert jobs.run_due() == 1
        mall_clock.advance(jobs.BACKOFF_SECONDS_MAX + 1)
