"""Reads of the operators' log."""

from __future__ import annotations

from datetime import date
from typing import Any

from chalicelib.mall.operators.tables import AuditEntries, operator_day
from chalicelib.platform.store import read


def page(day: date, operator: str | None, limit: int, after: Any) -> tuple[list[AuditEntries], Any]:
    """Read a page of the day's entries, newest first, of one operator or of all; possibly a second old."""
    if operator is None:
        items, next_key = read.query(AuditEntries, day.isoformat(), forward=False, limit=limit, after=after)
    else:
        items, next_key = read.query(
            AuditEntries,
            operator_day(operator, day.isoformat()),
            index=AuditEntries.by_operator,
            forward=False,
            limit=limit,
            after=after,
        )
    return [AuditEntries.from_raw_data(raw) for raw in items], next_key
