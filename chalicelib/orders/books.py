"""What an order's money is made of, for the journal: goods, freight, and what coupons and promotions cost; and whether
the journal says of it what the order says. Pure."""

from __future__ import annotations

from chalicelib.core.audit import Difference
from chalicelib.core.money import refund_fen
from chalicelib.ledger import rules as ledger
from chalicelib.ledger.rules import Entry, Sale
from chalicelib.orders.rules import Order, OrderLine, Refund

#: States of a refund that was granted: its part of the order is given back, whether it is paid out or not.
GRANTED = ("approved", "processing", "succeeded", "failed")


def sold(order: Order) -> Sale:
    """The whole order as it is paid."""
    return Sale(
        goods_fen=order.goods_fen,
        freight_fen=order.freight_fen + _freight_coupons(order),
        coupons_fen=sum(discount.discount_fen for discount in order.discounts if discount.source == "coupon"),
        promotions_fen=sum(discount.discount_fen for discount in order.discounts if discount.source == "promotion"),
    )


def given_back(order: Order, refund: Refund) -> Sale:
    """What a refund takes out of `order`, which has not granted it yet.

    With its pieces go back what coupons and promotions took off them; what a coupon took off the freight goes back
    with the last pieces of an order of which nothing was sent. So all parts of an order add up to the whole.
    """
    lines = {line.sku_id: line for line in order.lines}
    coupons = promotions = 0
    for part in refund.lines:
        if part.quantity:  # of no piece, where only a price is lowered
            line = lines[part.sku_id]
            by_coupons, discount = _coupons_of(order, line.sku_id), line.discount_fen
            part_of_coupons = _part(line, by_coupons, part.quantity)
            coupons += part_of_coupons
            promotions += _part(line, discount, part.quantity) - part_of_coupons
    freight = refund.freight_fen
    if not order.shipments and _pieces_back(order) + sum(part.quantity for part in refund.lines) == _pieces(order):
        freight += _freight_coupons(order)
        coupons += _freight_coupons(order)
    return Sale(
        goods_fen=refund.goods_fen + coupons + promotions - (freight - refund.freight_fen),
        freight_fen=freight,
        coupons_fen=coupons,
        promotions_fen=promotions,
    )


def paid_for(order: Order, sku_id: str) -> int:
    """What of the price that was paid for a line, without freight, has not been given back, in fen."""
    line = next(line for line in order.lines if line.sku_id == sku_id)
    parts = (part for refund in order.refunds if refund.state in GRANTED for part in refund.lines)
    return line.payable_fen - sum(part.amount_fen for part in parts if part.sku_id == sku_id)


def of_order(order: Order, entries: list[Entry]) -> list[Difference]:
    """What the order says of its money, against what was posted for it."""
    paid = sum(_amount(entry, ledger.WECHAT) for entry in entries if entry.cause in ("paid", "paid-late"))
    refunded = -sum(_amount(entry, ledger.WECHAT) for entry in entries if entry.cause.startswith("refunded:"))
    owed = -ledger.balances(entries).get(ledger.REFUNDS_OWED, 0)
    granted = sum(r.amount_fen for r in order.refunds if r.state in ("approved", "processing", "failed"))
    done = sum(r.amount_fen for r in order.refunds if r.state == "succeeded")
    checks = [
        ("paid", order.paid_fen, "entries say", paid),
        ("refunded", order.refunded_fen, "entries say", refunded),
        ("refunded", order.refunded_fen, "its refunds say", done),
        ("refunds owed", granted, "entries say", owed),
        ("payments without an order", 0, "entries say", -ledger.balances(entries).get(ledger.SURPLUS, 0)),
    ]
    found = [
        Difference(order.order_id, f"{name}: the order says {ours} fen, {who} {theirs}")
        for name, ours, who, theirs in checks
        if ours != theirs
    ]
    if order.paid_fen and order.paid_fen != order.payable_fen:
        found.append(Difference(order.order_id, f"paid {order.paid_fen} fen of {order.payable_fen}"))
    if done + granted > order.paid_fen:
        found.append(Difference(order.order_id, f"refunds of {done + granted} fen exceed {order.paid_fen} paid"))
    return found


def _part(line: OrderLine, of_fen: int, quantity: int) -> int:
    """The part of an amount of the line that goes with these pieces; all parts add up, in whatever order."""
    before = line.cancelled + line.returned
    return refund_fen(of_fen, line.quantity, before, of_fen * before // line.quantity, quantity)


def _coupons_of(order: Order, sku_id: str) -> int:
    discounts = (discount for discount in order.discounts if discount.source == "coupon")
    return sum(line.discount_fen for discount in discounts for line in discount.lines if line.sku_id == sku_id)


def _freight_coupons(order: Order) -> int:
    """What coupons took off the freight: the part of their discounts that is on no line."""
    return sum(
        discount.discount_fen - sum(line.discount_fen for line in discount.lines) for discount in order.discounts
    )


def _pieces(order: Order) -> int:
    return sum(line.quantity for line in order.lines)


def _pieces_back(order: Order) -> int:
    return sum(line.cancelled + line.returned for line in order.lines)


def _amount(entry: Entry, account: str) -> int:
    return sum(posting.amount_fen for posting in entry.postings if posting.account == account)
