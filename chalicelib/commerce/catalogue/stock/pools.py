"""Pools: pieces of a SKU set aside for an activity, so that ordinary sales cannot take them.

A pool has counters of its own, `free + taken = supplied`; for the SKU all pieces it was supplied are taken. Orders take
from it and return to it by `take_stock` and `return_stock` with its id, and do not meet at the SKU's item.
Why: docs/decisions/0010-stock-set-aside.md.
"""

from __future__ import annotations

from chalicelib.commerce.catalogue.jobs import EMPTY_POOL
from chalicelib.commerce.catalogue.tables import Products, pool_key, stock_key
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def set_aside(tx: Transaction, sku_id: str, pool_id: str, quantity: int, on_failure: object) -> None:
    """Move free pieces of the SKU into the pool, which is made if need be, as part of `tx`: two actions of it.

    `tx` fails with `on_failure` when there are not that many free, or when the pool is closed.
    """
    from_sale = [Products.free.set(Products.free - quantity), Products.taken.set(Products.taken + quantity)]
    tx.update(*stock_key(sku_id), from_sale, Products.free >= quantity, on_failure)
    # "add" counts from zero where there is nothing yet
    into_pool = [Products.free.add(quantity), Products.taken.add(0), Products.supplied.add(quantity)]
    tx.update(*pool_key(sku_id, pool_id), into_pool, Products.closed.does_not_exist(), on_failure)


def close_pool(tx: Transaction, sku_id: str, pool_id: str) -> None:
    """Sell nothing more from the pool, for ever: what is free in it, or comes back to it, goes to ordinary sale.

    Two actions of `tx`; repeatable. A pool that nothing was set aside in is closed all the same, and stays empty.
    """
    counters = [Products.free.add(0), Products.taken.add(0), Products.supplied.add(0)]
    tx.update(*pool_key(sku_id, pool_id), [*counters, Products.closed.set(True)])
    owe_emptying(tx, sku_id, pool_id)


def back_to_sale(tx: Transaction, sku_id: str, pool_id: str, quantity: int, on_failure: object) -> None:
    """Move free pieces of the pool back into ordinary sale as part of `tx`: two actions of it.

    `tx` fails with `on_failure` when there are not that many free in the pool, and with Conflict when it was emptied.
    """
    from_pool = [Products.free.set(Products.free - quantity), Products.supplied.set(Products.supplied - quantity)]
    tx.update(*pool_key(sku_id, pool_id), from_pool, Products.free >= quantity, on_failure)
    to_sale = [Products.free.set(Products.free + quantity), Products.taken.set(Products.taken - quantity)]
    tx.update(*stock_key(sku_id), to_sale, Products.taken >= quantity, on_failure)


def free_in(sku_id: str, pool_id: str, consistent: bool = True) -> int:
    """Read how many pieces are free in the pool; none of one that is closed, or that there is not."""
    item = read.get(Products, *pool_key(sku_id, pool_id)[1], consistent=consistent)
    return 0 if item is None or item.closed else int(item.free)


def take_stock(tx: Transaction, sku_id: str, quantity: int, on_failure: object, pool: str = "") -> None:
    """Reserve pieces as part of `tx`, which fails with `on_failure` when there are not that many free.

    With a `pool` they are pieces of that pool, and none are free when it is closed; the SKU's own item, which counts
    them as taken already, is not touched.
    """
    actions = [Products.free.set(Products.free - quantity), Products.taken.set(Products.taken + quantity)]
    enough = Products.free >= quantity
    if pool:
        tx.update(*pool_key(sku_id, pool), actions, enough & Products.closed.does_not_exist(), on_failure)
    else:
        tx.update(*stock_key(sku_id), actions, enough, on_failure)


def return_stock(tx: Transaction, sku_id: str, quantity: int, pool: str = "") -> None:
    """Give reserved or sold pieces back, to the `pool` they came from, as part of `tx`.

    The transaction's own guard keeps it from happening twice; it fails with Conflict when fewer were taken. The pool
    may be closed, and the caller has not read it: `tx` tells of the pieces ("stock.returned"), whose subscriber owes
    its emptying.
    """
    actions = [Products.free.set(Products.free + quantity), Products.taken.set(Products.taken - quantity)]
    key = pool_key(sku_id, pool) if pool else stock_key(sku_id)
    tx.update(*key, actions, Products.taken >= quantity, Conflict)


def owe_emptying(tx: Transaction, sku_id: str, pool_id: str) -> None:
    """Owe the job that moves what is free in a closed pool to ordinary sale."""
    schedule(tx, EMPTY_POOL, f"{sku_id}|{pool_id}")
