"""Counting who comes into segments and who leaves: each counter once in a transaction, of however many members."""

from __future__ import annotations

from chalicelib.growth.segments.tables import COUNT, SegmentCounts, count_shard
from chalicelib.platform.store.transaction import Transaction


class Counts:
    """What one transaction counts."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, int], list[int]] = {}

    def __len__(self) -> int:
        return len(self._counted)

    def add(self, member_id: str, segment_id: str, came: bool) -> None:
        """Count that the member came into the segment, or left it."""
        counted = self._counted.setdefault((segment_id, count_shard(member_id)), [0, 0])
        counted[0 if came else 1] += 1

    def add_to(self, tx: Transaction) -> None:
        """Change the counters as part of `tx`."""
        for (segment_id, shard), (entered, left) in self._counted.items():
            changes = [SegmentCounts.entered.add(entered), SegmentCounts.left.add(left)]
            tx.update(SegmentCounts, (segment_id, f"{COUNT}{shard}"), changes)


def counts_of(tx: Transaction) -> Counts:
    """Give what `tx` counts, to count more."""
    return tx.together(("segment_counts",), Counts)
