"""Finding products by words: all of them are kept in memory, a sixteenth of them in each of 16 items.

docs/decisions/0003-search.md says why, and up to how many products.
"""

from __future__ import annotations

from chalicelib.commerce.catalogue.rules import Row
from chalicelib.commerce.catalogue.search.queries import CHUNKS, ROWS_DECODER, ROWS_ENCODER
from chalicelib.commerce.catalogue.tables import SearchChunks
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

#: Below DynamoDB's 400 KB for an item.
_CHUNK_BYTES_MAX = 380_000


def put(tx: Transaction, product_id: str, row: Row | None) -> None:
    """Write the product's row (None: it cannot be found) as part of `tx`, which fails with Conflict when outrun.

    Raises `catalogue_full` when the chunk has no room.
    """
    chunk = f"c{ids.shard(product_id, CHUNKS):02d}"
    item = read.get(SearchChunks, chunk)
    before = ROWS_DECODER.decode(item.rows) if item is not None else []
    after = [other for other in before if other.product_id != product_id] + ([row] if row is not None else [])
    text = ROWS_ENCODER.encode(after)
    if len(text) > _CHUNK_BYTES_MAX:
        raise MallError("catalogue_full")
    version = int(item.version) if item is not None else 0
    untouched = SearchChunks.version == version if version else SearchChunks.chunk.does_not_exist()
    tx.put(SearchChunks(chunk, rows=text.decode(), version=version + 1), untouched, Conflict)


def digest(row: Row | None) -> str:
    """Give what tells whether a row has changed."""
    return "" if row is None else ids.digest(ROWS_ENCODER.encode(row))
