"""Closing an unpaid order: at WeChat Pay first, and only then do its pieces become free. A payment there wins."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.catalogue import shards
from chalicelib.core import clock
from chalicelib.core.errors import MallError, unavailable
from chalicelib.jobs.job import Job, Later
from chalicelib.orders import changes, coupons, pay
from chalicelib.orders.groups import groups
from chalicelib.orders.rules import PAY_GRACE, PAY_MARGIN, Order, closed
from chalicelib.store.transaction import Transaction


def cancel(order_id: str, member_id: str) -> Order:
    """The shopper cancels the unpaid order; cancelling twice is no error.

    Raises `not_found`, `order_state` (also when it turns out to be paid), and OutsideError when WeChat does not
    answer: nothing was closed then.
    """
    found = changes.find_owned(order_id, member_id)
    order = found.order
    if order.state == "closed" and not order.paid_at:
        return order
    if order.state != "awaiting_payment":
        raise MallError("order_state", state=order.state)
    if not _closed_at_wechat(order):
        raise MallError("order_state", state=changes.load(order_id).state)
    after = _close(found, "cancelled", "member")
    if after.state != "closed":
        raise MallError("order_state", state=after.state)
    return after


def watch(job: Job) -> None:
    """Look after an order that is not paid: ask WeChat about it ever more rarely, and close it at its deadline.

    One that was cancelled is asked about once more when nothing can be paid any longer: a payment that was just being
    begun may have reached WeChat after the cancellation did.
    """
    found = changes.find(job.key)
    order = found.order
    now = clock.now()
    if order.state == "closed" and order.payable_fen and not order.transaction_id:
        over = order.pay_by + PAY_GRACE + PAY_MARGIN
        if now < over:
            raise Later((over - now).total_seconds())
        pay.learn(order.order_id)
        return
    if order.state != "awaiting_payment":
        return
    if now < order.pay_by:
        if order.payable_fen and pay.learn(order.order_id):
            return
        wait = max(now - order.created_at, timedelta(seconds=1))
        raise Later(min(wait, order.pay_by - now).total_seconds())
    if _closed_at_wechat(order):
        _close(found, "closed_unpaid", "system", job)


def _closed_at_wechat(order: Order) -> bool:
    """Close the payment at WeChat; False when it was paid, which is then recorded. Raises WechatError."""
    if order.payable_fen == 0:
        return True
    from chalicelib.wechat import pay as wechat

    if wechat.close(order.order_id) != "paid":
        return True
    if not pay.learn(order.order_id):
        raise unavailable()
    return False


def _close(found: changes.Found, what: str, by: str, job: Job | None = None) -> Order:
    def decide(current: Order, tx: Transaction) -> Order:
        if current.state != "awaiting_payment":
            return current
        changes.give_back(tx, current.order_id, current, current.pieces)
        coupons.free(tx, current)
        if current.group is not None:
            current = msgspec.structs.replace(current, group=groups().release(tx, current))
        return closed(current, what, by, clock.now())

    after = changes.change(found.order.order_id, decide, job, found)
    shards.forget()
    return after
