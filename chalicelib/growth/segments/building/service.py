"""Looking at everybody, because what is defined has changed: in parts, one for each shard of the roster.

Members go on changing meanwhile. A build begins when every process knows of the change and whatever was under way
before it has ended; from then on all that happens is decided by the new book, and the build does the same for whom
nothing happens. What it does for a member is what their own change would have done, so that it may be cut off anywhere,
and done twice. A later change begins a build of its own, which leaves nothing of an earlier one to do.
"""

from __future__ import annotations

import functools
from datetime import timedelta

from pynamodb.expressions.condition import Condition

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.building.rules import Part
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.jobs import BUILD, PASS, SETTLE
from chalicelib.growth.segments.membership import queries as membership
from chalicelib.growth.segments.membership.service import apart, settle_all
from chalicelib.growth.segments.restoring.queries import restored
from chalicelib.growth.segments.tables import ALL, BOOK, COUNT_SHARDS, DUE_SHARDS, PART, Segments, count_shard
from chalicelib.growth.segments.traits.queries import Stored, stored_of
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.jobs.timers import RUN_SECONDS
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many members are read at once.
_PAGE = 100


def begin(tx: Transaction, generation: int) -> None:
    """Have everybody be looked at for a new generation of the book, as part of `tx`, which makes it."""
    at = clock.now() + timedelta(milliseconds=FENCE_MS)
    for shard in range(settings().member_shards):
        part = Part(generation=generation, shard=shard)
        tx.put(Segments(ALL, f"{PART}{shard}", building=part))
        schedule(tx, BUILD, f"{generation}|{shard}", at)


def next_generation(tx: Transaction, before: int) -> int:
    """Make the generation of the book that comes after `before` as part of `tx`, and have everybody be looked at for
    it; its number. The transaction fails with Conflict where another change was quicker: what was checked, was checked
    by the generation before."""
    changes = [Segments.generation.set(before + 1), Segments.mark.set(ids.new(""))]
    tx.update(Segments, (ALL, BOOK), changes, _is_at(before), Conflict)
    begin(tx, before + 1)
    return before + 1


def touch(tx: Transaction, generation: int) -> None:
    """Have every process read the book anew, as part of `tx`, which changes nothing that is decided; it fails with
    Conflict where the book is of another generation by now."""
    tx.update(Segments, (ALL, BOOK), [Segments.mark.set(ids.new(""))], _is_at(generation), Conflict)


def _is_at(generation: int) -> Condition:
    same: Condition = Segments.generation == generation
    return same if generation else Segments.partition.does_not_exist() | same


def build(job: Job) -> None:
    """Look at the next members of one shard of the roster; what is left is owed to the next job."""
    generation, shard = (int(part) for part in job.key.split("|"))
    end = clock.monotonic() + RUN_SECONDS
    while True:
        part = _part(shard)
        if part is None or part.generation != generation or part.state == "done":
            break  # another change has begun a build of its own
        if clock.monotonic() > end:
            tx = Transaction()
            schedule(tx, BUILD, job.key)
            job.finish(tx)
            commit(tx)
            return
        _step(part)
    _end(generation)


def _part(shard: int) -> Part | None:
    item = read.get(Segments, ALL, f"{PART}{shard}")
    return None if item is None else item.building


def _step(part: Part) -> None:
    """Look at the next members of a part, and write down how far it is then."""
    member_ids, after = members.everybody(part.shard, clock.now(), part.position, _PAGE)
    book = definitions.book()
    found = stored_of(member_ids, consistent=False)
    unknown = [one for one, there in zip(member_ids, found, strict=True) if there is None]
    anew: list[Stored] = []
    failed: list[str] = []
    for one in unknown:
        traits, failing = apart(one, functools.partial(restored, one, book))
        anew += [Stored(traits, 0)] if traits is not None else []
        failed += failing
    failed += settle_all(_by_counter([*(one for one in found if one is not None), *anew], part.shard))
    _owe(failed)
    done = Part(
        generation=part.generation, shard=part.shard, position=part.position if after is None else after,
        seen=part.seen + len(member_ids), state="done" if after is None else "running",
    )  # fmt: skip
    key = ALL, f"{PART}{part.shard}"
    try:
        write(Segments, key, [Segments.building.set(done)], Segments.building == part)
    except ConditionFailed:
        return  # another worker was quicker, or another build has begun


def _owe(member_ids: list[str]) -> None:
    """Owe to a job of its own, where an operator sees how it ends, what failed for these members."""
    if member_ids:
        tx = Transaction()
        for member_id in member_ids:
            schedule(tx, SETTLE, member_id)
        commit(tx)


def _by_counter(found: list[Stored], first: int) -> list[Stored]:
    """Put members together whom one transaction can count together, so that it has few counters to change; each part
    begins with others, for parts that go on side by side to meet at none of them."""
    return sorted(found, key=lambda one: (count_shard(one.traits.member_id) - first) % COUNT_SHARDS)


def _end(generation: int) -> None:
    """Say that everybody has been looked at for the generation, when all parts are done."""
    parts = [_part(shard) for shard in range(settings().member_shards)]
    if not all(part is not None and part.generation == generation and part.state == "done" for part in parts):
        return
    changes = [Segments.built.set(generation), Segments.mark.set(ids.new(""))]
    is_next = Segments.built.does_not_exist() | (Segments.built < generation)
    try:
        write(Segments, (ALL, BOOK), changes, is_next)
    except ConditionFailed:
        return
    definitions.forget()


def progress(generation: int) -> int:
    """Count the members that have been looked at for the generation."""
    parts = [part for shard in range(settings().member_shards) if (part := _part(shard)) is not None]
    return sum(part.seen for part in parts if part.generation >= generation)


def rebuild() -> None:
    """Have everybody be looked at anew. Raises `conflict`, `unavailable`."""

    def once() -> None:
        tx = Transaction()
        next_generation(tx, definitions.fresh().generation)
        commit(tx)

    retry(once)
    definitions.forget()


def follow_settings(job: Job) -> None:
    """Have everybody be looked at anew where the bounds of the life cycle have changed."""
    if job.key.startswith("life_cycle|"):
        rebuild()


def look_after(_: Job) -> None:
    """See to what was left undone: a mall whose members joined before it had segments, and members whose time passed
    while their job was lost."""
    if read.get(Segments, ALL, BOOK) is None:
        rebuild()
    for shard in range(DUE_SHARDS):
        if membership.due_in(shard, 1, None)[0]:
            tx = Transaction()
            schedule(tx, PASS, str(shard))
            commit(tx)
