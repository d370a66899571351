"""Bringing a granted refund to its end at WeChat Pay: handed over and asked about under one number."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.queries import refund_of_order
from chalicelib.commerce.orders.refunds.issue import order_of, refund_of, succeeded
from chalicelib.commerce.orders.refunds.rules import step_refund, with_refund
from chalicelib.commerce.orders.rules import Order, Refund, noted
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import Mismatch
from chalicelib.core.metrics import Metric
from chalicelib.gateways.outbound import ask_again_seconds, is_late, next_step
from chalicelib.gateways.patience import REFUNDS, REFUNDS_APART, REFUNDS_CLEAR, SIGNATURE_SECONDS
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.errors import WechatError
    from chalicelib.gateways.wechat.pay import RefundResult


def push_refund(job: Job) -> None:
    """Bring a granted refund to its end: hand it to WeChat under one number and ask until it is decided, as patiently
    as `REFUNDS` says; a minute apart from the order's other refunds. A refusal is believed when WeChat, asked about it,
    knows nothing of it.
    """
    found = order_queries.find(order_of(job.key))
    refund = refund_of_order(found.value, job.key)
    if refund.state not in ("approved", "processing"):
        return
    since = _since(job, refund)
    if is_late(REFUNDS, since, clock.now()):
        metrics.add(Metric.REFUNDS_STUCK)
    from chalicelib.gateways.wechat.errors import WechatError

    sent_at = None
    outcome: str
    try:
        result = _told(refund) if refund.state == "processing" else None
        if result is None:
            order = _take_turn(found, refund)
            sent_at = clock.now()
            result = _ask_for(order, refund)
        outcome = result.state
    except WechatError as fault:
        _wait_unless_refused(job, found.value, refund, fault)
        result = _told(refund)
        outcome = fault.code if result is None else result.state
    amount_fen = refund.amount_fen if result is None else result.amount_fen
    try:
        settle_refund(refund.number, outcome, amount_fen, job, found, sent_at)
    except Mismatch as fault:
        log.error("refund_strange", refund_id=refund.number)
        raise RetryLater(REFUNDS.park_seconds) from fault
    if outcome == "PROCESSING":
        raise RetryLater(ask_again_seconds(REFUNDS, since, clock.now()))


def _ask_for(order: Order, refund: Refund) -> RefundResult:
    from chalicelib.gateways.wechat import pay as wechat

    return wechat.refund(
        wechat.RefundRequest(
            out_trade_no=order.order_id,
            out_refund_no=refund.number,
            refund_fen=refund.amount_fen,
            total_fen=order.payable_fen,
            reason=refund.reason[:40],
            notify_to=order.notify_to,
        )
    )


def _told(refund: Refund) -> RefundResult | None:
    """Ask how far the refund is; None when WeChat knows of none. A refusal to tell says nothing of it: it is asked
    again. Raises WechatError for what may pass."""
    from chalicelib.gateways.wechat import pay as wechat
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        return wechat.query_refund(refund.number)
    except WechatError as fault:
        if fault.passing:
            raise
        _note_wait(order_of(refund.refund_id), refund.refund_id, fault.code)
        raise RetryLater(REFUNDS.park_seconds) from fault


def _take_turn(found: Versioned[Order], refund: Refund) -> Order:
    """Raise RetryLater until a minute after the order's last other refund was asked for; where another one may be asked
    for at this moment, write that this one is now. Gives the order as it is then."""
    _wait_turn(found.value, refund)
    if not any(other.state in ("approved", "processing") for other in _others(found.value, refund)):
        return found.value

    def decide(order: Order, _: Transaction) -> Order:
        current = refund_of_order(order, refund.refund_id)
        _wait_turn(order, current)
        if current.state not in ("approved", "processing"):
            return order
        return with_refund(order, msgspec.structs.replace(current, sent_at=clock.now()))

    return changes.change(found.value.order_id, decide, found=found)


def _wait_turn(order: Order, refund: Refund) -> None:
    sent = [other.sent_at for other in _others(order, refund) if other.sent_at is not None]
    _wait_until(max(sent) + REFUNDS_APART if sent else None)


def _wait_until(at: datetime | None) -> None:
    now = clock.now()
    if at is not None and now < at:
        raise RetryLater((at - now).total_seconds())


def _others(order: Order, refund: Refund) -> list[Refund]:
    """List the order's other refunds that WeChat was asked for, or is to be."""
    return [
        other
        for other in order.refunds
        if other.refund_id != refund.refund_id and other.amount_fen and other.state not in ("requested", "rejected")
    ]


