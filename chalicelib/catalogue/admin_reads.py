"""Products as operators list them: published or not, from the list "admin" that every product stands in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.catalogue import placing
from chalicelib.catalogue.rules import Product
from chalicelib.catalogue.tables import Listings, product_key
from chalicelib.store import cursor, read
from chalicelib.web.types import Page

#: Queries for one page: a filter may pass over many products, and the cursor goes on from there.
_QUERIES_MAX = 10


class ProductLine(msgspec.Struct, kw_only=True):
    """A product in the operators' list."""

    product_id: str
    product_code: str
    name: str
    category_id: str | None
    picture_url: str
    price_fen: int
    skus: int
    sold: int
    published: bool
    version: int
    created_at: datetime
    updated_at: datetime


def listed(category_id: str | None, published: bool | None, limit: int, after: str | None) -> Page[ProductLine]:
    """A page of products, the newest first. Raises `cursor_invalid`."""
    listing = f"admin.products|{category_id or ''}|{published}"
    product_ids, end = page(category_id, published, limit, cursor.read(listing, after))
    items = read.batch_get([product_key(product_id) for product_id in product_ids], consistent=False)
    return Page([_line(item) for item in items if item is not None], cursor.write(listing, end))


def page(category_id: str | None, published: bool | None, limit: int, position: Any) -> tuple[list[str], Any]:
    """The ids of a page of products, and the place where the next one starts (None: nowhere).

    A page may be short, even empty, and not the last, when the filter passes over most of a large mall.
    """
    scope = f"{category_id or placing.ALL}#{placing.ADMIN}"
    keep = None if published is None else Listings.published == published
    after = None if position is None else {"listing": {"S": scope}, "sort_key": {"S": position}}
    found: list[str] = []
    for _ in range(_QUERIES_MAX):
        items, after = read.query(Listings, scope, keep=keep, limit=limit - len(found), after=after)
        found += [raw["product_id"]["S"] for raw in items]
        if after is None or len(found) == limit:
            break
    return found, None if after is None else after["sort_key"]["S"]


def _line(item: Any) -> ProductLine:
    product: Product = item.product
    return ProductLine(
        product_id=product.product_id,
        product_code=product.product_code,
        name=product.name,
        category_id=product.category_id,
        picture_url=product.picture_url,
        price_fen=placing.cheapest(product).price_fen,
        skus=len(product.skus),
        sold=int(item.sold or 0),
        published=product.published,
        version=int(item.version),
        created_at=product.created_at,
        updated_at=product.updated_at,
    )
