"""What DynamoDB serves of each key in a second, and how the store asks again for what it was refused: a model.

A key has a partition of its own: so many read and write units a second, a second's worth of them saved up.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Generator, Mapping
from typing import NamedTuple

from chalicelib.platform.store import base, read

#: A key: what it is called (the items that all orders of the sale share), and which of them.
Key = tuple[str, object]


class Asked(NamedTuple):
    """What is read or written of a key: the table or index that it lies in, and the units."""

    key: Key
    place: str
    units: float


class Bucket:
    """Units that are filled in evenly, up to so many."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, most: float) -> None:
        self._rate, self._left, self._most, self._at = rate, most, most, 0.0

    def take(self, now: float, units: float) -> bool:
        """Whether there were so many; then they are gone."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < units:
            return False
        self._left -= units
        return True


class Keys:
    """The keys of one mall at the instant `now`, which its owner moves on."""

    def __init__(self, reads: float, writes: float, read_seconds: float, chance: random.Random) -> None:
        self.now = 0.0
        self.throttles: Counter[str] = Counter()
        self._readable: dict[Key, Bucket] = defaultdict(lambda: Bucket(reads, reads))
        self._writable: dict[Key, Bucket] = defaultdict(lambda: Bucket(writes, writes))
        self._read_seconds, self._chance = read_seconds, chance
        self._spent_reads: dict[tuple[str, int], float] = defaultdict(float)
        self._spent_writes: dict[tuple[str, int], float] = defaultdict(float)

    def write(self, wanted: list[Asked]) -> bool:
        """Whether all of these keys have these units; those that have them give them either way."""
        left = [asked for asked in wanted if not self._serve(self._writable, asked.key, asked.units)]
        for asked in wanted:
            if asked not in left:
                self._spent_writes[asked.place, int(self.now)] += asked.units
        return not left

    def batch(self, wanted: list[Asked], others: bool = False) -> Generator[float, None, bool]:
        """A BatchGetItem, as chalicelib.platform.store.read and its client try it; False is 503.

        `others`: among it are keys that nobody else reads, so that DynamoDB serves some of it in any case. When it
        serves none it refuses the request, and the client waits as botocore's mode "standard" does.
        """
        for attempt in range(read._BATCH_TRIES):
            if attempt:
                yield self._chance.random() * 0.05 * 2**attempt
            for again in range(base._TRIES):
                left = [asked for asked in wanted if not self._serve(self._readable, asked.key, asked.units)]
                for asked in wanted:
                    if asked not in left:
                        self._spent_reads[asked.place, int(self.now)] += asked.units
                yield self._read_seconds
                if not left:
                    return True
                if others or len(left) < len(wanted):
                    break
                if again + 1 == base._TRIES:
                    return False
                yield self._chance.random() * 2**again
            wanted, others = left, False
        return False

    def spend_reads(self, units: Mapping[str, float]) -> None:
        """Read units of keys that nobody else reads, by table or index."""
        for place, each in units.items():
            self._spent_reads[place, int(self.now)] += each

    def spend_writes(self, units: Mapping[str, float]) -> None:
        """Write units of keys that nobody else writes, by table or index."""
        for place, each in units.items():
            self._spent_writes[place, int(self.now)] += each

    @property
    def written(self) -> float:
        """All write units that were spent."""
        return sum(self._spent_writes.values())

    def peaks(self) -> tuple[dict[str, float], dict[str, float]]:
        """The most units that were read, and written, in one second, by table or index."""
        return _peaks(self._spent_reads), _peaks(self._spent_writes)

    def _serve(self, buckets: dict[Key, Bucket], key: Key, units: float) -> bool:
        served = buckets[key].take(self.now, units)
        if not served:
            self.throttles[key[0]] += 1
        return served


def _peaks(spent: Mapping[tuple[str, int], float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for (place, _), units in spent.items():
        found[place] = max(found.get(place, 0.0), units)
    return dict(sorted(found.items()))
