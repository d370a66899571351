"""Tallies: counters of any names on one item, which whatever a transaction counts adds to in one update.

    tally(tx, JourneyCounts, (journey_id, "n#3"), {"sms|sent": 1})

Counters that many change at once lie in shards, each an item: who counts says in which, who reads names them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pynamodb.expressions.operand import Path

from chalicelib.platform.store import read as store
from chalicelib.platform.store.base import Table
from chalicelib.platform.store.transaction import Transaction

#: Before the name of each counter: no attribute that the table knows begins so.
_COUNTER = "#"


class _Named(Path):
    """An attribute of any name: PynamoDB would take a part of some for the place in a list."""

    def serialize(self, placeholder_names: dict[str, str], expression_attribute_values: dict[str, str]) -> str:  # noqa: ARG002
        """Give what stands for the name in an expression."""
        (name,) = self.path
        return placeholder_names.setdefault(name, f"#{len(placeholder_names)}")


class _Tally:
    """What one transaction adds to the counters of one item."""

    def __init__(self, table: type[Table], key: tuple[str, ...]) -> None:
        self._table, self._key = table, key
        self.counted: Counter[str] = Counter()

    def add_to(self, tx: Transaction) -> None:
        """Change the counters as part of `tx`; what has come to nothing is no change."""
        actions = [_Named([_COUNTER + name]).add(more) for name, more in self.counted.items() if more]
        if actions:
            tx.update(self._table, self._key, actions)


def tally(tx: Transaction, table: type[Table], key: tuple[str, ...], more: Mapping[str, int]) -> None:
    """Add to counters of the item at `key`, by their names, as part of `tx`: negative numbers take away.

    It is one action of the transaction, however often it is counted there, and added as it is committed. Counters that
    are not there yet are 0, and so is the item made. Nothing else of the transaction may change that item.
    """
    tx.together(("tally", table.Meta.table_name, *key), lambda: _Tally(table, key)).counted.update(more)


def read(table: type[Table], keys: Iterable[tuple[str, ...]], consistent: bool = True) -> dict[str, int]:
    """Sum the counters over the items at these keys, by their names. Not `consistent`: half the price, and possibly a
    second old."""
    found: Counter[str] = Counter()
    for raw in store.batch_get_raw([(table, key) for key in keys], consistent):
        found.update(counters(raw or {}))
    return dict(found)


def counters(raw: store.Raw) -> dict[str, int]:
    """Give the counters of one raw item, by their names."""
    return {name.removeprefix(_COUNTER): int(value["N"]) for name, value in raw.items() if name.startswith(_COUNTER)}
