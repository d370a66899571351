"""A read set: what was read has names, and what was not read is not taken for absent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.tables import Orders, UnpaidOrders
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key, ReadSet, read_set

KEYS: list[Key] = [(table, (f"k{number}",)) for table in (Orders, UnpaidOrders) for number in range(4)]


def of_key(key: Key) -> str | None:
    """What there is at a key; nothing at those that end with 3."""
    return None if key[1][0].endswith("3") else f"{key[0].__name__} {key[1][0]}"


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Key], bool]]:
    made: list[tuple[list[Key], bool]] = []

    def batch_get(keys: list[Key], consistent: bool = True) -> list[Any]:
        made.append((keys, consistent))
        return [of_key(key) for key in keys]

    monkeypatch.setattr(read, "batch_get", batch_get)
    return made


def test_what_was_found_stands_under_its_key_wherever_it_stood_among_the_others(trips: list[Any]) -> None:
    found = read_set(reversed(KEYS), consistent=False)
    assert [found[key] for key in KEYS] == [of_key(key) for key in KEYS] == found.each(KEYS)
    assert [consistent for _, consistent in trips] == [False]


def test_what_is_asked_for_twice_is_read_once(trips: list[Any]) -> None:
    found = read_set([KEYS[1], KEYS[0], KEYS[1]])
    assert trips == [([KEYS[1], KEYS[0]], True)]
    assert found.each([KEYS[1], KEYS[1]]) == [of_key(KEYS[1])] * 2


def test_what_was_not_asked_for_is_no_absence(trips: list[Any]) -> None:
    found = read_set(KEYS[3:4])
    assert KEYS[3] in found and found[KEYS[3]] is None
    assert KEYS[0] not in found
    with pytest.raises(KeyError):
        found[KEYS[0]]
    with pytest.raises(KeyError):
        found.each(KEYS[:4])


@given(st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS)))
def test_two_round_trips_are_one_read_set(first: set[Key], then: set[Key]) -> None:
    found = ReadSet({key: of_key(key) for key in first}) | ReadSet({key: of_key(key) for key in then})
    assert {key for key in KEYS if key in found} == first | then
    assert all(found[key] == of_key(key) for key in first | then)
