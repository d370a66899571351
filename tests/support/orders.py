"""Orders as rules see them: made of a few lines, sent and refunded without a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chalicelib.commerce.orders.refunds.rules import apply_refund, new_refund
from chalicelib.commerce.orders.rules import (
    Event,
    Order,
    OrderLine,
    Pieces,
    Receiver,
    Refund,
    Shipment,
    State,
    pieces_to_ship,
    shipped,
)

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
PLACE = Receiver(
    name="林", phone="13800000000", region_code="310115", province="上海市", city="市辖区", district="", detail="1"
)


def line(sku_id: str, quantity: int, payable_fen: int, discount_fen: int = 0) -> OrderLine:
    """A line of an order, at prices that these amounts come to."""
    return OrderLine(
        sku_id=sku_id, product_id="p", name="n", specs={}, picture_url="", quantity=quantity,
        unit_price_fen=(payable_fen + discount_fen) // quantity, amount_fen=payable_fen + discount_fen,
        discount_fen=discount_fen, payable_fen=payable_fen,
    )  # fmt: skip


def order(*lines: OrderLine, freight_fen: int = 0, state: State = "awaiting_shipment") -> Order:
    """An order of these lines, paid unless it awaits that."""
    goods, discount = sum(one.amount_fen for one in lines), sum(one.discount_fen for one in lines)
    payable = goods - discount + freight_fen
    return Order(
        order_id="o", member_id="m", openid="w", state=state, body_digest="d", lines=list(lines), goods_fen=goods,
        discount_fen=discount, freight_fen=freight_fen, payable_fen=payable, address=PLACE, created_at=NOW,
        pay_by=NOW + timedelta(minutes=15), history=[Event(NOW, "placed", "member")],
        paid_fen=0 if state == "awaiting_payment" else payable,
    )  # fmt: skip


def ask(before: Order, number: str, *pieces: tuple[str, int]) -> Refund:
    """The refund of these pieces that its member asks for; of all that remain where none are named."""
    asked = [Pieces(sku_id, quantity) for sku_id, quantity in pieces]
    return new_refund(before, number, asked or None, "why", "digest", NOW)


def grant(before: Order, refund: Refund, restock: bool = False) -> Order:
    """The order with the refund granted."""
    return apply_refund(before, refund, restock, "operator:x", NOW)[0]


def send(before: Order, *pieces: tuple[str, int]) -> Order:
    """The order with a parcel of these pieces sent; of all that are to be sent where none are named."""
    taken = pieces_to_ship(before, [Pieces(s, q) for s, q in pieces] or None)
    return shipped(before, Shipment(carrier="SF", tracking_no=str(len(before.shipments)), lines=taken, at=NOW), "op")
