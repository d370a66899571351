"""Reads of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.core import clock
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.journeys.runs.rules import Guard, Run
from chalicelib.growth.journeys.tables import (
    ACTIVE,
    JOURNEY_SHARDS,
    RUN,
    JourneyCounts,
    JourneyRuns,
    count_keys,
    place_of,
    run_part,
)
from chalicelib.platform.store import read, tallies


def find(member_id: str, journey_id: str, run_id: str) -> Run | None:
    """Find a run as it is now, also of who was merged into another; None where there is none."""
    item = read.get(JourneyRuns, member_id, run_part(journey_id, run_id))
    if item is None and (now := resolved(member_id)) != member_id:
        item = read.get(JourneyRuns, now, run_part(journey_id, run_id))
    return None if item is None else item.run


def runs_of(member_id: str, journey_id: str = "", consistent: bool = True) -> list[Run]:
    """List the runs of a member, or those of one journey: active and parked ones, and the ended of the last months."""
    prefix = f"{RUN}{journey_id}#" if journey_id else RUN
    where = JourneyRuns.part.startswith(prefix)
    return [item.run for item in read.query_all(JourneyRuns, member_id, where=where, consistent=consistent)]


def some_of(member_id: str, limit: int) -> tuple[list[Run], bool]:
    """List runs of a member, so many at most, in no order that says anything; and whether these are all. As they were a
    moment ago: 0.5 RRU per 4 KB, some 3 runs."""
    where = JourneyRuns.part.startswith(RUN)
    found, rest = read.query(JourneyRuns, member_id, where=where, limit=limit)
    return [JourneyRuns.from_raw_data(raw).run for raw in found], rest is None


def of_keys(keys: Sequence[tuple[str, str]]) -> list[Run]:
    """Read the runs at these keys, as an index names them, that are there."""
    return [item.run for item in read.batch_get([(JourneyRuns, key) for key in keys]) if item is not None]


def due_in(shard: int, limit: int, after: Any) -> tuple[list[tuple[str, str]], Any]:
    """List keys of runs of one of the WAKE_SHARDS whose wait is over, the first of them at the front, and where the
    next page starts (None: no more). From an index: what was written in this moment may be as it was."""
    where = JourneyRuns.wake_at <= clock.stamp(clock.now())
    items, rest = read.query(JourneyRuns, str(shard), index=JourneyRuns.by_wake, where=where, limit=limit, after=after)
    return [_key(raw) for raw in items], rest


def inside(journey_id: str, shard: int, limit: int, after: Any) -> tuple[list[tuple[str, str]], Any]:
    """List keys of the active and parked runs of one of the JOURNEY_SHARDS of a journey, and where the next page starts
    (None: no more). From an index, as `due_in` is."""
    assert shard < JOURNEY_SHARDS
    items, rest = read.query(
        JourneyRuns, place_of(journey_id, shard), index=JourneyRuns.by_journey, limit=limit, after=after
    )  # fmt: skip
    return [_key(raw) for raw in items], rest


def _key(raw: read.Raw) -> tuple[str, str]:
    return raw["member_id"]["S"], raw["part"]["S"]


def counts(journey_id: str, version: int, consistent: bool = False) -> dict[str, int]:
    """Sum what is counted of a version: `entered`, `parked`, `ended|<reason>`, `in|<step>`, `out|<step>`, `n|<arm>`,
    `conv|<arm>`, `gmv|<arm>`, `gmv2|<arm>`, `goal|<step>`, `grants|<outcome>`,
    `given|<step>`, `holdout`."""
    found = tallies.read(JourneyCounts, count_keys(journey_id, version), consistent)
    return {name: n for name, n in found.items() if n}


def guards_of(member_id: str) -> dict[str, Guard]:
    """Read the guards of a member, by their parts."""
    where = JourneyRuns.part.startswith(ACTIVE)
    items = read.query_all(JourneyRuns, member_id, where=where, consistent=True)
    return {item.part: guard_of(item) for item in items}


def guard_of(item: Any) -> Guard:
    """Take a guard out of its item (None: the member was never in)."""
    if item is None:
        return Guard()
    left_at = clock.from_stamp(item.left_at) if item.left_at else None
    return Guard(run_id=item.active or "", entries=int(item.entries or 0), left_at=left_at)
