"""The catalogue out as files, a page at a time; and which products of a file exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chalicelib.commerce.catalogue import rules
from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.categories.rules import Forest, code_of
from chalicelib.commerce.catalogue.import_export import rules as file_format
from chalicelib.commerce.catalogue.import_export.inputs import CATEGORY_COLUMNS, PRODUCT_COLUMNS, Format
from chalicelib.commerce.catalogue.listings import queries as listing_queries
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.rules import Detail, Product
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import DETAIL, Products, product_key, stock_key
from chalicelib.platform.store import read

EXPORT_PAGE = 100
#: Of what an answer of Lambda's can have (6 MB) and an import takes (1 MiB), as CSV has more quotes than JSON.
_PAGE_BYTES = 600_000
_READ_AT_ONCE = 25


def known_products(product_ids: Sequence[str]) -> dict[str, tuple[Product, Detail]]:
    """Read the products and details that are there of these ids, all at once."""
    keys: list[read.Key] = []
    for product_id in product_ids:
        keys += [product_key(product_id), (Products, (product_id, DETAIL))]
    items = read.batch_get(keys)
    pairs = zip(product_ids, items[::2], items[1::2], strict=True)
    return {product_id: (item.product, detail.detail) for product_id, item, detail in pairs if item is not None}


def export_products(format: Format, position: Any) -> tuple[bytes, Any]:
    """Write a page of all products as a file that the import reads, the newest first; and the position where the next
    page starts. A page has 100 products, or fewer where they are longer than one call of the import takes."""
    forest = category_queries.load().value
    rows: list[dict[str, Any]] = []
    room = _PAGE_BYTES
    while True:
        at_once = min(_READ_AT_ONCE, EXPORT_PAGE - len(rows))
        product_ids, end = listing_queries.page(None, None, at_once, position)
        for product, row in _rows(product_ids, forest):
            room -= len(msgspec.json.encode(row))
            if room < 0 and rows:
                return file_format.write(rows, format, PRODUCT_COLUMNS), position
            rows.append(row)
            position = listing_keys.admin_sort_key(product)
        if end is None or len(rows) >= EXPORT_PAGE:
            return file_format.write(rows, format, PRODUCT_COLUMNS), end
        position = end


def _rows(product_ids: Sequence[str], forest: Forest) -> Iterator[tuple[Product, dict[str, Any]]]:
    """The products that are there of these, each with its line."""
    known = known_products(product_ids)
    sku_ids = [sku.sku_id for product, _ in known.values() for sku in product.skus]
    stocks = shards.stocks(read.batch_get([stock_key(sku_id) for sku_id in sku_ids]), consistent=True)
    free = {sku_id: stock.free for sku_id, stock in stocks.items()}
    for product_id in product_ids:
        if product_id in known:
            yield known[product_id][0], _row(*known[product_id], forest, free)


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
    return {name: values[name] if name in values else getattr(product, name) for name in PRODUCT_COLUMNS}


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
        rows.append({name: names.get(name, getattr(category, name, None)) for name in CATEGORY_COLUMNS})
    return file_format.write(rows, format, CATEGORY_COLUMNS)
