"""What may be refunded of an order, what that gives back, and what it leaves of the order. Pure.

requested -> approved -> processing -> succeeded
    |            |            |            |
rejected         +--> failed <+            |      (a failed one is asked about again, or pushed anew,
                         +-----------------+       and may have been paid out after all)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.commerce.orders.agreement.rules import is_made_by_operator
from chalicelib.commerce.orders.refusals import (
    COMPLETED_SINCE,
    NOTHING_TO_REFUND,
    PAID_TOO_LONG_AGO,
    REJECTED_TOO_OFTEN,
    TOO_MANY_REFUNDS,
    WHOLE_WHILE_LOBBY_OPEN,
    order_state,
    refund_state,
)
from chalicelib.commerce.orders.rules import (
    Order,
    OrderLine,
    Pieces,
    Refund,
    RefundLine,
    RefundState,
    noted,
    pieces_fault,
    step,
)
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.money import refund_fen, yuan

#: WeChat Pay refunds an order in at most 50 parts, and for a year after it was paid (its API v3, refunds). So the last
#: of them takes all that is left.
REFUNDS_MAX = 50
REFUNDABLE = timedelta(days=365)
#: How many of a member's requests may have been rejected; then it is for the mall's staff to talk to them.
REJECTED_MAX = 5
#: What the history tells people of a refund that was granted, and of what was not sent any more.
_GIVES_BACK = "退款 {} 元，原路退回"
_NOTHING_TO_SEND = "其余商品已退款，没有待发货的商品"
#: The states of an order of which something may be refunded.
_UNDER_WAY = ("awaiting_group", "awaiting_shipment", "shipped", "received", "completed")

#: The states in which a refund begins: granted at once, or asked for.
REFUND_BEGINS: tuple[RefundState, ...] = ("approved", "requested")
#: What may happen to a refund in each state, and the state after it.
REFUND_TRANSITIONS: dict[RefundState, dict[str, RefundState]] = {
    "requested": {"approve": "approved", "reject": "rejected"},
    "approved": {"hand_over": "processing", "pay_out": "succeeded", "fail": "failed"},
    "processing": {"hand_over": "processing", "pay_out": "succeeded", "fail": "failed"},
    "failed": {
        "ask_again": "processing", "push_anew": "approved",
        "hand_over": "processing", "pay_out": "succeeded", "fail": "failed",
    },
    "succeeded": {},
    "rejected": {},
}  # fmt: skip


def closed_at_wechat(refund: Refund) -> bool:
    """Tell whether WeChat has closed the refund's number: only then may it have a new one, because two may both be
    paid."""
    return refund.outcome == "CLOSED"


#: What must hold of a refund, beside its state, for an action to happen to it.
REFUND_GUARDS: dict[str, Callable[[Refund], bool]] = {"push_anew": closed_at_wechat}


def step_refund(refund: Refund, action: str, **changes: Any) -> Refund:
    """Take the refund to the state after `action`, with these further changes. Raises `order_state` where its state, or
    the action's guard, does not allow the action."""
    after = REFUND_TRANSITIONS[refund.state].get(action)
    guard = REFUND_GUARDS.get(action)
    if after is None or (guard is not None and not guard(refund)):
        raise refund_state(refund.state, action)
    return msgspec.structs.replace(refund, state=after, **changes)


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked back of an order: `pieces` of the `remaining` ones, by SKU, which no refund has or asks for yet."""

    order: Order
    pieces: Sequence[Pieces]
    remaining: Mapping[str, int]
    at: datetime
    by_mall: bool

    @property
    def takes_all(self) -> bool:
        """Whether no piece of the order remains after this refund."""
        return sum(self.remaining.values()) == sum(pieces.quantity for pieces in self.pieces)

    @property
    def is_free(self) -> bool:
        """Whether the pieces asked back are of lines for which nothing was paid, so that WeChat hears nothing of it."""
        paid = {line.sku_id: line.payable_fen - line.reduced_fen for line in self.order.lines}
        return not any(paid.get(pieces.sku_id) for pieces in self.pieces)

    @property
    def is_unsent(self) -> bool:
        """Whether none of the pieces asked back has been sent."""
        to_ship = {line.sku_id: line.to_ship for line in self.order.lines}
        return all(pieces.quantity <= to_ship[pieces.sku_id] for pieces in self.pieces)


#: What must hold of what is asked back: None where it does, else the refusal.
Guard = Callable[[RefundRequest], MallError | None]


def under_way(asked: RefundRequest) -> MallError | None:
    """Hold that the order is paid and not closed."""
    return None if asked.order.state in _UNDER_WAY else order_state(asked.order.state, "refund")


def window_open(asked: RefundRequest) -> MallError | None:
    """Hold that the order is not completed, unless the mall itself refunds, and was paid less than a year ago."""
    order = asked.order
    if order.state == "completed" and not asked.by_mall:
        return MallError("refund_window_over", errors=(COMPLETED_SINCE.at("order_id"),))
    if order.paid_at is not None and asked.at >= order.paid_at + REFUNDABLE:
        return MallError("refund_window_over", errors=(PAID_TOO_LONG_AGO.at("order_id", days=REFUNDABLE.days),))
    return None


def not_rejected_too_often(asked: RefundRequest) -> MallError | None:
    """Hold that fewer than REJECTED_MAX of the member's requests were rejected, unless the mall itself refunds."""
    rejected = sum(refund.state == "rejected" and not is_made_by_operator(refund) for refund in asked.order.refunds)
    if asked.by_mall or rejected < REJECTED_MAX:
        return None
    return invalid(REJECTED_TOO_OFTEN.at("order_id", limit=REJECTED_MAX))


