"""Counters that many writers share lie in shards, so that they do not all meet at one item."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.money import split_fen


def even(pieces: int, shards: int) -> dict[int, int]:
    """`pieces` shared out over so many shards."""
    return dict(enumerate(split_fen(pieces, [1] * shards)))


def first_with_some(frees: Sequence[int], first: int) -> int | None:
    """Find the shard to take from: the first, going round from `first`, that has any; None when none has."""
    around = range(len(frees))
    return next((shard for step in around if frees[shard := (first + step) % len(frees)] > 0), None)
