"""Reads what an order was priced by: promotions and freight templates in its versions, products as they are now."""

from __future__ import annotations

from collections.abc import Set

from chalicelib.commerce.catalogue.categories import queries as categories
from chalicelib.commerce.catalogue.categories.rules import Forest
from chalicelib.commerce.catalogue.rules import Product
from chalicelib.commerce.catalogue.tables import product_key
from chalicelib.commerce.orders.conditions.rules import Terms
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.pricing import queries as pricing
from chalicelib.commerce.pricing.basket.rules import DEFAULT_TEMPLATE, Item
from chalicelib.commerce.pricing.settings import PRICING
from chalicelib.platform.store import read


def gather(order: Order) -> Terms | None:
    """Read the terms of the order; None where a product, promotion or template of it is not known any more."""
    promotions = {off.id: off.version for off in order.discounts if off.source == "promotion"}
    prices = pricing.as_they_were(order.free_freight, promotions)
    product_ids = list(dict.fromkeys(line.product_id for line in order.lines))
    found = read.batch_get([product_key(product_id) for product_id in product_ids])
    products = {item.product.product_id: item.product for item in found if item is not None}
    if prices is None or any(line.product_id not in products for line in order.lines):
        return None
    forest = categories.remembered()
    known = pricing.templates().keys() | order.free_freight.keys()
    items = [_item(line, products[line.product_id], forest, known) for line in order.lines]
    if any(item is None for item in items):
        return None
    return Terms(
        items=[item for item in items if item is not None],
        promotions=prices.promotions,
        templates=prices.templates,
        floor_bp=PRICING.current().floor_bp,
    )


def _item(line: OrderLine, product: Product, forest: Forest, templates: Set[str]) -> Item | None:
    """The line as it is priced, and sent by one of these templates or else the default one; None where the product has
    no such SKU any more."""
    sku = product.sku(line.sku_id)
    if sku is None:
        return None
    template_id = product.freight_template_id or DEFAULT_TEMPLATE
    return Item(
        sku_id=line.sku_id,
        quantity=line.quantity,
        unit_price_fen=line.unit_price_fen,
        weight_g=sku.weight_g,
        template_id=template_id if template_id in templates else DEFAULT_TEMPLATE,
        product_id=line.product_id,
        categories=tuple(forest.path(product.category_id)),
    )