def takes_another_part(asked: RefundRequest) -> MallError | None:
    """Hold that WeChat takes one more refund of the order, beside those that went to it or still may; and that the last
    that it takes is of all that remains."""
    used = sum(_numbers(refund) for refund in asked.order.refunds)
    return None if asked.is_free or _has_room(used, asked.takes_all) else _refund_limit()


def something_remains(asked: RefundRequest) -> MallError | None:
    """Hold that a piece of the order is in no refund yet."""
    return None if asked.remaining else MallError("nothing_to_refund", errors=(NOTHING_TO_REFUND.at("order_id"),))


def pieces_remain(asked: RefundRequest) -> MallError | None:
    """Hold that each SKU is named once, and for at most the pieces that remain of it."""
    fault = pieces_fault(asked.pieces, asked.remaining)
    return None if fault is None else invalid(fault)


def whole_while_lobby_open(asked: RefundRequest) -> MallError | None:
    """Hold that an order whose lobby is open is refunded whole: that gives up its seat."""
    if asked.order.state != "awaiting_group" or asked.takes_all:
        return None
    return invalid(WHOLE_WHILE_LOBBY_OPEN.at("lines"))


#: What must hold of everything that is asked back, in this order: the first that does not hold is the answer.
GUARDS: tuple[Guard, ...] = (
    under_way, window_open, not_rejected_too_often, takes_another_part, something_remains, pieces_remain,
    whole_while_lobby_open,
)  # fmt: skip


