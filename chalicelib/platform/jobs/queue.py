"""What must happen later is written now: as a job, in the transaction of the change that owes it.

    schedule(tx, CLOSE_UNPAID, order_id, run_at=order.pay_by)
    tx.commit()

Kinds that call WeChat have a lane of their own, so that those that only touch DynamoDB never wait for WeChat; and so
have those that are owed to very many members at once, for which no order waits, and those that send them something, for
which no refund does. What runs the jobs is in `worker`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.core.settings import settings
from chalicelib.platform.jobs.declarations import INSIDE, LANES, Kind, Lane, lane_of
from chalicelib.platform.jobs.tables import DEAD, Jobs, Task, table_of
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save
from chalicelib.platform.store.versioned import commit


def schedule(tx: Transaction, kind: Kind, key: str, run_at: datetime | None = None, **payload: str) -> None:
    """Owe a job as part of `tx`: at `run_at`, or at once.

    Its id is kind, key and time: the same job scheduled twice for the same time is one job.
    """
    tx.put(item(Task(kind.name, key, payload), kind.lane, run_at or clock.now(), at_once=run_at is None))


def owe_once(kind: Kind, key: str, run_at: datetime) -> None:
    """Owe a job at `run_at`. Raises ConditionFailed when it is owed already: one that is running is left alone."""
    save(item(Task(kind.name, key), kind.lane, run_at), Jobs.shard.does_not_exist())


def item(task: Task, lane: Lane, run_at: datetime, at_once: bool = False) -> Jobs:
    """Make the item of a job that is due at `run_at`."""
    shard = f"{lane}{ids.shard(f'{task.kind}|{task.key}', shard_count(lane))}"
    due = f"{clock.stamp(run_at)}|{task.kind}|{task.key}"
    return table_of(shard)(shard, due, task=task, at_once=at_once or None)


def due_at(due: str) -> datetime:
    """Read when a job is due, from its item's range key."""
    return clock.from_stamp(due.partition("|")[0])


def shard_count(lane: Lane) -> int:
    """Say in how many shards the lane's jobs lie: as many as each lane of its table has."""
    return settings().job_shards if lane.table == INSIDE.table else settings().many_shards


def shards(lanes: Iterable[Lane] = LANES, start: float = 0.0) -> list[str]:
    """Name the shards of these lanes, one lane after the other, each from this part of them on (0 to below 1)."""
    named = []
    for lane in lanes:
        count = shard_count(lane)
        named += [f"{lane}{(int(start * count) + number) % count}" for number in range(count)]
    return named


class Counts(msgspec.Struct, frozen=True):
    """How many jobs wait: due now, due later, and dead."""

    due: int
    later: int
    dead: int


def counts() -> Counts:
    """Count all jobs. Reads every one of them: for a local mall and for tests."""
    now = clock.stamp(clock.now()) + "~"
    stamps = [job.due for shard in shards() for job in read.query_all(table_of(shard), shard, consistent=True)]
    due = sum(stamp <= now for stamp in stamps)
    return Counts(due, len(stamps) - due, sum(1 for _ in read.query_all(Jobs, DEAD)))


def dead(limit: int, after: Any) -> tuple[list[Jobs], Any]:
    """Read a page of the dead jobs, oldest first, and where the next page starts (None: no more)."""
    items, next_key = read.query(Jobs, DEAD, limit=limit, after=after)
    return [Jobs.from_raw_data(raw) for raw in items], next_key


def revive(due: str) -> None:
    """Run a dead job again from now on, in its lane, with all its attempts before it.

    `due` is its range key among the dead. Raises `job_not_dead`.
    """
    not_dead = MallError("job_not_dead", errors=(NO_SUCH.at("job_id"),))
    found = read.get(Jobs, DEAD, due)
    if found is None:
        raise not_dead
    task = msgspec.structs.replace(found.task, attempts=0)
    tx = Transaction()
    tx.delete(Jobs, (DEAD, due), Jobs.shard.exists(), not_dead)
    tx.put(item(task, lane_of(task.kind), clock.now(), at_once=True))
    commit(tx)
