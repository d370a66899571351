"""Withdrawals and WeChat: each is handed over under its own number, again and again, until WeChat says how it ended.

Whether the notice or the job learns of an end first, it comes to `settle_transfer`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

import msgspec

from chalicelib.core import clock, log
from chalicelib.growth.payouts.queries import StoredWithdrawal, find
from chalicelib.growth.payouts.rules import STATES, UNKNOWN_AT_WECHAT, Withdrawal, ask_again_seconds
from chalicelib.growth.payouts.service import change, failed, succeeded
from chalicelib.platform.jobs.job import Job, Later
from chalicelib.platform.store.transaction import Transaction

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.errors import WechatError
    from chalicelib.gateways.wechat.transfers import TransferResult

#: What the receiver reads. WeChat compares it with what it was told first under the number.
_REMARK = "推广佣金提现"
#: The merchant's balance is too low, or WeChat asks for patience: nothing has failed, wait longer.
_PARK_SECONDS = 600.0
_PARKED = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "RATE_LIMITED"})
#: So often a final refusal is asked for again before it is taken for one.
_REFUSALS_MAX = 3
#: After so many failures in a row, some five minutes, operators see why a withdrawal waits.
_PATIENCE = 7
#: WeChat does not know of it any more: an operator has to look, and nothing hurries.
_FORGOTTEN_SECONDS = 6 * 3600.0
#: So long after it was called off no request for it can arrive any more: a worker that has not seen it yet lives for
#: 85 s at the most (jobs.worker.LEASE_SECONDS), and WeChat takes no signature that is older than 300 s.
_STRAY = timedelta(seconds=600)
#: In these states of a transfer its receiver has not confirmed, and WeChat calls it off.
_CANCELLABLE = frozenset({"ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM"})


def push_withdrawal(job: Job) -> None:
    """Bring a withdrawal to its end: hand it to WeChat and ask until its receiver has taken it or it has failed; again
    after as long as WeChat has had it, an hour at most.

    Its own number is the only one that WeChat ever hears; so whatever was lost on the way, asking again pays once. Once
    it is called off, `cancel_withdrawal` brings it to its end.
    """
    found = find(job.key)
    withdrawal = found.withdrawal
    if not withdrawal.open or withdrawal.submitted_at is None or withdrawal.cancel_requested_at is not None:
        return
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        result = _ask(withdrawal)
    except WechatError as fault:
        _wait_unless_final(job, found, fault)
        result = _query(withdrawal)
        if result is None and withdrawal.is_queryable(clock.now()):
            _give_up(job, found, fault.code)
            return
    if result is None:
        _wait_to_be_told(found)
    after = settle_transfer(result, job, found)
    if after.open:
        raise Later(ask_again_seconds(withdrawal.submitted_at, clock.now()))


def cancel_withdrawal(job: Job) -> None:
    """Have WeChat call a withdrawal off, and ask until it says how it ended: also paid, when the receiver was quicker.

    Nothing is sent any more. One that WeChat has not heard of has failed once no request can be on its way to it.
    """
    found = find(job.key)
    withdrawal = found.withdrawal
    if not withdrawal.open or withdrawal.cancel_requested_at is None:
        return
    result = _query(withdrawal)
    now = clock.now()
    if result is None:
        if not withdrawal.is_queryable(now) or now < withdrawal.cancel_requested_at + _STRAY:
            _wait_to_be_told(found)
        after = change(job.key, lambda one, tx: failed(one, tx) if one == withdrawal else one, job, found)
    else:
        after = settle_transfer(_called_off(result, found, withdrawal.cancel_requested_at), job, found)
    if after.open:
        raise Later(ask_again_seconds(withdrawal.cancel_requested_at, now))


def _called_off(result: TransferResult, found: StoredWithdrawal, since: datetime) -> TransferResult:
    """How far the transfer is once WeChat was asked to call it off, where it can be."""
    if result.state not in _CANCELLABLE:
        return result
    from chalicelib.gateways.wechat import transfers as wechat
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        return wechat.cancel_transfer(result.out_bill_no)
    except WechatError as fault:
        if fault.passing:
            raise
        _note(found, fault.code)  # its receiver may just have confirmed: ask again
        raise Later(ask_again_seconds(since, clock.now())) from fault


def _wait_to_be_told(found: StoredWithdrawal) -> NoReturn:
    """WeChat tells of no transfer of that number: it will again, or has forgotten it."""
    withdrawal = found.withdrawal
    if withdrawal.is_queryable(clock.now()):
        raise Later(_PARK_SECONDS)
    if withdrawal.outcome != UNKNOWN_AT_WECHAT:
        log.error("withdrawal_forgotten", withdrawal_id=withdrawal.withdrawal_id)
        _note(found, UNKNOWN_AT_WECHAT)
    raise Later(_FORGOTTEN_SECONDS)


def _ask(withdrawal: Withdrawal) -> TransferResult | None:
    """How far the transfer is; None when WeChat does not tell of one. Raises WechatError.

    Until its package_info is had it is asked for in the same words as at first, which begins it or answers how far it
    is. But never when WeChat may have forgotten that it paid long ago.
    """
    if withdrawal.package_info or not withdrawal.is_queryable(clock.now()):
        return _query(withdrawal)
    from chalicelib.gateways.wechat import transfers as wechat

    return wechat.transfer(
        wechat.TransferRequest(
            out_bill_no=withdrawal.withdrawal_id,
            openid=withdrawal.openid,
            amount_fen=withdrawal.net_fen,
            remark=_REMARK,
        )
    )


def _query(withdrawal: Withdrawal) -> TransferResult | None:
    from chalicelib.gateways.wechat import transfers as wechat

    return wechat.query_transfer(withdrawal.withdrawal_id)


def _wait_unless_final(job: Job, found: StoredWithdrawal, fault: WechatError) -> None:
    """Raise what has the job run again, unless WeChat has refused several times, and each time alike."""
    if fault.code in _PARKED or fault.http == 429:
        log.warning("withdrawal_waits", withdrawal_id=job.key, reason=fault.code)
        _note(found, fault.code)
        raise Later(_PARK_SECONDS) from fault
    if not fault.passing and job.task.attempts >= _REFUSALS_MAX and found.withdrawal.outcome == fault.code:
        return
    if not fault.passing or job.task.attempts >= _PATIENCE:
        _note(found, fault.code)
    raise fault


def _give_up(job: Job, found: StoredWithdrawal, why: str) -> None:
    """WeChat refuses and has never heard of it: it has failed, unless it has changed since it was read."""
    log.error("withdrawal_refused", withdrawal_id=job.key, reason=why)
    before = found.withdrawal
    after = change(job.key, lambda now, tx: failed(now, tx, outcome=why) if now == before else now, job, found)
    if after.open:
        raise Later(_PARK_SECONDS)


def _note(found: StoredWithdrawal, why: str) -> None:
    """Let operators see why a withdrawal waits: the merchant's balance may need filling."""

    def decide(withdrawal: Withdrawal, _: Transaction) -> Withdrawal:
        if not withdrawal.open or withdrawal.outcome == why:
            return withdrawal
        return msgspec.structs.replace(withdrawal, outcome=why)

    change(found.withdrawal.withdrawal_id, decide, found=found)


