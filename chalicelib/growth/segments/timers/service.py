"""Owing the look at members whom time may change: one job for all of a shard whose instants are in the same quarter of
a minute, however many transactions owe it; an idle mall owes none. The look is at an index: where it follows the write
so soon that the index may not know of that yet, the next quarter's is owed, too."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.growth.segments.jobs import PASS
from chalicelib.growth.segments.tables import due_shard
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

#: To so many milliseconds the time of a look is rounded up; and so many after the instant it is at least: mostly the
#: index knows by then of what was written in that very moment, and after the longer of these it always does.
GRAIN_MS = 15_000
_INDEX_MS, _INDEX_MS_MAX = 1_000, 15_000


class Timers:
    """The looks that one transaction owes."""

    def __init__(self) -> None:
        self._owed: set[tuple[int, int]] = set()

    def __len__(self) -> int:
        return len(self._owed)

    def add(self, member_id: str, due: int) -> None:
        """Owe a look at the member when that instant (Unix milliseconds) has come, as part of what is written now."""
        shard, sure = due_shard(member_id), ms(clock.now()) + _INDEX_MS_MAX
        at = _rounded(due + _INDEX_MS)
        self._owed.add((shard, at))
        if at < sure:
            self._owed.add((shard, _rounded(sure)))

    def add_to(self, tx: Transaction) -> None:
        """Owe the jobs as part of `tx`."""
        for shard, at in sorted(self._owed):
            schedule(tx, PASS, str(shard), clock.from_ms(at))


def _rounded(at: int) -> int:
    return -(-at // GRAIN_MS) * GRAIN_MS


def timers_of(tx: Transaction) -> Timers:
    """Give the looks that `tx` owes, to owe more."""
    return tx.together(("timers",), Timers)
