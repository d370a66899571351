"""What orders keep of a member: shown whole, and kept without the person once the member has left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.absorbing.service import absorb, absorb_limited, absorb_regular
from chalicelib.commerce.orders.erasure.rules import anonymous
from chalicelib.commerce.orders.holding.queries import has_open, lets_go, standing_now
from chalicelib.commerce.orders.holding.service import count_gone, forget_all_but_gone
from chalicelib.commerce.orders.queries import OPEN, orders_of_member
from chalicelib.commerce.orders.rules import Order, noted
from chalicelib.commerce.orders.tables import Orders, Purchases, UnpaidOrders
from chalicelib.commerce.orders.views import own_order
from chalicelib.core import clock
from chalicelib.core.errors import FieldError
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.refusals import ORDERS_LET_GO, ORDERS_UNDER_WAY
from chalicelib.customers.members.settings import MEMBERS
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save_new, write

_PAGE = 50


def _orders(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = orders_of_member(member_id, [], _PAGE, position)
    return [own_order(order) for order in found], position


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
    """Take the person out of every order; what was bought and paid stays."""
    position: str | None = None
    while True:
        found, position = orders_of_member(member_id, [], _PAGE, position)
        for order in found:
            changes.change(order.order_id, _without_person)
        if position is None:
            return


def _without_person(order: Order, _: Transaction) -> Order:
    after = anonymous(order)
    return order if after == order else noted(after, "receiver_erased", "system", clock.now())


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
    """Have the counts end by themselves, once nobody is known to be the member any more: until then they count on."""
    ends = clock.now() + timedelta(days=MEMBERS.fresh().returning_days)
    for item in read.query_all(Purchases, member_id, consistent=True):
        write(Purchases, (member_id, item.product_id), [Purchases.expires.set(ends)])


def _hand_on_limited(former: str, member_id: str) -> None:
    for item in read.query_all(Purchases, former, consistent=True):
        if item.pieces:
            save_new(Purchases(member_id, item.product_id, pieces=item.pieces, carried=item.pieces))


def _no_new_customer(_former: str, member_id: str) -> None:
    """Who returns is a regular customer, also for prices and groups that are for new ones."""
    save_new(UnpaidOrders(member_id, orders=0, regular=True))


DATA_OWNERS = (
    DataOwner("orders", _orders, absorb, _blocks_erasure, _erase, ORDERS_UNDER_WAY, _close),
    # Else who leaves and comes back could let go of orders without end.
    DataOwner(
        "orders_of_late",
        _of_late,
        absorb_regular,
        lets_go,
        forget_all_but_gone,
        ORDERS_LET_GO,
        hand_on=_no_new_customer,
    ),
    DataOwner("limited_products", _limited, absorb_limited, erase=_forget_limited, hand_on=_hand_on_limited),
)
