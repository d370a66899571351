"""An order as shoppers and operators see it, and the lists of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core.settings import settings
from chalicelib.orders.rules import (
    Event,
    Order,
    OrderLine,
    Receiver,
    Refund,
    RefundLine,
    RefundState,
    SeatState,
    Shipment,
    State,
)  # fmt: skip
from chalicelib.orders.tables import WAITING, Orders, queue_shard
from chalicelib.pricing.basket import Discount
from chalicelib.store import cursor, read

#: A filtered page reads at most this many times, so that one request's work is bounded.
_READS_MAX = 8


class RefundView(msgspec.Struct, kw_only=True):
    """A refund: what goes back, how far it is. `failed` means that WeChat could not pay it out: the mall owes it."""

    refund_id: str
    state: RefundState
    amount_fen: int
    goods_fen: int
    freight_fen: int
    lines: list[RefundLine]
    reason: str
    created_at: datetime
    finished_at: datetime | None = None


class SeatView(msgspec.Struct, kw_only=True):
    """The order's seat in a lobby of a group-buy."""

    lobby_id: str
    activity_id: str
    size: int
    seat_state: SeatState
    is_leader: bool


class OrderCouponView(msgspec.Struct):
    """A coupon of the order, and what it takes off."""

    coupon_id: str
    discount_fen: int


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


class AdminOrderView(OrderView, kw_only=True, omit_defaults=True):
    """An order as operators see it. `waits_for`: what WeChat said last of refunds that failed or wait, by refund_id
    (NOT_ENOUGH: the merchant's balance there is too low). `chain`: the distributors whom it pays, from level 1 up."""

    member_id: str
    transaction_id: str
    waits_for: dict[str, str] = {}
    chain: list[str] = []


def refund_view(refund: Refund) -> RefundView:
    """The refund as it is answered."""
    return RefundView(
        refund_id=refund.refund_id,
        state=refund.state,
        amount_fen=refund.amount_fen,
        goods_fen=refund.goods_fen,
        freight_fen=refund.freight_fen,
        lines=refund.lines,
        reason=refund.reason,
        created_at=refund.created_at,
        finished_at=refund.finished_at,
    )


def view(order: Order) -> OrderView:
    """The order as its member sees it; of operators, only that it was one."""
    fields = _fields(order)
    fields["history"] = [msgspec.structs.replace(event, by=event.by.partition(":")[0]) for event in order.history]
    return OrderView(**fields)


def admin_view(order: Order) -> AdminOrderView:
    """The order as operators see it."""
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
        "discounts",
    )  # fmt: skip
    fields: dict[str, Any] = {field: getattr(order, field) for field in same}
    fields["refunds"] = [refund_view(refund) for refund in order.refunds]
    fields["coupons"] = [OrderCouponView(one.coupon_id, one.discount_fen) for one in order.coupons]
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


def of_member(member_id: str, state: str | None, limit: int, given: str | None) -> tuple[list[Order], str | None]:
    """A page of the member's orders, newest first; a new order may be missing for a moment."""
    listing = f"orders:{member_id}:{state or ''}"
    after = cursor.read(listing, given)
    keep = None if state is None else Orders.state == state
    keys: list[str] = []
    for _ in range(_READS_MAX):
        page, after = read.query(
            Orders, member_id, index=Orders.by_member, keep=keep, forward=False, limit=limit - len(keys), after=after
        )
        keys += [raw["order_id"]["S"] for raw in page]
        if after is None or len(keys) >= limit:
            break
    return _orders(keys), cursor.write(listing, after)


def has_bought(member_id: str, or_ordered: bool = False) -> bool:
    """Whether the member has an order that is paid and not given back (`or_ordered`: or that waits for its payment);
    one of this very moment may be missed."""
    states = ["awaiting_group", "awaiting_shipment", "shipped", "received", "completed"]
    keep = Orders.state.is_in(*states, *(["awaiting_payment"] if or_ordered else []))
    after: read.Raw | None = None
    while True:
        page, after = read.query(Orders, member_id, index=Orders.by_member, keep=keep, after=after)
        if page or after is None:
            return bool(page)


def in_queue(queue: str, limit: int, given: str | None) -> tuple[list[Order], str | None]:
    """A page of the orders in an operators' queue, oldest first, over all its shards."""
    listing = f"queue:{queue}"
    shards = (queue_shard(queue, shard) for shard in range(settings().order_shards))
    index: Any = Orders.by_refund if queue == WAITING else Orders.by_queue
    after = cursor.read(listing, given)
    page, position = read.merged(Orders, shards, index=index, along=Orders.placed, after=after, limit=limit)
    return _orders([raw["order_id"]["S"] for raw in page]), cursor.write(listing, position)


def _orders(order_ids: list[str]) -> list[Order]:
    """The orders of these ids, in this order."""
    found = read.batch_get([(Orders, (order_id,)) for order_id in order_ids]) if order_ids else []
    return [item.order for item in found if item is not None]
