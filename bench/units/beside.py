"""What is looked at beside very many: workers of every lane side by side in this process, and how late each job is."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from chalicelib.core import clock
from chalicelib.platform.jobs import queue, worker
from chalicelib.platform.jobs.declarations import Lane
from chalicelib.platform.jobs.queue import due_at
from chalicelib.platform.jobs.tables import Jobs, table_of
from chalicelib.platform.jobs.worker import BATCH
from chalicelib.platform.store import read

#: For how long it is waited at most (real seconds).
_PATIENCE_SECONDS = 900.0
_TICK_SECONDS = 0.2


class Watch:
    """By how many milliseconds each job came after its second, and when the last of a kind was done (Unix seconds), by
    its kind."""

    def __init__(self) -> None:
        self.late: dict[str, list[float]] = defaultdict(list)
        self.done_at: dict[str, float] = {}

    def note(self, found: Jobs) -> None:
        """A job has been done now."""
        wanted = due_at(found.due)
        self.late[found.task.kind].append((clock.now() - wanted).total_seconds() * 1000)
        self.done_at[found.task.kind] = max(clock.now().timestamp(), self.done_at.get(found.task.kind, 0.0))

    def last(self, *kinds: str) -> float:
        """When the last of these kinds was done."""
        return max(self.done_at[kind] for kind in kinds if kind in self.done_at)


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the jobs that are done inside."""
    known, watch = worker.run_one, Watch()

    def run_one(found: Jobs) -> bool:
        if not known(found):
            return False
        watch.note(found)
        return True

    worker.run_one = run_one
    try:
        yield watch
    finally:
        worker.run_one = known


@contextmanager
def at_work(lanes: Sequence[Lane]) -> Iterator[None]:
    """Have a worker for each of these look after its lane; those of one that is named several times have its shards
    among them, so that each job is one worker's, as it is one reader's of a stream."""
    over, workers = threading.Event(), Counter(lanes)
    parts = [queue.shards([lane])[number::count] for lane, count in workers.items() for number in range(count)]
    with ThreadPoolExecutor(len(parts)) as pool:
        running = [pool.submit(_work, part, over) for part in parts]
        try:
            yield
        finally:
            over.set()
    for one in running:
        one.result()


def _work(shards: Sequence[str], over: threading.Event) -> None:
    while not over.is_set():
        if not sum(_swept(shard) for shard in shards):
            time.sleep(_TICK_SECONDS)


def _swept(shard: str) -> int:
    """Run some of what is due in a shard; how many jobs that were."""
    where = Jobs.due <= clock.stamp(clock.now()) + "~"
    due, _ = read.query(table_of(shard), shard, where=where, limit=BATCH, consistent=True)
    return sum(worker.run_one(Jobs.from_raw_data(raw)) for raw in due)


def wait(done: Callable[[], bool]) -> None:
    """Wait until this holds."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < end, "not done in time"
        time.sleep(_TICK_SECONDS)
