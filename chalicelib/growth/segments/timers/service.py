"""Owing the look at members whom time may change: one job for all of a shard whose instants are in the same quarter of
a minute, however many transactions owe it; an idle mall owes none."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.growth.segments.jobs import PASS
from chalicelib.growth.segments.tables import due_shard
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

#: To so many milliseconds the time of a look is rounded up; and so many after the instant it is at least, for the index
#: to know of what was written in that very moment.
GRAIN_MS = 15_000
_INDEX_MS = 1_000


class Timers:
    """The looks that one transaction owes."""

    def __init__(self) -> None:
        self._owed: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._owed)

    def add(self, member_id: str, due: int) -> None:
        """Owe a look at the member when that instant (Unix milliseconds) has come."""
        self._owed.add((due_shard(member_id), -(-(due + _INDEX_MS) // GRAIN_MS) * GRAIN_MS))

    def add_to(self, tx: Transaction) -> None:
        """Owe the jobs as part of `tx`."""
        for shard, at in sorted(self._owed):
            schedule(tx, PASS, str(shard), clock.from_ms(at))


def timers_of(tx: Transaction) -> Timers:
    """Give the looks that `tx` owes, to owe more."""
    return tx.together(("timers",), Timers)
