"""Random malls, one after the other in tables of their own: what came of them, and which of them differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.support.own_tables import own_tables

if TYPE_CHECKING:
    from tests.support.random_play import Play


def play_all(tables: str, numbers: range, played: Callable[[int], Play], told: Callable[[int, Play], str]) -> list[str]:
    """Play the malls of these numbers, and print what came of each and of all; what is told of those that differ."""
    ended: Counter[str] = Counter()
    failed = []
    with own_tables(tables):
        for number in numbers:
            play = played(number)
            ended.update(play.told)
            if play.differences:
                failed.append(told(number, play))
                print(failed[-1], flush=True)
            print(f"mall {number}: {len(play.differences)} differences", flush=True)
    print(", ".join(f"{what} {times}" for what, times in sorted(ended.items())))
    return failed
