"""Reads of who is in a segment, and of whom time may have changed."""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock
from chalicelib.growth.segments.tables import COUNT_SHARDS, DUE_SHARDS, MemberTraits, SegmentMembers, place_of
from chalicelib.platform.store import read


def due_in(shard: int, limit: int, after: Any) -> tuple[list[str], Any]:
    """List members of one of the DUE_SHARDS whom time may have changed by now, those due first at the front, and where
    the next page starts (None: no more). From an index: who was written in this moment may be as they were."""
    where = MemberTraits.due_at <= clock.stamp(clock.now())
    items, rest = read.query(
        MemberTraits, str(shard), index=MemberTraits.by_due, where=where, limit=limit, after=after
    )  # fmt: skip
    return [raw["member_id"]["S"] for raw in items], rest


def oldest_due() -> str | None:
    """Find the earliest instant, as a stamp, at which time may have changed a member who was not looked at since; None
    where there is none. Reads each shard."""
    now = clock.stamp(clock.now())
    found: list[str] = []
    for shard in range(DUE_SHARDS):
        where = MemberTraits.due_at <= now
        items, _ = read.query(MemberTraits, str(shard), index=MemberTraits.by_due, where=where, limit=1)
        found += [raw["due_at"]["S"] for raw in items]
    return min(found, default=None)


def members_of(segment_id: str, limit: int, position: Any) -> tuple[list[SegmentMembers], Any]:
    """List a page of a segment's members, by shard and by their ids, and where the next page starts (None: no more)."""
    shard, after = position or (0, None)
    found: list[SegmentMembers] = []
    while shard < COUNT_SHARDS and len(found) < limit:
        items, after = read.query(
            SegmentMembers, place_of(segment_id, shard), limit=limit - len(found), after=after, consistent=True
        )
        found += [SegmentMembers.from_raw_data(raw) for raw in items]
        if after is None:
            shard += 1
    return found, (shard, after) if shard < COUNT_SHARDS else None


def shard_of(segment_id: str, shard: int, limit: int, after: str) -> tuple[list[str], str | None]:
    """List ids of members of one of the COUNT_SHARDS of a segment behind the id `after` (""), and the last of them
    where there are more."""
    where = SegmentMembers.member_id > after if after else None
    items, rest = read.query(
        SegmentMembers, place_of(segment_id, shard), where=where, limit=limit, consistent=True
    )  # fmt: skip
    ids = [raw["member_id"]["S"] for raw in items]
    return ids, ids[-1] if rest is not None else None
