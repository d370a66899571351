"""What a purchase costs. Items, promotions, coupons, freight and facts in; a quote that explains itself out.

In this order: what the leader of a group-buy has off one piece; named prices (new customers, bundles, add-ons), percent
off by pieces, so much off from so much on; then the main coupon, the extra one; the freight, and its coupon. See
docs/decisions/0012-one-price.md.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.pricing.basket.rules import Basket, Discount, Item, led
from chalicelib.commerce.pricing.discounts.rules import Chosen, CouponDiscount, UnusableCoupon, couponed
from chalicelib.commerce.pricing.freight.rules import FreightTemplate, freight_fen
from chalicelib.commerce.pricing.promotions.rules import Promotion, open_to, promoted
from chalicelib.core.errors import MallError


class Benefits(msgspec.Struct, frozen=True, kw_only=True):
    """What may come off a purchase made `now`: promotions by id, with their versions, and of the member's coupons those
    that are chosen, or the best combination of them. `new_customer`: the member has bought nothing yet."""

    now: datetime
    promotions: Mapping[str, Promotion] = {}
    versions: Mapping[str, int] = {}
    coupons: Sequence[Held] = ()
    chosen: Chosen = ()
    new_customer: bool = False
    floor_bp: int = 0


class QuoteLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a quote: amount - discount = payable."""

    sku_id: str
    quantity: int
    unit_price_fen: int
    amount_fen: int
    discount_fen: int
    payable_fen: int


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What a purchase costs: goods - discount + freight = payable. Without an address freight is not known yet, and 0.

    `discounts` say what came off, in order; `freight_fen` is what its coupon left of it. `usable_coupons` tell what
    each would take off alone, the best first; `coupons` are those that are used.
    """

    lines: list[QuoteLine]
    goods_fen: int
    discount_fen: int
    freight_fen: int
    payable_fen: int
    discounts: list[Discount]
    coupons: list[CouponDiscount]
    usable_coupons: list[CouponDiscount]
    unusable_coupons: list[UnusableCoupon]


#: The benefits of a purchase of which nothing comes off, whenever that is.
_NOTHING = Benefits(now=datetime(1, 1, 1, tzinfo=UTC))


def lowest(
    items: Sequence[Item], templates: Mapping[str, FreightTemplate], region_code: str | None, benefits: Benefits
) -> Quote:
    """Reckon the price as `quote` does; where a promotion for members of segments took part, also without those, and
    give the lower one. So whom one is for never pays more than everybody, whatever it displaces (PIPL art. 24).

    Raises what `quote` raises, where neither can be reckoned.
    """
    for_all = open_to(benefits.promotions, ())
    if len(for_all) == len(benefits.promotions):
        return quote(items, templates, region_code, benefits)
    without = msgspec.structs.replace(benefits, promotions=for_all)
    try:
        told = quote(items, templates, region_code, benefits)
    except MallError:  # such as a chosen coupon, for which too little is left
        return quote(items, templates, region_code, without)
    if all(off.source == "coupon" or off.id in for_all for off in told.discounts):
        return told
    try:
        other = quote(items, templates, region_code, without)
    except MallError:
        return told
    return min(told, other, key=lambda each: each.payable_fen)


def quote(
    items: Sequence[Item],
    templates: Mapping[str, FreightTemplate],
    region_code: str | None,
    benefits: Benefits = _NOTHING,
) -> Quote:
    """Reckon the price of these items sent to that region (None: not known yet).

    Raises `region_not_served`, naming the SKUs, and `coupon_unusable`, saying why.
    """
    freight = 0 if region_code is None else freight_fen(items, templates, region_code)
    basket = Basket.at_full_price(items, benefits.floor_bp)
    basket, leads = led(basket)
    basket, off = promoted(basket, benefits.promotions, benefits.now, benefits.new_customer)
    off = [msgspec.structs.replace(each, version=benefits.versions.get(each.id, 0)) for each in off]
    done = couponed(basket, freight, benefits.coupons, benefits.chosen, benefits.now)
    lines = [
        QuoteLine(
            sku_id=item.sku_id,
            quantity=item.quantity,
            unit_price_fen=item.unit_price_fen,
            amount_fen=item.amount_fen,
            discount_fen=item.amount_fen - cost,
            payable_fen=cost,
        )
        for item, cost in zip(items, done.basket.costs, strict=True)
    ]
    return Quote(
        lines=lines,
        goods_fen=sum(line.amount_fen for line in lines),
        discount_fen=sum(line.discount_fen for line in lines),
        freight_fen=done.freight_fen,
        payable_fen=sum(line.payable_fen for line in lines) + done.freight_fen,
        discounts=leads + off + done.discounts,
        coupons=done.chosen,
        usable_coupons=done.usable,
        unusable_coupons=done.unusable,
    )
