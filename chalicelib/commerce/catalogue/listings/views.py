"""A product in the list that operators see."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.rules import Product


class ProductRow(msgspec.Struct, kw_only=True):
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


def product_row(item: Any) -> ProductRow:
    """Make the row of an item of `products`."""
    product: Product = item.product
    return ProductRow(
        product_id=product.product_id,
        product_code=product.product_code,
        name=product.name,
        category_id=product.category_id,
        picture_url=product.picture_url,
        price_fen=listing_keys.cheapest(product).price_fen,
        skus=len(product.skus),
        sold=int(item.sold or 0),
        published=product.published,
        version=int(item.version),
        created_at=product.created_at,
        updated_at=product.updated_at,
    )
