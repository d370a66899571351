"""Stock by hand: supplied, or taken away, with a reason. Sales take and return it in `tables`."""

from __future__ import annotations

from chalicelib.catalogue.categories import commit
from chalicelib.catalogue.rules import Stock, product_of
from chalicelib.catalogue.tables import Movement, Movements, Products, stock_key
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.jobs import service as jobs
from chalicelib.store import cache, read
from chalicelib.store.transaction import Transaction


def supply(sku_id: str, quantity: int, reason: str, cause: str) -> Stock:
    """Add pieces, or take them away when below zero; the stock as it is then. The same `cause` does it once.

    Raises `not_found`, `stock_short` when fewer are free, and `idempotency_key_reused`.
    """
    of(sku_id)
    earlier = read.get(Movements, sku_id, cause)
    if earlier is None:
        tx = Transaction()
        tx.create(Movements(sku_id, cause, movement=Movement(quantity, reason, clock.now())), MallError("conflict"))
        actions = [Products.free.set(Products.free + quantity), Products.supplied.set(Products.supplied + quantity)]
        tx.update(*stock_key(sku_id), actions, Products.free >= max(0, -quantity), MallError("stock_short"))
        jobs.schedule(tx, "catalogue.relist", product_of(sku_id))
        commit(tx)
        cache.forget("catalogue")
    elif (earlier.movement.quantity, earlier.movement.reason) != (quantity, reason):
        raise MallError("idempotency_key_reused")
    return of(sku_id)


def of(sku_id: str) -> Stock:
    """The stock of a SKU. Raises `not_found`."""
    item = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        raise MallError("not_found")
    return Stock(int(item.free), int(item.taken), int(item.supplied))
