"""Reads of the stock of coupons: what each shard has, and what is remembered of it for a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.commerce.coupons.refusals import SOLD_OUT
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.tables import CouponCounters, stock_key
from chalicelib.core import ids
from chalicelib.core.errors import MallError, Reason
from chalicelib.core.shards import first_with_some
from chalicelib.platform.store import cache, read

#: Group of what the wing remembers for a second.
CACHE = "coupons"


def keys(template: Template) -> list[read.Key]:
    """Name the items of all shards of its stock."""
    return [stock_key(template.template_id, shard) for shard in range(template.shards)]


def frees(items: Iterable[CouponCounters | None]) -> list[int]:
    """Take the free pieces of each shard from the items at `keys`."""
    return [0 if item is None else int(item.free or 0) for item in items]


def free_now(template: Template) -> list[int]:
    """Read the free pieces of each shard, as they are now. One BatchGet."""
    return frees(read.batch_get(keys(template)))


def remaining(templates: Sequence[Template]) -> dict[str, int]:
    """Find how many of each template are free, by its id; possibly a second old."""
    known = {each.template_id: cache.recall((CACHE, "left", each.template_id)) for each in templates}
    unknown = [each for each in templates if known[each.template_id] is None]
    items = iter(read.batch_get([key for each in unknown for key in keys(each)], consistent=False))
    for each in unknown:
        free = sum(frees(next(items) for _ in range(each.shards)))
        known[each.template_id] = cache.keep((CACHE, "left", each.template_id), free)
    return known


def choose(template: Template, member_id: str, field: str, reason: Reason = SOLD_OUT) -> int:
    """Choose the shard that this member takes from: their own, or the next that is not known to be empty.

    Raises `sold_out`, with the reason at `field`, when all were seen empty in this second.
    """
    empty: frozenset[int] = cache.recall(_empty_key(template)) or frozenset()
    some = [0 if shard in empty else 1 for shard in range(template.shards)]
    shard = first_with_some(some, ids.shard(member_id, template.shards))
    if shard is None:
        raise MallError("sold_out", errors=(reason.at(field, name=template.name),))
    return shard


def remember_empty(template: Template) -> None:
    """Read which shards are empty, and remember it for a second. One BatchGet."""
    cache.keep(_empty_key(template), frozenset(shard for shard, free in enumerate(free_now(template)) if free == 0))


def _empty_key(template: Template) -> tuple[str, ...]:
    return CACHE, "empty", template.template_id
