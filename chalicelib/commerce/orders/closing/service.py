"""Closing an unpaid order: at WeChat Pay first, and only then do its pieces become free. A payment there wins."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.jobs import REFERRED_CLOSED
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.ports import groups
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.refusals import order_state
from chalicelib.commerce.orders.rules import PAY_GRACE, PAY_MARGIN, Order, closed
from chalicelib.core import clock
from chalicelib.core.errors import unavailable
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned


def cancel(order_id: str, member_id: str) -> Order:
    """Cancel the member's unpaid order; cancelling twice is no error.

    Raises `not_found`, `order_state` (also when it turns out to be paid), and OutsideError when WeChat does not
    answer: nothing was closed then.
    """
    found = order_queries.find_owned(order_id, member_id)
    order = found.value
    if order.state == "closed" and not order.paid_at:
        return order
    if order.state != "awaiting_payment":
        raise order_state(order.state, "cancel")
    if not _closed_at_wechat(order):
        raise order_state(order_queries.load(order_id).state, "cancel")
    after = _close(found, "cancelled", "member")
    if after.state != "closed":
        raise order_state(after.state, "cancel")
    return after


def close_unpaid(job: Job) -> None:
    """Look after an unpaid order: ask WeChat about it ever more rarely, after as long as it has waited, and close it at
    its deadline.

    One that was cancelled is asked about once more when nothing can be paid any longer: a payment that was just being
    begun may have reached WeChat after the cancellation did.
    """
    found = order_queries.find(job.key)
    order = found.value
    now = clock.now()
    if order.state == "closed" and order.payable_fen and not order.transaction_id:
        over = order.pay_by + PAY_GRACE + PAY_MARGIN
        if now < over:
            raise RetryLater((over - now).total_seconds())
        payment.learn(order.order_id)
        return
    if order.state != "awaiting_payment":
        return
    if now < order.pay_by:
        if order.payable_fen and payment.learn(order.order_id):
            return
        wait = max(now - order.created_at, timedelta(seconds=1))
        raise RetryLater(min(wait, order.pay_by - now).total_seconds())
    if _closed_at_wechat(order):
        _close(found, "closed_unpaid", "system", job)


def _closed_at_wechat(order: Order) -> bool:
    """Close the payment at WeChat; False when the order was paid, which is then recorded. Raises WechatError."""
    if order.payable_fen == 0:
        return True
    from chalicelib.gateways.wechat import pay as wechat

    if wechat.close(order.order_id) != "paid":
        return True
    if not payment.learn(order.order_id):
        raise unavailable()
    return False


def _close(found: Versioned[Order], what: str, by: str, job: Job | None = None) -> Order:
    def decide(current: Order, tx: Transaction) -> Order:
        if current.state != "awaiting_payment":
            return current
        changes.return_pieces(tx, current.order_id, current, current.pieces)
        redemption.free(tx, current)
        changes.publish(tx, REFERRED_CLOSED, current)
        if current.group is not None:
            current = msgspec.structs.replace(current, group=groups().release(tx, current))
        return closed(current, what, by, clock.now())

    after = changes.change(found.value.order_id, decide, job, found)
    shards.forget()
    return after