def new_refund(
    order: Order, refund_id: str, asked: Sequence[Pieces] | None, reason: str, body_digest: str, at: datetime,
    by_mall: bool = False,
) -> Refund:  # fmt: skip
    """Make the refund of these pieces, or of all that remain: granted while none of them has been sent, else requested.

    One that the mall itself makes is granted at once, also when the order is completed. Freight goes back with the last
    pieces of an order of which nothing was sent. What the rest must meet is held by `conditions/rules.py`.
    Raises `order_state`, `refund_window_over`, `nothing_to_refund`, `refund_limit`, `invalid`: the first of GUARDS that
    does not hold.
    """
    remaining = _remaining(order)
    pieces = asked if asked is not None else [Pieces(sku_id, quantity) for sku_id, quantity in remaining.items()]
    request = RefundRequest(order=order, pieces=pieces, remaining=remaining, at=at, by_mall=by_mall)
    for guard in GUARDS:
        if refusal := guard(request):
            raise refusal
    by_sku = {line.sku_id: line for line in order.lines}
    lines = [_refund_line(order, by_sku[part.sku_id], part.quantity) for part in pieces]
    state: RefundState = "approved" if by_mall or request.is_unsent else "requested"
    return Refund(
        refund_id=refund_id, state=state, first_state=state, lines=lines, goods_fen=sum(x.amount_fen for x in lines),
        freight_fen=_freight_of(request), reason=reason, created_at=at, body_digest=body_digest,
    )  # fmt: skip


def _freight_of(asked: RefundRequest) -> int:
    """The freight that goes back with these pieces, in fen."""
    order = asked.order
    asked_before = any(refund.state == "requested" for refund in order.refunds)
    is_last = asked.takes_all and not asked_before
    return freight_left(order) if is_last and not order.shipments else 0


def _numbers(refund: Refund) -> int:
    """How many of the numbers that WeChat takes of an order the refund has used, or may use: each that was closed is
    one. A gift given back and what was rejected use none."""
    return 1 + refund.closed if refund.state == "requested" or (refund.state != "rejected" and refund.amount_fen) else 0


def _granted_numbers(order: Order) -> int:
    """How many of them the order's refunds have used, those that are only asked for apart."""
    return sum(_numbers(refund) for refund in order.refunds if refund.state != "requested")


def _has_room(used: int, takes_all: bool) -> bool:
    return used + 1 < REFUNDS_MAX or (used + 1 == REFUNDS_MAX and takes_all)


def _refund_limit() -> MallError:
    return MallError("refund_limit", limit=REFUNDS_MAX, errors=(TOO_MANY_REFUNDS.at("order_id", limit=REFUNDS_MAX),))


def check_number(order: Order, refund: Refund) -> None:
    """Raise `refund_limit` where WeChat takes no more refunds of the order than were granted, or one, and this is not
    of all that is left."""
    leaves_some = any(left_after(order, refund).values())
    if refund.amount_fen and not _has_room(_granted_numbers(order), not leaves_some):
        raise _refund_limit()


def push_anew(order: Order, refund: Refund) -> Refund:
    """Give a refund that WeChat has closed its next number. It is owed, so that it may have the last number that WeChat
    takes, whatever else is left of the order. Raises `order_state`, and `refund_limit` where there is none any more."""
    changed = step_refund(refund, "push_anew", outcome="", closed=refund.closed + 1)
    if _granted_numbers(order) >= REFUNDS_MAX:
        raise _refund_limit()
    return changed


def _remaining(order: Order) -> dict[str, int]:
    """The pieces of each SKU that no refund has or asks for yet; SKUs of which none remain are left out."""
    remaining = {line.sku_id: line.quantity - _in_refunds(order, line.sku_id)[0] for line in order.lines}
    return {sku_id: quantity for sku_id, quantity in remaining.items() if quantity}


def reduction(refund_id: str, fen_by_sku: Mapping[str, int], freight_fen: int, reason: str, at: datetime) -> Refund:
    """Make a refund of no piece: the price of these lines is lowered after they were paid. Amounts in fen, by line."""
    lines = [RefundLine(sku_id, 0, fen) for sku_id, fen in fen_by_sku.items() if fen]
    return Refund(
        refund_id=refund_id, state="approved", lines=lines, goods_fen=sum(line.amount_fen for line in lines),
        freight_fen=freight_fen, reason=reason, created_at=at,
    )  # fmt: skip


