"""What this process asks of DynamoDB: each round trip with its request units, computed from the items themselves.

It stands at the store's one client. Around a write it reads the items before and after, past the record, because
their sizes and what their indexes hold of them decide the price.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from bench.units.request_units import Index, Item, Units, index_writes, item_size, read_units, write_units
from chalicelib.core.settings import settings
from chalicelib.platform.store import base, tools

_SINGLE_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


class Entry(NamedTuple):
    """An entry of an index that was written: table and index, its partition there, and write units."""

    place: str
    partition: str
    units: float


@dataclass(frozen=True)
class Touch:
    """An item that a call read or wrote: its table and key, its bytes, and what that cost."""

    table: str
    key: tuple[str, ...]
    size: int
    units: Units
    #: The entries of its indexes that were written for it.
    entries: tuple[Entry, ...] = ()

    @property
    def index_units(self) -> float:
        """What its indexes cost."""
        return sum(entry.units for entry in self.entries)


@dataclass
class Trip:
    """One round trip."""

    operation: str
    touches: list[Touch] = field(default_factory=list)
    units: Units = field(default_factory=Units)


class Recorder:
    """The trips since `start`."""

    def __init__(self) -> None:
        self.trips: list[Trip] = []
        self._schemas = {table.Meta.table_name: table._get_schema() for table in tools.tables()}
        self._indexes = {table: indexes(schema) for table, schema in self._schemas.items()}
        self._call: Any = None

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Trip]]:
        """The trips made inside."""
        client = base.client()
        self._call, self.trips = client._make_api_call, []
        client._make_api_call = self._record
        try:
            yield self.trips
        finally:
            del client._make_api_call  # the method of its class is there again

    def _record(self, operation: str, arguments: dict[str, Any]) -> Any:
        trip = Trip(operation)
        self.trips.append(trip)
        if operation in _SINGLE_WRITES or operation == "TransactWriteItems":
            return self._write(trip, operation, arguments)
        answer = self._call(operation, arguments)
        if operation == "GetItem":
            self._got(trip, arguments["TableName"], arguments["Key"], answer.get("Item"), arguments["ConsistentRead"])
        elif operation == "BatchGetItem":
            self._got_many(trip, arguments["RequestItems"], answer["Responses"])
        elif operation == "Query":
            self._queried(trip, arguments, answer)
        else:
            raise ValueError(f"no request may call {operation}")
        trip.units = _sum(touch.units for touch in trip.touches)
        return answer

    def _got(self, trip: Trip, table: str, key: Item, item: Item | None, consistent: bool) -> None:
        size = item_size(item)
        trip.touches.append(Touch(plain(table), _values(key), size, Units(reads=read_units(size, consistent))))

    def _got_many(self, trip: Trip, asked: dict[str, Any], found: dict[str, list[Item]]) -> None:
        for table, part in asked.items():
            by_key = {self._key(table, item): item for item in found.get(table, [])}
            for key in part["Keys"]:
                self._got(trip, table, key, by_key.get(_values(self._key_item(table, key))), part["ConsistentRead"])

    def _queried(self, trip: Trip, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """The sum of what was read is rounded up; a filter takes away only after that."""
        items = answer["Items"]
        if "FilterExpression" in arguments and answer["ScannedCount"] > answer["Count"]:
            items = self._unfiltered(arguments, answer["ScannedCount"])
        size = sum(map(item_size, items))
        units = Units(reads=read_units(size, arguments.get("ConsistentRead", False)))
        under = next(iter(arguments["ExpressionAttributeValues"].values()))["S"]
        table = plain(arguments["TableName"])
        place = f"{table}.{arguments['IndexName']}" if "IndexName" in arguments else table
        trip.touches.append(Touch(place, (under,), size, units))

    def _unfiltered(self, arguments: dict[str, Any], count: int) -> list[Item]:
        plain = {name: value for name, value in arguments.items() if name != "FilterExpression"} | {"Limit": count}
        used = set(re.findall(r"[#:]\w+", arguments["KeyConditionExpression"]))
        for given in ("ExpressionAttributeNames", "ExpressionAttributeValues"):  # DynamoDB refuses what is not used
            plain[given] = {name: value for name, value in arguments[given].items() if name in used}
        return list(self._call("Query", plain)["Items"])

    def _write(self, trip: Trip, operation: str, arguments: dict[str, Any]) -> Any:
        transactional = operation == "TransactWriteItems"
        actions = (
            [next(iter(action.items())) for action in arguments["TransactItems"]]
            if transactional
            else [(operation.removesuffix("Item"), arguments)]
        )
        places = [
            (act["TableName"], self._key_item(act["TableName"], act["Item"] if kind == "Put" else act["Key"]))
            for kind, act in actions
        ]
        before = [self._peek(*place) for place in places]
        try:
            return self._call(operation, arguments)
        except ClientError:
            trip.operation += " (refused)"
            raise
        finally:
            for (table, key), old in zip(places, before, strict=True):
                new = self._peek(table, key)
                units = write_units(old, new, transactional)
                size = max(item_size(old), item_size(new))
                trip.touches.append(
                    Touch(plain(table), _values(key), size, Units(writes=units), self._entries(table, old, new))
                )
            trip.units = _sum(Units(0, touch.units.writes + touch.index_units) for touch in trip.touches)

    def _peek(self, table: str, key: Item) -> Item | None:
        item: Item | None = self._call("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True}).get("Item")
        return item

    def _key_item(self, table: str, item: Item) -> dict[str, Any]:
        keys = sorted(self._schemas[table]["key_schema"], key=lambda key: str(key["KeyType"]))
        return {key["AttributeName"]: item[key["AttributeName"]] for key in keys}

    def _key(self, table: str, item: Item) -> tuple[str, ...]:
        return _values(self._key_item(table, item))

    def _entries(self, table: str, old: Item | None, new: Item | None) -> tuple[Entry, ...]:
        return tuple(
            Entry(f"{plain(table)}.{index.name}", str(entry[index.hash_key]["S"]), units)
            for index in self._indexes[table]
            for entry, units in index_writes(index, old, new)
        )


def indexes(schema: Mapping[str, Any]) -> list[Index]:
    """The indexes of a table, by its schema as PynamoDB says it."""
    of_table = {key["AttributeName"] for key in schema["key_schema"]}
    found = []
    for index in schema["global_secondary_indexes"]:
        parts = {part["KeyType"]: part["AttributeName"] for part in index["key_schema"]}
        key = frozenset(parts.values())
        kind = index["projection"]["ProjectionType"]
        held = None if kind == "ALL" else key | of_table | set(index["projection"].get("NonKeyAttributes", ()))
        attributes = None if held is None else frozenset(held)
        found.append(Index(key, attributes, str(index["index_name"]), parts["HASH"]))
    return found


def plain(table: str) -> str:
    """The table's name without the mall's prefix, and without what comes after a dot: a test's own has that."""
    return table.removeprefix(settings().table_prefix).partition(".")[0]


def _values(key: Item) -> tuple[str, ...]:
    return tuple(str(next(iter(value.values()))) for value in key.values())


def _sum(units: Any) -> Units:
    total = Units()
    for each in units:
        total = total.plus(each)
    return total
