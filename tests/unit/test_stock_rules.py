"""Where an order takes a SKU's pieces from: chosen without asking anybody, and without changing anything."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.stock.rules import OWN, SCATTERED, choose, consolidation

FREES = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def places(own: int, frees: list[int]) -> dict[str, int]:
    return {OWN: own} | {str(shard): free for shard, free in enumerate(frees)}


@pytest.mark.parametrize(
    ("seen", "quantity", "pool"),
    [
        (None, 1, "1"),  # nobody has looked: the shard that the order falls to
        ({"": 9, "0": 9, "1": 2, "2": 9}, 2, "1"),
        ({"": 9, "0": 9, "1": 1, "2": 2}, 2, "2"),  # the next that has enough
        ({"": 9, "0": 2, "1": 1, "2": 1}, 2, "0"),  # going round
        ({"": 2, "0": 1, "1": 1, "2": 1}, 2, OWN),
        ({"": 1, "0": 1, "1": 0, "2": 0}, 2, SCATTERED),
        ({"": 1, "0": 0, "1": 0, "2": 0}, 2, None),
        ({"": 5}, 5, OWN),  # closed shards are not in what was seen
        ({"": 1}, 2, None),  # and have nothing
        ({"": 0}, 1, None),
        ({"": 0, "0": 1}, 1, "0"),
    ],
)
def test_an_order_takes_from_its_shard_else_the_next_with_enough_else_from_what_lies_in_bits(
    seen: dict[str, int] | None, quantity: int, pool: str | None
) -> None:
    assert choose(seen, ["0", "1", "2"], quantity, first=1) == pool


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 20), st.integers(1, 60))
def test_what_an_order_lacks_comes_from_the_fullest_and_no_more(frees: list[int], own: int, wanted: int) -> None:
    seen = {OWN: own} | {str(shard): free for shard, free in enumerate(frees)}
    taken = consolidation(seen, wanted)
    assert sum(taken.values()) == min(max(0, wanted - own), sum(frees))
    assert all(0 < pieces <= seen[pool] for pool, pieces in taken.items())
    untouched = [free for shard, free in enumerate(frees) if str(shard) not in taken]
    assert all(seen[pool] >= max(untouched, default=0) for pool in taken)


@given(st.integers(0, 9), FREES, st.integers(1, 20), st.integers(0, 5))
def test_a_place_is_chosen_that_has_enough_or_it_is_said_why_there_is_none(
    own: int, frees: list[int], quantity: int, first: int
) -> None:
    free = places(own, frees)
    place = choose(free, [str(shard) for shard in range(len(frees))], quantity, first % len(frees))
    if place is None:
        assert sum(free.values()) < quantity
    elif place == SCATTERED:
        assert max(free.values()) < quantity <= sum(free.values())
    else:
        assert free[place] >= quantity


@given(st.integers(0, 9), FREES, st.integers(1, 20), st.integers(0, 5), st.booleans())
def test_choosing_asks_nobody_and_changes_nothing(
    own: int, frees: list[int], quantity: int, first: int, counted: bool
) -> None:
    """Whatever it is asked, it says the same again, and no call reaches the store."""
    free: Any = places(own, frees) if counted else None
    shards = [str(shard) for shard in range(len(frees))]
    before = copy.deepcopy((free, shards))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("chalicelib.platform.store.base.client", _nobody)
        answers = {choose(free, shards, quantity, first % len(frees)) for _ in range(2)}
    assert len(answers) == 1
    assert (free, shards) == before


@given(st.integers(0, 9), FREES, st.integers(1, 20), st.integers(0, 5))
def test_what_was_scattered_is_in_one_place_when_it_is_consolidated(
    own: int, frees: list[int], quantity: int, first: int
) -> None:
    free = places(own, frees)
    shards = [str(shard) for shard in range(len(frees))]
    if choose(free, shards, quantity, first % len(frees)) == SCATTERED:
        moved = consolidation(free, quantity)
        after = {place: pieces - moved.get(place, 0) for place, pieces in free.items()}
        after[OWN] += sum(moved.values())
        assert sum(after.values()) == sum(free.values())
        assert choose(after, shards, quantity, first % len(frees)) == OWN


def _nobody() -> Any:
    raise AssertionError("choosing has asked the store")
