"""Reads of walks through those who are in a journey."""

from __future__ import annotations

import msgspec

from chalicelib.growth.journeys.listening.tables import ALL, Journeys
from chalicelib.growth.journeys.moving.rules import Move, Part, Track
from chalicelib.growth.journeys.tables import JOURNEY_SHARDS, JourneyCounts
from chalicelib.platform.store import read, tallies

#: Before what is kept and counted of walks.
MOVE = "move#"


def head_part(journey_id: str, track: Track) -> str:
    """Name the part that says which walk is the latest of its track."""
    return f"{MOVE}{journey_id}#{track}"


def shard_part(journey_id: str, track: Track, shard: int) -> str:
    """Name the part that says how far it is in one shard."""
    return f"{head_part(journey_id, track)}#{shard:02}"


def count_key(move_id: str, shard: int) -> tuple[str, str]:
    """Name the counter of a walk in one shard."""
    return f"{MOVE}{move_id}", f"n#{shard}"


def latest(journey_id: str, track: Track) -> Move | None:
    """Find the latest walk of a track; None where there was none."""
    item = read.get(Journeys, ALL, head_part(journey_id, track))
    return None if item is None else msgspec.json.decode(item.document, type=Move)


def part_of(journey_id: str, track: Track, shard: int) -> tuple[Part, str] | None:
    """Find how far the latest walk of a track is in one shard, and as which text that is kept."""
    item = read.get(Journeys, ALL, shard_part(journey_id, track, shard))
    return None if item is None else (msgspec.json.decode(item.document, type=Part), item.document)


def is_done(move: Move) -> bool:
    """Say whether a walk has come to its end in every shard, or another has taken its place."""
    where = Journeys.part.startswith(f"{head_part(move.journey_id, move.track)}#")
    items = read.query_all(Journeys, ALL, where=where, consistent=True)
    parts = [msgspec.json.decode(item.document, type=Part) for item in items]
    return not any(part.move_id == move.move_id and part.state == "running" for part in parts)


def counted(move: Move) -> dict[str, int]:
    """Count whom a walk has done something with, by "<how>|<step>"."""
    found = tallies.read(JourneyCounts, [count_key(move.move_id, shard) for shard in range(JOURNEY_SHARDS)])
    return {name: n for name, n in found.items() if n}
