"""What an order's money is made of, for the journal: goods, freight, and what coupons and promotions cost. Pure."""

from __future__ import annotations

from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.ledger.rules import Sale

#: States of a refund that was granted: its part of the order is given back, whether it is paid out or not.
GRANTED = ("approved", "processing", "succeeded", "failed")


def sold(order: Order) -> Sale:
    """Tell what the whole order is made of as it is paid, in fen."""
    return Sale(
        goods_fen=order.goods_fen,
        freight_fen=order.freight_fen + _freight_coupons(order),
        coupons_fen=sum(discount.discount_fen for discount in order.discounts if discount.source == "coupon"),
        promotions_fen=sum(discount.discount_fen for discount in order.discounts if discount.source == "promotion"),
    )


def given_back(order: Order) -> Sale:
    """Tell what all granted refunds of the order took out of it, in fen.

    With its pieces go back what coupons and promotions took off them; what a coupon took off the freight goes back
    with the last pieces of an order of which nothing was sent. So all parts of an order add up to the whole, in
    whatever order they go back; what one of them took is what this grew by.
    """
    refunds = [refund for refund in order.refunds if refund.state in GRANTED and not refund.late]
    coupons = sum(_part_back(line, _coupons_on_line(order, line.sku_id)) for line in order.lines)
    discounts = sum(_part_back(line, line.discount_fen) for line in order.lines)
    whole = not order.shipments and all(line.cancelled + line.returned == line.quantity for line in order.lines)
    off_freight = _freight_coupons(order) if whole else 0
    return Sale(
        goods_fen=sum(refund.goods_fen for refund in refunds) + discounts,
        freight_fen=sum(refund.freight_fen for refund in refunds) + off_freight,
        coupons_fen=coupons + off_freight,
        promotions_fen=discounts - coupons,
    )


def paid_for(order: Order, sku_id: str) -> int:
    """Tell what of the price that was paid for a line, without freight, has not been given back, in fen."""
    line = next(line for line in order.lines if line.sku_id == sku_id)
    parts = (part for refund in order.refunds if refund.state in GRANTED for part in refund.lines)
    return line.payable_fen - sum(part.amount_fen for part in parts if part.sku_id == sku_id)


def _part_back(line: OrderLine, amount_fen: int) -> int:
    """The part of an amount of the line that went back with its pieces, in fen."""
    return amount_fen * (line.cancelled + line.returned) // line.quantity


def _coupons_on_line(order: Order, sku_id: str) -> int:
    discounts = (discount for discount in order.discounts if discount.source == "coupon")
    return sum(line.discount_fen for discount in discounts for line in discount.lines if line.sku_id == sku_id)


def _freight_coupons(order: Order) -> int:
    """What coupons took off the freight: the part of their discounts that is on no line."""
    return sum(
        discount.discount_fen - sum(line.discount_fen for line in discount.lines) for discount in order.discounts
    )
