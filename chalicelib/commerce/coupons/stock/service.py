"""How many coupons of a template are left: in shards, so that those who want one at once do not all meet at one item.

Over all shards, free + issued = the template's total. Nothing ever comes back: a coupon that was used or is over has
been issued all the same. A claim looks at its member's shard first and then at whichever has some, so the last ones
are found wherever they lie; `sold_out` is said after a consistent look at all of them, which holds for a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.tables import CouponCounters, stock_key
from chalicelib.core import ids
from chalicelib.core.errors import MallError
from chalicelib.core.money import split_fen
from chalicelib.core.shards import first_with_some
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import Transaction

#: Group of what the wing remembers for a second.
CACHE = "coupons"


def supply(tx: Transaction, template_id: str, pieces: Mapping[int, int]) -> None:
    """So many pieces more in each of these shards, which are made if need be, as part of `tx`."""
    for shard, more in pieces.items():
        counters = [CouponCounters.free.add(more), CouponCounters.issued.add(0)]
        tx.update(*stock_key(template_id, shard), counters)


def withdraw(tx: Transaction, template_id: str, pieces: Mapping[int, int], on_failure: object) -> None:
    """So many free pieces fewer in each of these shards, as part of `tx`, which fails with `on_failure`."""
    for shard, fewer in pieces.items():
        counters = [CouponCounters.free.set(CouponCounters.free - fewer)]
        tx.update(*stock_key(template_id, shard), counters, CouponCounters.free >= fewer, on_failure)


def take(tx: Transaction, template_id: str, shard: int, pieces: int, on_failure: object) -> None:
    """Issue pieces of one shard as part of `tx`, which fails with `on_failure` when it has not that many."""
    counters = [
        CouponCounters.free.set(CouponCounters.free - pieces),
        CouponCounters.issued.set(CouponCounters.issued + pieces),
    ]
    tx.update(*stock_key(template_id, shard), counters, CouponCounters.free >= pieces, on_failure)


def like(pieces: int, there: Sequence[int]) -> dict[int, int]:
    """`pieces`, which is not more than all of them, taken from the shards in proportion to what each has."""
    return {shard: part for shard, part in enumerate(split_fen(pieces, there)) if part}


def keys(template: Template) -> list[read.Key]:
    """Where the shards of its stock are."""
    return [stock_key(template.template_id, shard) for shard in range(template.shards)]


def frees(items: Iterable[CouponCounters | None]) -> list[int]:
    """What is free in each shard, by the items at `keys`."""
    return [0 if item is None else int(item.free or 0) for item in items]


def look(template: Template) -> list[int]:
    """What is free in each shard, as it is now."""
    return frees(read.batch_get(keys(template)))


def choose(template: Template, member_id: str) -> int:
    """The shard that this member takes from: their own, or the next that is not known to be empty.

    Raises `sold_out` when all were seen empty in this second.
    """
    empty: frozenset[int] = cache.recall(_key(template)) or frozenset()
    some = [0 if shard in empty else 1 for shard in range(template.shards)]
    shard = first_with_some(some, ids.shard(member_id, template.shards))
    if shard is None:
        raise MallError("sold_out")
    return shard


def look_again(template: Template) -> None:
    """A shard was found empty: see which are, and remember it for a second."""
    cache.keep(_key(template), frozenset(shard for shard, free in enumerate(look(template)) if free == 0))


def left(templates: Sequence[Template]) -> dict[str, int]:
    """What is left of each template; possibly a second old."""
    known = {each.template_id: cache.recall((CACHE, "left", each.template_id)) for each in templates}
    asked = [each for each in templates if known[each.template_id] is None]
    items = iter(read.batch_get([key for each in asked for key in keys(each)], consistent=False))
    for each in asked:
        free = sum(frees(next(items) for _ in range(each.shards)))
        known[each.template_id] = cache.keep((CACHE, "left", each.template_id), free)
    return known


def _key(template: Template) -> tuple[str, ...]:
    return CACHE, "empty", template.template_id
