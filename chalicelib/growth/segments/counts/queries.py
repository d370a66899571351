"""Reads of how many members segments have."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from chalicelib.growth.segments.tables import COUNT, DAY, SegmentCounts
from chalicelib.platform.store import read


class Totals(msgspec.Struct, frozen=True):
    """All who ever came into a segment, and all who ever left it."""

    entered: int = 0
    left: int = 0

    @property
    def members(self) -> int:
        """Count those who are in it."""
        return self.entered - self.left


def totals(segment_id: str) -> Totals:
    """Count who came into the segment and who left it, as of now."""
    shards = list(
        read.query_all(SegmentCounts, segment_id, where=SegmentCounts.part.startswith(COUNT), consistent=True)
    )
    return Totals(sum(int(one.entered) for one in shards), sum(int(one.left) for one in shards))


def at_days(segment_id: str, first: date, days: int) -> dict[str, Totals]:
    """Read the totals as each of these days began; a day on which nobody counted is missing."""
    last = first + timedelta(days=days - 1)
    where = SegmentCounts.part.between(f"{DAY}{first.isoformat()}", f"{DAY}{last.isoformat()}")
    found = read.query_all(SegmentCounts, segment_id, where=where)
    return {one.part.removeprefix(DAY): Totals(int(one.entered), int(one.left)) for one in found}
