"""Tables that a test has to itself, and that it can put back to what they were. What the mall of this process remembers
of others is forgotten with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.commerce.catalogue.search import queries as search
from chalicelib.growth.journeys.book import queries as journeys
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.platform.store import cache, tools
from chalicelib.platform.store.base import Table, call, hash_key, range_key
from local.tables import create_all

_BATCH_MAX = 25

#: Every item of some tables, raw, by its key.
Snapshot = dict[type[Table], dict[tuple[str, ...], dict[str, Any]]]


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
    return {table: {_key(table, item): item for item in tools.scan_raw(table)} for table in tables}


def put_back(before: Snapshot) -> None:
    """Make these tables what they were."""
    requests: list[tuple[str, dict[str, Any]]] = []
    for table, items in before.items():
        name, found = table.Meta.table_name, snapshot([table])[table]
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
    _forget()


def _key(table: type[Table], item: dict[str, Any]) -> tuple[str, ...]:
    return tuple(item[name]["S"] for name in _key_names(table))


def _key_names(table: type[Table]) -> list[str]:
    return [key.attr_name for key in (hash_key(table), range_key(table)) if key is not None]
