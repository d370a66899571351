"""An order as shoppers and operators see it, and the lists of orders."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.commerce.orders.agreement.rules import is_made_by_operator
from chalicelib.commerce.orders.rules import (
    Agreement,
    Event,
    Order,
    OrderLine,
    Receiver,
    Reckoned,
    Refund,
    RefundLine,
    RefundState,
    SeatState,
    Shipment,
    State,
)
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.customers.channels.touches.rules import OrderSource
from chalicelib.customers.members.rules import masked
from chalicelib.ledger.rules import Entry

#: Who sends parcels sees whom they go to; other operators see a first letter, four digits, and the region.
SEES_RECEIVERS = "orders.ship"
_HIDDEN = "***"
#: Lines of an order's history whose note is the number of a parcel.
_OF_PARCELS = ("shipped", "partly_shipped", "parcel_corrected")
#: What an order's history says to operators only.
_AMONG_OPERATORS = ("refund_agreed", "refund_taken_back")
#: A number in a text that may be a phone: seven digits or more, also where signs or spaces are between them.
_LONG_NUMBER = re.compile(r"\d(?:[\W_]{0,4}\d){6,}")


class CarrierView(msgspec.Struct):
    """A carrier of parcels: WeChat's id of it, and its name."""

    carrier: str
    name: str


class RefundView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A refund: what goes back, how far it is. `failed` means that WeChat could not pay it out: the mall owes it.

    amount = goods + freight - withheld. `withheld_fen`: what is kept because the rest of the order costs more without
    these pieces; below zero, what an earlier refund had kept and this one gives back. `requested_because`: why an
    operator decides, though nothing of it was sent. `refused_because`: why one rejected it, in their words. `kind`:
    money goes back.
    """

    refund_id: str
    order_id: str
    kind: Literal["refund"]
    state: RefundState
    amount_fen: int
    goods_fen: int
    freight_fen: int
    lines: list[RefundLine]
    reason: str
    created_at: datetime
    finished_at: datetime | None
    withheld_fen: int = 0
    requested_because: str = ""
    refused_because: str = ""
    pictures: list[str] = []


class AdminRefundView(RefundView, kw_only=True, omit_defaults=True):
    """A refund as operators see it. `agreed`: the operators who decided to grant it; with the first alone it may wait
    for a second (`waits_for_second`). One that an operator has made, and that waits so, is requested because of
    `second_operator`."""

    agreed: list[Agreement] = []
    waits_for_second: bool = False


class SeatView(msgspec.Struct, kw_only=True):
    """The order's seat in a lobby of a group-buy."""

    lobby_id: str
    activity_id: str
    size: int
    seat_state: SeatState
    is_leader: bool


class OrderCouponView(msgspec.Struct, omit_defaults=True):
    """A coupon of the order, and what it takes off. `came_back`: it did not apply any more when the order was reckoned
    anew, and is the member's again."""

    coupon_id: str
    discount_fen: int
    came_back: bool = False


