"""What must happen later is written now: as a job, in the transaction of the change that owes it.

    jobs.schedule(tx, "order.watch", order_id, run_at=order.pay_by)
    tx.commit()

A worker takes what is due under a lease and calls the handler of its kind. A handler may run twice, late or
out of order; it finishes its job in its own transaction (`job.finish(tx)`) or leaves that to the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.jobs.tables import DEAD, Jobs, Task
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, Transaction, remove, write

#: Longer than a worker's time-out (58 s, .chalice/config.json), so that no two work on one job.
LEASE_SECONDS = 60
ATTEMPTS_MAX = 24
BACKOFF_SECONDS = 5
BACKOFF_SECONDS_MAX = 600
_BATCH = 25
#: After this many rounds a worker gives way to the next minute's, however much is due.
_ROUNDS_MAX = 400


class Later(Exception):
    """A handler asks to be called again: nothing failed, something outside is just not ready.

    What failed before is forgiven then, so that a job that asks for days does not die of a fault now and then.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class LeaseLost(Exception):
    """Another worker has the job by now; what this one wanted to commit with it was not written."""


class Job(msgspec.Struct):
    """A job that this worker holds."""

    shard: str
    due: str
    task: Task
    lease: str
    finished: bool = False

    @property
    def key(self) -> str:
        """What the job is about, such as an order's id."""
        return self.task.key

    def finish(self, tx: Transaction) -> None:
        """Remove the job as part of `tx`, so that its effect and its end are one."""
        tx.delete(Jobs, (self.shard, self.due), Jobs.lease == self.lease, LeaseLost)
        self.finished = True


Handler = Callable[[Job], None]

