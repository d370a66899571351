"""What a process remembers is good for a second by the mall's clock, however that goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.platform.store import cache

KEY = ("of this file", "one")
DAY = 86_400.0


@pytest.fixture(scope="module", autouse=True)
def at() -> Iterator[list[float]]:
    """The instant by the mall's clock."""
    instant = [1_800_000_000.0]
    before = clock.use(lambda: instant[0])
    yield instant
    cache.forget(KEY[0])
    clock.use(before)


@given(st.one_of(st.integers(-3000, 3000).map(lambda ms: ms / 1000), st.sampled_from([-400 * DAY, 400 * DAY])))
@example(0.0)
@example(1.0)
@example(-0.001)
def test_what_is_kept_is_good_for_a_second_and_not_for_who_comes_before(at: list[float], later: float) -> None:
    """A clock that was put back would else have a process go by what it remembers until that instant comes again."""
    at[0] = 1_800_000_000.0
    cache.keep(KEY, "kept")
    at[0] += later
    assert cache.recall(KEY) == ("kept" if 0 <= later < settings().cache_seconds else None)


def test_a_full_memory_forgets_first_what_is_not_good_any_more(at: list[float]) -> None:
    at[0] = 1_800_000_000.0
    cache._entries.clear()
    for number in range(cache._ENTRIES_MAX - 1):
        cache.keep((KEY[0], str(number)), number)
    at[0] -= DAY
    cache.keep(KEY, "kept")
    cache.keep((KEY[0], "another"), "kept, too")
    assert cache.recall(KEY) == "kept"
    assert len(cache._entries) == 2
