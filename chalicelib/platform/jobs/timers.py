"""Looks at what time alone changes: one job for all of a shard whose instants are in the same quarter of a minute,
however many transactions owe it; an idle mall owes none.

    timers_of(tx, PASS).add(shard, due)     # in the transaction that makes something due
    pass_due(job, PASS_ON, look)            # the handler of PASS; pass_on is that of PASS_ON

The look is at an index: where it follows the write so soon that the index may not know of that yet, the next quarter's
is owed, too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chalicelib.core import clock
from chalicelib.platform.jobs.declarations import Kind
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit

#: To so many milliseconds the time of a look is rounded up; and so many after the instant it is at least: mostly the
#: index knows by then of what was written in that very moment, and after the longer of these it always does.
GRAIN_MS = 15_000
_INDEX_MS, _INDEX_MS_MAX = 1_000, 15_000
#: How long one job goes on, in seconds; what is left it owes to the next.
RUN_SECONDS = 2.0

#: Looks at a page of those of a shard whose instant has come, behind that position (None: at the first of them), and
#: gives where the next page starts (None: no more).
Look = Callable[[int, Any], Any]


class Timers:
    """The looks of one kind that one transaction owes."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._owed: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._owed)

    def add(self, shard: int, due: datetime) -> None:
        """Owe a look at the shard when that instant has come, as part of what is written now."""
        sure = _ms(clock.now()) + _INDEX_MS_MAX
        at = _rounded(_ms(due) + _INDEX_MS)
        self._owed.add((shard, at))
        if at < sure:
            self._owed.add((shard, _rounded(sure)))

    def add_to(self, tx: Transaction) -> None:
        """Owe the jobs as part of `tx`."""
        for shard, at in sorted(self._owed):
            schedule(tx, self._kind, str(shard), clock.from_ms(at))


def timers_of(tx: Transaction, kind: Kind) -> Timers:
    """Give the looks of this kind that `tx` owes, to owe more."""
    return tx.together(("timers", kind.name), lambda: Timers(kind))


def pass_due(job: Job, rest: Kind, look: Look) -> None:
    """Look at those of a shard whose instant has come: at the first of them here, at the rest in jobs of their own,
    so that those of many shards go on side by side."""
    if _passed(int(job.key), look, clock.monotonic()):
        _owe_rest(job, rest, job.key)


def pass_on(job: Job, rest: Kind, look: Look) -> None:
    """Go on with those of a shard whose instant has come."""
    shard = job.key.partition("|")[0]
    if _passed(int(shard), look, clock.monotonic() + RUN_SECONDS):
        _owe_rest(job, rest, shard)


def _owe_rest(job: Job, rest: Kind, shard: str) -> None:
    tx = Transaction()
    schedule(tx, rest, f"{shard}|{clock.stamp(clock.now())}")
    job.finish(tx)
    commit(tx)


def _passed(shard: int, look: Look, end: float) -> bool:
    """Look page after page, until there is no more or until `end` (of the machine's seconds); whether some may be
    left."""
    after = None
    while True:
        after = look(shard, after)
        if after is None:
            return False
        if clock.monotonic() >= end:
            return True


def _rounded(at: int) -> int:
    return -(-at // GRAIN_MS) * GRAIN_MS


def _ms(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1)


_EPOCH = clock.from_ms(0)
