"""A worker takes what is due, under a lease where its kind wants one, and calls the handler of its kind; what fails is
tried again, ever later.

Which kinds there are is in `declarations`, what owes a job in `queue`, and what a handler is given in `job`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock, ids, log, metrics
from chalicelib.core.errors import MallError, OutsideError
from chalicelib.core.metrics import Metric
from chalicelib.core.settings import settings
from chalicelib.core.trace import segment
from chalicelib.platform.jobs.declarations import LANES, Lane, find_kind, is_leased, kinds, lane_of
from chalicelib.platform.jobs.job import Job, LeaseLost, RetryLater, free_at, load
from chalicelib.platform.jobs.queue import due_at, item, shards
from chalicelib.platform.jobs.tables import DEAD, Jobs, Task, table_of
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, remove

ATTEMPTS_MAX = 24
#: So many of them an outage of somebody else uses up at most: as many as its waits grow with. What is wrong with a job
#: itself has the others before it, however long it waited.
OUTAGE_ATTEMPTS_MAX = 8
BACKOFF_SECONDS = 5
BACKOFF_SECONDS_MAX = 600
#: What is owed at once the stream wakes a worker for: a schedule leaves it alone for so long, or two would run it.
STREAM_SECONDS = 10.0
#: Of the due jobs of a shard so many are read at once, and handed on in one transaction.
BATCH = 25
#: Where a page has nothing for this worker the next one is four times as large, up to this.
_PAGE_MAX = 1600
#: So many of a shard's due jobs a worker runs itself where it hands others on (`Lane.is_handed_on`): for these the way
#: through the stream costs more than they wait for each other.
_KEPT_MAX = 4
#: After this many rounds a worker gives way to the next minute's, however much is due.
_ROUNDS_MAX = 400
#: How long a worker that looks ahead sleeps at most, in seconds, before it sees what was scheduled meanwhile: less
#: than the shortest wait after a failure, half of BACKOFF_SECONDS.
_NAP_SECONDS = 2.0
#: And at least, where a stream's jobs keep coming that are not its own: or it would look again and again at those.
_STREAMED_NAP_SECONDS = 0.2


def load_handlers() -> None:
    """Import the handler of every kind, so that a process that only works has them before its first job."""
    for kind in kinds():
        load(kind.handler)


def run_due(
    seconds: float = 40.0,
    lanes: Sequence[Lane] = LANES,
    *,
    ahead: bool = False,
    part: int | None = None,
    streamed: bool = False,
) -> int:
    """Run what is due in these lanes until nothing is, or for about `seconds`; how many jobs were run, or handed on.

    With `ahead` it then sleeps until the next job is due, if that is within the `seconds`, and runs it at its second.
    One of several workers (`job_workers`) looks after its `part` of the shards. Where a stream wakes others for what is
    owed at once (`streamed`), that is left to them for STREAM_SECONDS; and of some lanes what has come due, too.
    The cost grows with what is due: each shard is asked for its oldest jobs, and never read beyond the next one, but
    over what the stream's workers have before them.
    """
    end = clock.monotonic() + seconds
    # A worker whose time ends early leaves another shard behind each time.
    order = shards(lanes, ids.jitter(1.0))
    if part is not None:
        order = [shard for shard in order if int(shard[1:]) % settings().job_workers == part]
    for lane in lanes:
        metrics.maximum(Metric.JOB_LAG, 0.0, Lane=lane.name)  # somebody has looked
    ran = 0
    while True:
        since = clock.now()
        ran += _sweep(order, end, streamed)
        wait = _next_due(order, since, end) if ahead else None
        if wait is None:
            return ran
        clock.sleep(min(max(wait, _STREAMED_NAP_SECONDS if streamed else 0.0), _NAP_SECONDS))


def _sweep(order: list[str], end: float, streamed: bool) -> int:
    ran = 0
    for _ in range(_ROUNDS_MAX):
        ran_before = ran
        for shard in order:
            due = [Jobs.from_raw_data(raw) for raw in _due(shard, streamed)]
            if streamed and due and clock.monotonic() <= end:
                handed, due = _hand_on(Lane(shard[0]), due)
                ran += handed
            for found in due:
                if clock.monotonic() > end:
                    return ran
                _note_lag(found)
                ran += run_one(found)
        if ran == ran_before:
            break
    return ran


def _note_lag(found: Jobs) -> None:
    waited = clock.now() - due_at(found.due)
    metrics.maximum(Metric.JOB_LAG, waited.total_seconds(), Lane=Lane(found.shard[0]).name)


def _hand_on(lane: Lane, due: list[Jobs]) -> tuple[int, list[Jobs]]:
    """Owe at once what has come due of a lane that is handed on, for the stream to wake its readers; how many jobs that
    were, and which this worker runs itself: a few, and what the stream has had before it."""
    came = [found for found in due if not found.at_once]
    if not lane.is_handed_on or len(came) <= _KEPT_MAX:
        return 0, due
    tx, handed = Transaction(), 0
    for found in came:
        again = item(found.task, lane_of(found.task.kind, otherwise=lane), clock.now(), at_once=True)
        if not tx.concerns(type(again), (again.shard, again.due)):  # else the same job, which was owed for two times
            tx.create(again)
            Job(found.shard, found.due, found.task).finish(tx)
            handed += 1
    try:
        tx.commit()
    except ConditionFailed:
        return 0, due  # another worker has one of them, or the stream such a one before it: so each by itself
    _note_lag(came[0])
    return handed, [found for found in due if found.at_once]


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
        items, _ = read.query(table_of(shard), shard, where=where, limit=1, consistent=True)
        stamps += [raw["due"]["S"].partition("|")[0] for raw in items]
    if not stamps:
        return None
    wait = (clock.from_stamp(min(stamps)) - clock.now()).total_seconds()
    return max(wait, 0.0) if wait < left else None


def _due(shard: str, streamed: bool) -> list[read.Raw]:
    now, table = clock.now(), table_of(shard)
    where, keep = Jobs.due <= clock.stamp(now) + "~", free_at(now)
    others = clock.stamp(now - timedelta(seconds=STREAM_SECONDS))
    items: list[read.Raw] = []
    after: read.Raw | None = None
    limit = BATCH
    while len(items) < BATCH:
        page, after = read.query(table, shard, where=where, keep=keep, limit=limit, after=after, consistent=True)
        # (A filter of DynamoDB's may not look at keys.)
        own = [raw for raw in page if not (streamed and "at_once" in raw and raw["due"]["S"] > others)]
        items += own
        if after is None:
            break
        if not own:
            limit = min(4 * limit, _PAGE_MAX)
    return items


def run_one(found: Jobs) -> bool:
    """Run the handler of this job and settle how it ended; False when somebody else has it."""
    job, known = Job(found.shard, found.due, found.task), find_kind(found.task.kind)
    if known is None or is_leased(known):
        try:
            job.hold()
        except ConditionFailed:
            return False
    marker = log.request_id.set(f"job:{job.task.kind}:{job.task.key}")
    try:
        if known is None:
            raise LookupError(f"no handler for jobs of kind {job.task.kind}")
        with segment(f"job {job.task.kind}"):
            load(known.handler)(job)
        if not job.finished:
            remove(job.table, (job.shard, job.due), job.mine, LeaseLost)
    except RetryLater as later:
        metrics.add(Metric.JOBS_WAITING, Kind=job.task.kind)
        patient = msgspec.structs.replace(job.task, attempts=0, last_error="")
        _put_back(job, patient, later.seconds, at_once=not later.seconds)
    except ConditionFailed as fault:
        if LeaseLost in fault.failed:
            return False
        _failed(job, fault)
    except Exception as fault:
        _failed(job, fault)
    finally:
        log.request_id.reset(marker)
    return True


def do_nothing(_: Job) -> None:
    """End a job of a kind that is only kept until what is queued of it is gone (`declarations.NOTHING`)."""


def _failed(job: Job, fault: Exception) -> None:
    attempts = job.task.attempts + 1
    if _passing(fault):
        attempts = max(job.task.attempts, min(attempts, OUTAGE_ATTEMPTS_MAX))
    task = msgspec.structs.replace(job.task, attempts=attempts, last_error=_reason(fault))
    if attempts >= ATTEMPTS_MAX and not _passing(fault):
        metrics.add(Metric.JOBS_DEAD)
        log.error("job_dead", fault, kind=task.kind, key_id=task.key, attempts=attempts)
        tx = Transaction()
        tx.put(Jobs(DEAD, job.due, task=task))
        job.finish(tx)
        _settle(tx)
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


def _put_back(job: Job, task: Task, seconds: float, at_once: bool = False) -> None:
    # A kind that only another version knows stays where it is: what is owed to very many comes before no order.
    lane = lane_of(task.kind, otherwise=Lane(job.shard[0]))
    tx = Transaction()
    tx.put(item(task, lane, clock.now() + timedelta(seconds=max(seconds, 0.001)), at_once))
    job.finish(tx)
    _settle(tx)


def _settle(tx: Transaction) -> None:
    """Commit how a job ended, unless another worker has it by now: then how it ends is that one's to say."""
    try:
        tx.commit()
    except ConditionFailed:
        log.warning("job_lease_lost")


def _reason(fault: Exception) -> str:
    """What an operator is told: the kind of the fault and its stable code, never a message that may hold data."""
    return f"{type(fault).__name__}: {fault.code}" if isinstance(fault, MallError) else type(fault).__name__
