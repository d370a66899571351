"""Refunds: asked for, granted or decided, and pushed through WeChat Pay with one number until they have ended."""

from __future__ import annotations

import msgspec

from chalicelib.catalogue.tables import return_stock
from chalicelib.core import clock, ids, log
from chalicelib.core.errors import FieldError, MallError
from chalicelib.jobs import service as jobs
from chalicelib.jobs.service import Job, Later, handles
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.orders import changes
from chalicelib.orders.deliver import sent
from chalicelib.orders.pay import order_of, refund_id, refund_of
from chalicelib.orders.rules import Order, Pieces, Refund, granted, new_refund, noted, with_refund
from chalicelib.store import cache
from chalicelib.store.transaction import Transaction

#: WeChat says that a refund is under way: ask again after this.
_ASK_SECONDS = 30.0
#: The merchant's balance is too low, or WeChat asks for patience: nothing has failed, wait longer.
_PARK_SECONDS = 600.0
#: So often a final refusal is asked for again before it is taken for one.
_REFUSALS_MAX = 3
_PARKED = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED"})


def request(order_id: str, member_id: str, key: str, asked: list[Pieces] | None, reason: str) -> Refund:
    """Ask for these pieces' money back, or for all; granted at once while none of them has been sent.

    The refund is the one that this Idempotency-Key stands for; a repetition gets its first answer again.
    Raises `not_found`, `idempotency_key_reused`, `order_state`, `refund_window_over`, `nothing_to_refund`, `invalid`.
    """
    found = changes.find_owned(order_id, member_id)
    number = refund_id(order_id, member_id, key)
    digest = ids.digest(msgspec.json.encode((asked, reason)))

    def decide(order: Order, tx: Transaction) -> Order:
        if (known := order.refund(number)) is not None:
            if known.body_digest != digest:
                raise MallError("idempotency_key_reused")
            return order
        now = clock.now()
        refund = new_refund(order, number, asked, reason, digest, now)
        if refund.state == "requested":
            return noted(with_refund(order, refund), "refund_requested", "member", now, reason)
        return _grant(order, tx, refund, restock=False, by="member")

    after = changes.change(order_id, decide, found=found)
    cache.forget("catalogue")
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
        return _grant(order, tx, refund, restock, by) if refund.state == "requested" else order

    after = changes.change(order_id, decide)
    cache.forget("catalogue")
    return _of(after, number)


def reject(order_id: str, number: str, reason: str, by: str) -> Refund:
    """An operator refuses a requested refund. Twice is no error. Raises `not_found`, `order_state`."""

    def decide(order: Order, _: Transaction) -> Order:
        refund = _of(order, number)
        if refund.state == "rejected":
            return order
        if refund.state != "requested":
            raise MallError("order_state", state=refund.state)
        now = clock.now()
        refused = msgspec.structs.replace(refund, state="rejected", finished_at=now)
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
        jobs.schedule(tx, "refund.push", number)
        if refund.outcome == "CLOSED":
            changed = msgspec.structs.replace(refund, state="approved", outcome="", closed=refund.closed + 1)
        else:
            changed = msgspec.structs.replace(refund, state="processing", outcome="")
        return noted(with_refund(order, changed), "refund_asked_again", by, clock.now())

    return _of(changes.change(order_id, decide), number)


def _grant(order: Order, tx: Transaction, refund: Refund, restock: bool, by: str) -> Order:
    """Stock, journal, order and the job that pays it out, all in `tx`."""
    now = clock.now()
    after, back = granted(order, refund, restock, by, now)
    if (order.state, after.state) == ("awaiting_shipment", "shipped"):
        sent(tx, after)
    for pieces in back:
        return_stock(tx, pieces.sku_id, pieces.quantity)
    if back:
        changes.emit(tx, "stock.returned", order.order_id, back)
    if refund.amount_fen == 0:  # a gift given back: there is nothing to push
        return _succeeded(after, _of(after, refund.refund_id))
    ledger.post(
        tx,
        entries.refund_granted(refund.refund_id, order.order_id, now, refund.goods_fen, refund.freight_fen),
    )
    jobs.schedule(tx, "refund.push", refund.refund_id)
    return after


@handles("refund.push")
def push(job: Job) -> None:
    """Bring a granted refund to its end: hand it to WeChat, ask until it is decided, always with the same number."""
    found = changes.find(order_of(job.key))
    order = found.order
    refund = _of(order, job.key)
    if refund.state not in ("approved", "processing"):
        return
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
            raise Later(_PARK_SECONDS) from fault
        if not fault.retryable and not fault.outcome_unknown and job.task.attempts >= _REFUSALS_MAX:
            settle(refund.number, fault.code, refund.amount_fen, job, found)
            return
        raise
    settle(refund.number, result.state, result.amount_fen, job, found)
    if result.state == "PROCESSING":
        raise Later(_ASK_SECONDS)


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
            return _succeeded(order, refund)
        after = "processing" if outcome == "PROCESSING" else "failed"
        if refund.state == after:
            return order
        if after == "failed":
            log.error("refund_failed", refund_id=number, reason=outcome)
        changed = msgspec.structs.replace(refund, state=after, outcome="" if after == "processing" else outcome)
        return noted(with_refund(order, changed), f"refund_{after}", "wechat", clock.now())

    changes.change(order_of(number), decide, job if outcome != "PROCESSING" else None, found)


def _succeeded(order: Order, refund: Refund) -> Order:
    now = clock.now()
    done = msgspec.structs.replace(refund, state="succeeded", finished_at=now)
    order = msgspec.structs.replace(with_refund(order, done), refunded_fen=order.refunded_fen + refund.amount_fen)
    return noted(order, "refund_succeeded", "wechat" if refund.amount_fen else "system", now)


def _of(order: Order, number: str) -> Refund:
    refund = order.refund(number)
    if refund is None:
        raise MallError("not_found", errors=(FieldError("refund_id", "no such refund of this order"),))
    return refund
