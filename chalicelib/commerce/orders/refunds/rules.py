"""What may be refunded of an order, what that gives back, and what it leaves of the order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from chalicelib.commerce.orders.rules import (
    Order,
    OrderLine,
    Pieces,
    Refund,
    RefundLine,
    RefundState,
    check_pieces,
    noted,
    step,
)
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.core.money import refund_fen

#: WeChat Pay refunds an order in at most 50 parts, and for a year after it was paid (its API v3, refunds).
REFUNDS_MAX = 50
REFUNDABLE = timedelta(days=365)
#: So many of a member's requests may have been refused; then it is for the mall's staff to talk to them.
REJECTED_MAX = 5


def new_refund(
    order: Order, refund_id: str, asked: Sequence[Pieces] | None, reason: str, body_digest: str, at: datetime,
    by_mall: bool = False,
) -> Refund:  # fmt: skip
    """The refund of these pieces, or of all that are left: granted while none of them has been sent, else requested.

    One that the mall itself makes is granted at once, also when the order is completed. Freight goes back with the last
    pieces of an order of which nothing was sent. While its lobby is open an order is refunded whole: that gives up its
    seat.
    Raises `order_state`, `refund_window_over`, `nothing_to_refund`, `invalid`.
    """
    if order.state == "completed" and not by_mall:
        raise MallError("refund_window_over")
    if order.state not in ("awaiting_group", "awaiting_shipment", "shipped", "received", "completed"):
        raise MallError("order_state", state=order.state)
    if order.paid_at is not None and at >= order.paid_at + REFUNDABLE:
        raise MallError("refund_window_over")
    if not by_mall and sum(refund.state == "rejected" for refund in order.refunds) >= REJECTED_MAX:
        raise MallError("invalid", errors=(FieldError("order_id", "its refunds were refused too often"),))
    if len(order.refunds) >= REFUNDS_MAX:
        raise MallError("invalid", errors=(FieldError("order_id", f"an order has at most {REFUNDS_MAX} refunds"),))
    left = {line.sku_id: line.quantity - _asked(order, line.sku_id)[0] for line in order.lines}
    left = {sku_id: quantity for sku_id, quantity in left.items() if quantity}
    if not left:
        raise MallError("nothing_to_refund")
    if asked is None:
        asked = [Pieces(sku_id, quantity) for sku_id, quantity in left.items()]
    check_pieces(asked, left)
    if order.state == "awaiting_group" and sum(left.values()) != sum(pieces.quantity for pieces in asked):
        raise invalid("lines", "while its lobby is open, an order is refunded whole")
    by_sku = {line.sku_id: line for line in order.lines}
    lines = [_refund_line(order, by_sku[pieces.sku_id], pieces.quantity) for pieces in asked]
    unsent = all(pieces.quantity <= by_sku[pieces.sku_id].to_ship for pieces in asked)
    untouched = not order.shipments and sum(left.values()) == sum(pieces.quantity for pieces in asked)
    state: RefundState = "approved" if unsent or by_mall else "requested"
    return Refund(
        refund_id=refund_id, state=state, first_state=state, lines=lines, goods_fen=sum(x.amount_fen for x in lines),
        freight_fen=freight_left(order) if unsent and untouched else 0, reason=reason, created_at=at,
        body_digest=body_digest,
    )  # fmt: skip


def reduction(refund_id: str, fen_by_sku: Mapping[str, int], freight_fen: int, reason: str, at: datetime) -> Refund:
    """A refund of no piece: the price of these lines is lowered after they were paid. Amounts in fen, of the line."""
    lines = [RefundLine(sku_id, 0, fen) for sku_id, fen in fen_by_sku.items() if fen]
    return Refund(
        refund_id=refund_id, state="approved", lines=lines, goods_fen=sum(line.amount_fen for line in lines),
        freight_fen=freight_fen, reason=reason, created_at=at,
    )  # fmt: skip


def freight_left(order: Order) -> int:
    """Freight that has not been given back, in fen."""
    return order.freight_fen - sum(refund.freight_fen for refund in order.refunds if refund.state != "rejected")


def apply_refund(order: Order, refund: Refund, restock: bool, by: str, at: datetime) -> tuple[Order, list[Pieces]]:
    """The order with the refund granted, and the pieces that go back into stock.

    Pieces that have not been sent are cancelled and always go back; sent ones only where `restock` says that the
    goods came back. An order of which every piece is refunded is closed.
    """
    asked = {line.sku_id: line.quantity for line in refund.lines}
    reduced = {line.sku_id: line.amount_fen for line in refund.lines if not line.quantity}
    lines: list[OrderLine] = []
    back: list[Pieces] = []
    for line in order.lines:
        quantity = asked.get(line.sku_id, 0)
        cancelled = min(quantity, line.to_ship)
        returned = quantity - cancelled
        restocked = cancelled + (returned if restock else 0)
        if restocked:
            back.append(Pieces(line.sku_id, restocked))
        lines.append(
            msgspec.structs.replace(
                line,
                cancelled=line.cancelled + cancelled,
                returned=line.returned + returned,
                restocked=line.restocked + restocked,
                reduced_fen=line.reduced_fen + reduced.get(line.sku_id, 0),
            )
        )
    after = msgspec.structs.replace(with_refund(order, msgspec.structs.replace(refund, state="approved")), lines=lines)
    note = f"{refund.amount_fen} fen: {refund.reason}"
    after = noted(after, "refund_granted", by, at, note)
    if all(line.cancelled + line.returned == line.quantity for line in lines):
        return step(after, "refund_all", "closed_refunded", "system", at), back
    if after.state == "awaiting_shipment" and not any(line.to_ship for line in lines):
        after = step(after, "ship", "shipped", "system", at, "nothing more to send")
    return after, back


def with_refund(order: Order, refund: Refund) -> Order:
    """The order with this refund added, or in place of the one of the same id."""
    others = [known for known in order.refunds if known.refund_id != refund.refund_id]
    position = next((i for i, known in enumerate(order.refunds) if known.refund_id == refund.refund_id), len(others))
    return msgspec.structs.replace(order, refunds=[*others[:position], refund, *others[position:]])


def _asked(order: Order, sku_id: str) -> tuple[int, int]:
    """Pieces of a line that are refunded or asked back already, and what they give back in fen."""
    lines = [
        line
        for refund in order.refunds
        if refund.state != "rejected"
        for line in refund.lines
        if line.sku_id == sku_id and line.quantity
    ]
    return sum(line.quantity for line in lines), sum(line.amount_fen for line in lines)


def _refund_line(order: Order, line: OrderLine, quantity: int) -> RefundLine:
    pieces, fen = _asked(order, line.sku_id)
    paid_fen = line.payable_fen - line.reduced_fen
    return RefundLine(line.sku_id, quantity, refund_fen(paid_fen, line.quantity, pieces, fen, quantity))
