"""A product as its page shows it, for shoppers; operators see the same and more (catalogue/views.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products.queries import ProductAggregate
from chalicelib.commerce.catalogue.rules import ActivityCard, Spec
from chalicelib.core import clock


class SkuView(msgspec.Struct, kw_only=True):
    """A SKU on its product's page; `stock` is what can be bought now."""

    sku_id: str
    specs: dict[str, str]
    price_fen: int
    list_price_fen: int
    stock: int
    picture_url: str
    sku_code: str
    weight_g: int


class ProductBase(msgspec.Struct, kw_only=True):
    """What every view of a product says: its card, and all there is to know before choosing a SKU.

    `activities` are those that run or are to come, the one that ends first before the others. The limits are pieces of
    all SKUs together: what one member may buy in all, and in one order; null where there is none.
    """

    product_id: str
    name: str
    brief: str
    picture_url: str
    price_fen: int
    list_price_fen: int
    sold: int
    in_stock: bool
    category_id: str | None
    gallery: list[str]
    detail: str
    specs: list[Spec]
    activities: list[ActivityCard]
    unit: str
    brand: str
    keywords: list[str]
    limit_per_member: int | None
    limit_per_order: int | None


class ProductView(ProductBase, kw_only=True):
    """A product's page."""

    skus: list[SkuView]


def product_fields(aggregate: ProductAggregate) -> dict[str, Any]:
    """Give what every view of a product says, save its SKUs."""
    item = aggregate.product
    assert item is not None
    card = listing_keys.card(item, aggregate.sold, aggregate.stocks)
    return {
        **msgspec.structs.asdict(card),
        "gallery": aggregate.detail.gallery,
        "detail": aggregate.detail.detail,
        "specs": item.specs,
        "activities": _activities(aggregate),
        "unit": item.unit,
        "brand": item.brand,
        "keywords": item.keywords,
        "limit_per_member": item.limit_per_member,
        "limit_per_order": item.limit_per_order,
    }


def _activities(aggregate: ProductAggregate) -> list[ActivityCard]:
    now = clock.now()
    cards = [card for card in aggregate.activities if card.ends_at > now]
    return sorted(cards, key=lambda card: (card.ends_at, card.activity_id))


def sku_fields(aggregate: ProductAggregate) -> list[dict[str, Any]]:
    """Give what every view of a product says of each SKU."""
    assert aggregate.product is not None
    return [
        {
            "sku_id": sku.sku_id,
            "specs": sku.specs,
            "price_fen": sku.price_fen,
            "list_price_fen": listing_keys.list_price_fen(sku),
            "stock": aggregate.stocks[sku.sku_id].free if sku.sku_id in aggregate.stocks else 0,
            "picture_url": sku.picture_url or aggregate.product.picture_url,
            "sku_code": sku.sku_code,
            "weight_g": sku.weight_g,
        }
        for sku in aggregate.product.skus
    ]
