"""How many coupons of a template there are: in shards, so that those who want one at once do not all meet at one item.

Over all shards, free + issued = the template's total. Nothing ever comes back: a coupon that was used or is over has
been issued all the same. A claim tries its member's shard first and then whichever has some, so the last ones are
found wherever they lie; `sold_out` is said after a consistent read of all of them, which holds for a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.commerce.coupons.tables import CouponCounters, stock_key
from chalicelib.core.money import split_fen
from chalicelib.platform.store.transaction import Transaction


def supply(tx: Transaction, template_id: str, pieces: Mapping[int, int]) -> None:
    """Add so many pieces to each of these shards, which are made if need be, as part of `tx`."""
    for shard, more in pieces.items():
        counters = [CouponCounters.free.add(more), CouponCounters.issued.add(0)]
        tx.update(*stock_key(template_id, shard), counters)


def withdraw(tx: Transaction, template_id: str, pieces: Mapping[int, int], on_failure: object) -> None:
    """Remove so many free pieces from each of these shards, as part of `tx`, which fails with `on_failure`."""
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


def in_proportion(pieces: int, frees: Sequence[int]) -> dict[int, int]:
    """Split `pieces`, which is not more than all of them, over the shards in proportion to what each has free."""
    return {shard: part for shard, part in enumerate(split_fen(pieces, frees)) if part}
