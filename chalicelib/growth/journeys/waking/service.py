"""Runs go on when their wait is over: those of a shard together, as many in a transaction as it has room for. Coupons
are given one by one, by the jobs of the runs that have come to one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.jobs import PASS, PASS_ON
from chalicelib.growth.journeys.keeping.queries import Standing, standings
from chalicelib.growth.journeys.keeping.service import keep, some_of
from chalicelib.growth.journeys.runs.queries import due_in, of_keys
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.stepping.rules import Advanced
from chalicelib.growth.journeys.stepping.service import gone_on, is_due, wake
from chalicelib.growth.journeys.tables import WAKE_SHARDS
from chalicelib.growth.segments.membership.service import apart
from chalicelib.platform.jobs import timers
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit

#: So many runs are read at once, and go on in one transaction: it has room for them where nothing else is done.
RUNS_AT_ONCE = 16

_Going = tuple[Standing, Advanced]


def pass_due(job: Job) -> None:
    """Go on with the runs of a shard whose wait is over by now."""
    timers.pass_due(job, PASS_ON, _look)


def pass_on(job: Job) -> None:
    """Go on with the rest of them."""
    timers.pass_on(job, PASS_ON, _look)


def _look(shard: int, after: Any) -> Any:
    """Go on with a page of runs of the shard, and say where the next page starts. What has gone on may stand in the
    index for a moment more, and is passed over; what failed stays due."""
    keys, after = due_in(shard, RUNS_AT_ONCE, after)
    there, gone = standings(of_keys(keys))
    now = clock.now()
    wake_all([one for one in there if is_due(one, now)])
    for run in gone:  # whose member has left, or become another
        apart(run.member_id, functools.partial(wake, _which(run)))
    return after


def wake_all(found: Sequence[Standing]) -> None:
    """Go on with these runs, many in a transaction; with one that is changed by another meanwhile, or cannot be
    written, in one of its own. Raises `unavailable`, and `conflict` where others keep changing one."""
    going: list[_Going] = []
    for one in found:
        advanced, _ = apart(one.run.member_id, functools.partial(gone_on, one, clock.now()))
        going += [(one, advanced)] if advanced is not None else []
    while going:
        tx = Transaction()
        some = some_of(going, lambda one: one[1])
        try:
            for there, advanced in some:
                keep(tx, there.plan, there.member, there.run, advanced)
            commit(tx)
        except MallError:
            raise
        except Exception:  # also a Conflict
            for there, _ in some:
                apart(there.run.member_id, functools.partial(wake, _which(there.run)))


def _which(run: Run) -> tuple[str, str, str]:
    return run.member_id, run.journey_id, run.run_id


def look_after(_: Job) -> None:
    """See to runs whose wait was over while their job was lost, or that failed."""
    for shard in range(WAKE_SHARDS):
        if due_in(shard, 1, None)[0]:
            tx = Transaction()
            schedule(tx, PASS, str(shard))
            commit(tx)
