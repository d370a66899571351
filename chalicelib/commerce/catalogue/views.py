"""Products and stock as operators see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.commerce.catalogue.products import views as products_views
from chalicelib.commerce.catalogue.products.queries import ProductAggregate
from chalicelib.commerce.catalogue.rules import Stock
from chalicelib.commerce.catalogue.stock import shards


class AdminSku(products_views.SkuView, kw_only=True):
    """A SKU for operators: `stock` pieces are free, `taken` in orders or set aside for activities, `supplied` both."""

    taken: int
    supplied: int


class AdminProduct(products_views.ProductBase, kw_only=True):
    """A product for operators: all that shoppers see, and what only the house knows."""

    product_code: str
    version: int
    published: bool
    skus: list[AdminSku]
    sort: int
    role: str
    values: list[str]
    freight_template_id: str | None
    commission_bp: int | None
    created_at: datetime
    updated_at: datetime


class ShardsView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many shards the pieces of a SKU are spread over."""

    shards: Annotated[int, Meta(ge=0, le=shards.SHARDS_MAX)]


def admin_product(aggregate: ProductAggregate) -> AdminProduct:
    """Show a product with all of its parts, as operators see it."""
    item = aggregate.product
    assert item is not None
    none = Stock(0)
    stocks = [aggregate.stocks.get(sku.sku_id, none) for sku in item.skus]
    skus = [
        AdminSku(**fields, taken=stock.taken, supplied=stock.supplied)
        for fields, stock in zip(products_views.sku_fields(aggregate), stocks, strict=True)
    ]
    return AdminProduct(
        **products_views.product_fields(aggregate),
        skus=skus,
        product_code=item.product_code,
        version=aggregate.version,
        published=item.published,
        sort=item.sort,
        role=item.role,
        values=item.values,
        freight_template_id=item.freight_template_id,
        commission_bp=item.commission_bp,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )
