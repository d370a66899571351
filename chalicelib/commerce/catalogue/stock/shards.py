"""A popular SKU's stock in shards: pools that lie under keys of their own, so that buyers do not all meet at one item.

A shard is a pool (`pools`, docs/decisions/0018-stock-in-shards.md): for the SKU its pieces are taken, an order's line
names the pool that it took from, and returns find it. `choose` (rules.py) says where an order takes from: the shard
that its id falls to, then the next that is not known to be empty, then the SKU's own item. What lies scattered is first
moved there by `consolidate`, a step of its own. That there are too few is said after all of them were counted by a
consistent read, which holds for a second.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.rules import Stock, product_of
from chalicelib.commerce.catalogue.stock.rules import OWN, SCATTERED, choose, consolidation
from chalicelib.commerce.catalogue.tables import STOCK, Products, new_shards, pool_key, shards_of, stock_key
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.core.shards import even
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

#: A change of the shards empties the old ones and fills the new ones in one transaction.
SHARDS_MAX = 32

_CACHE = "shards"


class Counted(msgspec.Struct):
    """What was `free` in each of the places that were counted, OWN among them, and which `shards` the SKU had then."""

    shards: list[str]
    free: dict[str, int]


class Scattered(MallError):
    """No place has as many pieces as are `wanted` of a SKU, but all together have: `consolidate_all` brings them there.

    To a caller it is `conflict`: come again.
    """

    def __init__(self, wanted: Mapping[str, int]) -> None:
        super().__init__("conflict")
        self.wanted = wanted


def spread(sku_id: str, shards: int) -> None:
    """Spread what is free of the SKU over so many shards, from 0 (none) to SHARDS_MAX. Raises `not_found`, `conflict`.

    What is on its way back to earlier shards comes to the SKU's own item; spread again, it is shared out, too.
    """
    retry(lambda: _spread(sku_id, shards), TRIES_CROWDED)
    forget()


def _spread(sku_id: str, shards: int) -> None:
    item = own(sku_id)
    old = shards_of(item)
    counted = count(sku_id, old)
    if len(old) == shards and (counted.free[OWN] == 0 or not shards):
        return
    tx = Transaction()
    for pool in old:
        free = counted.free[pool]
        none = [Products.free.set(0), Products.supplied.set(Products.supplied - free), Products.closed.set(True)]
        tx.update(*pool_key(sku_id, pool), none, Products.free == free, Conflict)
    pieces = sum(counted.free.values())
    remaining = 0 if shards else pieces
    after = new_shards(shards)
    pieces_into(tx, sku_id, shards_of(Products(shards=after)), pieces - remaining)
    moved = remaining - counted.free[OWN]
    actions = [
        Products.free.set(remaining), Products.taken.set(Products.taken - moved), Products.shards.set(after),
    ]  # fmt: skip
    as_read = Products.shards == item.shards if item.shards else Products.shards.does_not_exist()
    tx.update(*stock_key(sku_id), actions, as_read & (Products.free == counted.free[OWN]), Conflict)
    schedule(tx, REINDEX_PRODUCT, product_of(sku_id))
    commit(tx)


def own(sku_id: str) -> Products:
    """Read the SKU's own item. Raises `not_found`."""
    item: Products | None = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        raise MallError("not_found")
    return item


def pieces_into(tx: Transaction, sku_id: str, shards: Sequence[str], pieces: int) -> None:
    """Share pieces out over these shards, which are made if need be, as part of `tx`; Conflict when one is closed."""
    for number, part in even(pieces, len(shards)).items():
        more = [Products.free.add(part), Products.taken.add(0), Products.supplied.add(part)]
        tx.update(*pool_key(sku_id, shards[number]), more, Products.closed.does_not_exist(), Conflict)


def consolidate_all(wanted: Mapping[str, int]) -> None:
    """Have so many pieces of each SKU in its own item, where its shards have them. Raises `conflict`.

    Each SKU's move is a transaction of its own.
    """
    for item in read.batch_get([stock_key(sku_id) for sku_id in wanted]):
        if item is not None:
            sku_id = item.part.removeprefix(STOCK)
            retry(functools.partial(consolidate, sku_id, shards_of(item), wanted[sku_id]), TRIES_CROWDED)


