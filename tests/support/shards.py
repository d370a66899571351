"""What there is of a SKU, wherever its pieces lie."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.commerce.catalogue.tables import POOL, Products, shards_of, stock_key
from chalicelib.commerce.orders.checks import Stock, audit
from chalicelib.commerce.orders.rules import Order
from chalicelib.platform.store import read, tools


def stocks(sku_id: str) -> list[Stock]:
    """The SKU's own stock and all its pools, also those that are closed."""
    items = [item for item in tools.scan(Products) if item.part.startswith(f"{POOL}{sku_id}#")]
    own = read.get(Products, *stock_key(sku_id)[1])
    assert own is not None
    return [
        Stock(sku_id, int(item.free), int(item.taken), int(item.supplied), item.part.split("#")[2] if pool else "")
        for pool, item in [(False, own), *((True, item) for item in items)]
    ]


def differences(sku_id: str, orders: Iterable[Order]) -> list[str]:
    """What the audit has to say of this SKU, when these are all its orders."""
    return [str(one) for one in audit(orders, [], stocks(sku_id))]


def shards(sku_id: str) -> list[str]:
    """The shards that it is spread over now."""
    own = read.get(Products, *stock_key(sku_id)[1])
    assert own is not None
    return shards_of(own)
