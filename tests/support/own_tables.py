"""Tables that a test has to itself, and that it can put back to what they were. What the mall of this process remembers
of others is forgotten with them."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.commerce.catalogue.search import queries as search
from chalicelib.growth.journeys.book import queries as journeys
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.platform.store import cache, straight, tools
from chalicelib.platform.store.base import Table, call, hash_key, range_key
from infra.permissions import actions
from local.tables import create_all

_BATCH_MAX = 25
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}

_Items = dict[tuple[str, ...], dict[str, Any]]

#: How often this process has written to each table, by the table's whole name; nobody else writes to what it puts back.
_writes: Counter[str] = Counter()
_send = straight._Straight._make_api_call


@functools.wraps(_send)
def _counted(self: Any, operation: str, arguments: Mapping[str, Any]) -> Any:
    if operation in _WRITES:
        _writes.update(table for _, table in actions(operation, arguments))
    return _send(self, operation, arguments)


straight._Straight._make_api_call = _counted  # type: ignore[method-assign, assignment]


class Snapshot(dict[type[Table], _Items]):
    """Every item of some tables, raw, by its key; and how often each had been written to when it was like that."""

    def __init__(self, items: Mapping[type[Table], _Items]) -> None:
        super().__init__(items)
        self.writes: dict[str, int] = {}

    def changed(self) -> list[type[Table]]:
        """The tables that may be otherwise by now."""
        return [table for table in self if self.writes.get(_name(table)) != _writes[_name(table)]]

    def is_so_now(self) -> None:
        """Each table is like this."""
        self.writes = {_name(table): _writes[_name(table)] for table in self}


@contextlib.contextmanager
def own_tables(suffix: str) -> Iterator[None]:
    """The mall of this process has other tables meanwhile, all of them empty."""
    names = {table: table.Meta.table_name for table in tools.tables()}
    for table, name in names.items():
        table.Meta.table_name = f"{name}.{suffix}"
    _forget()
    try:
        create_all()
        yield
        for table in names:
            tools.drop(table)
    finally:
        for table, name in names.items():
            table.Meta.table_name = name
        _forget()


def _forget() -> None:
    """The mall of this process remembers nothing of any table: neither for a second, nor by its versions."""
    cache._entries.clear()
    search._decoded.clear()
    definitions.forget()
    journeys.forget()


def snapshot(tables: Sequence[type[Table]]) -> Snapshot:
    """All that is in these tables."""
    found = Snapshot({table: _items(table) for table in tables})
    found.is_so_now()
    return found


def put_back(before: Snapshot) -> None:
    """Make these tables what they were."""
    requests: list[tuple[str, dict[str, Any]]] = []
    for table in before.changed():
        name, items, found = _name(table), before[table], _items(table)
        for key, item in found.items():
            if key not in items:
                names = _key_names(table)
                requests.append((name, {"DeleteRequest": {"Key": {part: item[part] for part in names}}}))
        requests += [(name, {"PutRequest": {"Item": item}}) for key, item in items.items() if found.get(key) != item]
    for start in range(0, len(requests), _BATCH_MAX):
        batch: dict[str, list[dict[str, Any]]] = {}
        for name, request in requests[start : start + _BATCH_MAX]:
            batch.setdefault(name, []).append(request)
        assert not call("BatchWriteItem", {"RequestItems": batch}).get("UnprocessedItems")
    before.is_so_now()
    _forget()


def _items(table: type[Table]) -> _Items:
    return {_key(table, item): item for item in tools.scan_raw(table)}


def _name(table: type[Table]) -> str:
    return str(table.Meta.table_name)


def _key(table: type[Table], item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(item[name]["S"] for name in _key_names(table))


def _key_names(table: type[Table]) -> list[str]:
    return [key.attr_name for key in (hash_key(table), range_key(table)) if key is not None]