_handlers: dict[str, Handler] = {}


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Declare the handler of a kind of job."""

    def declare(handler: Handler) -> Handler:
        if kind in _handlers:
            raise ValueError(f"{kind} has two handlers")
        _handlers[kind] = handler
        return handler

    return declare


def schedule(tx: Transaction, kind: str, key: str, run_at: datetime | None = None, **payload: str) -> None:
    """Owe a job as part of `tx`: at `run_at`, or at once.

    Its id is kind, key and time: the same job scheduled twice for the same time is one job.
    """
    tx.put(_item(Task(kind, key, payload), run_at or clock.now(), at_once=run_at is None))


def _item(task: Task, run_at: datetime, at_once: bool = False) -> Jobs:
    shard = f"s{ids.shard(f'{task.kind}|{task.key}', settings().job_shards)}"
    return Jobs(shard, f"{clock.stamp(run_at)}|{task.kind}|{task.key}", task=task, at_once=at_once or None)


def run_due(seconds: float = 40.0) -> int:
    """Run what is due until nothing is, or for about `seconds`; how many jobs were run.

    The cost grows with what is due: each shard is asked for its oldest jobs, and never read beyond now.
    """
    end = clock.monotonic() + seconds
    ran = 0
    shards = settings().job_shards
    first = int(ids.jitter(shards))  # a worker whose time ends early leaves another shard behind each time
    for _ in range(_ROUNDS_MAX):
        ran_before = ran
        for shard in range(first, first + shards):
            for raw in _due(f"s{shard % shards}"):
                if clock.monotonic() > end:
                    return ran
                ran += run_one(Jobs.from_raw_data(raw))
        if ran == ran_before:
            break
    return ran


def _due(shard: str) -> list[read.Raw]:
    now = clock.stamp(clock.now())
    free = Jobs.leased_until.does_not_exist() | (Jobs.leased_until < _ms(clock.now()))
    items: list[read.Raw] = []
    after: read.Raw | None = None
    while len(items) < _BATCH:
        page, after = read.query(
            Jobs, shard, where=Jobs.due <= now + "~", keep=free, limit=_BATCH, after=after, consistent=True
        )
        items += page
        if after is None:
            break
    return items


def run_one(item: Jobs) -> bool:
    """Take this job, run its handler and settle how it ended; False when somebody else has it."""
    job = _take(item)
    if job is None:
        return False
    marker = log.request_id.set(f"job:{job.task.kind}:{job.task.key}")
    try:
        handler = _handlers.get(job.task.kind)
        if handler is None:
            raise LookupError(f"no handler for jobs of kind {job.task.kind}")
        handler(job)
        if not job.finished:
            remove(Jobs, (job.shard, job.due), Jobs.lease == job.lease)
    except Later as later:
        _put_back(job, msgspec.structs.replace(job.task, attempts=0, last_error=""), later.seconds)
    except ConditionFailed as fault:
        if LeaseLost not in fault.failed:
            _failed(job, fault)
    except Exception as fault:
        _failed(job, fault)
    finally:
        log.request_id.reset(marker)
    return True


def _take(item: Jobs) -> Job | None:
    now = _ms(clock.now())
    lease = ids.new("w")
    try:
        write(
            Jobs,
            (item.shard, item.due),
            [Jobs.lease.set(lease), Jobs.leased_until.set(now + LEASE_SECONDS * 1000)],
            Jobs.shard.exists() & (Jobs.leased_until.does_not_exist() | (Jobs.leased_until < now)),
        )
    except ConditionFailed:
        return None
    return Job(item.shard, item.due, item.task, lease)


def _failed(job: Job, fault: Exception) -> None:
    attempts = job.task.attempts + 1
    task = msgspec.structs.replace(job.task, attempts=attempts, last_error=_reason(fault))
    if attempts >= ATTEMPTS_MAX:
        log.error("job_dead", fault, kind=task.kind, key_id=task.key, attempts=attempts)
        tx = Transaction()
        tx.put(Jobs(DEAD, job.due, task=task))
        job.finish(tx)
        _commit(tx)
        return
    log.warning("job_failed", kind=task.kind, key_id=task.key, attempts=attempts, reason=task.last_error)
    wait = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** (attempts - 1))
    _put_back(job, task, wait / 2 + ids.jitter(wait / 2))


def _put_back(job: Job, task: Task, seconds: float) -> None:
    tx = Transaction()
    tx.put(_item(task, clock.now() + timedelta(seconds=max(seconds, 0.001))))
    job.finish(tx)
    _commit(tx)


def _commit(tx: Transaction) -> None:
    try:
        tx.commit()
    except ConditionFailed:
        log.warning("job_lease_lost")


def _reason(fault: Exception) -> str:
    """What an operator is told: the kind of the fault and its stable code, never a message that may hold data."""
    return f"{type(fault).__name__}: {fault.code}" if isinstance(fault, MallError) else type(fault).__name__


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


class Counts(msgspec.Struct, frozen=True):
    """How many jobs wait: due now, due later, and dead."""

    due: int
    later: int
    dead: int


def counts() -> Counts:
    """Count all jobs. Reads every one of them: for a local mall and for tests."""
    now = clock.stamp(clock.now()) + "~"
    stamps = [
        job.due for shard in range(settings().job_shards) for job in read.query_all(Jobs, f"s{shard}", consistent=True)
    ]
    due = sum(stamp <= now for stamp in stamps)
    return Counts(due, len(stamps) - due, sum(1 for _ in read.query_all(Jobs, DEAD)))


def dead(limit: int, after: Any) -> tuple[list[Jobs], Any]:
    """A page of the dead jobs, oldest first."""
    items, next_key = read.query(Jobs, DEAD, limit=limit, after=after)
    return [Jobs.from_raw_data(raw) for raw in items], next_key


def revive(due: str) -> None:
    """Run a dead job again from now on, with all its attempts before it. Raises `job_not_dead`."""
    item = read.get(Jobs, DEAD, due)
    if item is None:
        raise MallError("job_not_dead")
    tx = Transaction()
    tx.delete(Jobs, (DEAD, due), Jobs.shard.exists(), MallError("job_not_dead"))
    tx.put(_item(msgspec.structs.replace(item.task, attempts=0), clock.now(), at_once=True))
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise MallError("job_not_dead") from fault


# Events: what happened, for whoever cares. One job per event; its handler calls each subscriber.

_subscribers: dict[str, list[Handler]] = {}


def subscribe(event: str) -> Callable[[Handler], Handler]:
    """Declare a subscriber of an event. With several, each gets a job of its own, so that none waits for another."""

    def declare(subscriber: Handler) -> Handler:
        subscribers = _subscribers.setdefault(event, [])
        subscribers.append(subscriber)
        handles(f"{event}/{len(subscribers)}")(subscriber)
        if len(subscribers) == 1:
            handles(event)(_fan_out)
        return subscriber

    return declare


def emit(tx: Transaction, event: str, key: str, **payload: str) -> None:
    """Tell everyone who subscribed, as part of `tx`; nothing is written when nobody did."""
    if event in _subscribers:
        schedule(tx, event, key, None, **payload)


def _fan_out(job: Job) -> None:
    """One subscriber is called with the event's own job; several get one each, in one transaction with its end."""
    subscribers = _subscribers[job.task.kind]
    if len(subscribers) == 1:
        subscribers[0](job)
        return
    tx = Transaction()
    for number in range(1, len(subscribers) + 1):
        schedule(tx, f"{job.task.kind}/{number}", job.key, None, **job.task.payload)
    job.finish(tx)
    tx.commit()
