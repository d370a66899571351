"""Products as operators list them: published or not, from the list "admin" that every product stands in."""

from __future__ import annotations

from typing import Any

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.listings.views import ProductRow, product_row
from chalicelib.commerce.catalogue.tables import Listings, product_key
from chalicelib.platform.store import cursors, read
from chalicelib.platform.web.types import Page

#: Queries for one page: a filter may pass over many products, and the cursor goes on from there.
_QUERIES_MAX = 10


def listed(category_id: str | None, published: bool | None, limit: int, cursor: str | None) -> Page[ProductRow]:
    """Read a page of products, the newest first. Raises `cursor_invalid`."""
    listing = f"admin.products|{category_id or ''}|{published}"
    product_ids, end = page(category_id, published, limit, cursors.read(listing, cursor))
    items = read.batch_get([product_key(product_id) for product_id in product_ids], consistent=False)
    return Page([product_row(item) for item in items if item is not None], cursors.write(listing, end))


def page(category_id: str | None, published: bool | None, limit: int, position: Any) -> tuple[list[str], Any]:
    """Read the ids of a page of products, and the position where the next page starts (None: no more).

    A page may be short, even empty, and not the last, when the filter passes over most of a large mall.
    """
    scope = f"{category_id or listing_keys.ALL}#{listing_keys.ADMIN}"
    keep = None if published is None else Listings.published == published
    after = None if position is None else {"listing": {"S": scope}, "sort_key": {"S": position}}
    found: list[str] = []
    for _ in range(_QUERIES_MAX):
        items, after = read.query(Listings, scope, keep=keep, limit=limit - len(found), after=after)
        found += [raw["product_id"]["S"] for raw in items]
        if after is None or len(found) == limit:
            break
    return found, None if after is None else after["sort_key"]["S"]
