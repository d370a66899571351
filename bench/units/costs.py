"""The request units of each call beside their floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.units.floors import FLOORS, Need, Read
from bench.units.recorder import Touch, Trip
from bench.units.request_units import Units, read_units

#: What a write unit costs in read units, on demand, in every Region.
WRITE_PRICE = 5.0


class Cost(NamedTuple):
    """What a call costs: round trips in a process that remembers nothing and in a busy one; units in the latter."""

    call: str
    trips_cold: int
    trips: int
    units: Units
    floor: Units

    @property
    def ratio(self) -> float:
        """The price over that of the floor."""
        return price(self.units) / price(self.floor)


def price(units: Units) -> float:
    """Reads and writes together, in the price of a read unit."""
    return units.reads + WRITE_PRICE * units.writes


def costs(cold: dict[str, list[Trip]], busy: dict[str, list[Trip]]) -> list[Cost]:
    """Every call's cost, in the order of bench/units/floors.py."""
    return [Cost(call, len(cold[call]), len(busy[call]), total(busy[call]), floor(call, busy[call])) for call in FLOORS]


def total(trips: Sequence[Trip]) -> Units:
    """The units of these trips."""
    return Units(sum(trip.units.reads for trip in trips), sum(trip.units.writes for trip in trips))


def floor(call: str, trips: Sequence[Trip]) -> Units:
    """The units of what the call cannot do without, at the sizes that the items have in these trips."""
    touches = [touch for trip in trips if "refused" not in trip.operation for touch in trip.touches]
    reads = list({(touch.table, touch.key): touch for touch in touches if touch.units.reads}.values())
    writes = [touch for touch in touches if touch.units.writes]
    units = Units()
    for need in FLOORS[call]:
        pool = reads if isinstance(need, Read) else writes
        matching = [touch for touch in pool if _is(touch, need)]
        assert matching, f"{call}: nothing was {'read' if isinstance(need, Read) else 'written'} for {need}"
        for touch in matching if need.key.endswith("*") else matching[:1]:
            pool.remove(touch)
            units = units.plus(_price_of(touch, need))
    return units


def _is(touch: Touch, need: Need) -> bool:
    prefix = need.key.removesuffix("*")
    return touch.table == need.table and any(part.startswith(prefix) for part in touch.key)


def _price_of(touch: Touch, need: Need) -> Units:
    if isinstance(need, Read):
        return Units(reads=read_units(touch.size, need.consistent))
    paid = touch.units.writes
    size_units = -(-max(touch.size, 1) // 1024)
    assert paid in (size_units, 2 * size_units), (touch, need)
    return Units(writes=size_units * (2 if need.transactional else 1) + touch.index_units)
