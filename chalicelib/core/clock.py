"""The mall's clock: the only place that asks what time it is.

Instants are timezone-aware UTC datetimes, cut to the millisecond. A deployed mall runs on the system's
clock; a process may be handed another one with `use`, so that a test or a local mall can move time forward.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

#: "Day" and "month" in reports and limits are those of Asia/Shanghai, which has no daylight saving time.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_seconds: Callable[[], float] = time.time


def use(seconds: Callable[[], float]) -> Callable[[], float]:
    """Read the time from `seconds` (Unix seconds) from now on, in this process; what it was read from before."""
    global _seconds
    before, _seconds = _seconds, seconds
    return before


def now() -> datetime:
    """Give the present instant, UTC, to the millisecond."""
    return from_ms(int(_seconds() * 1000))


def unix() -> int:
    """Give the present instant, in whole Unix seconds."""
    return int(_seconds())


def monotonic() -> float:
    """Give the machine's seconds, for measuring how long something took; never moved forward by hand."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait real seconds."""
    time.sleep(seconds)


def from_ms(milliseconds: int) -> datetime:
    """Give the instant that many milliseconds after the Unix epoch."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


def stamp(instant: datetime) -> str:
    """Write `instant` as text of fixed width that sorts as the instants do, for keys: 2026-11-21T08:00:00.000Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def from_stamp(text: str) -> datetime:
    """Read the instant that `stamp` wrote."""
    return datetime.fromisoformat(text)


def day(instant: datetime) -> date:
    """Give the day of `instant` in Asia/Shanghai."""
    return instant.astimezone(SHANGHAI).date()
