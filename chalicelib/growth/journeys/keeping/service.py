"""Writing a run: under its number, with its guard, what is counted of its journey, when it is looked at again, and what
is done with its member. All that is one transaction; whoever was quicker makes it void.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from pynamodb.expressions.update import Action

from chalicelib.core import clock
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.journeys.effects.service import actions_of, carry_out
from chalicelib.growth.journeys.jobs import PASS, STEP
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.runs.rules import Guard, Run, name_of
from chalicelib.growth.journeys.stepping.rules import Advanced
from chalicelib.growth.journeys.tables import (
    GUARD_KEPT,
    JourneyCounts,
    JourneyRuns,
    count_key,
    guard_key,
    run_item,
    wake_shard,
)
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.timers import timers_of
from chalicelib.platform.store.tallies import tally
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from chalicelib.platform.store.versioned import Conflict

#: What a transaction has for runs: beside them is what its job does with itself.
ROOM = ACTIONS_MAX - 4

_T = TypeVar("_T")


def actions(advanced: Advanced) -> int:
    """Count the actions that keeping it is at most: run, guard, counter, job, and two looks."""
    return 6 + actions_of(advanced.effects)


def some_of(going: list[_T], advanced: Callable[[_T], Advanced]) -> list[_T]:
    """Take as many from the front of these, one at least, as have room in one transaction."""
    count = room = 0
    while count < len(going) and (not count or room + actions(advanced(going[count])) <= ROOM):
        room += actions(advanced(going[count]))
        count += 1
    some, going[:count] = going[:count], []
    return some


def keep(tx: Transaction, plan: Plan, member: Profile, before: Run, advanced: Advanced) -> None:
    """Write a run that goes on as part of `tx`, which is void where it is not any more as it was `before`."""
    after = advanced.run
    tx.put(run_item(after), JourneyRuns.seq == before.seq, Conflict)
    if after.state == "ended" and before.state != "ended":
        changes = [JourneyRuns.active.remove(), *_left(after, clock.now())]
        tx.update(*_guard_key(after), changes, JourneyRuns.active == after.run_id, Conflict)
    _follow(tx, plan, member, before, advanced)


def keep_new(tx: Transaction, plan: Plan, member: Profile, guard: Guard, advanced: Advanced) -> None:
    """Write a run that begins as part of `tx`, which is void where there is such a run, or the member's `guard` is not
    any more as it was read."""
    after = advanced.run
    tx.create(run_item(after), Conflict)
    changes: list[Action] = [JourneyRuns.entries.set(guard.entries + 1)]
    if after.state == "ended":
        changes += _left(after, clock.now())
    else:
        changes += [JourneyRuns.active.set(after.run_id), JourneyRuns.expires.remove()]
    as_read = JourneyRuns.active.does_not_exist()
    entries = JourneyRuns.entries
    as_read &= entries == guard.entries if guard.entries else entries.does_not_exist()
    tx.update(*_guard_key(after), changes, as_read, Conflict)
    _follow(tx, plan, member, None, advanced)


def _guard_key(run: Run) -> tuple[type[JourneyRuns], tuple[str, ...]]:
    return JourneyRuns, guard_key(run.member_id, run.journey_id, run.key)[1]


def _left(run: Run, now: datetime) -> Sequence[Action]:
    changes: list[Action] = [JourneyRuns.left_at.set(clock.stamp(now))]
    if run.key:  # there may be one for each lobby, each coupon
        changes.append(JourneyRuns.expires.set(now + GUARD_KEPT))
    return changes


def _follow(tx: Transaction, plan: Plan, member: Profile, before: Run | None, advanced: Advanced) -> None:
    """Add to `tx` what follows from how the run is now."""
    run = advanced.run
    if advanced.counts:
        tally(tx, JourneyCounts, count_key(run.journey_id, run.version, run.member_id), advanced.counts)
    if run.state == "active":
        look_again(tx, before, run)
    carry_out(tx, plan, run, member, advanced.effects)


def look_again(tx: Transaction, before: Run | None, run: Run) -> None:
    """Owe as part of `tx` that an active run goes on: at once, or when its wait is over."""
    if run.arriving:
        schedule(tx, STEP, f"{name_of(run)}|{run.seq}")
    elif run.wake is not None and _waits_anew(before, run):
        timers_of(tx, PASS).add(wake_shard(run.member_id), run.wake)


def _waits_anew(before: Run | None, run: Run) -> bool:
    return before is None or before.arriving or before.state != "active" or before.wake != run.wake
