"""Stock by hand: supplied, or taken away, with a reason. Sales take and return it in `pools`."""

from __future__ import annotations

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.rules import Stock, product_of
from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.catalogue.stock.queries import stock_of
from chalicelib.commerce.catalogue.tables import Movement, Movements, Products, shards_of, stock_key
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, commit, retry


def supply(sku_id: str, quantity: int, reason: str, cause: str) -> Stock:
    """Add pieces, or take them away when below zero; the stock as it is then. The same `cause` does it once.

    Raises `not_found`, `stock_short` when fewer are free, and `idempotency_key_reused`.
    """
    shards.own(sku_id)
    earlier = read.get(Movements, sku_id, cause)
    if earlier is None:
        movement = Movements(sku_id, cause, movement=Movement(quantity, reason, clock.now()))
        if quantity < 0:
            shards.consolidate_all({sku_id: -quantity})
        retry(lambda: _supply(sku_id, quantity, movement), TRIES_CROWDED)
        shards.forget()
    elif (earlier.movement.quantity, earlier.movement.reason) != (quantity, reason):
        raise MallError("idempotency_key_reused")
    return stock_of(sku_id)


def _supply(sku_id: str, quantity: int, movement: Movements) -> None:
    over = shards_of(shards.own(sku_id)) if quantity > 0 else []
    tx = Transaction()
    tx.create(movement, MallError("conflict"))
    actions = [Products.supplied.set(Products.supplied + quantity)]
    if over:
        actions.append(Products.taken.set(Products.taken + quantity))
        shards.pieces_into(tx, sku_id, over, quantity)
    else:
        actions.append(Products.free.set(Products.free + quantity))
    tx.update(*stock_key(sku_id), actions, Products.free >= max(0, -quantity), MallError("stock_short"))
    schedule(tx, REINDEX_PRODUCT, product_of(sku_id))
    commit(tx)
