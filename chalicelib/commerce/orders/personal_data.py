"""What orders keep of a member: shown whole, and kept without the person once the member has left."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.holding.queries import has_open, lets_go, standing_now
from chalicelib.commerce.orders.holding.service import count_gone, forget_all_but_gone
from chalicelib.commerce.orders.queries import OPEN, orders_of_member
from chalicelib.commerce.orders.rules import Order, Receiver, noted
from chalicelib.commerce.orders.tables import Orders, Purchases
from chalicelib.commerce.orders.views import view
from chalicelib.core import clock
from chalicelib.core.errors import FieldError
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.refusals import ORDERS_LET_GO, ORDERS_UNDER_WAY
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove

_PAGE = 50
_NOBODY = "***"


def _orders(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = orders_of_member(member_id, [], _PAGE, position)
    return [view(order) for order in found], position


def _blocks_erasure(member_id: str) -> bool:
    """Tell whether an order waits for something: its payment, its parcel, or the end of its refund window."""
    keep = Orders.state.is_in(*OPEN)
    after: read.Raw | None = None
    while True:
        page, after = read.query(Orders, member_id, index=Orders.by_member, keep=keep, after=after)
        if page or after is None:
            return bool(page)


def _close(member_id: str, _waive_balance: bool, tx: Transaction) -> FieldError | None:
    """Have no order placed from now on, as part of `tx`; one that the index does not show yet must end before."""
    standing = standing_now(member_id)
    if has_open(standing):
        return ORDERS_UNDER_WAY.at("member_id")
    count_gone(tx, member_id, standing)
    return None


def _erase(member_id: str) -> None:
    """Take the receiver out of every order; what was bought and paid stays."""
    position: str | None = None
    while True:
        found, position = orders_of_member(member_id, [], _PAGE, position)
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
    refunds = [msgspec.structs.replace(refund, pictures=[]) for refund in order.refunds]
    after = msgspec.structs.replace(order, address=nobody, openid="", remark="", refunds=refunds)
    return noted(after, "receiver_erased", "system", clock.now())


def _of_late(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    """The instants at which the member let orders go unpaid, and paid some, as far as they are kept."""
    kept = standing_now(member_id)
    marks = [*(("let_go", mark) for mark in kept.let_go), *(("paid", mark) for mark in kept.bought)]
    parts = sorted((mark.partition("|")[0], what, mark.partition("|")[2]) for what, mark in marks)
    return [{"at": at, "what": what, "order_id": order_id} for at, what, order_id in parts], None


def _limited(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    """How many pieces of products with a limit per member count for them."""
    after = None if position is None else {"member_id": {"S": member_id}, "product_id": {"S": position}}
    found, rest = read.query(Purchases, member_id, limit=_PAGE, after=after, consistent=True)
    items = [Purchases.from_raw_data(raw) for raw in found]
    shown = [{"product_id": item.product_id, "pieces": int(item.pieces)} for item in items]
    return shown, None if rest is None else rest["product_id"]["S"]


def _forget_limited(member_id: str) -> None:
    for item in read.query_all(Purchases, member_id, consistent=True):
        remove(Purchases, (member_id, item.product_id))


DATA_OWNERS = (
    DataOwner("orders", _orders, _blocks_erasure, _erase, ORDERS_UNDER_WAY, _close),
    # Else who leaves and comes back could let go of orders without end.
    DataOwner("orders_of_late", _of_late, lets_go, forget_all_but_gone, ORDERS_LET_GO),
    DataOwner("limited_products", _limited, erase=_forget_limited),
)
