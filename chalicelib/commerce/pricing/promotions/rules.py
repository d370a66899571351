"""Promotions: what comes off without being asked for. Pure.

They are reckoned kind by kind, in the order of `_KINDS`, each on what the kinds before it left. A piece has at most one
of the named prices (the first three kinds). Within a kind a line takes the promotion of the highest priority that takes
anything off, and of the same priority the one whose id is first.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.commerce.catalogue.rules import Named, product_of
from chalicelib.commerce.coupons.rules import Scope, SegmentId
from chalicelib.commerce.pricing.basket.rules import Basket, Discount
from chalicelib.commerce.pricing.refusals import EACH_SKU_ONCE, ENDS_BEFORE_IT_STARTS
from chalicelib.core.errors import invalid
from chalicelib.core.money import FEN_MAX, split_fen
from chalicelib.core.refusals import YEAR_BETWEEN
from chalicelib.platform.web.types import Id, Label, PriceFen, Quantity

#: The first and the last year of a promotion's times: beyond them a slip of the finger would leave the calendar.
_YEARS = (2000, 2099)

_Instant = Annotated[datetime, Meta(tz=True)]
_SomeFen = Annotated[int, Meta(ge=1, le=FEN_MAX // 10)]


class Share(msgspec.Struct, frozen=True):
    """What a line has of a promotion: fen off, and how many of its pieces have a named price now."""

    fen: int
    pieces: int = 0


class _Promotion(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"
):
    """What all kinds of promotions have. One runs from `starts_at` until just before `ends_at`, for what `scope`
    covers; where it names `segments`, for members in one of them and for nobody else."""

    name: Label
    scope: Scope = Scope()
    starts_at: _Instant
    ends_at: _Instant
    priority: Annotated[int, Meta(ge=0, le=1000)] = 0
    segments: Annotated[list[SegmentId], Meta(max_length=20)] = []

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:
        """Tell what comes off which of these lines, those included that take part and get nothing; of each line so many
        pieces are free to have a named price. Nothing where the promotion does not apply."""
        raise NotImplementedError

    def skus(self) -> list[str]:
        """List the SKUs that the promotion names, in order."""
        return []

    def concerns(self, product_id: str, categories: Sequence[str]) -> bool:
        """Tell whether a product, in these categories, has a part in the promotion: a piece of it may cost less, or
        makes that another one does."""
        return self.scope.covers(product_id, categories)

    def may_concern(self, product_id: str) -> bool:
        """Tell whether a product may have a part in the promotion whose categories are not known."""
        return self.scope.may_cover(product_id)

    def runs(self, now: datetime) -> bool:
        """Tell whether the promotion holds now."""
        return self.starts_at <= now < self.ends_at

    def _covered(self, basket: Basket, lines: Sequence[int]) -> list[int]:
        covered = set(basket.within(self.scope))
        return [index for index in lines if index in covered]


class SkuPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a piece of a SKU costs in a promotion, in fen."""

    sku_id: Id
    price_fen: PriceFen


class SkuPieces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of pieces of a SKU."""

    sku_id: Id
    quantity: Quantity


class PiecesTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many percent come off from how many pieces on."""

    pieces: Quantity
    percent_off: Annotated[int, Meta(ge=1, le=100)]


