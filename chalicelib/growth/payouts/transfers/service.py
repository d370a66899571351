"""Withdrawals and WeChat: each is handed over under its own number, again and again, until WeChat says how it ended.

Whether the notice or the job learns of an end first, it comes to `settle_transfer`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import Mismatch
from chalicelib.gateways.outbound import ask_again_seconds, next_step
from chalicelib.gateways.patience import STRAY_REQUESTS, TRANSFERS
from chalicelib.growth.payouts.queries import find
from chalicelib.growth.payouts.rules import STATES, UNKNOWN_AT_WECHAT, Withdrawal, progressed, refused, waiting_for
from chalicelib.growth.payouts.service import change, failed, succeeded
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Versioned

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.errors import WechatError
    from chalicelib.gateways.wechat.transfers import TransferResult

#: What the receiver reads. WeChat compares it with what it was told first under the number.
_REMARK = "推广佣金提现"
#: In these states of a transfer its receiver has not confirmed, and WeChat calls it off.
_CANCELLABLE = frozenset({"ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM"})


def push_withdrawal(job: Job) -> None:
    """Bring a withdrawal to its end: hand it to WeChat and ask until its receiver has taken it or it has failed, as
    patiently as `TRANSFERS` says.

    Its own number is the only one that WeChat ever hears; so whatever was lost on the way, asking again pays once. One
    that WeChat refuses, and has never heard of, is not sent any more; it has failed once no request can be on its way
    there. Once it is called off, `cancel_withdrawal` brings it to its end.
    """
    found = find(job.key)
    withdrawal = found.value
    if not withdrawal.open or withdrawal.submitted_at is None or withdrawal.cancel_requested_at is not None:
        return
    from chalicelib.gateways.wechat.errors import WechatError

    now = clock.now()
    try:
        result = _ask(found)
    except WechatError as fault:
        _wait_unless_refused(job, found, fault)
        result = _query(found)
        if result is None and withdrawal.is_queryable(now):
            _send_no_more(found, fault.code)
    after = _end_or_wait(job, found, now) if result is None else _settle_at_last(result, job, found)
    if after.open:
        raise RetryLater(ask_again_seconds(TRANSFERS, withdrawal.submitted_at, clock.now()))


def cancel_withdrawal(job: Job) -> None:
    """Have WeChat call a withdrawal off, and ask until it says how it ended: also paid, when the receiver was quicker.

    Nothing is sent any more. One that WeChat has not heard of has failed once no request can be on its way to it.
    """
    found = find(job.key)
    withdrawal = found.value
    if not withdrawal.open or withdrawal.cancel_requested_at is None:
        return
    now = clock.now()
    result = _query(found)
    if result is None:
        after = _end_or_wait(job, found, now)
    elif result.state in _CANCELLABLE:
        after = _settle_at_last(_called_off(found, withdrawal.cancel_requested_at), job, None)
    else:
        after = _settle_at_last(result, job, found)
    if after.open:
        raise RetryLater(ask_again_seconds(TRANSFERS, withdrawal.cancel_requested_at, now))


def ask_wechat(withdrawal_id: str) -> Withdrawal:
    """Ask WeChat how far a transfer is, as an operator, and take in what it says; the withdrawal after it. Nothing
    changes where it tells of none, or the withdrawal was not handed over.

    Raises `not_found`, `conflict`, OutsideError when WeChat does not answer.
    """
    from chalicelib.gateways.wechat import transfers as wechat

    found = find(withdrawal_id)
    result = None if found.value.submitted_at is None else wechat.query_transfer(withdrawal_id)
    return found.value if result is None else settle_transfer(result, found=found)


def _called_off(found: Versioned[Withdrawal], since: datetime) -> TransferResult:
    """Have WeChat call the transfer off; how far it is then. When that was sent is written first."""
    from chalicelib.gateways.wechat import transfers as wechat
    from chalicelib.gateways.wechat.errors import WechatError

    number, now = found.value.withdrawal_id, clock.now()
    change(number, lambda one, _: msgspec.structs.replace(one, sent_at=now) if one.open else one, found=found)
    try:
        return wechat.cancel_transfer(number)
    except WechatError as fault:
        if fault.passing:
            raise
        _note(number, fault.code)  # its receiver may just have confirmed: ask again
        raise RetryLater(ask_again_seconds(TRANSFERS, since, clock.now())) from fault


def _end_or_wait(job: Job, found: Versioned[Withdrawal], now: datetime) -> Withdrawal:
    """Fail the withdrawal, of which WeChat has said since `now` that it knows nothing, if that is final, and it has not
    changed since it was read. Else wait: WeChat will tell of it, or has forgotten it."""
    withdrawal = found.value
    why = "" if withdrawal.cancel_requested_at is not None else withdrawal.outcome
    if not withdrawal.has_never_been(now):
        _wait_for_word(found, now)

    def decide(one: Withdrawal, tx: Transaction) -> Withdrawal:
        if one != withdrawal:
            return one
        if why:
            tx.after_commit(log.error, "withdrawal_refused", withdrawal_id=job.key, reason=why)
        return failed(one, tx, outcome=why)

    return change(job.key, decide, job, found)


def _wait_for_word(found: Versioned[Withdrawal], now: datetime) -> NoReturn:
    withdrawal = found.value
    if withdrawal.is_queryable(now):
        silent_from = withdrawal.silent_from()
        rest = 0.0 if silent_from is None else (silent_from - now).total_seconds()
        raise RetryLater(rest if rest > 0 else TRANSFERS.park_seconds)
    if withdrawal.outcome != UNKNOWN_AT_WECHAT:
        _note(withdrawal.withdrawal_id, UNKNOWN_AT_WECHAT)
        log.error("withdrawal_forgotten", withdrawal_id=withdrawal.withdrawal_id)
    raise RetryLater(TRANSFERS.forgotten_seconds)


def _ask(found: Versioned[Withdrawal]) -> TransferResult | None:
    """Ask how far the transfer is; None when WeChat does not tell of one. Raises WechatError.

    Until its package_info is had it is asked for in the same words as at first, which begins it or answers how far it
    is. But never once it was refused for good, or when WeChat may have forgotten that it paid long ago.
    """
    withdrawal = found.value
    if withdrawal.package_info or withdrawal.sent_at is not None or not withdrawal.is_queryable(clock.now()):
        return _query(found)
    from chalicelib.gateways.wechat import transfers as wechat

    return wechat.transfer(
        wechat.TransferRequest(
            out_bill_no=withdrawal.withdrawal_id,
            openid=withdrawal.openid,
            amount_fen=withdrawal.net_fen,
            remark=_REMARK,
            notify_to=withdrawal.notify_to,
        )
    )


def _query(found: Versioned[Withdrawal]) -> TransferResult | None:
    """Ask how far the transfer is; None when WeChat knows of none. A refusal to tell says nothing of it: it is asked
    again. Raises WechatError for what may pass."""
    from chalicelib.gateways.wechat import transfers as wechat
    from chalicelib.gateways.wechat.errors import WechatError

    withdrawal = found.value
    try:
        return wechat.query_transfer(withdrawal.withdrawal_id)
    except WechatError as fault:
        if fault.passing:
            raise
        if withdrawal.sent_at is None:  # else it says why nothing is sent any more
            _note(withdrawal.withdrawal_id, fault.code)
        raise RetryLater(TRANSFERS.park_seconds) from fault


def _wait_unless_refused(job: Job, found: Versioned[Withdrawal], fault: WechatError) -> None:
    """Raise what has the job run again, unless the fault is a refusal that is to be believed."""
    step = next_step(TRANSFERS, fault, job.task.attempts, found.value.outcome)
    if step.action == "refused":
        return
    if step.is_shown:
        _note(job.key, fault.code)
    if step.action == "park":
        log.warning("withdrawal_waits", withdrawal_id=job.key, reason=fault.code)
        raise RetryLater(TRANSFERS.park_seconds) from fault
    raise fault


def _send_no_more(found: Versioned[Withdrawal], why: str) -> NoReturn:
    """Send nothing more for the withdrawal, which WeChat refuses and knows nothing of, unless it has changed since it
    was read; how it ends is asked for once no request can be on its way there."""
    before, now = found.value, clock.now()
    change(before.withdrawal_id, lambda one, _: refused(one, why, now) if one == before else one, found=found)
    raise RetryLater(STRAY_REQUESTS.total_seconds())


def _note(withdrawal_id: str, why: str) -> None:
    """Let operators see why a withdrawal waits: the merchant's balance may need filling."""
    change(withdrawal_id, lambda withdrawal, _: waiting_for(withdrawal, why))


