"""What becomes of two members' guards who turn out to be one person. Pure."""

from __future__ import annotations

from datetime import datetime

from chalicelib.growth.journeys.runs.rules import Guard


def joined(one: Guard, other: Guard) -> Guard:
    """Join two guards: one of them has an active run at most. Both came in as often as they did, together."""
    left = [at for at in (one.left_at, other.left_at) if at is not None]
    left_at: datetime | None = max(left, default=None)
    return Guard(run_id=one.run_id or other.run_id, entries=one.entries + other.entries, left_at=left_at)
