"""DynamoDB's price of a call in request units, from the sizes of its items.

The rules are those of AWS's documentation ("DynamoDB item sizes and formats", "DynamoDB throughput capacity",
"TransactWriteItems"): local engines count otherwise, some of them not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Item = Mapping[str, Mapping[str, Any]]

_READ_BYTES = 4096
_WRITE_BYTES = 1024


class Units(NamedTuple):
    """Read and write request units."""

    reads: float = 0.0
    writes: float = 0.0

    def plus(self, other: Units) -> Units:
        """Both together."""
        return Units(self.reads + other.reads, self.writes + other.writes)


class Index(NamedTuple):
    """An index of a table: the attributes that its key is made of, and all that its entries hold (None: all); its name,
    and which attribute says in what partition an entry lies."""

    key: frozenset[str]
    attributes: frozenset[str] | None
    name: str = ""
    hash_key: str = ""


def item_size(item: Item | None) -> int:
    """Bytes of an item: names in UTF-8, and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in (item or {}).items())


def value_size(value: Mapping[str, Any]) -> int:
    """Bytes of an attribute's value as DynamoDB's JSON has it: {"S": "text"}."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return number_size(content)
        case "B":
            return len(content)
        case "BOOL" | "NULL":
            return 1
        case "SS":
            return sum(len(each.encode()) for each in content)
        case "NS":
            return sum(map(number_size, content))
        case "BS":
            return sum(map(len, content))
        case "L":
            return 3 + sum(1 + value_size(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + value_size(each) for name, each in content.items())
        case _:
            raise ValueError(f"DynamoDB has no type {kind}")


def number_size(text: str) -> int:
    """Bytes of a number: one for each two significant digits and one more; another one when below zero."""
    digits = text.lstrip("+-").partition("e")[0].partition("E")[0]
    significant = digits.replace(".", "").lstrip("0")
    if "." not in digits:
        significant = significant.rstrip("0")
    return (len(significant) + 1) // 2 + 1 + text.startswith("-")


def read_units(size: int, consistent: bool) -> float:
    """Of one item, or of what a Query read in all: one unit for each 4 KB begun, half of that when not consistent."""
    return _started(size, _READ_BYTES) * (1.0 if consistent else 0.5)


def write_units(before: Item | None, after: Item | None, transactional: bool) -> float:
    """Of one item: a unit for each KB begun of the larger of both, twice that in a transaction."""
    size = max(item_size(before), item_size(after))
    return float(_started(size, _WRITE_BYTES) * (2 if transactional else 1))


def index_units(index: Index, before: Item | None, after: Item | None) -> float:
    """Of bringing one index in line with a write."""
    return sum(units for _, units in index_writes(index, before, after))


def index_writes(index: Index, before: Item | None, after: Item | None) -> list[tuple[Item, float]]:
    """The entries of one index that a write touches, each with its units; when the key changes, the old entry is
    deleted and a new one put."""
    old, new = index_entry(index, before), index_entry(index, after)
    if old == new:
        return []
    if old is not None and new is not None and all(old[name] == new[name] for name in index.key):
        return [(new, float(_started(max(item_size(old), item_size(new)), _WRITE_BYTES)))]
    return [(entry, float(_started(item_size(entry), _WRITE_BYTES))) for entry in (old, new) if entry is not None]


def index_entry(index: Index, item: Item | None) -> Item | None:
    """What the index holds of the item: nothing, when an attribute of the index's key is missing."""
    if item is None or not index.key <= item.keys():
        return None
    return {name: value for name, value in item.items() if index.attributes is None or name in index.attributes}


def _started(size: int, block: int) -> int:
    return max(1, -(-size // block))
