"""A member's coupons in the transactions of the orders that lock, use, free and give them back, and for quotes.

Each of these is one action of the transaction, which fails with `otherwise` where the coupon is not in the state that
it starts from: so a coupon is in at most one order, whatever happens at once or twice.
"""

from __future__ import annotations

from datetime import datetime

from pynamodb.expressions.condition import Condition

from chalicelib.core import clock
from chalicelib.coupons.rules import Held
from chalicelib.coupons.tables import Coupons, coupon_key, held, open_shelf, used_shelf
from chalicelib.store import read
from chalicelib.store.transaction import Transaction

#: So many of a member's coupons a quote looks at: those that end first.
OPEN_MAX = 100


def open_coupons(member_id: str) -> list[Held]:
    """The member's unused and locked coupons that are not over, those that end first at the front; at most OPEN_MAX.

    One Query of an index, so it may be a moment old: the lock decides. Raises `unavailable`.
    """
    where = Coupons.ends > clock.stamp(clock.now())
    items, _ = read.query(Coupons, open_shelf(member_id), index=Coupons.by_end, where=where, limit=OPEN_MAX)
    return [held(Coupons.from_raw_data(raw)) for raw in items]


def lock(
    tx: Transaction, member_id: str, coupon_id: str, order_id: str, now: datetime, otherwise: object = None
) -> None:
    """An order takes the coupon: unused, and valid at `now` -> locked."""
    stamp = clock.stamp(now)
    free_now = (Coupons.state == "unused") & (Coupons.begins <= stamp) & (Coupons.ends > stamp)
    actions = [Coupons.state.set("locked"), Coupons.order_id.set(order_id)]
    tx.update(*coupon_key(member_id, coupon_id), actions, free_now, otherwise)


def use(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is paid: locked by this order -> used, also when its time is over by now."""
    actions = [Coupons.state.set("used"), Coupons.shelf.set(used_shelf(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "locked"), otherwise)


def take_again(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """An order that was closed is paid after all: unused -> used."""
    actions = [Coupons.state.set("used"), Coupons.order_id.set(order_id), Coupons.shelf.set(used_shelf(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, Coupons.state == "unused", otherwise)


def free(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is closed unpaid: locked by this order -> unused."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove()]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "locked"), otherwise)


def give_back(tx: Transaction, member_id: str, coupon_id: str, order_id: str, otherwise: object = None) -> None:
    """Its order is refunded whole: used by this order -> unused. Whether its terms allow that, the caller has seen."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove(), Coupons.shelf.set(open_shelf(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _of(order_id, "used"), otherwise)


def _of(order_id: str, state: str) -> Condition:
    condition: Condition = (Coupons.state == state) & (Coupons.order_id == order_id)
    return condition