def _settle_at_last(result: TransferResult, job: Job, found: Versioned[Withdrawal] | None) -> Withdrawal:
    """Take in what WeChat says, as a job that does not die where that makes no sense."""
    try:
        return settle_transfer(result, job, found)
    except Mismatch as fault:
        log.error("withdrawal_strange", withdrawal_id=job.key)
        raise RetryLater(TRANSFERS.park_seconds) from fault


def settle_transfer(
    result: TransferResult, job: Job | None = None, found: Versioned[Withdrawal] | None = None
) -> Withdrawal:
    """Take in what WeChat says of a transfer; said again it changes nothing. The withdrawal after it.

    An end is never left again: WeChat saying another one later is an error that an operator must look at, and changes
    nothing. Raises `not_found`, `conflict`, Mismatch when the amount is not the withdrawal's.
    """
    state = STATES[result.state]

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if result.amount_fen not in (None, withdrawal.net_fen):
            raise Mismatch(withdrawal.withdrawal_id)
        if not withdrawal.open or withdrawal.submitted_at is None:
            return withdrawal
        if state == "succeeded":
            return succeeded(withdrawal, tx)
        if state == "failed":
            return failed(withdrawal, tx, outcome=result.fail_reason or result.state)
        return progressed(withdrawal, result.state, result.package_info)

    after = change(result.out_bill_no, decide, job, found)
    if state in ("succeeded", "failed") and after.state != state:
        log.error("withdrawal_contradicted", withdrawal_id=after.withdrawal_id, reason=result.state)
    return after
