"""The size and unit rules of bench/, against the examples and sentences of AWS's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from bench.units.request_units import Index, index_units, item_size, number_size, read_units, value_size, write_units

KB = 1024


def of(size: int) -> dict[str, dict[str, Any]]:
    """An item of that many bytes."""
    return {"k": {"S": "x" * (size - 1)}}


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "鱼塘"}, 6),  # Strings are Unicode with UTF-8 binary encoding
        ({"B": b"abc"}, 3),  # the length of the raw bytes
        ({"NULL": True}, 1),  # The size of a null attribute or a Boolean attribute is ... 1 byte
        ({"BOOL": False}, 1),
        ({"L": []}, 3),  # requires 3 bytes of overhead, regardless of its contents
        ({"M": {}}, 3),
        ({"L": [{"BOOL": True}, {"S": "abc"}]}, 3 + (1 + 1) + (1 + 3)),  # Each ... element also requires 1 byte
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
        ({"M": {"a": {"L": [{"N": "1"}]}}}, 3 + 1 + 1 + (3 + 1 + 2)),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "100"]}, 4),
    ],
)
def test_sizes_of_values(value: dict[str, Any], size: int) -> None:
    assert value_size(value) == size


@pytest.mark.parametrize(
    ("number", "size"),
    # approximately (1 byte per two significant digits) + (1 byte)"; "Leading and trailing zeroes are trimmed
    [("0", 1), ("1", 2), ("12", 2), ("123", 3), ("1000000", 2), ("0.05", 2), ("-27", 3), ("1763712000123", 8)],
)
def test_sizes_of_numbers(number: str, size: int) -> None:
    assert number_size(number) == size


def test_an_item_is_its_names_and_its_values() -> None:
    # AWS's example: "shirt-color" with the value "R" and "shirt-size" with the value "M" are 23 bytes.
    assert item_size({"shirt-color": {"S": "R"}, "shirt-size": {"S": "M"}}) == 23
    assert item_size(None) == 0
    assert item_size(of(777)) == 777


@pytest.mark.parametrize(
    ("size", "consistent", "units"),
    [
        (1 * KB, True, 1.0),  # for an item up to 4 KB
        (8 * KB, True, 2.0),  # if your item size is 8 KB, you require 2 ... to sustain one strongly consistent read
        (8 * KB, False, 1.0),  # 1 ... if you choose eventually consistent reads
        (4 * KB + 1, True, 2.0),
        (0, True, 1.0),  # "a read of an item that does not exist": the minimum
        (0, False, 0.5),
        (40 * KB + 8, False, 5.5),  # a Query of many items: the sum, and then rounded up
    ],
)
def test_reads(size: int, consistent: bool, units: float) -> None:
    assert read_units(size, consistent) == units


@pytest.mark.parametrize(
    ("before", "after", "transactional", "units"),
    [
        (None, of(512), False, 1.0),  # item sizes for writes are rounded up to the next 1 KB multiple
        (None, of(2 * KB), False, 2.0),  # If your item size is 2 KB, you require 2 write request units
        (None, of(2 * KB), True, 4.0),  # ... or 4 write request units for a transactional write request
        (of(3 * KB), of(1 * KB), False, 3.0),  # the larger of the item before and after the update
        (of(3 * KB), None, False, 3.0),  # a delete
        (None, None, False, 1.0),  # a delete of nothing, or a condition that failed
    ],
)
def test_writes(before: Any, after: Any, transactional: bool, units: float) -> None:
    assert write_units(before, after, transactional) == units


BY_STATE = Index(frozenset({"state", "id"}), frozenset({"state", "id", "note"}))


def test_an_index_that_nothing_changed_in_costs_nothing() -> None:
    item = {"id": {"S": "1"}, "state": {"S": "new"}, "body": {"S": "x"}}
    assert index_units(BY_STATE, item, item | {"body": {"S": "y"}}) == 0
    assert index_units(BY_STATE, {"id": {"S": "1"}}, {"id": {"S": "1"}, "body": {"S": "x"}}) == 0  # not in the index


def test_an_entry_that_comes_goes_or_changes() -> None:
    item = {"id": {"S": "1"}, "state": {"S": "new"}, "note": {"S": "n" * KB}}
    other = item | {"note": {"S": "short"}}
    # If an update introduces a new indexed attribute ... one write operation is required to put the item in the index
    assert index_units(BY_STATE, None, other) == 1
    assert index_units(BY_STATE, None, item) == 2
    # If an item ... is deleted ..., one write operation is required to delete the old item from the index
    assert index_units(BY_STATE, other, None) == 1
    # If an update ... changes the value of an indexed key attribute (from A to B), two writes are required
    assert index_units(BY_STATE, other, other | {"state": {"S": "done"}}) == 2
    # If only the values of projected attributes change ..., one write
    assert index_units(BY_STATE, other, other | {"note": {"S": "longer"}}) == 1


def test_an_index_of_everything_sees_every_change() -> None:
    everything = Index(frozenset({"state"}), None)
    item = {"id": {"S": "1"}, "state": {"S": "new"}, "body": {"S": "x"}}
    assert index_units(everything, item, item | {"body": {"S": "y"}}) == 1
