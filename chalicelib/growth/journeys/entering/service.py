"""Members come into a journey: up to 16 in one transaction, each with a run and its first steps."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import resolved
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.book.rules import is_open
from chalicelib.growth.journeys.conditions.queries import Conditions
from chalicelib.growth.journeys.entering.rules import Cause, Outcome, choosing, entered, refusal
from chalicelib.growth.journeys.keeping.service import keep_new, some_of
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.runs.queries import find, guard_of
from chalicelib.growth.journeys.runs.rules import Guard, Run
from chalicelib.growth.journeys.settings import HOLDOUT
from chalicelib.growth.journeys.stepping.rules import Advanced, begun
from chalicelib.growth.journeys.tables import guard_key, run_key
from chalicelib.growth.segments.standing.queries import Standing, is_behavioural, standing, standing_key
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key, ReadSet
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, commit, retry

#: So many members are read at once, and come in in one transaction: it has room for them where nothing else is done.
MEMBERS_AT_ONCE = 16


class _Comer(msgspec.Struct, frozen=True, kw_only=True):
    """A member who comes in: as they were asked for, as they are, their guard, and their run as it begins."""

    asked: str
    member: Profile
    guard: Guard
    advanced: Advanced


def enter(member_ids: Sequence[str], journey_id: str, cause: Cause) -> dict[str, Outcome]:
    """Let these members come into a journey by this cause, which lets each in once; say what became of each.

    Raises `unavailable`, and `conflict` where others keep changing one.
    """
    known = book_queries.book().journeys.get(journey_id)
    asked = list(dict.fromkeys(member_ids))
    if known is None or not known.journey.version:
        return dict.fromkeys(asked, "paused")
    plan = book_queries.plan_now(known.journey)
    if not is_open(known.journey, plan, clock.now()):
        return dict.fromkeys(asked, "paused")
    outcomes: dict[str, Outcome] = {}
    for start in range(0, len(asked), MEMBERS_AT_ONCE):
        outcomes |= _enter_some(asked[start : start + MEMBERS_AT_ONCE], plan, cause)
    return outcomes


def enter_by_step(job: Job) -> None:
    """Let a member in whom a step of another journey sends."""
    member_id, journey_id, cause = job.key.split("|", 2)
    enter([member_id], journey_id, Cause(by="enter", cause=cause))


def run_id_of(member_id: str, journey_id: str, cause: Cause) -> str:
    """Derive the id of the run that this cause begins for the member, as they are asked for."""
    return ids.derived("jr", journey_id, member_id, cause.cause, cause.key)


def _enter_some(asked: Sequence[str], plan: Plan, cause: Cause) -> dict[str, Outcome]:
    try:
        outcomes, comers = _decided(asked, plan, cause)
    except MallError:
        raise
    except Exception:
        return _each_alone(asked, plan, cause)
    while comers:
        tx = Transaction()
        some = some_of(comers, lambda one: one.advanced)
        try:
            for one in some:
                _add(tx, plan, one)
            commit(tx)
        except MallError:
            raise
        except Exception:  # also a Conflict
            outcomes |= _each_alone([one.asked for one in some], plan, cause)
        else:
            outcomes |= {one.asked: _as_what(one.advanced.run) for one in some}
    return outcomes


def _each_alone(asked: Sequence[str], plan: Plan, cause: Cause) -> dict[str, Outcome]:
    """Let each of these members in by themselves: a fault in what is decided of one keeps none of the others out, and
    is raised in the end."""
    outcomes: dict[str, Outcome] = {}
    faults: list[Exception] = []
    for one in asked:
        try:
            outcomes[one] = enter_alone(one, plan, cause)
        except MallError:
            raise
        except Exception as fault:
            faults.append(fault)
    if faults:
        raise faults[0]
    return outcomes


def enter_alone(member_id: str, plan: Plan, cause: Cause) -> Outcome:
    """Let one member in, in a transaction of their own. Raises `conflict`, `unavailable`."""

    def once() -> Outcome:
        outcomes, comers = _decided([member_id], plan, cause)
        if not comers:
            return outcomes[member_id]
        tx = Transaction()
        _add(tx, plan, comers[0])
        commit(tx)
        return _as_what(comers[0].advanced.run)

    return retry(once, TRIES_CROWDED)


def _add(tx: Transaction, plan: Plan, comer: _Comer) -> None:
    keep_new(tx, plan, comer.member, comer.guard, comer.advanced)


def _as_what(run: Run) -> Outcome:
    return "control" if run.control else "entered"


def _decided(asked: Sequence[str], plan: Plan, cause: Cause) -> tuple[dict[str, Outcome], list[_Comer]]:
    """Read all that decides about these members: what becomes of those who do not come in, or have before by this very
    cause, and who comes in."""
    persons, found = _read(asked, plan, cause)
    behavioural = any(is_behavioural(one) for one in choosing(plan))
    outcomes: dict[str, Outcome] = {}
    comers: dict[str, _Comer] = {}
    now, percent = clock.now(), HOLDOUT.current().percent
    for one, who in persons.items():
        profile, guard_item, run_item, *known = found.each(_keys(one, who, plan, cause))
        guard, run = guard_of(guard_item), None if run_item is None else run_item.run
        if profile is None:
            outcomes[one] = "gone"
            continue
        if run is not None:
            outcomes[one] = _as_what(run)
            continue
        stands = standing(who, known[0]) if known else None
        segments = frozenset[str]() if stands is None else stands.segments
        why = refusal(plan, cause, profile.profile, guard, segments, behavioural, now)
        if why is None and who in comers:
            why = "active"
        if why in ("active", "re_entry") and who not in comers:  # it may be by this very cause, between both reads
            run = find(who, plan.journey_id, run_id_of(one, plan.journey_id, cause))
            why = why if run is None else _as_what(run)
        if why is not None:
            outcomes[one] = why
        else:
            comers[who] = _comer(one, profile.profile, guard, plan, cause, stands, percent)
    return outcomes, list(comers.values())


def _comer(
    asked: str, member: Profile, guard: Guard, plan: Plan, cause: Cause, stands: Standing | None, percent: int
) -> _Comer:  # fmt: skip
    now = clock.now()
    run = entered(plan, cause, run_id_of(asked, plan.journey_id, cause), member, percent, now)
    conditions = Conditions(member.member_id, stands)
    return _Comer(asked=asked, member=member, guard=guard, advanced=begun(plan, run, now, conditions))


def _keys(asked: str, member_id: str, plan: Plan, cause: Cause) -> list[Key]:
    """Name what is read of a member: themselves, their guard, the run of this cause, and how they stand where the
    journey is for some only."""
    run_id = run_id_of(asked, plan.journey_id, cause)
    keys = [
        profile_key(member_id), guard_key(member_id, plan.journey_id, cause.key),
        run_key(member_id, plan.journey_id, run_id),
    ]  # fmt: skip
    asks = plan.definition.audience is not None or plan.definition.exclude is not None
    return [*keys, standing_key(member_id)] if asks else keys


def _read(asked: Sequence[str], plan: Plan, cause: Cause) -> tuple[dict[str, str], ReadSet]:
    """Find who these members are by now, and read what is asked of each; what is theirs who became another becomes the
    other's first."""
    persons = {one: one for one in asked}
    found = read.read_set(key for one in asked for key in _keys(one, one, plan, cause))
    for one in asked:
        if found[profile_key(one)] is None and (now := resolved(one)) != one:
            absorb_all(one, now)
            persons[one] = now
            found |= read.read_set(_keys(one, now, plan, cause))
    return persons, found
