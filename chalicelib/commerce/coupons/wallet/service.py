"""A member's coupons in the transactions that make them, and of the orders that lock, use, free and give them back; and
who is told of it."""

from __future__ import annotations

from datetime import datetime

from pynamodb.expressions.condition import Condition

from chalicelib.commerce.coupons.ports import following
from chalicelib.commerce.coupons.rules import Coupon
from chalicelib.commerce.coupons.tables import Coupons, coupon_item, coupon_key, open_partition, used_partition
from chalicelib.core import clock
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction


def receive(tx: Transaction, coupon: Coupon, on_failure: object) -> None:
    """Give the member the coupon, which they must not have yet: unused."""
    tx.create(coupon_item(coupon), on_failure)
    for each in following(coupon.template_id):
        each.changed(tx, coupon.member_id, coupon.template_id, coupon.coupon_id, coupon.valid_until)
        each.got(tx, coupon)


def lock(
    tx: Transaction, member_id: str, template_id: str, coupon_id: str, order_id: str, now: datetime,
    on_failure: object = None,
) -> None:  # fmt: skip
    """Lock the coupon for an order: unused, and valid at `now` -> locked."""
    stamp = clock.stamp(now)
    free_now = (Coupons.state == "unused") & (Coupons.begins_at <= stamp) & (Coupons.ends_at > stamp)
    actions = [Coupons.state.set("locked"), Coupons.order_id.set(order_id)]
    tx.update(*coupon_key(member_id, coupon_id), actions, free_now, on_failure)
    _tell_gone(tx, member_id, template_id, coupon_id)


def use(tx: Transaction, member_id: str, coupon_id: str, order_id: str, on_failure: object = None) -> None:
    """Use the coupon as its order is paid: locked by this order -> used, also when its time is over by now."""
    actions = [Coupons.state.set("used"), Coupons.partition.set(used_partition(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _held_by(order_id, "locked"), on_failure)


def take_again(
    tx: Transaction, member_id: str, template_id: str, coupon_id: str, order_id: str, on_failure: object = None
) -> None:
    """Use the coupon of an order that was closed and is paid after all: unused -> used."""
    actions = [
        Coupons.state.set("used"),
        Coupons.order_id.set(order_id),
        Coupons.partition.set(used_partition(member_id)),
    ]
    tx.update(*coupon_key(member_id, coupon_id), actions, Coupons.state == "unused", on_failure)
    _tell_gone(tx, member_id, template_id, coupon_id)


def free(
    tx: Transaction, member_id: str, template_id: str, coupon_id: str, order_id: str, on_failure: object = None
) -> None:
    """Free the coupon as its order is closed unpaid: locked by this order -> unused."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove()]
    tx.update(*coupon_key(member_id, coupon_id), actions, _held_by(order_id, "locked"), on_failure)
    _tell_there(tx, member_id, template_id, coupon_id)


def give_back(
    tx: Transaction, member_id: str, template_id: str, coupon_id: str, order_id: str, on_failure: object = None
) -> None:
    """Give the coupon back as its order is refunded whole: used by this order -> unused. The caller knows its terms."""
    actions = [Coupons.state.set("unused"), Coupons.order_id.remove(), Coupons.partition.set(open_partition(member_id))]
    tx.update(*coupon_key(member_id, coupon_id), actions, _held_by(order_id, "used"), on_failure)
    _tell_there(tx, member_id, template_id, coupon_id)


def _held_by(order_id: str, state: str) -> Condition:
    condition: Condition = (Coupons.state == state) & (Coupons.order_id == order_id)
    return condition


def _tell_gone(tx: Transaction, member_id: str, template_id: str, coupon_id: str) -> None:
    for each in following(template_id):
        each.changed(tx, member_id, template_id, coupon_id, None)


def _tell_there(tx: Transaction, member_id: str, template_id: str, coupon_id: str) -> None:
    """Tell that the member has the coupon again. Until when it is good never changes: it is read only for who asks."""
    told = following(template_id)
    item = read.get(Coupons, *coupon_key(member_id, coupon_id)[1]) if told else None
    if item is not None:
        for each in told:
            each.changed(tx, member_id, template_id, coupon_id, item.coupon.valid_until)
