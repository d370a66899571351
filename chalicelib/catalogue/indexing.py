"""Counting what was sold, emptying closed pools, and listing products anew after that or a move: the jobs' part."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.catalogue import placing, pools, products, shards
from chalicelib.catalogue.categories import TRIES, Busy
from chalicelib.catalogue.jobs import COUNT_SOLD, REINDEX_PRODUCT
from chalicelib.catalogue.rules import product_of
from chalicelib.catalogue.tables import Listings, Products, owe_emptying, pool_key, product_key
from chalicelib.core import clock
from chalicelib.jobs.job import Job
from chalicelib.jobs.queue import schedule
from chalicelib.store import read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction

#: Products that one transaction counts: two actions each, and the end of the job.
_PRODUCTS_MAX = 45
_RELISTS_MAX = 90


def relist(job: Job) -> None:
    """Bring one product's card and its places in the lists in line with it."""
    products.relist(job.key)


def rescope(job: Job) -> None:
    """A category (or "all") moved in the tree: list every product in it anew."""
    after = None
    while True:
        items, after = read.query(
            Listings, f"{job.key}#{placing.ADMIN}", limit=_RELISTS_MAX, after=after, consistent=True
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
        _relist_soon(tx, sold)
    else:
        lines = list(sold.items())
        for start in range(0, len(lines), _PRODUCTS_MAX):
            part = msgspec.json.encode(lines[start : start + _PRODUCTS_MAX]).decode()
            schedule(tx, COUNT_SOLD, f"{job.key}|{start}", lines=part)
    job.finish(tx)
    tx.commit()


def stock_returned(job: Job) -> None:
    """Pieces came back: what was sold out may be on offer again, and closed pools are to be emptied.

    A pool that is closed only after this look owes its emptying itself.
    """
    places = [(sku_id, pool_id) for sku_id, _, *pools in _lines(job) for pool_id in pools if pool_id]
    pools = read.batch_get([pool_key(*place) for place in places])
    tx = Transaction()  # an order has at most 50 lines: two actions each
    _relist_soon(tx, dict.fromkeys(product_of(sku_id) for sku_id, *_ in _lines(job)))
    for place, pool in zip(places, pools, strict=True):
        if pool is not None and pool.closed:
            owe_emptying(tx, *place)
    if len(tx):
        tx.commit()


def empty_pool(job: Job) -> None:
    """Move what is free in a closed pool to ordinary sale; nothing while the pool is open."""
    retry_busy(lambda: _empty_pool(job), Busy, TRIES)


def _empty_pool(job: Job) -> None:
    sku_id, _, pool_id = job.key.partition("|")
    pool = read.get(Products, *pool_key(sku_id, pool_id)[1])
    free = int(pool.free) if pool is not None and pool.closed else 0
    tx = Transaction()
    if free:
        # No need to guard `closed`, which stays; and what comes back after the read owes a job of its own.
        pools.back_to_sale(tx, sku_id, pool_id, free, Busy)
        _relist_soon(tx, [product_of(sku_id)])
    job.finish(tx)
    try:
        tx.commit()
    except ConditionFailed as fault:
        if Busy in fault.failed:  # another such job was quicker
            raise Busy from fault
        raise
    if free:
        shards.forget()


def _relist_soon(tx: Transaction, product_ids: Iterable[str]) -> None:
    at = _next_minute(clock.now())
    for product_id in product_ids:
        schedule(tx, REINDEX_PRODUCT, product_id, run_at=at)


def _lines(job: Job) -> list[list[Any]]:
    """What the event tells of: SKU and quantity, and of returned pieces the pool that they came from ("": none)."""
    return msgspec.json.decode(job.task.payload["lines"], type=list[list[Any]])


def _next_minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)
