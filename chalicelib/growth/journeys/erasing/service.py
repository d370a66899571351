"""Forgetting a person: whatever they are in ends, and every run is deleted. How often they came into journeys, and what
they got, is known on as long as the mall knows who returns; nothing of the person is in it."""

from __future__ import annotations

import contextlib
import functools
from datetime import timedelta

from chalicelib.core import clock
from chalicelib.customers.members.settings import MEMBERS
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.early import service as early
from chalicelib.growth.journeys.runs.queries import guards_of, runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.stepping.rules import stopped
from chalicelib.growth.journeys.tables import (
    JourneyCounts,
    JourneyRuns,
    count_key,
    guard_key,
    run_part,
)
from chalicelib.platform.store import read
from chalicelib.platform.store.tallies import tally
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

#: Why a run ends whose member leaves the mall.
GONE = "gone"


def erase(member_id: str) -> None:
    """Forget all runs of this person. May be called again. Raises `conflict`, `unavailable`."""
    for run in runs_of(member_id):
        retry(functools.partial(_erase_run, member_id, run.journey_id, run.run_id), TRIES_CROWDED)
    early.erase(member_id)
    until = clock.now() + timedelta(days=MEMBERS.current().returning_days)
    for part in guards_of(member_id):
        with contextlib.suppress(ConditionFailed):  # it is gone
            write(JourneyRuns, (member_id, part), [JourneyRuns.expires.set(until)], JourneyRuns.part.exists())


def _erase_run(member_id: str, journey_id: str, run_id: str) -> None:
    item = read.get(JourneyRuns, member_id, run_part(journey_id, run_id))
    if item is None:
        return
    run: Run = item.run
    tx = Transaction()
    tx.delete(JourneyRuns, (member_id, item.part), JourneyRuns.seq == run.seq, Conflict)
    if run.state != "ended":
        now = clock.now()
        ended = stopped(book_queries.plan(journey_id, run.version), run, now, GONE)
        tally(tx, JourneyCounts, count_key(journey_id, run.version, member_id), ended.counts)
        changes = [
            JourneyRuns.active.remove(),
            JourneyRuns.left_at.set(clock.stamp(now)),
        ]
        key = guard_key(member_id, journey_id, run.key)[1]
        tx.update(JourneyRuns, key, changes, JourneyRuns.active == run_id, Conflict)
    commit(tx)
