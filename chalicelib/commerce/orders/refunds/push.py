"""Bringing a granted refund to its end at WeChat Pay: handed over and asked about under one number."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.queries import refund_of_order
from chalicelib.commerce.orders.refunds.issue import order_of, refund_of, succeeded
from chalicelib.commerce.orders.refunds.rules import step_refund, with_refund
from chalicelib.commerce.orders.rules import Order, Refund, noted
from chalicelib.core import clock, log, metrics
from chalicelib.core.metrics import Metric
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned

#: WeChat says that a refund is under way: ask again after this.
_ASK_SECONDS = 30.0
#: The merchant's balance is too low, or WeChat asks for patience: nothing has failed, wait longer.
_PARK_SECONDS = 600.0
#: So often a final refusal is asked for again before it is taken for one.
_REFUSALS_MAX = 3
#: After so many failures in a row, some five minutes, operators see why a refund waits.
_PATIENCE = 7
#: One that is not paid out so long after it was granted is counted at each try, whatever the reason: WeChat has most of
#: them done within minutes.
_LATE = timedelta(hours=1)
_PARKED = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED"})


def push_refund(job: Job) -> None:
    """Bring a granted refund to its end: hand it to WeChat under one number and ask until it is decided; again after
    30 seconds, after ten minutes while the balance is short.
    """
    found = order_queries.find(order_of(job.key))
    order = found.value
    refund = refund_of_order(order, job.key)
    if refund.state not in ("approved", "processing"):
        return
    if clock.now() - _since(job, refund) >= _LATE:
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
        if fault.code in _PARKED or fault.http == 429:
            log.warning("refund_waits", refund_id=refund.refund_id, reason=fault.code)
            _note_wait(order.order_id, refund.refund_id, fault.code)
            raise RetryLater(_PARK_SECONDS) from fault
        if not fault.passing and job.task.attempts >= _REFUSALS_MAX:
            settle_refund(refund.number, fault.code, refund.amount_fen, job, found)
            return
        if job.task.attempts >= _PATIENCE:
            _note_wait(order.order_id, refund.refund_id, fault.code)
        raise
    settle_refund(refund.number, result.state, result.amount_fen, job, found)
    if result.state == "PROCESSING":
        raise RetryLater(_ASK_SECONDS)


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
            metrics.add(Metric.REFUNDS_STUCK)
            log.error("refund_failed", refund_id=number, reason=outcome)
        action, why = ("hand_over", "") if after == "processing" else ("fail", outcome)
        changed = step_refund(refund, action, outcome=why)
        return noted(with_refund(order, changed), f"refund_{after}", "wechat", clock.now())

    changes.change(order_of(number), decide, job if outcome != "PROCESSING" else None, found)
