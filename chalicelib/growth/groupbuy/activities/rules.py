"""What an operator may ask of an activity. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib.core.errors import invalid
from chalicelib.growth.groupbuy.rules import ALL_BP, CONTROL, Activity, Kind, Price


def check_activity(activity: Activity, sku_ids: Iterable[str], now: datetime) -> None:
    """Raises `invalid`, naming the field, unless the activity makes sense for a product with these SKUs."""
    if not activity.starts_at < activity.ends_at:
        raise invalid("ends_at", "must be after starts_at")
    if activity.ends_at <= now:
        raise invalid("ends_at", "is over")
    known = set(sku_ids)
    _check_offer(activity.kind, activity.sizes, activity.prices, known, "")
    names = [variant.name for variant in activity.variants]
    for index, variant in enumerate(activity.variants):
        if variant.name == CONTROL or names.index(variant.name) != index:
            raise invalid(f"variants[{index}].name", f"must be unique, and not {CONTROL}")
        _check_offer(activity.kind, variant.sizes, variant.prices, known, f"variants[{index}].")
    if sum(variant.share_bp for variant in activity.variants) > ALL_BP:
        raise invalid("variants", f"their share_bp may be {ALL_BP} in all")
    offered = {price.sku_id for name in activity.variant_names for price in activity.offer(name)[1]}
    if activity.stock and offered != set(activity.stock):
        raise invalid("stock", "name every SKU that has a price in this group-buy, and no other; or none")
    if activity.min_fill is not None and (activity.kind == "ladder" or activity.min_fill > max(activity.sizes)):
        raise invalid("min_fill", "at most the largest size, and not for a ladder: its first step says that")
    _check_lottery(activity)


def _check_lottery(activity: Activity) -> None:
    if (activity.kind == "lottery") != (activity.lottery is not None):
        raise invalid("lottery", "says how a lottery is drawn; there is none otherwise")
    if activity.lottery is None:
        return
    if activity.variants:
        raise invalid("variants", "a lottery has none: everybody has the same chance")
    if activity.lottery.per == "lobby" and activity.lottery.winners > min(activity.sizes):
        raise invalid("lottery.winners", "at most the smallest size")


def _check_offer(kind: Kind, sizes: Sequence[int], prices: Sequence[Price], known: set[str], at: str) -> None:
    if len(set(sizes)) != len(sizes):
        raise invalid(f"{at}sizes", "each size once")
    pairs = [(price.sku_id, price.size) for price in prices]
    for index, price in enumerate(prices):
        if price.sku_id not in known:
            raise invalid(f"{at}prices[{index}].sku_id", "no such SKU of this product")
        if price.size not in sizes:
            raise invalid(f"{at}prices[{index}].size", "is not offered")
        if pairs.index((price.sku_id, price.size)) != index:
            raise invalid(f"{at}prices[{index}]", "this SKU and size has a price already")
        if price.leader_price_fen is not None and price.leader_price_fen > price.price_fen:
            raise invalid(f"{at}prices[{index}].leader_price_fen", "must not be above price_fen")
    for size in sizes:
        if not any(price.size == size for price in prices):
            raise invalid(f"{at}prices", f"none for size {size}")
    if kind == "ladder":
        _check_ladder(sizes, prices, at)


def _check_ladder(sizes: Sequence[int], prices: Sequence[Price], at: str) -> None:
    """Every SKU has a price on every step, and none rises."""
    for sku_id in {price.sku_id for price in prices}:
        steps = sorted((price for price in prices if price.sku_id == sku_id), key=lambda price: price.size)
        if len(steps) != len(sizes):
            raise invalid(f"{at}prices", f"{sku_id} needs a price for every step")
        for lower, higher in itertools.pairwise(steps):
            if any(higher.for_seat(leader) > lower.for_seat(leader) for leader in (True, False)):
                raise invalid(f"{at}prices", f"{sku_id} costs more with {higher.size} than with {lower.size}")
