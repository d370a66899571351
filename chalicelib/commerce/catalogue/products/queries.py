"""Reads of one product with all of its parts."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.catalogue.rules import ActivityCard, Card, Detail, Product, Stock
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.tables import ACTIVITY, STOCK, Listed, Products
from chalicelib.core.errors import MallError
from chalicelib.core.refusals import NO_SUCH
from chalicelib.platform.store import read


class ProductAggregate(msgspec.Struct, frozen=True, kw_only=True):
    """A product with everything that belongs to it, as it was read; `activities` are over, running or to come.
    `before`: the product before the change that has just been made, if it was there."""

    product: Product | None = None
    version: int = 0
    sold: int = 0
    detail: Detail = Detail()
    card: Card | None = None
    listed: Listed = Listed()
    card_version: int = 0
    stocks: dict[str, Stock] = {}
    activities: list[ActivityCard] = []
    before: Product | None = None


def load(product_id: str, consistent: bool = True) -> ProductAggregate:
    """Read the product with everything that belongs to it: one Query, and another round trip for shards of its stock.

    Parts are read in the order of their names, so the card before what it is made of: a card that is written
    because it is found unchanged was not made of older things. Pools are read past: they are not the product's to sell.
    """
    fields: dict[str, Any] = {"activities": []}
    stocks = []
    for item in read.query_all(Products, product_id, consistent=consistent):
        match item.part:
            case "product":
                fields |= {"product": item.product, "version": int(item.version), "sold": int(item.sold or 0)}
            case "detail":
                fields["detail"] = item.detail
            case "card":
                fields |= {"card": item.card, "listed": item.listed, "card_version": int(item.version)}
            case part if part.startswith(ACTIVITY):
                fields["activities"].append(item.announcement)
            case part if part.startswith(STOCK):
                stocks.append(item)
    return ProductAggregate(stocks=shards.stocks(stocks, consistent), **fields)


def existing(product_id: str) -> ProductAggregate:
    """Read the product, published or not. Raises `not_found`."""
    aggregate = load(product_id)
    if aggregate.product is None:
        raise MallError("not_found", errors=(NO_SUCH.at("product_id"),))
    return aggregate