def consolidate(sku_id: str, shards: Sequence[str], wanted: int) -> None:
    """Move pieces so that the SKU's own item has `wanted` of them, as far as the shards have what it lacks.

    A transaction of its own: it changes where pieces lie, and nothing that anybody sees. Raises Conflict when
    another request took from the shards meanwhile.
    """
    if not shards:
        return
    moved = consolidation(count(sku_id, shards).free, wanted)
    if not moved:
        return
    tx = Transaction()
    for pool, pieces in moved.items():
        fewer = [Products.free.set(Products.free - pieces), Products.supplied.set(Products.supplied - pieces)]
        tx.update(*pool_key(sku_id, pool), fewer, Products.free >= pieces, Conflict)
    total = sum(moved.values())
    to_own = [Products.free.set(Products.free + total), Products.taken.set(Products.taken - total)]
    tx.update(*stock_key(sku_id), to_own, Products.taken >= total, Conflict)
    commit(tx)


def count(sku_id: str, shards: Sequence[str]) -> Counted:
    """Count what is free in the SKU's own item and in these shards, and say which shards the SKU has by now."""
    item, *pools = read.batch_get([stock_key(sku_id), *(pool_key(sku_id, pool) for pool in shards)])
    free = {OWN: 0 if item is None else int(item.free)}
    for pool_id, pool in zip(shards, pools, strict=True):
        free[pool_id] = 0 if pool is None or pool.closed else int(pool.free)
    return Counted([] if item is None else shards_of(item), free)


def recount(sku_id: str, shards: Sequence[str], quantity: int = 1) -> Counted:
    """Count anew, because a shard had too few; the process remembers it for a second, if these are its shards still."""
    counted = count(sku_id, shards)
    if sum(counted.free.values()) < quantity:  # pieces that were on their way from one to another are in neither
        counted = count(sku_id, shards)
    if counted.shards == list(shards):
        cache.keep((_CACHE, sku_id), counted)
    return counted


def recalled(sku_id: str, shards: Sequence[str]) -> Mapping[str, int] | None:
    """What this process saw free within this second in each of these shards and in OWN; None when it has not looked."""
    counted: Counted | None = cache.recall((_CACHE, sku_id))
    return None if counted is None or counted.shards != list(shards) else counted.free


def recalled_short(wanted: Mapping[str, int]) -> dict[str, int]:
    """Of which of these SKUs too few were seen in this second, and how many, in all their places together."""
    seen = {sku_id: cache.recall((_CACHE, sku_id)) for sku_id in wanted}
    total = {sku_id: sum(counted.free.values()) for sku_id, counted in seen.items() if counted is not None}
    return {sku_id: free for sku_id, free in total.items() if free < wanted[sku_id]}


def find(sku_id: str, quantity: int, order_id: str) -> str | None:
    """Find where an order can take pieces from, by what there is now of a SKU that may have no shards: a place, or OWN.

    None when there are too few, or no such SKU. Raises Scattered when they are to be consolidated first.
    """
    item = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        return None
    shards = shards_of(item)
    if not shards:
        return OWN if item.free >= quantity else None
    counted = recount(sku_id, shards, quantity)
    free = counted.free if counted.shards == shards else None
    place = choose(free, shards, quantity, ids.shard(order_id, len(shards)))
    if place == SCATTERED:
        raise Scattered({sku_id: quantity})
    return place


def deduct(sku_id: str, place: str, quantity: int) -> None:
    """Take off what was seen there the pieces that an order has taken."""
    seen: Counted | None = cache.recall((_CACHE, sku_id))
    if seen is not None and place in seen.free:
        seen.free[place] = max(0, seen.free[place] - quantity)


def forget() -> None:
    """Forget what this process has seen of the stock, because pieces have come back by it."""
    cache.forget("catalogue")
    cache.forget(_CACHE)


def stocks(items: Iterable[Products | None], consistent: bool) -> dict[str, Stock]:
    """Reckon the stock of SKUs, by their id, from their own items; what is free in shards is one more round trip."""
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
