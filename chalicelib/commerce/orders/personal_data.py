"""What orders keep of a member: shown whole, and kept without the person once the member has left."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.queries import orders_of_member
from chalicelib.commerce.orders.rules import Order, Receiver, noted
from chalicelib.commerce.orders.tables import Orders
from chalicelib.commerce.orders.views import view
from chalicelib.core import clock
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.refusals import ORDERS_UNDER_WAY
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction

_PAGE = 50
_NOBODY = "***"


def _orders(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = orders_of_member(member_id, None, _PAGE, position)
    return [view(order) for order in found], position


def _blocks_erasure(member_id: str) -> bool:
    """Tell whether an order waits for something: its payment, its parcel, or the end of its refund window."""
    keep = Orders.state.is_in("awaiting_payment", "awaiting_group", "awaiting_shipment", "shipped", "received")
    after: read.Raw | None = None
    while True:
        page, after = read.query(Orders, member_id, index=Orders.by_member, keep=keep, after=after)
        if page or after is None:
            return bool(page)


def _erase(member_id: str) -> None:
    """Take the receiver out of every order; what was bought and paid stays."""
    position: str | None = None
    while True:
        found, position = orders_of_member(member_id, None, _PAGE, position)
        for order in found:
            changes.change(order.order_id, _without_receiver)
        if position is None:
            return


def _without_receiver(order: Order, _: Transaction) -> Order:
    if order.address.name == _NOBODY and not order.openid:
        return order
    place = order.address
    nobody = Receiver(
        name=_NOBODY, phone="", region_code=place.region_code, province=place.province, city=place.city, district="",
        detail="",
    )  # fmt: skip
    after = msgspec.structs.replace(order, address=nobody, openid="", remark="")
    return noted(after, "receiver_erased", "system", clock.now())


DATA_OWNERS = (DataOwner("orders", _orders, _blocks_erasure, _erase, ORDERS_UNDER_WAY),)
