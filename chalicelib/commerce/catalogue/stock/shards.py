"""A popular SKU's stock in shards: pools that lie under keys of their own, so that buyers do not all meet at one item.

A shard is a pool (`pools`, docs/decisions/0018-stock-in-shards.md): for the SKU its pieces are taken, an order's line
names the pool that it took from, and returns find it. An order looks at the shard that its id falls to, then at the
next that is not known to be empty, then at the SKU's own item; what lies in bits is gathered there. That there are
too few is said after a consistent look at all of them, which holds for a second.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chalicelib.commerce.catalogue.jobs import REINDEX_PRODUCT
from chalicelib.commerce.catalogue.rules import GATHER, OWN, Stock, chosen, gathered, product_of
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


class Seen(msgspec.Struct):
    """What was free in each of a SKU's `shards`, and in its own item (OWN)."""

    shards: list[str]
    free: dict[str, int]


def spread(sku_id: str, shards: int) -> None:
    """Spread what is free of the SKU over so many shards, from 0 (none) to SHARDS_MAX. Raises `not_found`, `conflict`.

    What is on its way back to earlier shards comes to the SKU's own item; spread again, it is shared out, too.
    """
    retry(lambda: _spread(sku_id, shards), TRIES_CROWDED)
    forget()


def _spread(sku_id: str, shards: int) -> None:
    item = own(sku_id)
    old = shards_of(item)
    seen = look(sku_id, old)
    if len(old) == shards and (seen.free[OWN] == 0 or not shards):
        return
    tx = Transaction()
    for pool in old:
        free = seen.free[pool]
        none = [Products.free.set(0), Products.supplied.set(Products.supplied - free), Products.closed.set(True)]
        tx.update(*pool_key(sku_id, pool), none, Products.free == free, Conflict)
    pieces = sum(seen.free.values())
    left = 0 if shards else pieces
    after = new_shards(shards)
    pieces_into(tx, sku_id, shards_of(Products(shards=after)), pieces - left)
    moved = left - seen.free[OWN]
    actions = [
        Products.free.set(left), Products.taken.set(Products.taken - moved), Products.shards.set(after),
    ]  # fmt: skip
    as_read = Products.shards == item.shards if item.shards else Products.shards.does_not_exist()
    tx.update(*stock_key(sku_id), actions, as_read & (Products.free == seen.free[OWN]), Conflict)
    schedule(tx, REINDEX_PRODUCT, product_of(sku_id))
    commit(tx)


def own(sku_id: str) -> Products:
    """The SKU's own item. Raises `not_found`."""
    item: Products | None = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        raise MallError("not_found")
    return item


def pieces_into(tx: Transaction, sku_id: str, shards: Sequence[str], pieces: int) -> None:
    """Share pieces out over these shards, which are made if need be, as part of `tx`; Conflict when one is closed."""
    for number, part in even(pieces, len(shards)).items():
        more = [Products.free.add(part), Products.taken.add(0), Products.supplied.add(part)]
        tx.update(*pool_key(sku_id, shards[number]), more, Products.closed.does_not_exist(), Conflict)


def gather_all(wanted: Mapping[str, int]) -> None:
    """Have so many pieces of each SKU in its own item, where its shards have them. Raises `conflict`."""
    for item in read.batch_get([stock_key(sku_id) for sku_id in wanted]):
        if item is not None:
            sku_id = item.part.removeprefix(STOCK)
            retry(functools.partial(gather, sku_id, shards_of(item), wanted[sku_id]), TRIES_CROWDED)


def gather(sku_id: str, shards: Sequence[str], wanted: int) -> None:
    """Have so many pieces in the SKU's own item, as far as the shards have what it lacks. Raises Conflict when somebody
    else took from them meanwhile."""
    if not shards:
        return
    moved = gathered(look(sku_id, shards).free, wanted)
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


def look(sku_id: str, shards: Sequence[str]) -> Seen:
    """What is free in the SKU's own item and in these shards; and which shards the SKU has by now."""
    item, *pools = read.batch_get([stock_key(sku_id), *(pool_key(sku_id, pool) for pool in shards)])
    free = {OWN: 0 if item is None else int(item.free)}
    for pool_id, pool in zip(shards, pools, strict=True):
        free[pool_id] = 0 if pool is None or pool.closed else int(pool.free)
    return Seen([] if item is None else shards_of(item), free)


def choose(sku_id: str, shards: Sequence[str], quantity: int, order_id: str) -> str | None:
    """Where an order takes its pieces from: one of the shards, or OWN; None when there are too few.

    By what was seen in this second; nothing is read when nothing was. Raises Conflict when somebody else was quicker.
    """
    seen: Seen | None = cache.recall((_CACHE, sku_id))
    free = None if seen is None or seen.shards != list(shards) else seen.free
    place = chosen(free, shards, quantity, ids.shard(order_id, len(shards)))
    if place != GATHER:
        return place
    try:
        gather(sku_id, shards, quantity)
    finally:
        look_again(sku_id, shards, quantity)
    return OWN


def find(sku_id: str, quantity: int, order_id: str) -> str | None:
    """The same by a look at what there is now, of a SKU that may have no shards (then OWN), or be gone (None)."""
    item = read.get(Products, *stock_key(sku_id)[1])
    if item is None:
        return None
    shards = shards_of(item)
    if not shards:
        return OWN if item.free >= quantity else None
    look_again(sku_id, shards, quantity)
    return choose(sku_id, shards, quantity, order_id)


def look_again(sku_id: str, shards: Sequence[str], quantity: int = 1) -> None:
    """A shard had too few: see what each has, and remember it for a second, if these are its shards still."""
    seen = look(sku_id, shards)
    if sum(seen.free.values()) < quantity:  # pieces that were on their way from one to another are in neither
        seen = look(sku_id, shards)
    if seen.shards == list(shards):
        cache.keep((_CACHE, sku_id), seen)


def taken(sku_id: str, place: str, quantity: int) -> None:
    """An order has taken pieces: what was seen is not there any more."""
    seen: Seen | None = cache.recall((_CACHE, sku_id))
    if seen is not None and place in seen.free:
        seen.free[place] = max(0, seen.free[place] - quantity)


def gone(wanted: Mapping[str, int]) -> list[str]:
    """Those of these SKUs of which so many were not seen in all their shards together in this second."""
    return [
        sku_id
        for sku_id, quantity in wanted.items()
        if (seen := cache.recall((_CACHE, sku_id))) is not None and sum(seen.free.values()) < quantity
    ]


def forget() -> None:
    """Look anew at what is shown and sold, for pieces have come back by this process."""
    cache.forget("catalogue")
    cache.forget(_CACHE)


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
