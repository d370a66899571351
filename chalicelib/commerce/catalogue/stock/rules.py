"""Where an order takes a SKU's pieces from, when they lie in shards. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.core.shards import first_with_some

#: The SKU's own item, among its shards.
OWN = ""
#: No place has enough pieces, but all of them together have: they are to be consolidated in the SKU's own item.
SCATTERED = "scattered"


def choose(free: Mapping[str, int] | None, shards: Sequence[str], quantity: int, first: int) -> str | None:
    """Choose where to take `quantity` pieces from: a shard, looking around from number `first`, or OWN, or SCATTERED.

    None when all together are too few. `free` is what was seen in each of the shards and in OWN; None when nobody has
    looked: then it is the shard `first`, which nearly always has some.
    """
    if free is None:
        return shards[first]
    found = first_with_some([int(pool in free and free[pool] >= quantity) for pool in shards], first)
    if found is not None:
        return shards[found]
    if free[OWN] >= quantity:
        return OWN
    return SCATTERED if sum(free.values()) >= quantity else None


def consolidation(free: Mapping[str, int], wanted: int) -> dict[str, int]:
    """Say how many pieces come from which shards, so that OWN has `wanted`.

    What it lacks comes from the fullest, so that the others go on selling; fewer only when that is all there is.
    """
    missing = wanted - free[OWN]
    moved: dict[str, int] = {}
    for pool, pieces_there in sorted(free.items(), key=lambda place: -place[1]):
        if pool != OWN and (pieces := min(pieces_there, missing)) > 0:
            moved[pool] = pieces
            missing -= pieces
    return moved
