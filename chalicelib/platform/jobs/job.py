"""What a handler is given, and what it may raise.

A handler may run twice, late or out of order; it finishes its job in its own transaction (`job.finish(tx)`) or leaves
that to the worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core import clock, ids
from chalicelib.platform.jobs.tables import Jobs, Task, table_of
from chalicelib.platform.store.transaction import Transaction, write

#: Longer than a worker can hold a job, so that no two work on one; as a dead worker's job waits so long, by no more
#: than need be. The longest that a worker lives is the time-out of the schedules (.chalice/config.json), 83 s: 60 to
#: the rule's next minute, 5 for its jitter, so that their windows overlap, and 18 for the job that was begun last
#: (core/entry.py). Another 2 are for Lambda to end it, and for clocks that differ.
LEASE_SECONDS = 85


class RetryLater(Exception):
    """A handler asks to be called again: nothing failed, something outside is just not ready. In 0 seconds: it gives
    way to others that are due with more to do, and a reader of the stream goes on with it.

    What failed before is forgiven then, so that a job that asks for days does not die of a fault now and then.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class LeaseLost(Exception):
    """Another worker has the job by now; what this one wanted to commit with it was not written."""


class Job(msgspec.Struct):
    """A job that this worker runs: under a lease, or free for others too (`lease` is "")."""

    shard: str
    due: str
    task: Task
    lease: str = ""
    finished: bool = False

    @property
    def key(self) -> str:
        """What the job is about, such as an order's id."""
        return self.task.key

    @property
    def table(self) -> type[Jobs]:
        """Where it lies."""
        return table_of(self.shard)

    def hold(self) -> None:
        """Take the job under a lease, for LEASE_SECONDS. Raises ConditionFailed(LeaseLost) when another worker has it,
        or it has ended."""
        lease, until = ids.new("w"), clock.now() + timedelta(seconds=LEASE_SECONDS)
        changes = [Jobs.lease.set(lease), Jobs.leased_until.set(_ms(until))]
        write(self.table, (self.shard, self.due), changes, self.mine, LeaseLost)
        self.lease = lease

    @property
    def mine(self) -> Condition:
        """What holds while this worker may end the job: its own lease, or, without one, nobody's."""
        held: Condition = Jobs.lease == self.lease
        return held if self.lease else Jobs.shard.exists() & free_at(clock.now())

    def finish(self, tx: Transaction) -> None:
        """Remove the job as part of `tx`, so that its effect and its end are one."""
        tx.delete(self.table, (self.shard, self.due), self.mine, LeaseLost)
        tx.after_commit(self._is_finished)

    def _is_finished(self) -> None:
        self.finished = True


def free_at(instant: datetime) -> Condition:
    """Make the condition that nobody holds a job at that instant."""
    free: Condition = Jobs.leased_until.does_not_exist() | (Jobs.leased_until < _ms(instant))
    return free


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


Handler = Callable[[Job], None]


def load(reference: str) -> Handler:
    """Import the handler that is named as "module:function"."""
    module, _, function = reference.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler
