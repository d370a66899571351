"""An order as shoppers and operators see it, and the lists of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.commerce.orders.rules import (
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
from chalicelib.ledger.rules import Entry


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
    """An order as operators see it. `waits_for`: what WeChat said last of refunds that failed or wait, by refund_id
    (NOT_ENOUGH: the merchant's balance there is too low). `chain`: the distributors whom it pays, from level 1 up."""

    member_id: str
    transaction_id: str
    waits_for: dict[str, str] = {}
    chain: list[str] = []


def refund_view(refund: Refund) -> RefundView:
    """Show the refund."""
    return RefundView(
        refund_id=refund.refund_id,
        order_id=refund.refund_id.partition("-")[0],  # it is within it
        kind="refund",
        state=refund.state,
        amount_fen=refund.amount_fen,
        goods_fen=refund.goods_fen,
        freight_fen=refund.freight_fen,
        lines=refund.lines,
        reason=refund.reason,
        created_at=refund.created_at,
        finished_at=refund.finished_at,
        withheld_fen=refund.withheld_fen,
        requested_because=refund.because,
        refused_because=refund.refused_because,
    )


def view(order: Order) -> OrderView:
    """Show the order as its member sees it; of operators, only that it was one."""
    fields = _fields(order)
    fields["history"] = [msgspec.structs.replace(event, by=event.by.partition(":")[0]) for event in order.history]
    return OrderView(**fields)


def admin_view(order: Order) -> AdminOrderView:
    """Show the order as operators see it."""
    return AdminOrderView(
        **_fields(order),
        member_id=order.member_id,
        transaction_id=order.transaction_id,
        chain=order.chain,
        waits_for={refund.refund_id: refund.outcome for refund in order.refunds if refund.outcome},
    )


def _fields(order: Order) -> dict[str, Any]:
    same = (
        "order_id", "state", "lines", "goods_fen", "discount_fen", "freight_fen", "payable_fen", "paid_fen",
        "refunded_fen", "address", "remark", "created_at", "paid_at", "confirmed_at", "shipments", "history",
        "discounts", "reckoned",
    )  # fmt: skip
    fields: dict[str, Any] = {field: getattr(order, field) for field in same}
    fields["refunds"] = [refund_view(refund) for refund in order.refunds]
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
