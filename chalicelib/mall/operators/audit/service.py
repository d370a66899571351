"""Writing the operators' log: an entry is written before a call runs, and closed with how it ended."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.mall.operators.tables import AuditEntries, AuditEntry, operator_day
from chalicelib.platform.store.transaction import ConditionFailed, save, write

#: Day and position of an entry.
Position = tuple[str, str]


def record(entry: AuditEntry, status: int | None = None) -> Position:
    """Write an entry; without `status` it is open until `close`. Raises `unavailable`."""
    day = clock.day(entry.at).isoformat()
    item = AuditEntries(
        day,
        f"{clock.stamp(entry.at)}|{ids.new('')}",
        operator_day=operator_day(entry.operator, day),
        entry=entry,
        status=status,
        expires=entry.at + timedelta(days=settings().audit_days),
    )
    # Its position is random: if something is there, it is the first try of this same write, whose answer was lost.
    with contextlib.suppress(ConditionFailed):
        save(item, AuditEntries.day.does_not_exist())
    return item.day, item.position


def count(entry: AuditEntry, status: int) -> None:
    """Count a refused login with the others of its hour under that name: the entry shows the last, and how many.

    That this fails must not keep anybody out: the refusal stands without it.
    """
    hour = entry.at.replace(minute=0, second=0, microsecond=0)
    day = clock.day(hour).isoformat()
    changes = [
        AuditEntries.operator_day.set(operator_day(entry.operator, day)),
        AuditEntries.entry.set(entry),
        AuditEntries.status.set(status),
        AuditEntries.expires.set(entry.at + timedelta(days=settings().audit_days)),
        AuditEntries.times.add(1),
    ]
    try:
        write(AuditEntries, (day, f"{clock.stamp(hour)}|{entry.operator}"), changes)
    except MallError:
        log.warning("login_not_counted", day=day)


def close(position: Position, status: int, outcome: str = "") -> None:
    """Say how the call ended, with what it says of that.

    That this fails must not undo what the call did: the entry then stays open.
    """
    changes = [AuditEntries.status.set(status)]
    if outcome:
        changes.append(AuditEntries.outcome.set(outcome))
    try:
        write(
            AuditEntries,
            position,
            changes,
            AuditEntries.status.does_not_exist() & AuditEntries.day.exists(),
        )
    except ConditionFailed:
        pass  # closed by the first try of this same write
    except MallError:
        log.warning("audit_not_closed", day=position[0], status=status)
