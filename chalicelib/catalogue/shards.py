"""A popular SKU's stock in shards: pools that lie under keys of their own, so that buyers do not all meet at one item.

A shard is a pool (`pools`, docs/decisions/0018-stock-in-shards.md): for the SKU its pieces are taken, an order's line
names the pool that it took from, and returns find it. An order looks at the shard that its id falls to, then at the
next that is not known to be empty, then at the SKU's own item; what lies in bits is gathered there. That there are
too few is said after a consistent look at all of them, which holds for a second.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

from chalicelib.catalogue.categories import TRIES, Busy, commit
from chalicelib.catalogue.pools import close_pool
from chalicelib.catalogue.rules import GATHER, OWN, Stock, chosen
from chalicelib.catalogue.tables import STOCK, Products, next_shards, pool_key, shards_of, stock_key
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.core.shards import even
from chalicelib.store import cache, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import Transaction

#: A change of the shards closes the old ones (two actions each) and fills the new ones in one transaction.
SHARDS_MAX = 32


def spread(sku_id: str, shards: int) -> None:
    """Spread what is free of the SKU over so many shards, from 0 (none) to SHARDS_MAX. Raises `not_found`, `conflict`.

    What is on its way back to earlier shards comes to the SKU's own item.
    """
    retry_busy(lambda: _spread(sku_id, shards), Busy, TRIES)
    cache.forget("catalogue")


def _spread(sku_id: str, shards: int) -> None:
    old = shards_of(own(sku_id))
    if len(old) == shards:
        return
    gather(sku_id, old)
    item = own(sku_id)
    free = int(item.free) if shards else 0
    tx = Transaction()
    for pool in old:
        close_pool(tx, sku_id, pool)
    actions = [Products.free.set(Products.free - free), Products.taken.set(Products.taken + free)]
    after = next_shards(item, shards)
    actions.append(Products.shards.set(after))
    if shards:
        pieces_into(tx, sku_id, shards_of(Products(shards=after)), free)
    as_read = Products.shards == item.shards if item.shards else Products.shards.does_not_exist()
    tx.update(*stock_key(sku_id), actions, as_read & (Products.free >= free), Busy)
    commit(tx)


def own(sku_id: str) -> Products:
    """The SKU's own item. Raises `not_found`."""
    item: Products | None = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        raise MallError("not_found")
    return item


def pieces_into(tx: Transaction, sku_id: str, shards: Sequence[str], pieces: int) -> None:
    """Share pieces out over these shards, which are made if need be, as part of `tx`; Busy when one is closed."""
    for number, part in even(pieces, len(shards)).items():
        more = [Products.free.add(part), Products.taken.add(0), Products.supplied.add(part)]
        tx.update(*pool_key(sku_id, shards[number]), more, Products.closed.does_not_exist(), Busy)


def gather_all(sku_ids: Iterable[str]) -> None:
    """Move all that is free in shards of these SKUs to their own items. Raises `conflict`."""
    for item in read.batch_get([stock_key(sku_id) for sku_id in sku_ids]):
        if item is not None:
            sku_id = item.part.removeprefix(STOCK)
            over = shards_of(item)
            retry_busy(functools.partial(gather, sku_id, over), Busy, TRIES)


def gather(sku_id: str, shards: Sequence[str]) -> None:
    """Move all that is free in these shards to the SKU's own item. Raises Busy when others took from them meanwhile."""
    free = {pool: pieces for pool, pieces in look(sku_id, shards).items() if pool != OWN and pieces}
    if not free:
        return
    tx = Transaction()
    for pool, pieces in free.items():
        fewer = [Products.free.set(Products.free - pieces), Products.supplied.set(Products.supplied - pieces)]
        tx.update(*pool_key(sku_id, pool), fewer, Products.free >= pieces, Busy)
    total = sum(free.values())
    to_own = [Products.free.set(Products.free + total), Products.taken.set(Products.taken - total)]
    tx.update(*stock_key(sku_id), to_own, Products.taken >= total, Busy)
    commit(tx)


def look(sku_id: str, shards: Sequence[str], consistent: bool = True) -> dict[str, int]:
    """What is free in each shard, and in the SKU's own item (OWN)."""
    places = [OWN, *shards]
    items = read.batch_get([_key(sku_id, place) for place in places], consistent=consistent)
    return {
        place: 0 if item is None or item.closed else int(item.free) for place, item in zip(places, items, strict=True)
    }


def choose(sku_id: str, shards: Sequence[str], quantity: int, order_id: str) -> str | None:
    """Where an order takes its pieces from: one of the shards, or OWN; None when there are too few.

    By what was seen in this second; nothing is read when nothing was. Raises Busy when it takes another look.
    """
    pool = chosen(cache.recall(_seen(sku_id)), shards, quantity, ids.shard(order_id, len(shards)))
    if pool != GATHER:
        return pool
    try:
        gather(sku_id, shards)
    finally:
        look_again(sku_id, shards)
    return OWN


def look_again(sku_id: str, shards: Sequence[str]) -> None:
    """A shard had too few: see what each has, and remember it for a second."""
    cache.keep(_seen(sku_id), look(sku_id, shards))


def gone(wanted: Mapping[str, int]) -> list[str]:
    """Those of these SKUs of which so many were not seen in all their shards together in this second."""
    return [
        sku_id
        for sku_id, quantity in wanted.items()
        if (seen := cache.recall(_seen(sku_id))) is not None and sum(seen.values()) < quantity
    ]


def stocks(items: Iterable[Products | None], consistent: bool) -> dict[str, Stock]:
    """The stock of SKUs, by their id, from their own items: what is free in shards is free, in one more round trip."""
    own = {item.part.removeprefix(STOCK): item for item in items if item is not None}
    keys = [(sku_id, pool) for sku_id, item in own.items() for pool in shards_of(item)]
    found = read.batch_get([pool_key(*key) for key in keys], consistent=consistent)
    spread_out = dict.fromkeys(own, 0)
    for (sku_id, _), pool in zip(keys, found, strict=True):
        spread_out[sku_id] += 0 if pool is None else int(pool.free)
    return {
        sku_id: Stock(int(item.free) + spread_out[sku_id], int(item.taken) - spread_out[sku_id], int(item.supplied))
        for sku_id, item in own.items()
    }


def _key(sku_id: str, place: str) -> read.Key:
    return pool_key(sku_id, place) if place else stock_key(sku_id)


def _seen(sku_id: str) -> tuple[str, ...]:
    return "catalogue", "shards", sku_id
