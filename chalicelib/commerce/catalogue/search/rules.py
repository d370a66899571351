"""Finding products by words among the rows in memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.rules import Row

_NOWHERE = 3


def words(text: str) -> list[str]:
    """List the words of a search, folded as the rows are."""
    return list(dict.fromkeys(listing_keys.fold(text).split()))


def find(
    rows: Iterable[Row],
    asked: Sequence[str],
    within: set[str] | None,
    sort: str,
    after: Sequence[Any] | None,
    limit: int,
) -> tuple[list[Row], list[Any] | None]:
    """Find a page of the rows that have all words, and where the next page starts (None: no more).

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