def _wait_unless_refused(job: Job, order: Order, refund: Refund, fault: WechatError) -> None:
    """Raise what has the job run again, unless the fault is a refusal that is to be believed: none is while it may be
    for another refund of the order that was asked for just before."""
    step = next_step(REFUNDS, fault, job.task.attempts)
    if step.action == "refused":
        others = [_on_its_way_until(other, refund) for other in _others(order, refund)]
        _wait_until(max(others) + REFUNDS_CLEAR if others else None)
        return
    if step.is_shown:
        _note_wait(order.order_id, refund.refund_id, fault.code)
    if step.action == "park":
        log.warning("refund_waits", refund_id=refund.refund_id, reason=fault.code)
        raise RetryLater(REFUNDS.park_seconds) from fault
    raise fault


def _on_its_way_until(other: Refund, refund: Refund) -> datetime:
    """Tell when the other refund came to WeChat at the latest. One that has no answer yet may have been asked for until
    this one was there (from then on it is written down), and arrives as long as its signature is good."""
    asked = other.sent_at or other.created_at
    if other.state != "approved":
        return asked
    return max(asked, refund.created_at) + timedelta(seconds=SIGNATURE_SECONDS)


def _since(job: Job, refund: Refund) -> datetime:
    stamp = job.task.payload.get("since")
    return clock.from_stamp(stamp) if stamp else refund.created_at  # jobs of older versions do not say


def _note_wait(order_id: str, number: str, why: str) -> None:
    """Let operators see why a refund waits: the merchant's balance may need filling."""

    def decide(order: Order, _: Transaction) -> Order:
        refund = refund_of_order(order, number)
        if refund.outcome == why or refund.state not in ("approved", "processing"):
            return order
        return with_refund(order, msgspec.structs.replace(refund, outcome=why))

    changes.change(order_id, decide)


def settle_refund(
    number: str, outcome: str, amount_fen: int, job: Job | None = None, found: Versioned[Order] | None = None,
    sent_at: datetime | None = None,
) -> None:  # fmt: skip
    """Take in what WeChat says of a refund (SUCCESS, PROCESSING, ABNORMAL, CLOSED, or the code with which it refused).

    The same again changes nothing, nor does what is said of a number that WeChat closed before.

    A refund that WeChat could not pay out is `failed` and stays owed: it stands in the operators' queue refund_failed.
    `sent_at` is when WeChat was asked for it, where it was. Raises `not_found`, Mismatch when the amount is not
    the refund's.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, refund_of(number))
        if refund.number != number:
            return order
        if amount_fen != refund.amount_fen:
            raise Mismatch(number)
        if refund.state == "succeeded":
            return order
        if sent_at is not None:
            refund = msgspec.structs.replace(refund, sent_at=sent_at)
        if outcome == "SUCCESS":
            ledger.post(tx, entries.refund_paid(refund.refund_id, order.order_id, clock.now(), refund.amount_fen))
            return succeeded(order, refund)
        after = "processing" if outcome == "PROCESSING" else "failed"
        if (refund.state, refund.outcome) == (after, "" if after == "processing" else outcome):
            return order
        if after == "failed":
            tx.after_commit(metrics.add, Metric.REFUNDS_STUCK)
            tx.after_commit(log.error, "refund_failed", refund_id=number, reason=outcome)
        action, why = ("hand_over", "") if after == "processing" else ("fail", outcome)
        changed = step_refund(refund, action, outcome=why)
        return noted(with_refund(order, changed), f"refund_{after}", "wechat", clock.now(), refund_id=refund.refund_id)

    changes.change(order_of(number), decide, job if outcome != "PROCESSING" else None, found)
