"""Counting what was sold, emptying closed pools, and listing products anew after that or a move: the jobs' part."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.jobs import COUNT_SOLD, REINDEX_PRODUCT
from chalicelib.commerce.catalogue.listings import rules as listing_keys
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.rules import product_of
from chalicelib.commerce.catalogue.stock import pools, shards
from chalicelib.commerce.catalogue.stock.pools import owe_emptying
from chalicelib.commerce.catalogue.tables import Listings, Products, pool_key, product_key
from chalicelib.core import clock
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

#: Products that one transaction counts: two actions each, and the end of the job.
_PRODUCTS_MAX = 45
_REINDEXES_MAX = 90


def reindex_product(job: Job) -> None:
    """Bring one product's card and its places in the lists in line with it."""
    products.reindex(job.key)


def reindex_category(job: Job) -> None:
    """List every product of a moved category (or of "all") anew: owe `catalogue.reindex_product` for each."""
    after = None
    while True:
        items, after = read.query(
            Listings, f"{job.key}#{listing_keys.ADMIN}", limit=_REINDEXES_MAX, after=after, consistent=True
        )
        if items:
            tx = Transaction()
            for raw in items:
                schedule(tx, REINDEX_PRODUCT, raw["product_id"]["S"])
            tx.commit()
        if after is None:
            return


def count_sold(job: Job) -> None:
    """Add an order's pieces to what its products have sold, exactly once: in one transaction with the job's end.

    The lists follow at the next full minute: however many orders name a product, it is listed anew once for all.
    """
    sold: dict[str, int] = {}
    for sku_id, quantity, *_ in _lines(job):
        sold[product_of(sku_id)] = sold.get(product_of(sku_id), 0) + quantity
    tx = Transaction()
    if len(sold) <= _PRODUCTS_MAX:
        for product_id, quantity in sold.items():
            exists = Products.version.exists()
            tx.update(*product_key(product_id), [Products.sold.add(quantity)], exists, f"no product {product_id}")
        _reindex_soon(tx, sold)
    else:
        lines = list(sold.items())
        for start in range(0, len(lines), _PRODUCTS_MAX):
            part = msgspec.json.encode(lines[start : start + _PRODUCTS_MAX]).decode()
            schedule(tx, COUNT_SOLD, f"{job.key}|{start}", lines=part)
    job.finish(tx)
    tx.commit()


def reindex_returned(job: Job) -> None:
    """List products anew of which pieces came back, and owe the emptying of pools that were closed meanwhile.

    A pool that is closed only after this look owes its emptying itself.
    """
    places = [(sku_id, pool_id) for sku_id, _, *pool_ids in _lines(job) for pool_id in pool_ids if pool_id]
    found = read.batch_get([pool_key(*place) for place in places])
    tx = Transaction()  # an order has at most 50 lines: two actions each
    _reindex_soon(tx, dict.fromkeys(product_of(sku_id) for sku_id, *_ in _lines(job)))
    for place, pool in zip(places, found, strict=True):
        if pool is not None and pool.closed:
            owe_emptying(tx, *place)
    if len(tx):
        tx.commit()


def empty_pool(job: Job) -> None:
    """Move what is free in a closed pool to ordinary sale; nothing while the pool is open."""
    retry(lambda: _empty_pool(job), TRIES_CROWDED)


def _empty_pool(job: Job) -> None:
    sku_id, _, pool_id = job.key.partition("|")
    pool = read.get(Products, *pool_key(sku_id, pool_id)[1])
    free = int(pool.free) if pool is not None and pool.closed else 0
    tx = Transaction()
    if free:
        # No need to guard `closed`, which stays; and what comes back after the read owes a job of its own.
        pools.back_to_sale(tx, sku_id, pool_id, free, Conflict)
        _reindex_soon(tx, [product_of(sku_id)])
        tx.after_commit(shards.forget)
    job.finish(tx)
    commit(tx)


def _reindex_soon(tx: Transaction, product_ids: Iterable[str]) -> None:
    at = _next_minute(clock.now())
    for product_id in product_ids:
        schedule(tx, REINDEX_PRODUCT, product_id, run_at=at)


def _lines(job: Job) -> list[list[Any]]:
    """What the event tells of: SKU and quantity, and of returned pieces the pool that they came from ("": none)."""
    return msgspec.json.decode(job.task.payload["lines"], type=list[list[Any]])


def _next_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
