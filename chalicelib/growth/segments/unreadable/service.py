"""Noticing definitions that this version of the mall cannot read, such as a later one wrote before it was rolled back.

Nothing is decided of them meanwhile (assessment/rules.py). What happens passes them by, so that everybody must be
looked at for them as soon as they can be read: that is owed as they are noticed, before anything is decided.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime

from chalicelib.core import clock, log, metrics
from chalicelib.core.metrics import Metric
from chalicelib.growth.segments.jobs import READ_AGAIN
from chalicelib.platform.jobs.queue import owe_once
from chalicelib.platform.store.transaction import ConditionFailed

#: How far apart they are read again, in seconds.
LOOK_SECONDS = 900

#: What this process has told of last: the mark of the book, and which of it could not be read.
_told: tuple[str, tuple[str, ...]] | None = None


def noticed(segment_ids: Sequence[str], mark: str) -> None:
    """Tell once of each state of the book which definitions of it cannot be read, and owe that they are read again.
    Raises `unavailable`."""
    global _told
    found = mark, tuple(segment_ids)
    if not segment_ids or found == _told:
        return
    for segment_id in segment_ids:
        with contextlib.suppress(ConditionFailed):  # another process has noticed it, too
            owe_once(READ_AGAIN, segment_id, next_look())
        metrics.add(Metric.DEFINITIONS_UNREADABLE)
        log.error("definition_unreadable", segment_id=segment_id)
    _told = found


def next_look() -> datetime:
    """Choose when they are read again: the same instant for all who owe it, so that it is one job."""
    slot = int(clock.now().timestamp()) // LOOK_SECONDS + 1
    return clock.from_ms(slot * LOOK_SECONDS * 1000)
