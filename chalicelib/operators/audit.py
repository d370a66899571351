"""The audit log: an entry is written before a call runs, and closed with how it ended."""

from __future__ import annotations

import contextlib
from datetime import date, timedelta
from typing import Any

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.operators.tables import Audit, AuditEntry
from chalicelib.store import read
from chalicelib.store.transaction import ConditionFailed, save, write

#: Day and place of an entry.
Place = tuple[str, str]


def record(entry: AuditEntry, status: int | None = None) -> Place:
    """Write an entry; without `status` it is open until `close`. Raises `unavailable`."""
    day = clock.day(entry.at).isoformat()
    item = Audit(
        day,
        f"{clock.stamp(entry.at)}|{ids.new('')}",
        operator_day=_operator_day(entry.operator, day),
        entry=entry,
        status=status,
        expires=entry.at + timedelta(days=settings().audit_days),
    )
    # Its place is random: if something is there, it is the first try of this same write, whose answer was lost.
    with contextlib.suppress(ConditionFailed):
        save(item, Audit.day.does_not_exist())
    return item.day, item.place


def close(place: Place, status: int) -> None:
    """Say how the call ended. That this fails must not undo what the call did: the entry then stays open."""
    try:
        write(Audit, place, [Audit.status.set(status)], Audit.status.does_not_exist() & Audit.day.exists())
    except ConditionFailed:
        pass  # closed by the first try of this same write
    except MallError:
        log.warning("audit_not_closed", day=place[0], status=status)


def page(day: date, operator: str | None, limit: int, after: Any) -> tuple[list[Audit], Any]:
    """A page of the day's entries, newest first, of one operator or of all; possibly a second old."""
    if operator is None:
        items, next_key = read.query(Audit, day.isoformat(), forward=False, limit=limit, after=after)
    else:
        items, next_key = read.query(
            Audit,
            _operator_day(operator, day.isoformat()),
            index=Audit.by_operator,
            forward=False,
            limit=limit,
            after=after,
        )
    return [Audit.from_raw_data(raw) for raw in items], next_key


def _operator_day(operator: str, day: str) -> str:
    return f"{operator}/{day}"
