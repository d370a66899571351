"""Walks through those who are in a journey, shard by shard: to take up again who stood still while it rested, to let
them leave, to take them over into another version.

What is done with a run is one transaction under its number, which a walk that is cut off, doubled or begun anew finds
done. A walk goes through all of them until a pass meets nobody for whom there is something left to do: members come in
and go on meanwhile, by processes that know of the change a moment later.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.book import service as writing
from chalicelib.growth.journeys.jobs import MOVE
from chalicelib.growth.journeys.keeping.service import keep
from chalicelib.growth.journeys.listening.tables import ALL, Journeys
from chalicelib.growth.journeys.migrating.rules import migrated
from chalicelib.growth.journeys.moving import queries
from chalicelib.growth.journeys.moving.rules import Kind, Move, Part, moved_on, seconds_to_next_pass
from chalicelib.growth.journeys.rules import Journey
from chalicelib.growth.journeys.runs import queries as runs
from chalicelib.growth.journeys.runs.rules import Run, Which
from chalicelib.growth.journeys.stepping import service as stepping
from chalicelib.growth.journeys.stepping.rules import Advanced
from chalicelib.growth.journeys.tables import JOURNEY_SHARDS, JourneyCounts, count_key
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.tallies import tally
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How long a job goes on before it gives way to others, in seconds; and how many runs it reads at once.
RUN_SECONDS = 2.0
_PAGE = 25
#: Until then a process may still go by the journey as it was.
_KNOWN_AFTER = timedelta(milliseconds=FENCE_MS)


def begin(
    tx: Transaction,
    journey: Journey,
    kind: Kind,
    operator: str,
    before: Move | None,
    version: int = 0,
    mapped: Mapping[str, str] | None = None,
    missing: Literal["exit", "nearest"] = "exit",
) -> Move:
    """Begin a walk as part of `tx`, in the place of the one `before` it on its track, which goes no further. The
    transaction fails with Conflict where that is not the latest any more."""
    now = clock.now()
    move = Move(
        move_id=ids.new("jm"), journey_id=journey.journey_id, kind=kind, by=operator, begun_at=now, version=version,
        to=journey.version, mapped=dict(mapped or {}), missing=missing,
    )  # fmt: skip
    head = Journeys(ALL, queries.head_part(journey.journey_id, move.track), document=_text(move), mark=move.move_id)
    tx.put(head, Journeys.mark.does_not_exist() if before is None else Journeys.mark == before.move_id, Conflict)
    for shard in range(JOURNEY_SHARDS):
        part = Part(move_id=move.move_id, shard=shard, since=now)
        tx.put(Journeys(ALL, queries.shard_part(journey.journey_id, move.track, shard), document=_text(part)))
        schedule(tx, MOVE, f"{journey.journey_id}|{move.track}|{move.move_id}|{shard}")
    return move


def _text(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()


def move_on(job: Job) -> None:
    """Go on with a walk in one shard; again a moment later until a pass meets nobody. Raises what failed for a run once
    the pass is at its end."""
    journey_id, track, move_id, number = job.key.split("|")
    end = clock.monotonic() + RUN_SECONDS
    move = queries.latest(journey_id, "version" if track == "version" else "state")
    if move is None or move.move_id != move_id:
        return  # another has taken its place
    failed: list[Exception] = []
    while True:
        found = queries.part_of(journey_id, move.track, int(number))
        if found is None or found[0].move_id != move_id or found[0].state == "done":
            break
        part, met = _step(move, *found, failed)
        if not part.position:  # the pass is at its end
            if failed:
                raise failed[0]
            if part.state == "running":
                raise RetryLater(seconds_to_next_pass(met, move.begun_at + _KNOWN_AFTER, clock.now()))
        elif clock.monotonic() > end:
            raise RetryLater(0)
    _end(move)


def _step(move: Move, part: Part, kept: str, failed: list[Exception]) -> tuple[Part, bool]:
    """Look at the next runs of a shard, and write down how far it is then; whether the pass has met anybody. What fails
    for one holds up nobody."""
    after = msgspec.json.decode(part.position) if part.position else None
    keys, rest = runs.inside(move.journey_id, part.shard, _PAGE, after)
    state = books.find(move.journey_id).journey.state
    met = part.met
    for run in runs.of_keys(keys):
        try:
            met = retry(functools.partial(_look, move, state, part.shard, run)) or met
        except Exception as fault:
            log.error("run_not_moved", fault, run_id=run.run_id)
            failed.append(fault)
            met = True
    position = None if rest is None else msgspec.json.encode(rest).decode()
    moved = moved_on(part, position, met, move.begun_at + _KNOWN_AFTER, clock.now())
    key = ALL, queries.shard_part(move.journey_id, move.track, part.shard)
    try:
        write(Journeys, key, [Journeys.document.set(_text(moved))], Journeys.document == kept)
    except ConditionFailed:
        raise RetryLater(0) from None  # another worker was quicker, or another walk has begun
    return moved, met


def _look(move: Move, state: str, shard: int, run: Run) -> bool:
    """Do with a run what the walk is for; whether there was something to do. Raises Conflict."""
    which = run.member_id, run.journey_id, run.run_id
    if move.kind == "exit":
        return state == "ended" and stepping.stop(which, stepping.JOURNEY_ENDED)
    if move.kind == "migrate":
        return run.version == move.version and _take_over(move, shard, which)
    if run.state != "parked" or state == "paused":
        return False
    stepping.resume(which)
    return True


def _take_over(move: Move, shard: int, which: Which) -> bool:
    """Take a run over into the version that the walk is for; whether there was one to take over."""
    there = stepping.found(which)
    if there is None or there.run.state == "ended" or there.run.version != move.version:
        return False
    run, plan = there.run, books.plan(move.journey_id, move.to)
    done = migrated(there.plan, plan, run, clock.now(), move.mapped, move.missing)
    tx = Transaction()
    tally(tx, JourneyCounts, count_key(run.journey_id, run.version, run.member_id), done.left)
    tally(tx, JourneyCounts, queries.count_key(move.move_id, shard), {f"{done.how}|{run.step}": 1})
    keep(tx, plan, there.member, run, Advanced(done.run, [], done.joined))
    commit(tx)
    return True


def _end(move: Move) -> None:
    """End the journey where that was to come of the walk, and nobody is in it."""
    if move.kind == "finish" and queries.is_done(move):
        end_empty(move.journey_id)


def end_empty(journey_id: str) -> None:
    """Say that a journey that is ending has ended, where nobody is in it any more."""
    if any(runs.inside(journey_id, shard, 1, None)[0] for shard in range(JOURNEY_SHARDS)):
        return

    def once() -> None:
        book = books.fresh()
        known = book.journeys.get(journey_id)
        if known is None or known.journey.state != "ending":
            return
        tx = Transaction()
        after = msgspec.structs.replace(known.journey, state="ended", draft=None, changed_at=clock.now())
        writing.write_book(tx, book, after)
        commit(tx)

    retry(once)


def end_those_that_are_empty(_: Job) -> None:
    """End the journeys that were to end with the last who is in them, where that one has left."""
    for journey_id, known in books.fresh().journeys.items():
        if known.journey.state == "ending":
            end_empty(journey_id)