def settle_transfer(
    result: TransferResult, job: Job | None = None, found: StoredWithdrawal | None = None
) -> Withdrawal:
    """Take in what WeChat says of a transfer; the same again changes nothing. The withdrawal after it.

    An end is never left again: WeChat saying another one later is an error that somebody must look at, and changes
    nothing. Raises `not_found`, `conflict`, ValueError when the amount is not the withdrawal's.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if result.amount_fen not in (None, withdrawal.net_fen):
            raise ValueError(f"WeChat speaks of another amount for {withdrawal.withdrawal_id}")
        state = STATES[result.state]
        if withdrawal.state == state and not withdrawal.open:
            return withdrawal
        if not withdrawal.open or withdrawal.submitted_at is None:
            if state in ("succeeded", "failed"):
                log.error("withdrawal_contradicted", withdrawal_id=withdrawal.withdrawal_id, reason=result.state)
            return withdrawal
        if state == "succeeded":
            return succeeded(withdrawal, tx)
        if state == "failed":
            return failed(withdrawal, tx, outcome=result.fail_reason or result.state)
        after = msgspec.structs.replace(
            withdrawal,
            state=state,
            package_info=result.package_info or withdrawal.package_info,
            outcome="PROCESSING" if result.state == "PROCESSING" else "",
        )
        return withdrawal if after == withdrawal else after

    return change(result.out_bill_no, decide, job, found)
