"""The lists, the counts and the history follow what was decided of members; and members are looked at when time alone
may have changed something of them.

One transaction is the member's document, under its version, and all that follows from it. So a list and its count never
differ, and what is done twice finds nothing to do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.growth.segments.assessment.rules import advance, is_complete, net_moves
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.counts.service import counts_of
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import TAG_IDS, Book
from chalicelib.growth.segments.jobs import PASS_ON, SETTLE
from chalicelib.growth.segments.membership import queries
from chalicelib.growth.segments.membership.rules import Move, Moved, portion
from chalicelib.growth.segments.ports import OBSERVED_MAX, observers
from chalicelib.growth.segments.restoring.queries import completed, known
from chalicelib.growth.segments.tables import HISTORY, MemberTraits, SegmentMembers, count_shard, place_of, stamp
from chalicelib.growth.segments.timers.service import looks_owed
from chalicelib.growth.segments.traits.queries import Stored, book_for, stored, stored_of
from chalicelib.growth.segments.traits.rules import Traits, ms
from chalicelib.growth.segments.traits.service import put
from chalicelib.platform.jobs import timers
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from chalicelib.platform.store.versioned import commit, retry

#: For how many days it is remembered what a member came into and left.
HISTORY_DAYS = 400
#: How many members are read, and looked at in one transaction where it has room for them.
MEMBERS_AT_ONCE = 20
#: What a transaction has for members: beside them is what its job does with itself.
_ROOM = ACTIONS_MAX - 4

_T = TypeVar("_T")


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """A member as they were found, and what follows for them now: their traits after it, when to look again, and what
    they came into and left in the end (`net`), of all that they went through (`moves`); `tags`: which they have or have
    not then."""

    found: Stored
    traits: Traits
    due: int | None
    moves: list[tuple[int, str, bool]]
    net: dict[str, bool]
    tags: dict[str, bool]

    @property
    def actions(self) -> int:
        """Count the actions that it is in a transaction at most."""
        return 6 + 2 * len(self.net) + (OBSERVED_MAX if self.net else 0)


def following(found: Stored, book: Book) -> Following | None:
    """Find what follows for the member now; None where nothing does. Of whom not all is known, that is looked
    through."""
    now = ms(clock.now())
    traits = found.traits if is_complete(book, found.traits, now) else completed(found.traits, book)
    after = advance(book, traits, found.due, now, around)
    moves, rest = portion(after.traits.moves)
    traits = msgspec.structs.replace(after.traits, moves=rest)
    if found.version and not moves and traits == found.traits and after.due == found.due:
        return None
    net = net_moves(moves)
    tags = {definitions.tag_name(book, one): came for one, came in net.items() if one.startswith(TAG_IDS)}
    return Following(found=found, traits=traits, due=after.due, moves=moves, net=net, tags=tags)


def follow(tx: Transaction, step: Following) -> None:
    """Write as part of `tx` what follows for the member: their document, the lists, the counts, and the history."""
    traits, before = step.traits, step.found.traits
    put(tx, step.found, traits, step.due)
    list_moves(tx, traits.member_id, step.net, traits.inside)
    _tell(tx, traits.member_id, step.net)
    if step.moves:
        part = f"{HISTORY}{stamp(step.moves[-1][0])}|{step.found.version + 1:08}"
        moved = Moved([Move(*one) for one in step.moves])
        expires = clock.now() + timedelta(days=HISTORY_DAYS)
        tx.put(MemberTraits(traits.member_id, part, moved=moved, expires=expires))
    counted_otherwise = (traits.completed, traits.last_completed_at) != (before.completed, before.last_completed_at)
    if counted_otherwise or step.tags or before.incomplete or not step.found.version:
        members.set_known(tx, traits.member_id, traits.completed, traits.last_completion, step.tags)
    if not step.found.version:
        members.stays(tx, traits.member_id)
    if traits.moves:
        schedule(tx, SETTLE, traits.member_id)


def _tell(tx: Transaction, member_id: str, net: Mapping[str, bool]) -> None:
    entered = [segment_id for segment_id, came in net.items() if came]
    left = [segment_id for segment_id, came in net.items() if not came]
    for each in observers() if net else ():
        each.moved(tx, member_id, entered, left)


def list_moves(tx: Transaction, member_id: str, net: Mapping[str, bool], since: Mapping[str, int]) -> None:
    """List as part of `tx` that the member came into these segments, `since` when, or left them, and count it."""
    for segment_id, came in net.items():
        place = place_of(segment_id, count_shard(member_id))
        if came:
            tx.put(SegmentMembers(place, member_id, entered_at=stamp(since[segment_id])))
        else:
            tx.delete(SegmentMembers, (place, member_id))
        counts_of(tx).add(member_id, segment_id, came)


def settle(job: Job) -> None:
    """Bring the lists up to date with one member."""

    def once() -> None:
        found = stored(job.key)
        step = None if found is None else following(found, book_for(found.traits))
        tx = Transaction()
        if step is not None:
            follow(tx, step)
        job.finish(tx)
        commit(tx)

    retry(once)


def settle_now(member_id: str) -> None:
    """Bring the lists up to date with one member, at once, also with one of whom nothing was stored. Raises `conflict`,
    `unavailable`."""

    def once() -> None:
        found = known(member_id)
        step = None if found is None else _follows(found)
        if step is not None:
            tx = Transaction()
            follow(tx, step)
            commit(tx)

    retry(once)


def apart(member_id: str, work: Callable[[], _T]) -> tuple[_T | None, list[str]]:
    """Do something for one of many members: what came of it, and who it failed for. A fault in what is decided of one
    must not keep the others waiting: an operator sees it in the log. Raises MallErrors."""
    try:
        return work(), []
    except MallError:
        raise
    except Exception as fault:
        log.error("rules_failed", fault)
        return None, [member_id]


def settle_all(found: Sequence[Stored]) -> list[str]:
    """Bring the lists up to date with these members, many in a transaction; with who is changed by another meanwhile,
    or cannot be written, in one of their own. Give those for whom it failed. Raises `unavailable`, and `conflict`
    where others keep changing one."""
    steps: list[Following] = []
    failed: list[str] = []
    for one in found:
        step, failing = apart(one.traits.member_id, functools.partial(_follows, one))
        steps += [step] if step is not None else []
        failed += failing
    while steps:
        tx = Transaction()
        some: list[Following] = []
        while steps and (not some or _size(tx) + steps[0].actions <= _ROOM):
            some.append(steps.pop(0))
            follow(tx, some[-1])
        try:
            commit(tx)
        except MallError:
            raise
        except Exception:  # also a Conflict
            for member_id in [each.traits.member_id for each in some]:
                failed += apart(member_id, functools.partial(settle_now, member_id))[1]
    return failed


def _follows(found: Stored) -> Following | None:
    return following(found, book_for(found.traits))


def _size(tx: Transaction) -> int:
    return len(tx) + len(counts_of(tx)) + looks_owed(tx)


def pass_due(job: Job) -> None:
    """Look at the members of a shard whom time may have changed by now."""
    timers.pass_due(job, PASS_ON, _look)


def pass_on(job: Job) -> None:
    """Go on with the members of a shard whom time may have changed."""
    timers.pass_on(job, PASS_ON, _look)


def _look(shard: int, after: Any) -> Any:
    """Look at a page of members of the shard, and say where the next one starts. Who was looked at may stand in the
    index for a moment more, and is passed over; for whom it failed stays due."""
    member_ids, after = queries.due_in(shard, MEMBERS_AT_ONCE, after)
    now = ms(clock.now())
    settle_all([one for one in stored_of(member_ids) if one is not None and one.due is not None and one.due <= now])
    return after
