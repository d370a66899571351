"""The audit log: an entry is written before a call runs, and closed with how it ended."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from typing import Any

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.operators.tables import AuditEntries, AuditEntry
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, save, write

#: Day and position of an entry.
Position = tuple[str, str]


def record(entry: AuditEntry, status: int | None = None) -> Position:
    """Write an entry; without `status` it is open until `close`. Raises `unavailable`."""
    day = clock.day(entry.at).isoformat()
    item = AuditEntries(
        day,
        f"{clock.stamp(entry.at)}|{ids.new('')}",
        operator_day=_operator_day(entry.operator, day),
        entry=entry,
        status=status,
        expires=entry.at + timedelta(days=settings().audit_days),
    )
    # Its position is random: if something is there, it is the first try of this same write, whose answer was lost.
    with contextlib.suppress(ConditionFailed):
        save(item, AuditEntries.day.does_not_exist())
    return item.day, item.position


def close(position: Position, status: int) -> None:
    """Say how the call ended. That this fails must not undo what the call did: the entry then stays open."""
    try:
        write(
            AuditEntries,
            position,
            [AuditEntries.status.set(status)],
            AuditEntries.status.does_not_exist() & AuditEntries.day.exists(),
        )
    except ConditionFailed:
        pass  # closed by the first try of this same write
    except MallError:
        log.warning("audit_not_closed", day=position[0], status=status)


def page(day: date, operator: str | None, limit: int, after: Any) -> tuple[list[AuditEntries], Any]:
    """A page of the day's entries, newest first, of one operator or of all; possibly a second old."""
    if operator is None:
        items, next_key = read.query(AuditEntries, day.isoformat(), forward=False, limit=limit, after=after)
    else:
        items, next_key = read.query(
            AuditEntries,
            _operator_day(operator, day.isoformat()),
            index=AuditEntries.by_operator,
            forward=False,
            limit=limit,
            after=after,
        )
    return [AuditEntries.from_raw_data(raw) for raw in items], next_key


def _operator_day(operator: str, day: str) -> str:
    return f"{operator}/{day}"
