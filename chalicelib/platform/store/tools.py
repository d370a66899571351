"""For export, repair and setting up only: what reads or makes whole tables. No request or job comes here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from chalicelib.platform.store.base import Table, call
from chalicelib.platform.store.read import Raw

_T = TypeVar("_T", bound=Table)


def tables(base: type[Table] = Table) -> list[type[Table]]:
    """List every table that has been imported, by name."""
    found: list[type[Table]] = []
    for table in base.__subclasses__():
        found += [table, *tables(table)]
    return sorted(found, key=lambda table: table.Meta.table_name)


def create(table: type[Table]) -> bool:
    """Create the table if it is not there; whether it was created. Repeatable."""
    if table.exists():
        return False
    table.create_table(wait=True)
    return True


def drop(table: type[Table]) -> None:
    """Delete the table with everything in it."""
    call("DeleteTable", {"TableName": table.Meta.table_name})


def scan(table: type[_T]) -> Iterator[_T]:
    """Read every item of the table, in no order."""
    return (table.from_raw_data(raw) for raw in scan_raw(table))


def scan_raw(table: type[Table]) -> Iterator[Raw]:
    """Read every item of the table as raw attributes, in no order."""
    arguments: dict[str, Any] = {"TableName": table.Meta.table_name, "ConsistentRead": True}
    while True:
        answer = call("Scan", arguments)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
