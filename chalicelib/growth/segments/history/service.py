"""Writing down, as a day begins, how many members every segment has, and how many ever came in and left."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.tables import DAY, SegmentCounts
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store.transaction import save_new

#: For how many days this is kept.
DAYS_KEPT = 800


def count_day(_: Job) -> None:
    """Write down the totals of every segment and tag for the day that begins; what is written down stays."""
    now = clock.now()
    day = clock.day(now).isoformat()
    for segment_id in definitions.book().entries:
        found = totals(segment_id)
        save_new(
            SegmentCounts(
                segment_id, f"{DAY}{day}", entered=found.entered, left=found.left,
                expires=now + timedelta(days=DAYS_KEPT),
            )
        )  # fmt: skip
