"""What happened to a member is told to their runs, each under its own number, and to journeys that begin by it. Told
again, late or in another order, nothing follows from it twice: a run knows what it was told of, and its id follows from
what it began by."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import current, resolved
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.groupbuy.lobbies.queries import paid_seats
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.book.rules import Book
from chalicelib.growth.journeys.conditions.queries import Conditions
from chalicelib.growth.journeys.early import queries as early
from chalicelib.growth.journeys.early import service as keeping
from chalicelib.growth.journeys.early.rules import may_come_early
from chalicelib.growth.journeys.entering.rules import Cause, chooses_by_behaviour, choosing
from chalicelib.growth.journeys.entering.service import enter
from chalicelib.growth.journeys.hearing.rules import entry_of, has_begun_enough
from chalicelib.growth.journeys.keeping.queries import Standing, standing_of
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.listening.rules import PERSONALISED_OFF, Heard
from chalicelib.growth.journeys.observing.service import tell
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.stepping.rules import Advanced, heard, stopped
from chalicelib.growth.journeys.stepping.service import found, over_by, write
from chalicelib.growth.segments.standing.queries import is_behavioural
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, commit, retry

_T = TypeVar("_T")

#: Why a run ends whose member does not want to be chosen by what they do any more.
NOT_PERSONALISED = "not_personalised"
#: So many members are told of their lobby in one transaction.
_SEATS_AT_ONCE = 50


def hear(job: Job) -> None:
    """Tell a member's runs what happened, and let the member come into journeys that begin by it. A fault in what is
    decided of one run keeps no other from hearing: it is raised in the end."""
    member = _who(job.key.partition("|")[0])
    if member is None:
        return
    book = book_queries.refreshed()  # who owed this may know of a journey that this process does not know yet
    facts = msgspec.json.decode(job.task.payload["facts"], type=list[Heard])
    runs = _by_id(_runs_told(member.member_id, book, facts))
    failed: list[Exception] = []
    for fact in facts:
        _tell_all(runs, member, book, fact, failed)
        came_in = False
        for plan, cause in _entries(book, fact, list(runs.values())):
            outcomes = _apart(functools.partial(enter, [member.member_id], plan.journey_id, cause), failed) or {}
            came_in |= not {"entered", "control"}.isdisjoint(outcomes.values())
        if came_in:  # who came in by this fact hears what followed it, also what was told before it
            runs = _by_id(runs_of(member.member_id))
            for one in early.since(member.member_id, fact.at):
                _tell_all(runs, member, book, one, failed)
    if failed:
        raise failed[0]


def _by_id(runs: Iterable[Run]) -> dict[str, Run]:
    return {run.run_id: run for run in runs}


def _runs_told(member_id: str, book: Book, facts: Sequence[Heard]) -> list[Run]:
    """The runs of the member who are told. What may be something to a run that is still to begin, by what happened
    before, is kept first; and whoever lets it begin looks at what is kept after that: one of both sees the other."""
    runs = runs_of(member_id)
    inside = {run.journey_id for run in runs if run.state != "ended" and not run.key}
    plans = [book_queries.plan_now(one) for one in book.live() if one.journey_id not in inside]
    kept = [fact for fact in facts if any(may_come_early(plan, fact) for plan in plans)]
    for fact in kept:
        keeping.keep(member_id, fact)
    return runs_of(member_id) if kept else runs


def _tell_all(runs: dict[str, Run], member: Profile, book: Book, fact: Heard, failed: list[Exception]) -> None:
    """Tell the member's runs, which are then as they are after it."""
    for run in _concerned(list(runs.values()), book, fact):
        told = _apart(functools.partial(_told, run, member, fact), failed)
        if told is not None:
            runs[told.run_id] = told


def _apart(work: Callable[[], _T], failed: list[Exception]) -> _T | None:
    """Do something for one of a member's runs, or journeys: a fault there keeps none of the others from hearing, and is
    raised in the end. Raises MallErrors."""
    try:
        return work()
    except MallError:
        raise
    except Exception as fault:
        log.error("fact_not_heard", fault)
        failed.append(fault)
        return None


def hear_lobby(job: Job) -> None:
    """Tell all who have a paid seat in a lobby what happened to it."""
    lobby_id = job.key.partition("|")[0]
    fact = msgspec.json.decode(job.task.payload["fact"], type=Heard)
    members = list(dict.fromkeys(seat.member_id for seat in paid_seats(lobby_id)))
    for start in range(0, len(members), _SEATS_AT_ONCE):
        tx = Transaction()
        for member_id in members[start : start + _SEATS_AT_ONCE]:
            tell(tx, member_id, [fact])
        commit(tx)


def _who(member_id: str) -> Profile | None:
    """Find who a member is by now; what is theirs who became them is theirs first. None for who has left."""
    member = current(member_id)
    if member is None and (now := resolved(member_id)) != member_id:
        member = current(now)
        if member is not None:
            absorb_all(member_id, now)
    if member is not None:
        for one in member.absorbed:
            if not one.settled:
                absorb_all(one.member_id, member.member_id)
    return member


def _concerned(runs: Iterable[Run], book: Book, fact: Heard) -> list[Run]:
    """The runs that may have to do with the fact, by what their journeys listen to."""
    if fact.event == PERSONALISED_OFF:
        return [run for run in runs if run.state != "ended"]
    names = book.following(fact.segment) if fact.segment else book.listening_to(fact.event)
    return [run for run in runs if run.journey_id in names]


def _told(known: Run, member: Profile, fact: Heard) -> Run:
    """Tell the member's run, which was read just now; the run after it. Raises `conflict`."""
    which = known.member_id, known.journey_id, known.run_id
    read = [standing_of(known, member)]

    def once() -> Run:
        there = read.pop() if read else found(which)
        advanced = None if there is None else _advanced(there, fact)
        if there is None or advanced is None:
            return known if there is None else there.run
        write(there, advanced)
        return advanced.run

    return retry(once, TRIES_CROWDED)


def _advanced(there: Standing, fact: Heard) -> Advanced | None:
    run, now = there.run, clock.now()
    if fact.event != PERSONALISED_OFF:
        return heard(there.plan, run, now, Conditions(run.member_id), fact, there.paused, over_by(there))
    behavioural = any(is_behavioural(one) for one in choosing(there.plan))
    if run.state == "ended" or not chooses_by_behaviour(there.plan, run.entered_by, behavioural):
        return None
    return stopped(there.plan, run, now, NOT_PERSONALISED)


def _entries(book: Book, fact: Heard, runs: Sequence[Run]) -> Iterable[tuple[Plan, Cause]]:
    """The plans of the journeys that begin by the fact, for a member who has these runs, each with the cause by which;
    without those that a client has begun often enough."""
    for journey in book.live():
        plan = book_queries.plan_now(journey)
        cause = entry_of(plan, fact)
        if cause is not None and not has_begun_enough(cause, sum(run.journey_id == plan.journey_id for run in runs)):
            yield plan, cause
