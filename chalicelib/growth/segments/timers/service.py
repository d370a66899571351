"""Owing the look at members whom time may change (platform/jobs/timers.py)."""

from __future__ import annotations

from chalicelib.growth.segments.jobs import PASS
from chalicelib.growth.segments.tables import due_shard
from chalicelib.growth.segments.traits.rules import instant
from chalicelib.platform.jobs import timers
from chalicelib.platform.store.transaction import Transaction


def owe_look(tx: Transaction, member_id: str, due: int) -> None:
    """Owe a look at the member when that instant (Unix milliseconds) has come, as part of what is written now."""
    timers.timers_of(tx, PASS).add(due_shard(member_id), instant(due))


def looks_owed(tx: Transaction) -> int:
    """Count the looks that `tx` owes by now."""
    return len(timers.timers_of(tx, PASS))
