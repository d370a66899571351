"""Reading: by key, many keys at once over any tables, and pages of a query. Never a scan (see `store.tools`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pynamodb.attributes import Attribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import Index

from chalicelib.core import clock, ids
from chalicelib.core.errors import unavailable
from chalicelib.platform.store.base import Table, call, hash_key, range_key

_T = TypeVar("_T", bound=Table)

Key = tuple[type[Table], tuple[str, ...]]
Raw = dict[str, dict[str, Any]]

#: DynamoDB's limit on the keys of one BatchGetItem.
BATCH_MAX = 100
_BATCH_TRIES = 5


def get(table: type[_T], *key: str, consistent: bool = True) -> _T | None:
    """Read the item at `key`, or None. Not `consistent`: half the price, and possibly a second old."""
    raw = get_raw(table, *key, consistent=consistent)
    return None if raw is None else table.from_raw_data(raw)


def get_raw(table: type[Table], *key: str, consistent: bool = True) -> Raw | None:
    """Read the item at `key` as raw attributes, or None."""
    if not all(key):
        return None  # DynamoDB refuses an empty key, so nothing is there
    arguments = {"TableName": table.Meta.table_name, "Key": _raw_key(table, key), "ConsistentRead": consistent}
    return call("GetItem", arguments).get("Item")


def batch_get(keys: Sequence[Key], consistent: bool = True, behind: Collection[type[Table]] = ()) -> list[Any]:
    """Read the items at these keys, of any tables, in the order of the keys; None where there is none.

    One round trip for up to 100 keys; what DynamoDB leaves over is asked for again. Of the tables in `behind` they may
    be a second old all the same, at half the price.
    """
    found = batch_get_raw(keys, consistent, behind)
    return [raw and table.from_raw_data(raw) for (table, _), raw in zip(keys, found, strict=True)]


def batch_get_raw(
    keys: Sequence[Key], consistent: bool = True, behind: Collection[type[Table]] = ()
) -> list[Raw | None]:
    """Read what `batch_get` does, as raw attributes."""
    found: dict[tuple[str, ...], Raw] = {}
    # DynamoDB refuses a key that is named twice; and nothing is at an empty one.
    asked = list(dict.fromkeys(key for key in keys if all(key[1])))
    for start in range(0, len(asked), BATCH_MAX):
        for table, raw in _batch(asked[start : start + BATCH_MAX], consistent, behind):
            found[(table.Meta.table_name, *_key_of(table, raw))] = raw
    return [found.get((table.Meta.table_name, *key)) for table, key in keys]


class ReadSet:
    """Items that one use case has read, each under its key: `found[key]` is the item, or None where there is none.

    What was not asked for is a KeyError, so that nobody takes it for absent.
    """

    def __init__(self, items: Mapping[Key, Any] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, key: Key) -> Any:
        return self._items[key]

    def __contains__(self, key: Key) -> bool:
        return key in self._items

    def __or__(self, more: ReadSet) -> ReadSet:
        return ReadSet(self._items | more._items)

    def each(self, keys: Iterable[Key]) -> list[Any]:
        """List the items at these keys, in this order."""
        return [self._items[key] for key in keys]


def read_set(keys: Iterable[Key], consistent: bool = True) -> ReadSet:
    """Read the items at these keys, of any tables, as `batch_get` does; no keys, no round trip."""
    asked = list(dict.fromkeys(keys))
    return ReadSet(dict(zip(asked, batch_get(asked, consistent), strict=True)))


def _batch(keys: Sequence[Key], consistent: bool, behind: Collection[type[Table]]) -> Iterator[tuple[type[Table], Raw]]:
    tables = {table.Meta.table_name: table for table, _ in keys}
    request: dict[str, dict[str, Any]] = {}
    for table, key in keys:
        now = consistent and table not in behind
        part = request.setdefault(table.Meta.table_name, {"Keys": [], "ConsistentRead": now})
        part["Keys"].append(_raw_key(table, key))
    for attempt in range(_BATCH_TRIES):
        if not request:
            return
        if attempt:
            clock.sleep(ids.jitter(0.05 * 2**attempt))
        answer = call("BatchGetItem", {"RequestItems": request})
        for table_name, items in answer["Responses"].items():
            for raw in items:
                yield tables[table_name], raw
        request = answer.get("UnprocessedKeys", {})
    if request:
        raise unavailable()


def query(
    table: type[Table],
    under: str,
    *,
    index: Index[Any] | None = None,
    where: Condition | None = None,
    keep: Condition | None = None,
    forward: bool = True,
    limit: int | None = None,
    after: Raw | None = None,
    consistent: bool = False,
) -> tuple[list[Raw], Raw | None]:
    """Read one page of the items under this hash key, as raw attributes; and the key after which the next page starts.

    The key is None when there is no more. `where` bounds the range key; `keep` filters what was read, which is paid for
    all the same.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    keys = index if index is not None else table
    condition = hash_key(keys) == under
    if where is not None:
        condition &= where
    arguments: dict[str, Any] = {
        "TableName": table.Meta.table_name,
        "KeyConditionExpression": condition.serialize(names, values),
        "ScanIndexForward": forward,
    }
    if keep is not None:
        arguments["FilterExpression"] = keep.serialize(names, values)
    if index is not None:
        arguments["IndexName"] = index.Meta.index_name
    elif consistent:
        arguments["ConsistentRead"] = True
    if limit is not None:
        arguments["Limit"] = limit
    if after is not None:
        arguments["ExclusiveStartKey"] = after
    arguments["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in names.items()}
    arguments["ExpressionAttributeValues"] = values
    answer = call("Query", arguments)
    return answer["Items"], answer.get("LastEvaluatedKey")


def query_all(table: type[_T], under: str, **options: Any) -> Iterator[_T]:
    """Read every item under this hash key, page by page. For collections that a rule keeps small."""
    return (table.from_raw_data(raw) for raw in query_all_raw(table, under, **options))


def query_all_raw(table: type[Table], under: str, **options: Any) -> Iterator[Raw]:
    """Read what `query_all` does, as raw attributes."""
    after: Raw | None = None
    while True:
        items, after = query(table, under, after=after, **options)
        yield from items
        if after is None:
            return


def merged(
    table: type[Table],
    unders: Iterable[str],
    *,
    index: Index[Any],
    along: Attribute[str],
    after: str | None,
    limit: int,
    forward: bool = True,
) -> tuple[list[Raw], str | None]:
    """Read a page of a list that is sharded over these hash keys of an index, in the order of its range key `along`.

    Gives raw attributes, and the range key after which the next page starts (None: no more). No two range keys may be
    equal.
    """
    where = None if after is None else along > after if forward else along < after
    found: list[Raw] = []
    more = False
    for under in unders:
        page, rest = query(table, under, index=index, where=where, forward=forward, limit=limit)
        found += page
        more = more or rest is not None
    found.sort(key=lambda raw: raw[along.attr_name]["S"], reverse=not forward)
    shown = found[:limit]
    more = more or len(found) > limit
    return shown, shown[-1][along.attr_name]["S"] if shown and more else None


def ranked(
    table: type[Table],
    unders: Iterable[str],
    *,
    index: Index[Any],
    along: Attribute[float],
    limit: int,
    after: dict[str, Raw] | None = None,
) -> tuple[list[Raw], dict[str, Raw] | None]:
    """Read a page of a list that is sharded over these hash keys of an index, the highest range key `along` first.

    Gives raw attributes, and the key of each shard after which the next page starts (None: no more). Numbers may be
    equal. A row whose number changes between two pages may be on both of them, or on none.
    """
    places = dict(after or {})
    found: list[tuple[str, Raw]] = []
    more = False
    for under in unders:
        page, rest = query(table, under, index=index, forward=False, limit=limit, after=places.get(under))
        found += [(under, raw) for raw in page]
        more = more or rest is not None
    found.sort(key=lambda each: -int(each[1][along.attr_name]["N"]))  # a shard's rows stay in its order
    names = [*_key_names(table), hash_key(index).attr_name, along.attr_name]
    for under, raw in found[:limit]:
        places[under] = {name: raw[name] for name in names}
    return [raw for _, raw in found[:limit]], places if more or len(found) > limit else None


def _raw_key(table: type[Table], key: Sequence[str]) -> Raw:
    names = _key_names(table)
    if len(names) != len(key):
        raise ValueError(f"{table.__name__} has {len(names)} key attributes, not {len(key)}")
    return {name: {"S": part} for name, part in zip(names, key, strict=True)}


def _key_of(table: type[Table], raw: Raw) -> tuple[str, ...]:
    return tuple(raw[name]["S"] for name in _key_names(table))


def _key_names(table: type[Table]) -> list[str]:
    keys = (hash_key(table), range_key(table))
    return [key.attr_name for key in keys if key is not None]