class ThresholdTier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much comes off from what amount on, in fen."""

    threshold_fen: _SomeFen
    off_fen: _SomeFen


_Prices = Annotated[list[SkuPrice], Meta(min_length=1, max_length=100)]


class NewCustomerPrice(_Promotion, frozen=True, kw_only=True, tag="new_customer_price"):
    """For a member who has bought nothing yet: one piece of an order at its price here, the one where that saves
    most."""

    prices: _Prices

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:
        """Take one piece at its price."""
        return _cheapened(self.prices, 1, basket, self._covered(basket, lines), free)

    def skus(self) -> list[str]:
        """List the SKUs with a price."""
        return [price.sku_id for price in self.prices]

    def concerns(self, product_id: str, categories: Sequence[str]) -> bool:
        """Tell whether the product is in scope and has a price."""
        return super().concerns(product_id, categories) and _names(self, product_id)

    def may_concern(self, product_id: str) -> bool:
        """Tell whether the product may be in scope and has a price."""
        return super().may_concern(product_id) and _names(self, product_id)


class Bundle(_Promotion, frozen=True, kw_only=True, tag="bundle"):
    """These pieces together for `price_fen`, as many sets as there are."""

    pieces: Annotated[list[SkuPieces], Meta(min_length=1, max_length=20)]
    price_fen: PriceFen

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:
        """Share what the sets save over their lines, by what their pieces cost."""
        at = {basket.items[index].sku_id: index for index in self._covered(basket, lines)}
        sets = min(free[at[each.sku_id]] // each.quantity if each.sku_id in at else 0 for each in self.pieces)
        used = {at[each.sku_id]: sets * each.quantity for each in self.pieces} if sets else {}
        amounts = [basket.items[index].unit_price_fen * pieces for index, pieces in used.items()]
        parts = split_fen(max(0, sum(amounts) - sets * self.price_fen), amounts)
        return {index: Share(fen, pieces) for (index, pieces), fen in zip(used.items(), parts, strict=True)}

    def skus(self) -> list[str]:
        """List the SKUs of a set."""
        return [each.sku_id for each in self.pieces]

    def concerns(self, product_id: str, categories: Sequence[str]) -> bool:
        """Tell whether the product is in scope and belongs to a set."""
        return super().concerns(product_id, categories) and _names(self, product_id)

    def may_concern(self, product_id: str) -> bool:
        """Tell whether the product may be in scope and belongs to a set."""
        return super().may_concern(product_id) and _names(self, product_id)


class AddOn(_Promotion, frozen=True, kw_only=True, tag="add_on"):
    """Up to `limit` pieces of an order at their price here, those where it saves most, when the other goods in scope
    cost `threshold_fen` or more. The SKUs that have a price need not be in scope."""

    prices: _Prices
    limit: Quantity = 1
    threshold_fen: PriceFen

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:
        """Take pieces at their price."""
        added = set(self.skus())
        others = [index for index in self._covered(basket, lines) if basket.items[index].sku_id not in added]
        if basket.cost(others) < self.threshold_fen or not others:
            return {}
        return _cheapened(self.prices, self.limit, basket, lines, free)

    def skus(self) -> list[str]:
        """List the SKUs with a price."""
        return [price.sku_id for price in self.prices]

    def concerns(self, product_id: str, categories: Sequence[str]) -> bool:
        """Tell whether the product has a price, or is in scope and helps to reach the threshold."""
        return super().concerns(product_id, categories) or _names(self, product_id)

    def may_concern(self, product_id: str) -> bool:
        """Tell whether the product has a price, or may be in scope."""
        return super().may_concern(product_id) or _names(self, product_id)


class PiecesPercent(_Promotion, frozen=True, kw_only=True, tag="pieces_percent"):
    """Percent off what the goods in scope cost, by how many pieces they are."""

    tiers: Annotated[list[PiecesTier], Meta(min_length=1, max_length=10)]

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:  # noqa: ARG002
        """Take off the percentage of the best tier reached, rounded down to the fen."""
        covered = self._covered(basket, lines)
        pieces = sum(basket.items[index].quantity for index in covered)
        percent = max((tier.percent_off for tier in self.tiers if pieces >= tier.pieces), default=0)
        return _off(basket, covered, basket.cost(covered) * percent // 100)


class ThresholdOff(_Promotion, frozen=True, kw_only=True, tag="threshold_off"):
    """An amount off when the goods in scope cost a tier's threshold or more; `every`: once for each time that the
    threshold is in what they cost."""

    tiers: Annotated[list[ThresholdTier], Meta(min_length=1, max_length=10)]
    every: bool = False

    def shares(self, basket: Basket, lines: Sequence[int], free: Sequence[int]) -> dict[int, Share]:  # noqa: ARG002
        """Take off what the best tier does."""
        covered = self._covered(basket, lines)
        full = [(tier, basket.cost(covered) // tier.threshold_fen) for tier in self.tiers]
        best = max(tier.off_fen * (times if self.every else min(times, 1)) for tier, times in full)
        return _off(basket, covered, best)


Promotion = NewCustomerPrice | Bundle | AddOn | PiecesPercent | ThresholdOff


class NamedPromotion(msgspec.Struct, frozen=True):
    """A promotion and its id."""

    promotion_id: str
    promotion: Promotion


#: The kinds of promotions, in the order in which they are reckoned.
_KINDS: tuple[type[Promotion], ...] = (NewCustomerPrice, Bundle, AddOn, PiecesPercent, ThresholdOff)


def promoted(
    basket: Basket, promotions: Mapping[str, Promotion], now: datetime, new_customer: bool
) -> tuple[Basket, list[Discount]]:
    """Take every promotion (by id) that runs off the basket: the basket after it, and what came off, in order.

    A named price is the merchant's word and holds below the floor too; what comes off after it respects the floor.
    """
    running = sorted(
        ((promotion_id, promotion) for promotion_id, promotion in promotions.items() if promotion.runs(now)),
        key=lambda each: (-each[1].priority, each[0]),
    )
    free = [item.quantity for item in basket.items]
    discounts: list[Discount] = []
    for kind in _KINDS:
        if kind is NewCustomerPrice and not new_customer:
            continue
        lines = [index for index, item in enumerate(basket.items) if not item.group]
        for promotion_id, promotion in running:
            if not isinstance(promotion, kind):
                continue
            shares = promotion.shares(basket, lines, free)
            parts = {index: share.fen for index, share in shares.items()}
            if not any(parts.values()):
                continue
            basket = basket.less(parts)
            lines = [index for index in lines if index not in shares]
            for index, share in shares.items():
                free[index] -= share.pieces
            discounts.append(_explained(promotion_id, promotion, basket, parts))
    return basket, discounts


def new_customer_matters(promotions: Mapping[str, Promotion], sku_ids: Container[str], now: datetime) -> bool:
    """Tell whether one of these SKUs has a price for new customers now: only then must be known whether the member is
    one."""
    return any(
        isinstance(promotion, NewCustomerPrice) and promotion.runs(now) and any(s in sku_ids for s in promotion.skus())
        for promotion in promotions.values()
    )


def segments_named(promotions: Mapping[str, Promotion], product_ids: Collection[str], now: datetime) -> list[str]:
    """List the segments for whose members promotions run now in which one of these products may have a part: only of
    these must be known whether the member is in them."""
    running = [one for one in promotions.values() if one.segments and one.runs(now)]
    concerned = [one for one in running if any(one.may_concern(product_id) for product_id in product_ids)]
    return sorted({segment_id for one in concerned for segment_id in one.segments})


def open_to(promotions: Mapping[str, Promotion], segment_ids: Collection[str]) -> dict[str, Promotion]:
    """Leave out, of promotions by id, those for segments of which the member is in none; they are in these."""
    return {
        promotion_id: one
        for promotion_id, one in promotions.items()
        if not one.segments or any(segment_id in segment_ids for segment_id in one.segments)
    }


def rank(named: NamedPromotion) -> tuple[int, int, str]:
    """Make the key by which running promotions are sorted: by kind, then the highest priority, then by id."""
    return _KINDS.index(type(named.promotion)), -named.promotion.priority, named.promotion_id


def named(promotion: Promotion) -> Iterator[Named]:
    """List what the promotion names of the catalogue, by field."""
    yield from promotion.scope.named()
    for number, sku_id in enumerate(promotion.skus()):
        yield Named(f"{_skus_field(promotion)}[{number}].sku_id", "SKU", sku_id)


def check(promotion: Promotion) -> None:
    """Check what no type can say: the times, and that no SKU is named twice. Raises `invalid`, naming the field."""
    for field in ("starts_at", "ends_at"):
        if not _YEARS[0] <= getattr(promotion, field).year <= _YEARS[1]:
            raise invalid(YEAR_BETWEEN.at(field, low=_YEARS[0], high=_YEARS[1]))
    if promotion.ends_at <= promotion.starts_at:
        raise invalid(ENDS_BEFORE_IT_STARTS.at("ends_at"))
    skus = promotion.skus()
    if len(set(skus)) < len(skus):
        raise invalid(EACH_SKU_ONCE.at(_skus_field(promotion)))


def _skus_field(promotion: Promotion) -> str:
    return "pieces" if isinstance(promotion, Bundle) else "prices"


def _names(promotion: _Promotion, product_id: str) -> bool:
    return any(product_of(sku_id) == product_id for sku_id in promotion.skus())


def _cheapened(
    prices: Sequence[SkuPrice], limit: int, basket: Basket, lines: Sequence[int], free: Sequence[int]
) -> dict[int, Share]:
    """At most `limit` free pieces at their prices, those first where it saves most."""
    price_of = {price.sku_id: price.price_fen for price in prices}
    saving = {
        index: basket.items[index].unit_price_fen - price_of[basket.items[index].sku_id]
        for index in lines
        if basket.items[index].sku_id in price_of
    }
    shares: dict[int, Share] = {}
    for index in sorted(saving, key=lambda each: (-saving[each], each)):
        pieces = min(limit, free[index])
        if pieces and saving[index] > 0:
            shares[index] = Share(saving[index] * pieces, pieces)
            limit -= pieces
    return shares


def _off(basket: Basket, lines: Sequence[int], discount_fen: int) -> dict[int, Share]:
    parts = basket.shared(min(discount_fen, basket.room(lines)), lines)
    return {index: Share(fen) for index, fen in parts.items()}


def _explained(promotion_id: str, promotion: Promotion, basket: Basket, parts: Mapping[int, int]) -> Discount:
    return Discount(
        source="promotion",
        id=promotion_id,
        name=promotion.name,
        kind=str(promotion.__struct_config__.tag),
        discount_fen=sum(parts.values()),
        lines=basket.explained(parts),
    )
