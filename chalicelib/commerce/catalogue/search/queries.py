"""Reads of the search rows: sixteen documents, kept in memory and decoded again only when they change."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.rules import Row
from chalicelib.commerce.catalogue.tables import SearchChunks
from chalicelib.platform.store import cache, read

CHUNKS = 16


ROWS_ENCODER = msgspec.json.Encoder()
#: Chunks as this process last decoded them, so that an unchanged one is not decoded again.
_decoded: dict[str, tuple[int, list[Row]]] = {}
ROWS_DECODER = msgspec.json.Decoder(list[Row])


def rows() -> list[Row]:
    """Give every published product, possibly a second old. One round trip, when not remembered."""
    return cache.remember(("catalogue", "rows"), _load)


def _load() -> list[Row]:
    keys: list[read.Key] = [(SearchChunks, (f"c{number:02d}",)) for number in range(CHUNKS)]
    found: list[Row] = []
    for item in read.batch_get(keys, consistent=False):
        if item is None:
            continue
        known = _decoded.get(item.chunk)
        if known is None or known[0] != item.version:
            known = _decoded[item.chunk] = (int(item.version), ROWS_DECODER.decode(item.rows))
        found += known[1]
    return found
