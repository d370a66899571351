"""Reads what the freight of an order would be to another region: its products and the templates, as they are now."""

from __future__ import annotations

import msgspec

from chalicelib.commerce.catalogue.tables import product_key
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.pricing import queries as pricing
from chalicelib.commerce.pricing.basket.rules import DEFAULT_TEMPLATE, Item
from chalicelib.platform.store import read


class FreightTerms(msgspec.Struct, frozen=True):
    """What the freight of an order follows from: its lines as they are sent, and the templates with their versions."""

    items: list[Item]
    prices: pricing.PriceList


def freight_terms(order: Order) -> FreightTerms:
    """Read the order's lines as they are sent, and the freight templates; a SKU that is gone weighs nothing and is sent
    by the default template. Raises `unavailable`."""
    product_ids = dict.fromkeys(line.product_id for line in order.lines)
    found = read.batch_get([product_key(product_id) for product_id in product_ids])
    products = {item.product.product_id: item.product for item in found if item is not None}
    items: list[Item] = []
    for line in order.lines:
        product = products.get(line.product_id)
        sku = None if product is None else product.sku(line.sku_id)
        items.append(
            Item(
                sku_id=line.sku_id,
                quantity=line.quantity,
                unit_price_fen=line.unit_price_fen,
                weight_g=0 if sku is None else sku.weight_g,
                template_id=(product.freight_template_id if product is not None else "") or DEFAULT_TEMPLATE,
                product_id=line.product_id,
            )
        )
    return FreightTerms(items, pricing.price_list())
