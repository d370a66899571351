"""What a member came into and left, as it is remembered. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Move(msgspec.Struct, frozen=True, array_like=True):
    """That the member came into (or left) a segment, or got (or lost) a tag, at that instant (Unix milliseconds)."""

    at: int
    segment_id: str
    came: bool


class Moved(msgspec.Struct, frozen=True):
    """What a member came into and left, in order."""

    moves: list[Move]


#: Of how many segments one transaction lists what a member came into and left.
SEGMENTS_AT_ONCE = 40


def portion(
    moves: Sequence[tuple[int, str, bool]],
) -> tuple[list[tuple[int, str, bool]], list[tuple[int, str, bool]]]:
    """Part what a member came into and left: what one transaction lists, and what is left to the next."""
    first = set(list(dict.fromkeys(segment_id for _, segment_id, _ in moves))[:SEGMENTS_AT_ONCE])
    now = [one for one in moves if one[1] in first]
    return now, [one for one in moves if one[1] not in first]
