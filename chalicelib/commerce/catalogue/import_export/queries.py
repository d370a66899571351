"""The catalogue out as files, a page at a time; and which products of a file exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories.rules import Forest, code_of
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.rules import Format
from chalicelib.commerce.catalogue.listings import queries as listing_queries
from chalicelib.commerce.catalogue.rules import Detail, Product
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import DETAIL, Products, product_key, stock_key
from chalicelib.platform.store import read

EXPORT_PAGE = 25


def known_products(product_ids: Sequence[str]) -> dict[str, tuple[Product, Detail]]:
    """Read the products and details that are there of these ids, all at once."""
    keys: list[read.Key] = []
    for product_id in product_ids:
        keys += [product_key(product_id), (Products, (product_id, DETAIL))]
    items = read.batch_get(keys)
    pairs = zip(product_ids, items[::2], items[1::2], strict=True)
    return {product_id: (item.product, detail.detail) for product_id, item, detail in pairs if item is not None}


def export_products(format: Format, position: Any) -> tuple[bytes, Any]:
    """Write a page of all products as a file that the import reads; and the position where the next page starts."""
    product_ids, end = listing_queries.page(None, None, EXPORT_PAGE, position)
    known = known_products(product_ids)
    sku_ids = [sku.sku_id for product, _ in known.values() for sku in product.skus]
    stocks = shards.stocks(read.batch_get([stock_key(sku_id) for sku_id in sku_ids]), consistent=True)
    free = {sku_id: stock.free for sku_id, stock in stocks.items()}
    forest = category_queries.load().value
    rows = [_row(*known[product_id], forest, free) for product_id in product_ids if product_id in known]
    return file_format.write(rows, format, file_format.PRODUCT_COLUMNS), end


def _row(product: Product, detail: Detail, forest: Forest, free: dict[str, int]) -> dict[str, Any]:
    category = forest.by_id.get(product.category_id or "")
    values = {
        "category_code": None if category is None else code_of(category),
        "on_sale": product.published,
        "is_new": product.role == "new",
        "is_hot": product.role == "hit",
        "gallery": detail.gallery,
        "detail": detail.detail,
        "skus": [_sku(sku, free.get(sku.sku_id, 0)) for sku in product.skus],
    }
    return {name: values[name] if name in values else getattr(product, name) for name in file_format.PRODUCT_COLUMNS}


def _sku(sku: rules.Sku, free: int) -> dict[str, Any]:
    fields = msgspec.structs.asdict(sku)
    del fields["sku_id"]
    return fields | {"stock": free}


def export_categories(format: Format) -> bytes:
    """Write all categories as a file that the import reads, each after its parent."""
    forest = category_queries.load().value
    rows = []
    for category in sorted(forest.by_id.values(), key=lambda each: len(forest.path(each.category_id))):
        parent = forest.by_id.get(category.parent_id or "")
        names = {"category_code": code_of(category), "parent_code": None if parent is None else code_of(parent)}
        rows.append({name: names.get(name, getattr(category, name, None)) for name in file_format.CATEGORY_COLUMNS})
    return file_format.write(rows, format, file_format.CATEGORY_COLUMNS)
