"""Reads of the stock of one SKU."""

from __future__ import annotations

from chalicelib.commerce.catalogue.rules import Stock
from chalicelib.commerce.catalogue.stock import shards


def stock_of(sku_id: str) -> Stock:
    """Read the stock of a SKU, as it is now. Raises `not_found`."""
    return shards.stocks([shards.own(sku_id)], consistent=True)[sku_id]
