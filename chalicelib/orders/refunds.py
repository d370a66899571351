"""Refunds: asked for, granted or decided, and pushed through WeChat Pay with one number until they have ended."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from chalicelib.catalogue import shards
from chalicelib.core import clock, ids, log, metrics
from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.metrics import Metric
from chalicelib.jobs.job import Job, Later
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.orders import changes, referrals
from chalicelib.orders.grant import grant, order_of, owe_push, refund_id, refund_of, succeeded
from chalicelib.orders.groups import groups
from chalicelib.orders.jobs import REFERRED_REFUNDED
from chalicelib.orders.refund_rules import new_refund, with_refund
from chalicelib.orders.rules import Order, Pieces, Refund, noted
from chalicelib.store.transaction import Transaction

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


def request(order_id: str, member_id: str, key: str, asked: list[Pieces] | None, reason: str) -> Refund:
    """A member asks for these pieces' money back, or for all; granted at once while none of them has been sent.

    The refund is the one that this Idempotency-Key stands for; a repetition gets its first answer again.
    Raises `not_found`, `idempotency_key_reused`, `order_state`, `refund_window_over`, `nothing_to_refund`, `invalid`.
    """
    found = changes.find_owned(order_id, member_id)
    return _make(found, refund_id(order_id, member_id, key), asked, reason, "member")


def make(order_id: str, key: str, asked: list[Pieces] | None, reason: str, restock: bool, operator: str) -> Refund:
    """An operator gives these pieces' money back, or all, whenever that is; `restock` when sent goods came back.

    The refund is the one that the operator's Idempotency-Key stands for. Raises as `request` does.
    """
    found = changes.find(order_id)
    return _make(
        found, refund_id(order_id, f"operator:{operator}", key), asked, reason, f"operator:{operator}", restock
    )


def _make(
    found: changes.Found, number: str, asked: list[Pieces] | None, reason: str, by: str, restock: bool = False
) -> Refund:
    by_mall = by != "member"
    digest = ids.digest(msgspec.json.encode((asked, reason, restock) if by_mall else (asked, reason)))

    def decide(order: Order, tx: Transaction) -> Order:
        if (known := order.refund(number)) is not None:
            if known.body_digest != digest:
                raise MallError("idempotency_key_reused")
            return order
        now = clock.now()
        refund = new_refund(order, number, asked, reason, digest, now, by_mall)
        if refund.state == "requested":
            return noted(with_refund(order, refund), "refund_requested", by, now, reason)
        if order.state == "awaiting_group":
            order = msgspec.structs.replace(order, group=groups().leave(tx, order))
        return grant(order, tx, refund, restock, by)

    after = changes.change(found.order.order_id, decide, found=found)
    shards.forget()
    refund = _of(after, number)
    return msgspec.structs.replace(refund, state=refund.first_state, finished_at=None)


def approve(order_id: str, number: str, restock: bool, by: str) -> Refund:
    """An operator grants a requested refund; `restock` when the goods came back. Twice is no error.

    Raises `not_found`, `order_state` when it was decided otherwise.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = _of(order, number)
        if refund.state == "rejected":
            raise MallError("order_state", state=refund.state)
        return grant(order, tx, refund, restock, by) if refund.state == "requested" else order

    after = changes.change(order_id, decide)
    shards.forget()
    return _of(after, number)


def reject(order_id: str, number: str, reason: str, by: str) -> Refund:
    """An operator refuses a requested refund. Twice is no error. Raises `not_found`, `order_state`."""

    def decide(order: Order, tx: Transaction) -> Order:
        refund = _of(order, number)
        if refund.state == "rejected":
            return order
        if refund.state != "requested":
            raise MallError("order_state", state=refund.state)
        now = clock.now()
        refused = msgspec.structs.replace(refund, state="rejected", finished_at=now)
        referrals.publish(tx, REFERRED_REFUNDED, order, number)
        return noted(with_refund(order, refused), "refund_rejected", by, now, reason)

    return _of(changes.change(order_id, decide), number)


def ask_again(order_id: str, number: str, by: str) -> Refund:
    """An operator has seen to a failed refund: ask WeChat how it ended. Twice is no error.

    One that WeChat has closed is pushed anew, under a new number; only then, because two numbers may pay twice.

    Raises `not_found`, `order_state` when it has not failed.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = _of(order, number)
        if refund.state in ("approved", "processing"):
            return order
        if refund.state != "failed":
            raise MallError("order_state", state=refund.state)
        owe_push(tx, number)
        if refund.outcome == "CLOSED":
            changed = msgspec.structs.replace(refund, state="approved", outcome="", closed=refund.closed + 1)
        else:
            changed = msgspec.structs.replace(refund, state="processing", outcome="")
        return noted(with_refund(order, changed), "refund_asked_again", by, clock.now())

    return _of(changes.change(order_id, decide), number)


def push(job: Job) -> None:
    """Bring a granted refund to its end: hand it to WeChat, ask until it is decided, always with the same number."""
    found = changes.find(order_of(job.key))
    order = found.order
    refund = _of(order, job.key)
    if refund.state not in ("approved", "processing"):
        return
    if clock.now() - _since(job, refund) >= _LATE:
        metrics.add(Metric.REFUNDS_STUCK)
    from chalicelib.wechat import pay as wechat
    from chalicelib.wechat.errors import WechatError

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
            raise Later(_PARK_SECONDS) from fault
        if not fault.passing and job.task.attempts >= _REFUSALS_MAX:
            settle(refund.number, fault.code, refund.amount_fen, job, found)
            return
        if job.task.attempts >= _PATIENCE:
            _note_wait(order.order_id, refund.refund_id, fault.code)
        raise
    settle(refund.number, result.state, result.amount_fen, job, found)
    if result.state == "PROCESSING":
        raise Later(_ASK_SECONDS)


def _since(job: Job, refund: Refund) -> datetime:
    stamp = job.task.payload.get("since")
    return clock.from_stamp(stamp) if stamp else refund.created_at  # jobs of older versions do not say


def _note_wait(order_id: str, number: str, why: str) -> None:
    """Let operators see why a refund waits: the merchant's balance may need filling."""

    def decide(order: Order, _: Transaction) -> Order:
        refund = _of(order, number)
        if refund.outcome == why or refund.state not in ("approved", "processing"):
            return order
        return with_refund(order, msgspec.structs.replace(refund, outcome=why))

    changes.change(order_id, decide)


def settle(
    number: str, outcome: str, amount_fen: int, job: Job | None = None, found: changes.Found | None = None
) -> None:
    """Take in what WeChat says of a refund (SUCCESS, PROCESSING, ABNORMAL, CLOSED, or the code with which it refused).

    The same again changes nothing, nor does what is said of a number that WeChat closed before.

    A refund that WeChat could not pay out is `failed` and stays owed: it stands in the operators' queue refund_failed.
    Raises `not_found`, ValueError when the amount is not the refund's.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        refund = _of(order, refund_of(number))
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
        changed = msgspec.structs.replace(refund, state=after, outcome="" if after == "processing" else outcome)
        return noted(with_refund(order, changed), f"refund_{after}", "wechat", clock.now())

    changes.change(order_of(number), decide, job if outcome != "PROCESSING" else None, found)


def _of(order: Order, number: str) -> Refund:
    refund = order.refund(number)
    if refund is None:
        raise MallError("not_found", errors=(FieldError("refund_id", "no such refund of this order"),))
    return refund
