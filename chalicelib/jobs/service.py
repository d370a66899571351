"""What must happen later is written now: as a job, in the transaction of the change that owes it.

    jobs.schedule(tx, "order.watch", order_id, run_at=order.pay_by)
    tx.commit()

A worker takes what is due under a lease and calls the handler of its kind. A handler may run twice, late or
out of order; it finishes its job in its own transaction (`job.finish(tx)`) or leaves that to the worker.

Kinds that call WeChat have a lane of their own, so that those that only touch DynamoDB never wait for WeChat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from chalicelib.core import clock, ids, log, metrics
from chalicelib.core.errors import MallError, OutsideError
from chalicelib.core.metrics import Metric
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.jobs.tables import DEAD, Jobs, Task
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, Transaction, remove, save, write

#: Longer than a worker can hold a job, so that no two work on one; as a dead worker's job waits so long, by no more
#: than need be. The longest that a worker lives is the time-out of the schedules (.chalice/config.json), 83 s: 60 to
#: the rule's next minute, 5 for its jitter, so that their windows overlap, and 18 for the job that was begun last
#: (core/entry.py). Another 2 are for Lambda to end it, and for clocks that differ.
LEASE_SECONDS = 85
ATTEMPTS_MAX = 24
BACKOFF_SECONDS = 5
BACKOFF_SECONDS_MAX = 600
_BATCH = 25
#: After this many rounds a worker gives way to the next minute's, however much is due.
_ROUNDS_MAX = 400
#: Who looks ahead wakes so often to see what was scheduled meanwhile: in time even for the shortest wait after a
#: failure, half of BACKOFF_SECONDS.
_NAP_SECONDS = 2.0


class Lane(StrEnum):
    """Jobs of one lane never wait for those of the other. The value begins the keys of the lane's shards."""

    #: They only touch DynamoDB.
    INSIDE = "s"
    #: They call WeChat, which may take seconds to answer, or an hour to come back.
    OUTSIDE = "o"


INSIDE, OUTSIDE = Lane.INSIDE, Lane.OUTSIDE
LANES = (INSIDE, OUTSIDE)


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


class _Kind(msgspec.Struct, frozen=True):
    handler: Handler
    lane: Lane


_kinds: dict[str, _Kind] = {}


def handles(kind: str, lane: Lane = INSIDE) -> Callable[[Handler], Handler]:
    """Declare the handler of a kind of job, and its lane: OUTSIDE when the handler calls WeChat."""

    def declare(handler: Handler) -> Handler:
        if kind in _kinds:
            raise ValueError(f"{kind} has two handlers")
        _kinds[kind] = _Kind(handler, lane)
        return handler

    return declare


def schedule(tx: Transaction, kind: str, key: str, run_at: datetime | None = None, **payload: str) -> None:
    """Owe a job as part of `tx`: at `run_at`, or at once.

    Its id is kind, key and time: the same job scheduled twice for the same time is one job.
    """
    tx.put(_item(Task(kind, key, payload), run_at or clock.now(), at_once=run_at is None))


def owe_once(kind: str, key: str, run_at: datetime) -> None:
    """Owe a job at `run_at`. Raises ConditionFailed when it is owed already: one that is running is left alone."""
    save(_item(Task(kind, key), run_at), Jobs.shard.does_not_exist())


def _item(task: Task, run_at: datetime, at_once: bool = False) -> Jobs:
    known = _kinds.get(task.kind)  # one that only another version knows waits where all can be run
    number = ids.shard(f"{task.kind}|{task.key}", settings().job_shards)
    shard = f"{known.lane if known else INSIDE}{number}"
    return Jobs(shard, f"{clock.stamp(run_at)}|{task.kind}|{task.key}", task=task, at_once=at_once or None)


def shards(lanes: Iterable[Lane] = LANES, first: int = 0) -> list[str]:
    """The keys of all shards of these lanes, one lane after the other, each from its shard number `first` on."""
    count = settings().job_shards
    return [f"{lane}{number % count}" for lane in lanes for number in range(first, first + count)]


def run_due(
    seconds: float = 40.0, lanes: Sequence[Lane] = LANES, *, ahead: bool = False, part: int | None = None
) -> int:
    """Run what is due in these lanes until nothing is, or for about `seconds`; how many jobs were run.

    Who looks `ahead` then sleeps until the next job is due, if that is within the `seconds`, and runs it at its second.
    One of several workers (`job_workers`) looks after its `part` of the shards.
    The cost grows with what is due: each shard is asked for its oldest jobs, and never read beyond the next one.
    """
    end = clock.monotonic() + seconds
    # A worker whose time ends early leaves another shard behind each time.
    order = shards(lanes, int(ids.jitter(settings().job_shards)))
    if part is not None:
        order = [shard for shard in order if int(shard[1:]) % settings().job_workers == part]
    for lane in lanes:
        metrics.most(Metric.JOB_LAG, 0.0, Lane=lane.name)  # somebody has looked
    ran = 0
    while True:
        since = clock.now()
        ran += _sweep(order, end)
        wait = _next_due(order, since, end) if ahead else None
        if wait is None:
            return ran
        clock.sleep(min(wait, _NAP_SECONDS))


