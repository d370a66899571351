"""What the tests of prices are made of: baskets, promotions and coupons, by hand and by hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Coupon, Held, Scope, Terms
from chalicelib.commerce.pricing.basket.rules import Item, Lead
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import (
    AddOn,
    Bundle,
    NewCustomerPrice,
    PiecesPercent,
    PiecesTier,
    Promotion,
    SkuPieces,
    SkuPrice,
    ThresholdOff,
    ThresholdTier,
)
from chalicelib.commerce.pricing.rules import Benefits, Quote, quote

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
DAY = timedelta(days=1)
RUNS: dict[str, Any] = {"name": "n", "starts_at": NOW - DAY, "ends_at": NOW + DAY}
PUDONG = "310115"
FREIGHT = {"default": FreightTemplate(name="t", rules=[FreightRule(first=2, first_fen=800, further_fen=300)])}
NAMED_PRICES = ("leader_price", "new_customer_price", "bundle", "add_on")


def item(sku_id: str, quantity: int, price: int, **more: Any) -> Item:
    """So many pieces at that price; the product is "p-SKU", unless said otherwise."""
    fields: dict[str, Any] = {
        "sku_id": sku_id,
        "quantity": quantity,
        "unit_price_fen": price,
        "product_id": f"p-{sku_id}",
    } | more
    return Item(**fields)


def prices(**of: int) -> list[SkuPrice]:
    """Prices by SKU."""
    return [SkuPrice(sku_id=sku_id, price_fen=fen) for sku_id, fen in of.items()]


def pieces(**of: int) -> list[SkuPieces]:
    """Pieces by SKU."""
    return [SkuPieces(sku_id=sku_id, quantity=quantity) for sku_id, quantity in of.items()]


def percents(*tiers: tuple[int, int]) -> list[PiecesTier]:
    """Tiers of pieces and percent off."""
    return [PiecesTier(pieces=number, percent_off=percent) for number, percent in tiers]


def thresholds(*tiers: tuple[int, int]) -> list[ThresholdTier]:
    """Tiers of a threshold and what comes off, in fen."""
    return [ThresholdTier(threshold_fen=threshold, off_fen=off) for threshold, off in tiers]


def held(
    coupon_id: str, *, state: Any = "unused", begins: datetime = NOW - DAY, until: datetime = NOW + DAY, **terms: Any
) -> Held:
    """A coupon that a member has, of these terms."""
    coupon = Coupon(
        coupon_id=coupon_id, template_id="t", member_id="m", name=f"coupon {coupon_id}", terms=Terms(**terms),
        valid_from=begins, valid_until=until, received_at=begins, how="claim",
    )  # fmt: skip
    return Held(coupon=coupon, state=state)


def price(
    items: Sequence[Item], *coupons: Held, chosen: Sequence[str] | Literal["best"] | None = None,
    region: str | None = None, **more: Any,
) -> Quote:  # fmt: skip
    """The quote with these coupons, all of them chosen unless said otherwise; with freight where a region is named."""
    picked = [each.coupon.coupon_id for each in coupons] if chosen is None else chosen
    return quote(items, FREIGHT, region, Benefits(now=NOW, coupons=coupons, chosen=picked, **more))


def payable(told: Quote) -> list[int]:
    """What each line of a quote costs in the end."""
    return [line.payable_fen for line in told.lines]


SKUS = ["a", "b", "c"]
_fen = st.integers(0, 3000)
_some_skus = st.lists(st.sampled_from(SKUS), min_size=1, max_size=2, unique=True)
scopes = (
    st.just(Scope())
    | st.just(Scope())
    | st.builds(
        Scope,
        categories=st.lists(st.sampled_from(["c1", "c2", "root"]), max_size=2),
        products=st.lists(st.sampled_from(["p1", "p2", "p3"]), max_size=2),
        excluded_products=st.lists(st.sampled_from(["p1", "p2", "p3"]), max_size=1),
    )
)
floors = st.sampled_from([0, 0, 0, 1, 3333, 6000, 10_000])


@st.composite
def baskets(draw: st.DrawFn) -> list[Item]:
    """One to three lines of three products in two categories; some at the price of a group-buy."""
    chosen = draw(st.lists(st.sampled_from(SKUS), min_size=1, max_size=3, unique=True))
    lines = []
    for sku_id in chosen:
        group = draw(st.integers(0, 7)) == 7
        unit_fen = draw(_fen)
        lead = Lead("ga", draw(st.integers(0, unit_fen))) if group and draw(st.booleans()) else None
        lines.append(
            Item(
                sku_id=sku_id, quantity=draw(st.integers(1, 5)), unit_price_fen=unit_fen,
                product_id=draw(st.sampled_from(["p1", "p2", "p3"])),
                categories=draw(st.sampled_from([("c1", "root"), ("c2", "root"), ()])),
                group=group, sale_price_fen=draw(st.none() | _fen) if group else None, lead=lead,
            )
        )  # fmt: skip
    return lines


@st.composite
def _promotions(draw: st.DrawFn) -> Promotion:
    common: dict[str, Any] = {
        "name": "n", "starts_at": NOW - DAY, "ends_at": NOW + draw(st.sampled_from([DAY, DAY, DAY, timedelta(0)])),
        "scope": draw(scopes), "priority": draw(st.integers(0, 2)),
    }  # fmt: skip
    kind = draw(st.sampled_from([NewCustomerPrice, Bundle, AddOn, PiecesPercent, ThresholdOff]))
    named = draw(_some_skus)
    if kind is Bundle:
        sets = pieces(**{sku_id: draw(st.integers(1, 3)) for sku_id in named})
        return Bundle(pieces=sets, price_fen=draw(_fen), **common)
    if kind is PiecesPercent:
        tiers = st.tuples(st.integers(1, 6), st.integers(1, 100))
        return PiecesPercent(tiers=percents(*draw(st.lists(tiers, min_size=1, max_size=3))), **common)
    if kind is ThresholdOff:
        tiers = st.tuples(st.integers(1, 3000), st.integers(1, 1500))
        off = thresholds(*draw(st.lists(tiers, min_size=1, max_size=3)))
        return ThresholdOff(tiers=off, every=draw(st.booleans()), **common)
    at = prices(**{sku_id: draw(_fen) for sku_id in named})
    if kind is AddOn:
        return AddOn(prices=at, limit=draw(st.integers(1, 4)), threshold_fen=draw(st.integers(0, 1000)), **common)
    return NewCustomerPrice(prices=at, **common)


@st.composite
def promotions(draw: st.DrawFn) -> dict[str, Promotion]:
    """Up to five promotions of all kinds, by id; some are over."""
    found = draw(st.lists(_promotions(), min_size=draw(st.integers(0, 4)), max_size=5))
    return {f"p{number}": each for number, each in enumerate(found)}


@st.composite
def _coupons(draw: st.DrawFn) -> Held:
    kind = draw(st.sampled_from(["amount_off", "amount_off", "percent_off", "exchange", "free_shipping"]))
    return held(
        "", kind=kind, amount_fen=draw(_fen), percent_off=draw(st.integers(1, 100)),
        ceiling_fen=draw(st.none() | st.integers(1, 1500)), threshold_fen=draw(st.sampled_from([0, 0, 500, 3000])),
        scope=draw(scopes), stacking=draw(st.sampled_from(["main", "extra"])),
        state=draw(st.sampled_from(["unused"] * 18 + ["locked", "used"])),
        until=NOW + DAY * draw(st.sampled_from([1] * 10 + [2, 2, 3, 3, 0])),
    )  # fmt: skip


@st.composite
def wallets(draw: st.DrawFn, most: int = 6) -> list[Held]:
    """A member's coupons, of all kinds and places; some cannot be used."""
    found = draw(st.lists(_coupons(), min_size=draw(st.integers(0, 4)), max_size=most))
    names = draw(st.permutations([f"k{n}" for n in range(len(found))]))
    return [
        msgspec.structs.replace(each, coupon=msgspec.structs.replace(each.coupon, coupon_id=name))
        for each, name in zip(found, names, strict=True)
    ]


@st.composite
def lawful(draw: st.DrawFn, usable: Sequence[Held]) -> list[str]:
    """Some of these coupons, at most one of each place."""
    chosen: dict[str, str] = {}
    for each in draw(st.permutations(usable)):
        if draw(st.booleans()):
            chosen.setdefault(each.coupon.terms.place, each.coupon.coupon_id)
    return list(chosen.values())
