"""What coupons and promotions may take off, recomputed from their terms alone. Pure; no formula of the rules is used.

An order does not say in which categories its products lay, nor which floor held for prices. So what is found here is a
range: where neither is in doubt, its two ends are one amount. All amounts are fen.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.rules import Scope, Terms
from chalicelib.commerce.pricing.promotions.rules import (
    AddOn,
    Bundle,
    NewCustomerPrice,
    PiecesPercent,
    Promotion,
    ThresholdOff,
)


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """A line as a coupon or a promotion finds it: what it costs by then. The floor is between `floor_low_fen` and
    `floor_high_fen`."""

    sku_id: str
    product_id: str
    quantity: int
    unit_fen: int
    cost_fen: int
    floor_low_fen: int = 0
    floor_high_fen: int = 0


class Range(msgspec.Struct, frozen=True):
    """From how much to how much something may take off."""

    least_fen: int
    most_fen: int


_NOTHING = Range(0, 0)


def coupon_range(terms: Terms, goods: Sequence[Goods]) -> Range:
    """Say what a coupon of these terms may take off these goods, the freight's coupon left out."""
    surely, maybe = _within(terms.scope, goods)
    if not maybe or terms.kind == "free_shipping":
        return _NOTHING
    rooms = [max(0, one.cost_fen - one.floor_high_fen) for one in surely]
    widest = [max(0, one.cost_fen - one.floor_low_fen) for one in maybe]
    if terms.kind == "exchange":
        return Range(
            max((_dear(one, terms, room) for one, room in zip(surely, rooms, strict=True)), default=0),
            max(_dear(one, terms, room) for one, room in zip(maybe, widest, strict=True)),
        )
    if terms.kind == "percent_off":
        return Range(min(_percent(terms, surely), sum(rooms)), min(_percent(terms, maybe), sum(widest)))
    return Range(min(terms.amount_fen, sum(rooms)), min(terms.amount_fen, sum(widest)))


def meets_threshold(terms: Terms, goods: Sequence[Goods]) -> bool:
    """Tell whether goods that may be in scope cost what the coupon asks for."""
    maybe = _within(terms.scope, goods)[1]
    return bool(maybe) and sum(one.cost_fen for one in maybe) >= terms.threshold_fen


def freight_coupon_fen(terms: Terms, freight_fen: int) -> int:
    """Say what a coupon takes off this freight."""
    return freight_fen if terms.ceiling_fen is None else min(freight_fen, terms.ceiling_fen)


def _within(scope: Scope, goods: Sequence[Goods]) -> tuple[list[Goods], list[Goods]]:
    """The goods that surely are in the scope, and those that may be."""
    allowed = [one for one in goods if one.product_id not in scope.excluded_products]
    if not scope.products and not scope.categories:
        return allowed, allowed
    named = [one for one in allowed if one.product_id in scope.products]
    return named, allowed if scope.categories else named


def _percent(terms: Terms, goods: Sequence[Goods]) -> int:
    off = sum(one.cost_fen for one in goods) * terms.percent_off // 100
    return off if terms.ceiling_fen is None else min(off, terms.ceiling_fen)


def _dear(one: Goods, terms: Terms, room: int) -> int:
    """By how much a piece is dearer than the exchange asks for, as far as its coupon takes that off."""
    off = max(0, min(one.cost_fen // one.quantity - terms.amount_fen, room))
    return off if terms.ceiling_fen is None else min(off, terms.ceiling_fen)


def promotion_most_fen(promotion: Promotion, goods: Sequence[Goods], at: datetime) -> int:
    """Say the most that the promotion may take off goods at these prices, ordered then; nothing where it did not run or
    its condition cannot have been met."""
    if not promotion.starts_at <= at < promotion.ends_at:
        return 0
    maybe = _within(promotion.scope, goods)[1]
    if isinstance(promotion, NewCustomerPrice):
        return max(_savings(promotion, maybe), default=0)
    if isinstance(promotion, Bundle):
        return _bundled(promotion, maybe)
    if isinstance(promotion, AddOn):
        return _added(promotion, goods, maybe)
    cost = sum(one.cost_fen for one in maybe)
    if isinstance(promotion, PiecesPercent):
        pieces = sum(one.quantity for one in maybe)
        return cost * max((tier.percent_off for tier in promotion.tiers if pieces >= tier.pieces), default=0) // 100
    return _threshold_off(promotion, cost)


def _savings(promotion: NewCustomerPrice | AddOn, goods: Sequence[Goods]) -> list[int]:
    """What each piece of these goods is cheaper at the promotion's prices."""
    prices = {one.sku_id: one.price_fen for one in promotion.prices}
    return [
        one.unit_fen - prices[one.sku_id]
        for one in goods
        if one.sku_id in prices and one.unit_fen > prices[one.sku_id]
        for _ in range(one.quantity)
    ]


def _bundled(promotion: Bundle, goods: Sequence[Goods]) -> int:
    at = {one.sku_id: one for one in goods}
    if any(part.sku_id not in at for part in promotion.pieces):
        return 0
    sets = min(at[part.sku_id].quantity // part.quantity for part in promotion.pieces)
    alone = sum(at[part.sku_id].unit_fen * part.quantity for part in promotion.pieces)
    return max(0, sets * (alone - promotion.price_fen))


def _added(promotion: AddOn, goods: Sequence[Goods], in_scope: Sequence[Goods]) -> int:
    cheap = {one.sku_id for one in promotion.prices}
    others = [one for one in in_scope if one.sku_id not in cheap]
    if not others or sum(one.cost_fen for one in others) < promotion.threshold_fen:
        return 0
    return sum(sorted(_savings(promotion, goods), reverse=True)[: promotion.limit])


def _threshold_off(promotion: ThresholdOff, cost: int) -> int:
    reached = [(tier.off_fen, cost // tier.threshold_fen) for tier in promotion.tiers]
    return max(off * (times if promotion.every else min(times, 1)) for off, times in reached)