def _sweep(order: list[str], end: float) -> int:
    ran = 0
    for _ in range(_ROUNDS_MAX):
        ran_before = ran
        for shard in order:
            for raw in _due(shard):
                if clock.monotonic() > end:
                    return ran
                metrics.most(Metric.JOB_LAG, _waited(raw["due"]["S"]), Lane=Lane(shard[0]).name)
                ran += run_one(Jobs.from_raw_data(raw))
        if ran == ran_before:
            break
    return ran


def _waited(due: str) -> float:
    return (clock.now() - clock.from_stamp(due.partition("|")[0])).total_seconds()


def _next_due(order: list[str], since: datetime, end: float) -> float | None:
    """Seconds until the first job is due that is due after `since`; None when that is not before `end`.

    `since` lies before the sweep, so that nothing slips between what it found due and what is looked for here.
    """
    left = end - clock.monotonic()
    if left <= 0:
        return None
    stamps: list[str] = []
    for shard in order:
        # Consistent: what this worker itself has just put back must be seen, or it would end too early.
        where = Jobs.due > clock.stamp(since) + "~"
        items, _ = read.query(Jobs, shard, where=where, limit=1, consistent=True)
        stamps += [raw["due"]["S"].partition("|")[0] for raw in items]
    if not stamps:
        return None
    wait = (clock.from_stamp(min(stamps)) - clock.now()).total_seconds()
    return max(wait, 0.0) if wait < left else None


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
        known = _kinds.get(job.task.kind)
        if known is None:
            raise LookupError(f"no handler for jobs of kind {job.task.kind}")
        with segment(f"job {job.task.kind}"):
            known.handler(job)
        if not job.finished:
            remove(Jobs, (job.shard, job.due), Jobs.lease == job.lease)
    except Later as later:
        metrics.add(Metric.JOBS_WAITING, Kind=job.task.kind)
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
    if attempts >= ATTEMPTS_MAX and not _passing(fault):
        metrics.add(Metric.JOBS_DEAD)
        log.error("job_dead", fault, kind=task.kind, key_id=task.key, attempts=attempts)
        tx = Transaction()
        tx.put(Jobs(DEAD, job.due, task=task))
        job.finish(tx)
        _commit(tx)
        return
    metrics.add(Metric.JOBS_FAILED)
    log.warning("job_failed", kind=task.kind, key_id=task.key, attempts=attempts, reason=task.last_error)
    wait = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS * 2 ** (attempts - 1))
    _put_back(job, task, wait / 2 + ids.jitter(wait / 2))


def _passing(fault: Exception) -> bool:
    """Whether it is somebody else's outage: then a job waits for its end, however long that takes."""
    if isinstance(fault, OutsideError):
        return fault.passing
    return isinstance(fault, MallError) and fault.code == "unavailable"


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
    stamps = [job.due for shard in shards() for job in read.query_all(Jobs, shard, consistent=True)]
    due = sum(stamp <= now for stamp in stamps)
    return Counts(due, len(stamps) - due, sum(1 for _ in read.query_all(Jobs, DEAD)))


def dead(limit: int, after: Any) -> tuple[list[Jobs], Any]:
    """A page of the dead jobs, oldest first."""
    items, next_key = read.query(Jobs, DEAD, limit=limit, after=after)
    return [Jobs.from_raw_data(raw) for raw in items], next_key


def revive(due: str) -> None:
    """Run a dead job again from now on, in its lane, with all its attempts before it. Raises `job_not_dead`."""
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


def subscribe(event: str, lane: Lane = INSIDE) -> Callable[[Handler], Handler]:
    """Declare a subscriber of an event, and its lane. With several, each gets a job of its own in its own lane, so
    that none waits for another.
    """

    def declare(subscriber: Handler) -> Handler:
        subscribers = _subscribers.setdefault(event, [])
        subscribers.append(subscriber)
        handles(f"{event}/{len(subscribers)}", lane)(subscriber)
        if len(subscribers) == 1:
            handles(event, lane)(_fan_out)  # which calls it
        else:
            _kinds[event] = _Kind(_fan_out, INSIDE)  # which only writes
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
