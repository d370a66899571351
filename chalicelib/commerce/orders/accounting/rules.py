"""What an order's money is made of, for the journal: goods, freight, and what coupons and promotions cost. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.pricing.basket.rules import Discount
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

    What was taken off and does not count any more since the order was reckoned anew is as good as given back. With its
    pieces go back what coupons and promotions took off them; what a coupon took off the freight goes back with the last
    pieces of an order of which nothing was sent; what is withheld stays sold, as goods. So all parts of an order add up
    to the whole, in whatever order they go back; what one of them took is what this grew by.
    """
    refunds = [refund for refund in order.refunds if refund.state in GRANTED and not refund.late]
    gone = lapsed(order)
    coupons = gone.coupons_fen + sum(_part_back(line, _on_line(order, line.sku_id, "coupon")) for line in order.lines)
    discounts = gone.goods_fen + sum(_part_back(line, _discount_of(order, line)) for line in order.lines)
    all_unsent = all(line.cancelled == line.quantity for line in order.lines)
    off_freight = _freight_coupons(order) if all_unsent else 0
    return Sale(
        goods_fen=sum(refund.goods_fen - refund.withheld_fen for refund in refunds) + discounts,
        freight_fen=sum(refund.freight_fen for refund in refunds) + off_freight,
        coupons_fen=coupons + off_freight,
        promotions_fen=discounts - coupons,
    )


def lapsed(order: Order) -> Sale:
    """Tell what discounts on the order's goods do not count any more since it was reckoned anew, in fen: the price of
    the goods came down by as much. Below zero where one takes off more than before."""
    if order.reckoned is None:
        return Sale()
    coupons, promotions = (
        off_lines(order.discounts, source) - off_lines(order.reckoned.discounts, source)
        for source in ("coupon", "promotion")
    )
    return Sale(goods_fen=coupons + promotions, coupons_fen=coupons, promotions_fen=promotions)


def paid_for(order: Order, sku_id: str) -> int:
    """Tell what of the price that was paid for a line, without freight, has not been given back, in fen; what was
    withheld of it because the rest costs more counts as given back, since its pieces are."""
    line = next(line for line in order.lines if line.sku_id == sku_id)
    parts = (part for refund in order.refunds if refund.state in GRANTED for part in refund.lines)
    return line.payable_fen - sum(part.amount_fen for part in parts if part.sku_id == sku_id)


def _part_back(line: OrderLine, amount_fen: int) -> int:
    """The part of an amount of the line that went back with its pieces, in fen."""
    return amount_fen * (line.cancelled + line.returned) // line.quantity


def _discount_of(order: Order, line: OrderLine) -> int:
    """What comes off the line, in fen, as it counts now."""
    return sum(_on_line(order, line.sku_id, source) for source in ("coupon", "promotion"))


def _on_line(order: Order, sku_id: str, source: str) -> int:
    stands = order.discounts if order.reckoned is None else order.reckoned.discounts
    return off_lines(stands, source, sku_id)


def off_lines(discounts: Sequence[Discount], source: str, sku_id: str | None = None) -> int:
    """Add up what discounts of this source take off goods, in fen: of one SKU, where one is named."""
    lines = (line for discount in discounts if discount.source == source for line in discount.lines)
    return sum(line.discount_fen for line in lines if sku_id in (None, line.sku_id))


def _freight_coupons(order: Order) -> int:
    """What coupons took off the freight: the part of their discounts that is on no line."""
    return sum(
        discount.discount_fen - sum(line.discount_fen for line in discount.lines) for discount in order.discounts
    )
