"""Bringing a granted refund to its end at WeChat Pay: handed over and asked about under one number."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.queries import refund_of_order
from chalicelib.commerce.orders.refunds.issue import order_of, refund_of, succeeded
from chalicelib.commerce.orders.refunds.rules import step_refund, with_refund
from chalicelib.commerce.orders.rules import Order, Refund, noted
from chalicelib.core import clock, log, metrics
from chalicelib.core.metrics import Metric
from chalicelib.gateways.outbound import ask_again_seconds, is_late, next_step
from chalicelib.gateways.patience import REFUNDS
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned


def push_refund(job: Job) -> None:
    """Bring a granted refund to its end: hand it to WeChat under one number and ask until it is decided, as patiently
    as `REFUNDS` says.
    """
    found = order_queries.find(order_of(job.key))
    order = found.value
    refund = refund_of_order(order, job.key)
    if refund.state not in ("approved", "processing"):
        return
    since = _since(job, refund)
    if is_late(REFUNDS, since, clock.now()):
        metrics.add(Metric.REFUNDS_STUCK)
    from chalicelib.gateways.wechat import pay as wechat
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        result = wechat.query_refund(refund.number) if refund.state == "processing" else None
        if result is None:
            result = wechat.refund(
                wechat.RefundRequest(
                    out_trade_no=order.order_id,
                    out_refund_no=refund.number,
                    refund_fen=refund.amount_fen,
                    total_fen=order.payable_fen,
                    reason=refund.reason[:40],
                )
            )
    except WechatError as fault:
        step = next_step(REFUNDS, fault, job.task.attempts)
        if step.action == "refused":
            settle_refund(refund.number, fault.code, refund.amount_fen, job, found)
            return
        if step.is_shown:
            _note_wait(order.order_id, refund.refund_id, fault.code)
        if step.action == "park":
            log.warning("refund_waits", refund_id=refund.refund_id, reason=fault.code)
            raise RetryLater(REFUNDS.park_seconds) from fault
        raise
    settle_refund(refund.number, result.state, result.amount_fen, job, found)
    if result.state == "PROCESSING":
        raise RetryLater(ask_again_seconds(REFUNDS, since, clock.now()))


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
    number: str, outcome: str, amount_fen: int, job: Job | None = None, found: Versioned[Order] | None = None
) -> None:
    """Take in what WeChat says of a refund (SUCCESS, PROCESSING, ABNORMAL, CLOSED, or the code with which it refused).

    The same again changes nothing, nor does what is said of a number that WeChat closed before.

    A refund that WeChat could not pay out is `failed` and stays owed: it stands in the operators' queue refund_failed.
    Raises `not_found`, ValueError when the amount is not the refund's.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = refund_of_order(order, refund_of(number))
        if refund.number != number:
            return order
        if amount_fen != refund.amount_fen:
            raise ValueError(f"WeChat speaks of another amount for {number}")
        if refund.state == "succeeded":
            return order
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
        return noted(with_refund(order, changed), f"refund_{after}", "wechat", clock.now())

    changes.change(order_of(number), decide, job if outcome != "PROCESSING" else None, found)
