"""What is on offer: a SKU with its product and the pieces free, for the cart, the quote and the order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.categories import queries as category_queries
from chalicelib.commerce.catalogue.offers.rules import Offer, offered
from chalicelib.commerce.catalogue.refusals import NOT_ON_SALE
from chalicelib.commerce.catalogue.rules import Product, product_of
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import PRODUCT, Products, product_key, shards_of, stock_key
from chalicelib.core.errors import MallError
from chalicelib.platform.store import cache, read


def keys(sku_ids: Iterable[str]) -> list[read.Key]:
    """List what must be read to know these SKUs' offers: each product once, each stock."""
    asked = list(dict.fromkeys(sku_ids))
    products = dict.fromkeys(product_of(sku_id) for sku_id in asked)
    return [product_key(product) for product in products] + [stock_key(sku_id) for sku_id in asked]


def from_items(sku_ids: Iterable[str], items: list[Any]) -> dict[str, Offer]:
    """Make the offers of what was read at `keys(sku_ids)`; a SKU that does not exist, or never was on sale, is left
    out."""
    asked = list(dict.fromkeys(sku_ids))
    found = dict(zip([key for _, key in keys(asked)], items, strict=True))
    offers: dict[str, Offer] = {}
    for sku_id in asked:
        product_item, stock = found[product_key(product_of(sku_id))[1]], found[stock_key(sku_id)[1]]
        if product_item is None or stock is None:
            continue
        offer = offered(product_item.product, sku_id, int(stock.free), shards_of(stock))
        if offer is not None:
            offers[sku_id] = offer
    return offers


def remembered(sku_ids: Iterable[str]) -> dict[str, Offer]:
    """Give the offers of these SKUs, possibly a second old: to show, not to sell by."""
    offers, missing = recalled(sku_ids)
    return offers | learned(missing, read.batch_get(keys(missing), consistent=False))


def recalled(sku_ids: Iterable[str]) -> tuple[dict[str, Offer], list[str]]:
    """Give the offers that this process still remembers, and the SKUs of which it remembers none."""
    asked = dict.fromkeys(sku_ids)
    known = {sku_id: cache.recall(_remembered(sku_id)) for sku_id in asked}
    offers = {sku_id: offer for sku_id, offer in known.items() if offer is not None}
    return offers, [sku_id for sku_id in asked if sku_id not in offers]


def learned(sku_ids: list[str], items: list[Any]) -> dict[str, Offer]:
    """Make the offers of what was read at `keys(sku_ids)`, which this process remembers from now on."""
    stocks = shards.stocks([item for item in items if item is not None and item.part != PRODUCT], consistent=False)
    return {
        sku_id: cache.keep(_remembered(sku_id), msgspec.structs.replace(offer, free=stocks[sku_id].free))
        for sku_id, offer in from_items(sku_ids, items).items()
    }


def _remembered(sku_id: str) -> tuple[str, ...]:
    return "catalogue", "offer", sku_id


def category_path(product_id: str) -> list[str]:
    """List the ids of a published product's category and of those above it; possibly a second old.

    Raises `not_found`.
    """
    product = cache.remember(("catalogue", "short", product_id), lambda: _published(product_id))
    return category_queries.remembered().path(product.category_id)


def _published(product_id: str) -> Product:
    item = read.get(Products, product_id, PRODUCT, consistent=False)
    if item is None or not item.product.published:
        raise MallError("not_found", errors=(NOT_ON_SALE.at("product_id"),))
    product: Product = item.product
    return product
