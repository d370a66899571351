"""Orders as they come out of a quote, with the terms that they were priced by, and their refunds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.conditions.rules import (
    Terms,
    asks_for_terms,
    granted_in_full,
    held_to_conditions,
)
from chalicelib.commerce.orders.refunds.rules import apply_refund, check_number, new_refund, with_refund
from chalicelib.commerce.orders.rules import Event, Order, OrderLine, Pieces, Refund
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.freight.rules import FreightTemplate, spared
from chalicelib.commerce.pricing.promotions.rules import Promotion
from chalicelib.commerce.pricing.rules import Benefits, quote
from tests.support.orders import PLACE
from tests.support.pricing import NOW


class Bought(msgspec.Struct):
    """An order that is paid, and what it was priced by."""

    order: Order
    terms: Terms

    def new(self, number: str, asked: Sequence[Pieces] | None, by_mall: bool = False, deducts: bool = False) -> Refund:
        """The refund that comes of asking for these pieces now."""
        refund = new_refund(self.order, number, asked, "why", "digest", self.order.created_at, by_mall)
        terms = self.terms if asks_for_terms(self.order, refund, by_mall) else None
        if by_mall:
            return granted_in_full(self.order, refund, terms)
        return held_to_conditions(self.order, refund, terms, deducts)

    def add(self, refund: Refund) -> None:
        """The refund is granted, or stands there to be decided."""
        if refund.state == "requested":
            self.order = with_refund(self.order, refund)
        else:
            self.grant(refund)

    def grant(self, refund: Refund) -> None:
        """The refund is granted, as every refund is."""
        check_number(self.order, refund)
        self.order = apply_refund(self.order, refund, False, "by", NOW)[0]

    def ask(self, number: str, *pieces: tuple[str, int], by_mall: bool = False, deducts: bool = False) -> Refund:
        """A refund of these pieces, or of all that remain; as it was answered."""
        refund = self.new(number, [Pieces(*part) for part in pieces] or None, by_mall, deducts)
        self.add(refund)
        return refund

    def approve(self, number: str) -> Refund:
        """An operator grants what was asked for; the refund as it is granted."""
        refund = self.order.refund(number)
        assert refund is not None
        terms = self.terms if asks_for_terms(self.order, refund, by_mall=True) else None
        self.grant(granted_in_full(self.order, refund, terms))
        granted = self.order.refund(number)
        assert granted is not None
        return granted


def bought(
    items: Sequence[Item], promotions: Mapping[str, Promotion] = {}, coupons: Sequence[Held] = (),
    templates: Mapping[str, FreightTemplate] = {}, new_customer: bool = False, floor_bp: int = 0,
) -> Bought:  # fmt: skip
    """An order of these items at the price that the quote says, with these coupons, paid; nobody leads a group."""
    items = [msgspec.structs.replace(item, lead=None) for item in items]
    chosen = [one.coupon.coupon_id for one in coupons]
    benefits = Benefits(
        now=NOW, promotions=promotions, coupons=coupons, chosen=chosen, new_customer=new_customer, floor_bp=floor_bp
    )
    told = quote(items, templates, PLACE.region_code, benefits)
    lines = [
        OrderLine(
            sku_id=line.sku_id, product_id="p", name="n", specs={}, picture_url="", quantity=line.quantity,
            unit_price_fen=line.unit_price_fen, amount_fen=line.amount_fen, discount_fen=line.discount_fen,
            payable_fen=line.payable_fen,
        )
        for line in told.lines
    ]  # fmt: skip
    free = spared(items, templates, PLACE.region_code)
    order = Order(
        order_id="o", member_id="m", openid="w", state="awaiting_shipment", body_digest="d", lines=lines,
        goods_fen=told.goods_fen, discount_fen=told.discount_fen, freight_fen=told.freight_fen,
        payable_fen=told.payable_fen, address=PLACE, created_at=NOW, pay_by=NOW + timedelta(minutes=15),
        history=[Event(NOW, "placed", "member")], paid_fen=told.payable_fen, paid_at=NOW, discounts=told.discounts,
        free_freight=dict.fromkeys(free, 1),
    )  # fmt: skip
    used = {off.id for off in told.discounts if off.source == "promotion"}
    terms = Terms(
        items=items, promotions={one: promotions[one] for one in used},
        templates={one: templates[one] for one in free}, floor_bp=floor_bp,
    )  # fmt: skip
    return Bought(order, terms)
