"""What an operator may ask of an activity. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from chalicelib.core.errors import invalid
from chalicelib.core.refusals import IS_OVER, NAMED_TWICE
from chalicelib.growth.groupbuy.refusals import (
    DRAW_TOO_LATE,
    LEADER_PRICE_ABOVE,
    LOTTERY_MISSING,
    LOTTERY_UNEXPECTED,
    MIN_FILL_OF_LADDER,
    MIN_FILL_TOO_LARGE,
    NO_SUCH_SKU_OF_PRODUCT,
    NO_VARIANTS_OF_LOTTERY,
    NOT_BEFORE_END,
    PRICE_RISES,
    PRICE_TWICE,
    SHARES_TOO_LARGE,
    SIZE_OF_PRICE,
    SIZE_WITHOUT_PRICE,
    STEP_WITHOUT_PRICE,
    STOCK_DIFFERS_FROM_PRICES,
    TOO_MANY_WINNERS,
    VARIANT_NAME,
)
from chalicelib.growth.groupbuy.rules import ALL_BP, CONTROL, Activity, Kind, Price

#: How long after the first payment that it can have a lottery over a whole activity ends at the latest. WeChat refunds
#: a payment for 365 days; what remains of them is for the last lobbies, for a draw that something holds up, and for
#: refunds that wait until the merchant's balance is filled. All other group-buys end with their lobbies, which live for
#: thirty days at most (inputs.py).
DRAW_WITHIN = timedelta(days=300)


def check_activity(activity: Activity, sku_ids: Iterable[str], now: datetime) -> None:
    """Raise `invalid`, naming the field, unless the activity makes sense for a product with these SKUs."""
    if not activity.starts_at < activity.ends_at:
        raise invalid(NOT_BEFORE_END.at("ends_at"))
    if activity.ends_at <= now:
        raise invalid(IS_OVER.at("ends_at"))
    known = set(sku_ids)
    _check_offer(activity.kind, activity.sizes, activity.prices, known, "")
    _check_variants(activity, known)
    offered = {price.sku_id for name in activity.variant_names for price in activity.offer(name)[1]}
    if activity.stock and offered != set(activity.stock):
        raise invalid(STOCK_DIFFERS_FROM_PRICES.at("stock"))
    _check_min_fill(activity)
    _check_lottery(activity, now)


def _check_variants(activity: Activity, known: set[str]) -> None:
    names = [variant.name for variant in activity.variants]
    for index, variant in enumerate(activity.variants):
        if variant.name == CONTROL or names.index(variant.name) != index:
            raise invalid(VARIANT_NAME.at(f"variants[{index}].name", reserved=CONTROL))
        _check_offer(activity.kind, variant.sizes, variant.prices, known, f"variants[{index}].")
    if sum(variant.share_bp for variant in activity.variants) > ALL_BP:
        raise invalid(SHARES_TOO_LARGE.at("variants", limit=ALL_BP))


def _check_min_fill(activity: Activity) -> None:
    if activity.min_fill is None:
        return
    if activity.kind == "ladder":
        raise invalid(MIN_FILL_OF_LADDER.at("min_fill"))
    if activity.min_fill > max(activity.sizes):
        raise invalid(MIN_FILL_TOO_LARGE.at("min_fill", limit=max(activity.sizes)))


def _check_lottery(activity: Activity, now: datetime) -> None:
    if (activity.kind == "lottery") != (activity.lottery is not None):
        raise invalid((LOTTERY_MISSING if activity.lottery is None else LOTTERY_UNEXPECTED).at("lottery"))
    if activity.lottery is None:
        return
    if activity.variants:
        raise invalid(NO_VARIANTS_OF_LOTTERY.at("variants"))
    if activity.lottery.per == "lobby" and activity.lottery.winners > min(activity.sizes):
        raise invalid(TOO_MANY_WINNERS.at("lottery.winners", limit=min(activity.sizes)))
    if activity.lottery.per == "activity" and activity.ends_at > max(activity.starts_at, now) + DRAW_WITHIN:
        raise invalid(DRAW_TOO_LATE.at("ends_at", days=DRAW_WITHIN.days))


def _check_offer(kind: Kind, sizes: Sequence[int], prices: Sequence[Price], known: set[str], at: str) -> None:
    if len(set(sizes)) != len(sizes):
        raise invalid(NAMED_TWICE.at(f"{at}sizes"))
    pairs = [(price.sku_id, price.size) for price in prices]
    for index, price in enumerate(prices):
        if price.sku_id not in known:
            raise invalid(NO_SUCH_SKU_OF_PRODUCT.at(f"{at}prices[{index}].sku_id"))
        if price.size not in sizes:
            raise invalid(SIZE_OF_PRICE.at(f"{at}prices[{index}].size"))
        if pairs.index((price.sku_id, price.size)) != index:
            raise invalid(PRICE_TWICE.at(f"{at}prices[{index}]"))
        if price.leader_price_fen is not None and price.leader_price_fen > price.price_fen:
            raise invalid(LEADER_PRICE_ABOVE.at(f"{at}prices[{index}].leader_price_fen"))
    for size in sizes:
        if not any(price.size == size for price in prices):
            raise invalid(SIZE_WITHOUT_PRICE.at(f"{at}prices", size=size))
    if kind == "ladder":
        _check_ladder(sizes, prices, at)


def _check_ladder(sizes: Sequence[int], prices: Sequence[Price], at: str) -> None:
    """Every SKU has a price on every step, and none rises."""
    for sku_id in {price.sku_id for price in prices}:
        steps = sorted((price for price in prices if price.sku_id == sku_id), key=lambda price: price.size)
        if len(steps) != len(sizes):
            raise invalid(STEP_WITHOUT_PRICE.at(f"{at}prices", sku_id=sku_id))
        for lower, higher in itertools.pairwise(steps):
            if higher.price_fen > lower.price_fen or higher.leader_fen > lower.leader_fen:
                error = PRICE_RISES.at(f"{at}prices", sku_id=sku_id, higher=higher.size, lower=lower.size)
                raise invalid(error)
