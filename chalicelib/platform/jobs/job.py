"""What a handler is given, and what it may raise.

A handler may run twice, late or out of order; it finishes its job in its own transaction (`job.finish(tx)`) or leaves
that to the worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import msgspec

from chalicelib.platform.jobs.tables import Jobs, Task
from chalicelib.platform.store.transaction import Transaction


class RetryLater(Exception):
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
        tx.after_commit(self._is_finished)

    def _is_finished(self) -> None:
        self.finished = True


Handler = Callable[[Job], None]


def load(reference: str) -> Handler:
    """Import the handler that is named as "module:function"."""
    module, _, function = reference.partition(":")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler
