"""A quote as it goes out: each line with its goods and what keeps it from being bought, what the rest costs, and the
member's coupons by name."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.coupons.rules import Coupon, Unusable
from chalicelib.commerce.orders import refusals
from chalicelib.commerce.orders.placement.rules import Purchase, Selection
from chalicelib.commerce.orders.quotes.rules import Problem, ProblemCode
from chalicelib.commerce.orders.rules import Pieces
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.commerce.pricing.discounts.rules import CouponDiscount
from chalicelib.commerce.pricing.rules import Quote, QuoteLine
from chalicelib.core.errors import MallError
from chalicelib.core.money import yuan


class QuoteLineView(msgspec.Struct, kw_only=True):
    """One line of a quote: amount - discount = payable. A line with a `problem` is not bought: its amounts are 0.

    `left`: how many pieces could be bought now, where the line is out_of_stock or above a limit. Of one that is gone
    nothing is known; one that is not_on_sale is shown as it was last.
    """

    sku_id: str
    product_id: str
    name: str
    specs: dict[str, str]
    picture_url: str
    quantity: int
    unit_price_fen: int
    amount_fen: int
    discount_fen: int
    payable_fen: int
    left: int | UnsetType = UNSET
    problem: ProblemCode | UnsetType = UNSET


class UsableCouponView(msgspec.Struct, kw_only=True):
    """A coupon that can be used, and what it would take off alone."""

    coupon_id: str
    name: str
    valid_from: datetime
    valid_until: datetime
    discount_fen: int


class UnusableCouponView(msgspec.Struct, kw_only=True):
    """A coupon that cannot be used for this, and why."""

    coupon_id: str
    name: str
    valid_from: datetime
    valid_until: datetime
    why: Unusable


class QuoteView(msgspec.Struct, kw_only=True):
    """What a purchase costs: goods - discount + freight = payable, of the lines that can be bought.

    `address_id`: where it goes, the default address where none was named; null where there is none, or the default one
    is not served: freight is not known yet then, and 0. `can_order`: whether an order of the same would be placed, as
    far as its lines go; one from the cart leaves there the lines that cannot be bought. How many pieces the member has
    bought of a product with a limit is known to the order only. `discounts` say what came off, in order; `freight_fen`
    is what its coupon left of it. `usable_coupons` tell what each would take off alone, the best
    first; `coupons` are those that are used.
    """

    lines: list[QuoteLineView]
    address_id: str | None
    can_order: bool
    goods_fen: int
    discount_fen: int
    freight_fen: int
    payable_fen: int
    discounts: list[Discount]
    coupons: list[CouponDiscount]
    usable_coupons: list[UsableCouponView]
    unusable_coupons: list[UnusableCouponView]


def quote_view(purchase: Purchase, quote: Quote, from_cart: bool) -> QuoteView:
    """Show what was reckoned of the purchase, and what of it cannot be bought."""
    selection = purchase.selection
    priced = {line.sku_id: line for line in quote.lines}
    coupons = {held.coupon.coupon_id: held.coupon for held in purchase.benefits.coupons}
    return QuoteView(
        lines=[_line(line, selection, priced.get(line.sku_id)) for line in selection.asked],
        address_id=None if selection.address is None else selection.address.address_id,
        can_order=bool(selection.lines) and (from_cart or not selection.problems),
        goods_fen=quote.goods_fen,
        discount_fen=quote.discount_fen,
        freight_fen=quote.freight_fen,
        payable_fen=quote.payable_fen,
        discounts=quote.discounts,
        coupons=quote.coupons,
        usable_coupons=[_usable(coupons[one.coupon_id], one.discount_fen) for one in quote.usable_coupons],
        unusable_coupons=[_unusable(coupons[one.coupon_id], one.why) for one in quote.unusable_coupons],
    )


def price_changed(quote: QuoteView) -> MallError:
    """Refuse an order at another price than the shopper saw; the answer carries the quote as it is now."""
    error = refusals.PRICE_IS_NOW.at("expected_payable_fen", yuan=yuan(quote.payable_fen))
    return MallError("price_changed", quote=quote, errors=(error,))


def _line(line: Pieces, selection: Selection, priced: QuoteLine | None) -> QuoteLineView:
    problem = selection.problems.get(line.sku_id)
    offer = selection.offers.get(line.sku_id)
    view = QuoteLineView(
        sku_id=line.sku_id,
        product_id="" if offer is None else offer.product.product_id,
        name="" if offer is None else offer.product.name,
        specs={} if offer is None else offer.sku.specs,
        picture_url="" if offer is None else offer.picture_url,
        quantity=line.quantity,
        unit_price_fen=_unit_price(line.sku_id, offer, selection),
        amount_fen=0 if priced is None else priced.amount_fen,
        discount_fen=0 if priced is None else priced.discount_fen,
        payable_fen=0 if priced is None else priced.payable_fen,
    )
    return view if problem is None else _with_problem(view, problem)


def _with_problem(view: QuoteLineView, problem: Problem) -> QuoteLineView:
    left = UNSET if problem.left is None else problem.left
    return msgspec.structs.replace(view, problem=problem.code, left=left)


def _unit_price(sku_id: str, offer: Offer | None, selection: Selection) -> int:
    if offer is None:
        return 0
    return offer.sku.price_fen if selection.deal is None else selection.deal.prices.get(sku_id, offer.sku.price_fen)


def _usable(coupon: Coupon, discount_fen: int) -> UsableCouponView:
    return UsableCouponView(
        coupon_id=coupon.coupon_id, name=coupon.name, valid_from=coupon.valid_from, valid_until=coupon.valid_until,
        discount_fen=discount_fen,
    )  # fmt: skip


def _unusable(coupon: Coupon, why: Unusable) -> UnusableCouponView:
    return UnusableCouponView(
        coupon_id=coupon.coupon_id, name=coupon.name, valid_from=coupon.valid_from, valid_until=coupon.valid_until,
        why=why,
    )  # fmt: skip
