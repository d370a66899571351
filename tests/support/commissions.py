"""Paid orders and their commissions, made by the rules alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from chalicelib.commerce.orders.refunds.rules import apply_refund, new_refund
from chalicelib.commerce.orders.rules import Event, Order, OrderLine, Pieces, Receiver
from chalicelib.growth.distribution.rules import Commission, DistributionRules, Payee, commissions

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
PLACE = Receiver(
    name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区", district="", detail="1"
)
CHAIN = ["seller", "above"]


def paid_order(*lines: tuple[int, int], chain: Sequence[str] = CHAIN, freight_fen: int = 0) -> Order:
    """An order of "buyer", paid and sent: of each SKU (s0 of product p0, and so on) so many pieces for so much."""
    made = [
        OrderLine(
            sku_id=f"s{number}", product_id=f"p{number}", name=f"n{number}", specs={}, picture_url="",
            quantity=quantity, unit_price_fen=fen, amount_fen=fen, discount_fen=0, payable_fen=fen, shipped=quantity,
        )
        for number, (quantity, fen) in enumerate(lines)
    ]  # fmt: skip
    goods = sum(fen for _, fen in lines)
    return Order(
        order_id="o1", member_id="buyer", openid="w", state="shipped", body_digest="d", lines=made, goods_fen=goods,
        discount_fen=0, freight_fen=freight_fen, payable_fen=goods + freight_fen, paid_fen=goods + freight_fen,
        address=PLACE, created_at=NOW, pay_by=NOW + timedelta(minutes=15), history=[Event(NOW, "placed", "member")],
        chain=list(chain),
    )  # fmt: skip


def refunded(order: Order, number: str, *pieces: tuple[int, int]) -> Order:
    """The order with these pieces given back, of s0, s1 and so on; with all that is left where none are named."""
    asked = [Pieces(f"s{line}", quantity) for line, quantity in pieces]
    refund = new_refund(order, number, asked or None, "why", "digest", NOW)
    return apply_refund(order, refund, False, "operator:x", NOW)[0]


def pays(
    order: Order, rules: DistributionRules, products: Mapping[str, int | None] | None = None, tier: str = "standard"
) -> list[Commission]:
    """What the order pays those in its chain, as many as the rules pay."""
    payees = [Payee(level, who, tier) for level, who in enumerate(order.chain[: rules.levels], 1)]
    return commissions(order, payees, products or {}, rules, 1, NOW)


def released(commission: Commission) -> Commission:
    """The commission when it can be withdrawn."""
    return msgspec.structs.replace(commission, state="available", available_at=NOW)
