"""Closing an unpaid order: at WeChat Pay first, and only then do its pieces become free. A payment there wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec

from chalicelib.commerce.catalogue.stock import shards
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.holding.queries import standing_now
from chalicelib.commerce.orders.jobs import REFERRED_CLOSED
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.payment.rules import is_payable
from chalicelib.commerce.orders.ports import groups
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.refusals import order_state
from chalicelib.commerce.orders.rules import Order, closed
from chalicelib.core import clock, log
from chalicelib.core.errors import Mismatch, OutsideError, unavailable
from chalicelib.customers.members import queries as member_queries
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned

#: What becomes of the payment of an order: it was made, and is recorded; it can never be made; or neither can be said.
Outcome = Literal["paid", "over", "open"]
#: How often the watch asks about an order of which WeChat tells nothing that decides it, long after its deadline.
_UNDECIDED = timedelta(minutes=10)


def cancel(order_id: str, member_id: str) -> Order:
    """Cancel the member's unpaid order; cancelling twice is no error.

    Raises `not_found`, `order_state` (also when it turns out to be paid), and `unavailable`, or OutsideError, when
    WeChat does not say that it can be paid no longer: nothing was closed then.
    """
    found = order_queries.find_owned(order_id, member_id)
    order = found.value
    if order.state == "closed" and not order.paid_at:
        return order
    if order.state != "awaiting_payment":
        raise order_state(order.state, "cancel")
    outcome = _ended_at_wechat(order)
    if outcome == "open":
        raise unavailable()
    if outcome == "paid":
        raise order_state(order_queries.load(order_id).state, "cancel")
    after = _close(found, "cancelled", "member")
    if after.state != "closed":
        raise order_state(after.state, "cancel")
    return after


def close_unpaid(job: Job) -> None:
    """Look after an unpaid order: ask WeChat about it ever more rarely, after as long as it has waited, and close it at
    its deadline. Whatever WeChat answers, the order is looked after until its payment is decided.

    One that was cancelled is asked about once more when nothing can be paid any longer: a payment that was just being
    begun may have reached WeChat after the cancellation did.
    """
    found = order_queries.find(job.key)
    try:
        if found.value.state == "awaiting_payment":
            job.hold()
            _watch(found, job)
        elif _is_closed_unpaid(found.value):
            job.hold()
            _look_once_more(found.value)
    except Mismatch as fault:
        log.error("payment_strange", order_id=job.key)
        raise _later(found.value) from fault
    except OutsideError as fault:
        if fault.passing:
            raise
        log.warning("payment_undecided", order_id=job.key, reason=str(fault))
        raise _later(found.value) from fault


def close_held(job: Job) -> None:
    """Close what a member had unpaid when they were blocked, and still are, so that the pieces and seats are free for
    others; a payment that was made is recorded. Where WeChat says nothing that decides it, the order's watch goes on.
    """
    blocked = member_queries.resolved(job.key)
    since = member_queries.blocked_at(blocked)
    if since is None:
        return
    # Who was merged into another since may still hold something: it is the other's.
    for hold in [hold for one in dict.fromkeys((job.key, blocked)) for hold in standing_now(one).holds]:
        found = order_queries.find(hold.order_id)
        is_held = found.value.state == "awaiting_payment" and found.value.created_at <= since
        try:
            if is_held and _ended_at_wechat(found.value) == "over":
                _close(found, "called_off", "system")
        except OutsideError as fault:
            if fault.passing:
                raise
            log.warning("payment_undecided", order_id=hold.order_id, reason=str(fault))


def _watch(found: Versioned[Order], job: Job) -> None:
    order = found.value
    outcome = _asked(order)
    if outcome == "paid":
        return
    if clock.now() < order.pay_by:
        raise _later(order)
    if outcome == "open":
        outcome = _ended_at_wechat(order)
    if outcome == "open":
        raise _later(order)
    if outcome == "over":
        _close(found, "closed_unpaid", "system", job)


def _look_once_more(order: Order) -> None:
    if clock.now() < order.unpayable_from:
        raise _later(order)
    payment.ask(order.order_id)


def _later(order: Order) -> RetryLater:
    """Have the watch look again: after as long as the order has waited, and when it may be decided."""
    now = clock.now()
    again = now + max(now - order.created_at, timedelta(seconds=1))
    deadlines = (order.unpayable_from,) if order.state == "closed" else (min(again, order.pay_by), order.unpayable_from)
    at = next((deadline for deadline in deadlines if now < deadline), now + _UNDECIDED)
    return RetryLater((at - now).total_seconds())


def ask_wechat(order_id: str, by: str) -> Order:
    """Ask WeChat about the payment of an order that is not known to be paid, as an operator: one that was made is
    recorded, and an order that can never be paid any more is closed. Of any other nothing changes.

    Raises `not_found`, `conflict`, OutsideError when WeChat does not answer.
    """
    found = order_queries.find(order_id)
    order = found.value
    if not order.payable_fen or (order.state != "awaiting_payment" and not _is_closed_unpaid(order)):
        return order
    word = payment.ask(order_id)
    now = clock.now()
    is_over = not is_payable(order, word, now) and (word is not None or now >= order.pay_by)
    if order.state == "awaiting_payment" and word not in payment.PAID_WORDS and is_over:
        return _close(found, "closed_unpaid", by)
    return order_queries.load(order_id)


def _is_closed_unpaid(order: Order) -> bool:
    """Tell whether the order was closed without a payment, of which one may still be learned."""
    return order.state == "closed" and bool(order.payable_fen) and not order.transaction_id


def _ended_at_wechat(order: Order) -> Outcome:
    """Have WeChat take no payment for the order any longer; where it refuses, its word for the payment decides. Raises
    WechatError."""
    if order.payable_fen == 0:
        return "over"
    from chalicelib.gateways.wechat import pay as wechat

    return _asked(order) if wechat.close(order.order_id) == "refused" else "over"


def _asked(order: Order) -> Outcome:
    """Ask what becomes of the order's payment; one that was made is recorded. Raises WechatError."""
    if order.payable_fen == 0:
        return "open"
    word = payment.ask(order.order_id)
    if word in payment.PAID_WORDS:
        return "paid"
    return "open" if is_payable(order, word, clock.now()) else "over"


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
