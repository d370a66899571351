"""Finding products by words: all of them are kept in memory, a sixteenth of them in each of 16 items.

docs/decisions/0003-search.md says why, and up to how many products.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chalicelib.catalogue import placing
from chalicelib.catalogue.categories import Busy
from chalicelib.catalogue.rules import Row
from chalicelib.catalogue.tables import SearchChunks
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.store import cache, read
from chalicelib.store.transaction import Transaction

CHUNKS = 16
#: Below DynamoDB's 400 KB for an item.
_CHUNK_BYTES_MAX = 380_000

_NOWHERE = 3
_encoder = msgspec.json.Encoder()
#: Chunks as this process last decoded them, so that an unchanged one is not decoded again.
_decoded: dict[str, tuple[int, list[Row]]] = {}
_decoder = msgspec.json.Decoder(list[Row])


def put(tx: Transaction, product_id: str, row: Row | None) -> None:
    """Write the product's row (None: it cannot be found) as part of `tx`, which fails with Busy when outrun.

    Raises `catalogue_full` when the chunk has no room.
    """
    chunk = f"c{ids.shard(product_id, CHUNKS):02d}"
    item = read.get(SearchChunks, chunk)
    before = _decoder.decode(item.rows) if item is not None else []
    after = [other for other in before if other.product_id != product_id] + ([row] if row is not None else [])
    text = _encoder.encode(after)
    if len(text) > _CHUNK_BYTES_MAX:
        raise MallError("catalogue_full")
    version = int(item.version) if item is not None else 0
    untouched = SearchChunks.version == version if version else SearchChunks.chunk.does_not_exist()
    tx.put(SearchChunks(chunk, rows=text.decode(), version=version + 1), untouched, Busy)


def digest(row: Row | None) -> str:
    """What tells whether a row has changed."""
    return "" if row is None else ids.digest(_encoder.encode(row))


def rows() -> list[Row]:
    """Every published product, possibly a second old. One round trip, when not remembered."""
    return cache.remember(("catalogue", "rows"), _load)


def _load() -> list[Row]:
    keys: list[read.Key] = [(SearchChunks, (f"c{number:02d}",)) for number in range(CHUNKS)]
    found: list[Row] = []
    for item in read.batch_get(keys, consistent=False):
        if item is None:
            continue
        known = _decoded.get(item.chunk)
        if known is None or known[0] != item.version:
            known = _decoded[item.chunk] = (int(item.version), _decoder.decode(item.rows))
        found += known[1]
    return found


def words(text: str) -> list[str]:
    """The words of a search, folded as the rows are."""
    return list(dict.fromkeys(placing.fold(text).split()))


def find(
    rows: Iterable[Row],
    asked: Sequence[str],
    within: set[str] | None,
    sort: str,
    after: Sequence[Any] | None,
    limit: int,
) -> tuple[list[Row], list[Any] | None]:
    """A page of the rows that have all words, and where the next page starts (None: nowhere). Pure.

    In the default order a product whose name has all words comes before one that needs its keywords, and that
    before one that needs its brief; an order that the shopper chose is kept throughout. `within` are the
    categories to look in.
    """
    hits: list[tuple[list[Any], Row]] = []
    for row in rows:
        if within is not None and row.category_id not in within:
            continue
        rank = max(_where(row, word) for word in asked)
        if rank < _NOWHERE:
            hits.append((_position(row, rank, sort), row))
    hits.sort(key=lambda hit: hit[0])
    if after is not None:
        hits = [hit for hit in hits if hit[0] > after]  # type: ignore[operator]  # a signed cursor holds a list
    page = hits[:limit]
    return [row for _, row in page], page[-1][0] if len(hits) > limit else None


def _where(row: Row, word: str) -> int:
    if word in row.name:
        return 0
    if word in row.keywords:
        return 1
    return 2 if word in row.brief else _NOWHERE


def _position(row: Row, rank: int, sort: str) -> list[Any]:
    newest = -row.created_ms
    match sort:
        case "new":
            return [newest, row.product_id]
        case "sales":
            return [-row.sold, newest, row.product_id]
        case "price_asc":
            return [row.price_fen, row.product_id]
        case "price_desc":
            return [-row.price_fen, row.product_id]
        case _:
            return [rank, row.sort, newest, row.product_id]