class OrderView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An order as its member sees it."""

    order_id: str
    state: State
    lines: list[OrderLine]
    goods_fen: int
    discount_fen: int
    freight_fen: int
    payable_fen: int
    paid_fen: int
    refunded_fen: int
    address: Receiver
    remark: str
    created_at: datetime
    pay_by: datetime | None = None
    paid_at: datetime | None = None
    confirmed_at: datetime | None = None
    shipments: list[Shipment]
    refunds: list[RefundView]
    history: list[Event]
    group: SeatView | None = None
    coupons: list[OrderCouponView] = []
    discounts: list[Discount] = []
    reckoned: Reckoned | None = None


class AdminOrderView(OrderView, kw_only=True, omit_defaults=True):
    """An order as operators see it: without `orders.ship` its receiver by the first letter, the phone's last four
    digits and the region, and no long number of a remark, a reason or a note.

    `waits_for`: what WeChat said last of refunds that failed or wait, by refund_id (NOT_ENOUGH: the merchant's balance
    there is too low). `chain`: the distributors whom it pays, from level 1 up. `source` and `segment`: by which ways
    the member came, and in which segment of the life cycle they were, as it was placed; older orders have none.
    """

    member_id: str
    transaction_id: str
    refunds: list[AdminRefundView]  # type: ignore[assignment]  # says more than the member's
    waits_for: dict[str, str] = {}
    chain: list[str] = []
    source: OrderSource | None = None
    segment: str = ""


class OwnOrder(OrderView, kw_only=True, omit_defaults=True):
    """An order in what a member is given of themselves: with the ways by which they came, and their segment, as they
    were kept with it."""

    source: OrderSource | None = None
    segment: str = ""


def refund_view(refund: Refund) -> RefundView:
    """Show the refund as its member sees it: nothing of what operators had to agree on."""
    because = "" if is_made_by_operator(refund) else refund.because
    return RefundView(**_refund_fields(refund) | {"requested_because": because})


def _refund_fields(refund: Refund) -> dict[str, Any]:
    return {
        "refund_id": refund.refund_id,
        "order_id": refund.refund_id.partition("-")[0],  # it is within it
        "kind": "refund",
        "state": refund.state,
        "amount_fen": refund.amount_fen,
        "goods_fen": refund.goods_fen,
        "freight_fen": refund.freight_fen,
        "lines": refund.lines,
        "reason": refund.reason,
        "created_at": refund.created_at,
        "finished_at": refund.finished_at,
        "withheld_fen": refund.withheld_fen,
        "requested_because": refund.because,
        "refused_because": refund.refused_because,
        "pictures": refund.pictures,
    }


def view(order: Order) -> OrderView:
    """Show the order as its member sees it; of operators, only that it was one, and not what they have to agree on, nor
    what the merchant has a product for."""
    return OrderView(**_member_fields(order))


def own_order(order: Order) -> OwnOrder:
    """Show the order as its member is given it with all else that is kept of them."""
    return OwnOrder(**_member_fields(order), source=order.source, segment=order.segment)


def _member_fields(order: Order) -> dict[str, Any]:
    fields = _fields(order)
    fields["lines"] = [
        msgspec.structs.replace(line, role="", values=[]) if line.role or line.values else line for line in order.lines
    ]
    hidden = {refund.refund_id for refund in order.refunds if _is_among_operators(refund)}
    fields["history"] = [
        msgspec.structs.replace(event, by=event.by.partition(":")[0])
        for event in order.history
        if event.what not in _AMONG_OPERATORS and event.refund_id not in hidden
    ]
    fields["refunds"] = [refund_view(refund) for refund in order.refunds if refund.refund_id not in hidden]
    return fields


def admin_view(order: Order, permissions: Collection[str]) -> AdminOrderView:
    """Show the order as an operator with these permissions sees it."""
    if SEES_RECEIVERS not in permissions:
        order = _without_receiver(order)
    fields = _fields(order) | {"refunds": [_admin_refund_view(refund) for refund in order.refunds]}
    return AdminOrderView(
        **fields,
        member_id=order.member_id,
        transaction_id=order.transaction_id,
        chain=order.chain,
        source=order.source,
        segment=order.segment,
        waits_for={refund.refund_id: refund.outcome for refund in order.refunds if refund.outcome},
    )


def admin_refund_view(refund: Refund, permissions: Collection[str]) -> AdminRefundView:
    """Show the refund as an operator with these permissions sees it."""
    return _admin_refund_view(refund if SEES_RECEIVERS in permissions else _without_numbers(refund))


def _admin_refund_view(refund: Refund) -> AdminRefundView:
    is_waiting = refund.state == "requested" and bool(refund.agreed)
    return AdminRefundView(**_refund_fields(refund), agreed=refund.agreed, waits_for_second=is_waiting)


def _is_among_operators(refund: Refund) -> bool:
    """Tell whether a refund is one that an operator has made and no other has agreed to."""
    return is_made_by_operator(refund) and refund.state in ("requested", "rejected")


def _without_receiver(order: Order) -> Order:
    """Mask whom the order goes to, and what may be a phone in a text; a parcel's number stays, for who asks for it."""
    place = order.address
    receiver = msgspec.structs.replace(
        place, name=masked(place.name), phone=_last_digits(place.phone),
        detail=_HIDDEN if place.detail else "",
    )  # fmt: skip
    history = [
        event if event.what in _OF_PARCELS else msgspec.structs.replace(event, note=_hidden(event.note))
        for event in order.history
    ]
    return msgspec.structs.replace(
        order, address=receiver, remark=_hidden(order.remark), history=history,
        refunds=[_without_numbers(refund) for refund in order.refunds],
    )  # fmt: skip


def _last_digits(phone: str) -> str:
    """The last four digits of a phone, whatever is written between them."""
    digits = "".join(sign for sign in phone if sign.isdecimal())
    return f"{_HIDDEN}{digits[-4:]}" if phone else ""


def _without_numbers(refund: Refund) -> Refund:
    return msgspec.structs.replace(
        refund, reason=_hidden(refund.reason), refused_because=_hidden(refund.refused_because)
    )


def _hidden(text: str) -> str:
    return _LONG_NUMBER.sub(_HIDDEN, text)


def _fields(order: Order) -> dict[str, Any]:
    same = (
        "order_id", "state", "lines", "goods_fen", "discount_fen", "freight_fen", "payable_fen", "paid_fen",
        "refunded_fen", "address", "remark", "created_at", "paid_at", "confirmed_at", "shipments", "history",
        "discounts", "reckoned",
    )  # fmt: skip
    fields: dict[str, Any] = {field: getattr(order, field) for field in same}
    fields["coupons"] = [OrderCouponView(one.coupon_id, one.discount_fen, one.came_back) for one in order.coupons]
    if order.group is not None:
        fields["group"] = SeatView(
            lobby_id=order.group.lobby_id,
            activity_id=order.group.activity_id,
            size=order.group.size,
            seat_state=order.group.state,
            is_leader=order.group.leader,
        )
    fields["pay_by"] = order.pay_by if order.state == "awaiting_payment" else None
    return fields


class PaymentView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What wx.requestPayment wants; or only `paid`, for an order that is paid already or costs nothing."""

    timeStamp: str = ""
    nonceStr: str = ""
    package: str = ""
    signType: str = ""
    paySign: str = ""
    paid: bool = False


class OrderJournal(msgspec.Struct):
    """Everything that was posted for an order; it explains its money to the fen."""

    entries: list[Entry]
