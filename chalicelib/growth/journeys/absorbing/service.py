"""One member's runs become another's, who is the same person: each in one transaction with its guard. Where both are in
a journey the former's run ends. Done again, what is left is moved.
"""

from __future__ import annotations

import functools

import msgspec

from chalicelib.core import clock
from chalicelib.growth.journeys.absorbing.rules import joined
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.early import service as early
from chalicelib.growth.journeys.keeping.service import look_again
from chalicelib.growth.journeys.limits import queries as limits
from chalicelib.growth.journeys.limits import rules as limit_rules
from chalicelib.growth.journeys.limits import service as limiting
from chalicelib.growth.journeys.runs.queries import guard_of, guards_of, runs_of
from chalicelib.growth.journeys.runs.rules import Guard, Run
from chalicelib.growth.journeys.stepping.rules import stopped
from chalicelib.growth.journeys.tables import (
    GRANTS,
    GUARD_KEPT,
    JourneyCounts,
    JourneyRuns,
    count_key,
    guard_key,
    has_key,
    run_item,
    run_part,
)
from chalicelib.platform.store import read
from chalicelib.platform.store.tallies import tally
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

#: Why the former member's run ends where the other is in the journey, too.
MERGED = "merged"


def absorb(former: str, member_id: str, _position: str | None) -> None:
    """Make the member's what is the former one's. Raises `conflict`, `unavailable`."""
    absorb_all(former, member_id)


def absorb_all(former: str, member_id: str) -> None:
    """Move all runs, guards, and what was got. Raises `conflict`, `unavailable`."""
    for run in runs_of(former):
        retry(functools.partial(_move_run, former, member_id, run.journey_id, run.run_id), TRIES_CROWDED)
    for part in guards_of(former):
        retry(functools.partial(_join_guards, former, member_id, part), TRIES_CROWDED)
    retry(functools.partial(_join_received, former, member_id), TRIES_CROWDED)
    early.absorb(former, member_id)


def _move_run(former: str, member_id: str, journey_id: str, run_id: str) -> None:
    item = read.get(JourneyRuns, former, run_part(journey_id, run_id))
    if item is None:
        return
    run: Run = item.run
    moved = msgspec.structs.replace(run, member_id=member_id, seq=run.seq + 1)
    tx = Transaction()
    tx.delete(JourneyRuns, (former, item.part), JourneyRuns.seq == run.seq, Conflict)
    if run.state != "ended":
        theirs, ours = (guard_key(one, journey_id, run.key)[1] for one in (former, member_id))
        found, known = read.batch_get([(JourneyRuns, theirs), (JourneyRuns, ours)])
        before, guard = guard_of(found), guard_of(known)
        if guard.run_id:
            now = clock.now()
            ended = stopped(book_queries.plan(journey_id, run.version), run, now, MERGED)
            counted = now if run.goal_until is not None else None  # what follows counts for the other run alone
            moved = msgspec.structs.replace(ended.run, member_id=member_id, goal_until=counted)
            tally(tx, JourneyCounts, count_key(journey_id, run.version, member_id), ended.counts)
            before = Guard(entries=before.entries, left_at=now)
        _join(tx, theirs, ours, before, guard, found_run=run.run_id)
    tx.create(run_item(moved), Conflict)
    if moved.state == "active":
        look_again(tx, None, moved)
    commit(tx)


def _join_guards(former: str, member_id: str, part: str) -> None:
    """Join the guards of a journey that the former member is not in any more."""
    theirs, ours = (former, part), (member_id, part)
    found, known = read.batch_get([(JourneyRuns, theirs), (JourneyRuns, ours)])
    if found is None:
        return
    before = guard_of(found)
    if before.run_id:
        raise Conflict  # they came in meanwhile: that run goes first
    tx = Transaction()
    _join(tx, theirs, ours, before, guard_of(known), found_run="")
    commit(tx)


def _join(
    tx: Transaction, theirs: tuple[str, ...], ours: tuple[str, ...], before: Guard, guard: Guard, found_run: str
) -> None:
    """Put both guards together as the second, as part of `tx`, while both are as they were read; `found_run` is the
    run that the first had."""
    entries, active = JourneyRuns.entries, JourneyRuns.active
    same = active == found_run if found_run else active.does_not_exist()
    tx.delete(JourneyRuns, theirs, same & (entries == before.entries), Conflict)
    after = joined(guard, before)
    member_id, part = ours
    item = JourneyRuns(member_id, part, active=after.run_id or None, entries=after.entries)
    item.left_at = clock.stamp(after.left_at) if after.left_at is not None else None
    if not after.run_id:
        item.expires = clock.now() + GUARD_KEPT if has_key(part) else None
    unchanged = entries == guard.entries if guard.entries else entries.does_not_exist()
    unchanged &= active == guard.run_id if guard.run_id else active.does_not_exist()
    tx.put(item, unchanged, Conflict)


def _join_received(former: str, member_id: str) -> None:
    """Count what both got against one person's bounds."""
    theirs = limits.received(former)
    if not theirs.version:
        return
    ours = limits.received(member_id)
    tx = Transaction()
    limiting.put(tx, member_id, ours, limit_rules.joined(ours.value, theirs.value, clock.now()))
    tx.delete(JourneyRuns, (former, GRANTS), JourneyRuns.version == theirs.version, Conflict)
    commit(tx)