def left_after(order: Order, refund: Refund) -> dict[str, int]:
    """Tell how many pieces of each SKU stay when this refund is granted, which is not granted yet; those that others
    only ask for stay."""
    back = {part.sku_id: part.quantity for part in refund.lines}
    return {
        line.sku_id: line.quantity - line.cancelled - line.returned - back.get(line.sku_id, 0) for line in order.lines
    }


def withheld(order: Order) -> int:
    """Tell how much refunds of the order have kept back by now because the rest costs more alone, in fen."""
    return sum(refund.withheld_fen for refund in order.refunds)


def freight_left(order: Order) -> int:
    """Tell how much freight has not been given back, in fen."""
    return order.freight_fen - sum(refund.freight_fen for refund in order.refunds if refund.state != "rejected")


def apply_refund(order: Order, refund: Refund, restock: bool, by: str, at: datetime) -> tuple[Order, list[Pieces]]:
    """Grant the refund, which is new or was requested: the order after it, and the pieces that go back into stock.

    Pieces that have not been sent are cancelled and always go back; sent ones only where `restock` says that the
    goods came back. An order of which every piece is refunded is closed. Raises `order_state`.
    """
    is_new = refund.state == "approved" and order.refund(refund.refund_id) is None
    granted = refund if is_new else step_refund(refund, "approve")
    lines = [_line_after(line, granted, restock) for line in order.lines]
    back = [
        Pieces(now.sku_id, now.restocked - before.restocked)
        for before, now in zip(order.lines, lines, strict=True)
        if now.restocked > before.restocked
    ]
    after = msgspec.structs.replace(with_refund(order, granted), lines=lines)
    note = _GIVES_BACK.format(yuan(granted.amount_fen)) if granted.amount_fen else ""
    after = noted(after, "refund_granted", by, at, note, granted.refund_id)
    if all(line.cancelled + line.returned == line.quantity for line in lines):
        return step(after, "refund_all", "closed_refunded", "system", at), back
    if after.state == "awaiting_shipment" and not any(line.to_ship for line in lines):
        after = step(after, "ship", "shipped", "system", at, _NOTHING_TO_SEND)
    return after, back


def _line_after(line: OrderLine, refund: Refund, restock: bool) -> OrderLine:
    """The line after the refund is granted: its pieces cancelled or returned, or its price lowered."""
    quantity = sum(part.quantity for part in refund.lines if part.sku_id == line.sku_id)
    reduced_fen = sum(part.amount_fen for part in refund.lines if part.sku_id == line.sku_id and not part.quantity)
    cancelled = min(quantity, line.to_ship)
    returned = quantity - cancelled
    return msgspec.structs.replace(
        line,
        cancelled=line.cancelled + cancelled,
        returned=line.returned + returned,
        restocked=line.restocked + cancelled + (returned if restock else 0),
        reduced_fen=line.reduced_fen + reduced_fen,
    )


def with_refund(order: Order, refund: Refund) -> Order:
    """Add this refund to the order, or put it in place of the one of the same id, in its state or one that may follow.

    Raises ValueError for a state that the table does not lead to.
    """
    before = order.refund(refund.refund_id)
    states = REFUND_BEGINS if before is None else (before.state, *REFUND_TRANSITIONS[before.state].values())
    if refund.state not in states:
        raise ValueError(f"refund {refund.refund_id} cannot be {refund.state} now")
    others = [known for known in order.refunds if known.refund_id != refund.refund_id]
    position = next((i for i, known in enumerate(order.refunds) if known.refund_id == refund.refund_id), len(others))
    return msgspec.structs.replace(order, refunds=[*others[:position], refund, *others[position:]])


def _in_refunds(order: Order, sku_id: str) -> tuple[int, int]:
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
    pieces, fen = _in_refunds(order, line.sku_id)
    paid_fen = line.payable_fen - line.reduced_fen
    return RefundLine(line.sku_id, quantity, refund_fen(paid_fen, line.quantity, pieces, fen, quantity))
