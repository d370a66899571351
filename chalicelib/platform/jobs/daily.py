"""Jobs that are owed every day at a time of Asia/Shanghai.

Every worker owes the next one, well before it is due: so it is there after a crash, after a deployment, and in a table
that was empty. It is one job however many owe it, because its id is its kind and its time. A day on which no worker
runs at all goes by without it: the handler looks for what earlier days have left.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, time, timedelta

from chalicelib.core import clock
from chalicelib.platform.jobs.declarations import daily_kinds
from chalicelib.platform.jobs.queue import owe_once
from chalicelib.platform.store.transaction import ConditionFailed

_KEY = "daily"

#: By kind: until when this process has owed them, so that it writes once a day.
_owed: dict[str, datetime] = {}


def owe() -> None:
    """Owe the next job of every kind, unless it is there; once a day in each process."""
    now = clock.now()
    for kind, at in daily_kinds().items():
        if kind.name in _owed and now < _owed[kind.name]:
            continue
        due = following(now, at)
        with contextlib.suppress(ConditionFailed):  # it is there
            owe_once(kind, _KEY, due)
        _owed[kind.name] = due


def following(now: datetime, at: time) -> datetime:
    """Find the first instant after `now` at which it is `at` in Asia/Shanghai."""
    due = datetime.combine(clock.day(now), at, clock.SHANGHAI)
    return due if due > now else due + timedelta(days=1)
