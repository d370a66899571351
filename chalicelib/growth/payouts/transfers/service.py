"""Withdrawals and WeChat: each is handed over under its own number, again and again, until WeChat says how it ended.

Whether the notice or the job learns of an end first, it comes to `settle_transfer`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from chalicelib.core import clock, log
from chalicelib.gateways.outbound import ask_again_seconds, next_step
from chalicelib.gateways.patience import STRAY_REQUESTS, TRANSFERS
from chalicelib.growth.payouts.queries import find
from chalicelib.growth.payouts.rules import STATES, UNKNOWN_AT_WECHAT, Withdrawal, progressed, waiting_for
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

    Its own number is the only one that WeChat ever hears; so whatever was lost on the way, asking again pays once. Once
    it is called off, `cancel_withdrawal` brings it to its end.
    """
    found = find(job.key)
    withdrawal = found.value
    if not withdrawal.open or withdrawal.submitted_at is None or withdrawal.cancel_requested_at is not None:
        return
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        result = _ask(withdrawal)
    except WechatError as fault:
        _wait_unless_refused(job, found, fault)
        result = _query(withdrawal)
        if result is None and withdrawal.is_queryable(clock.now()):
            _give_up(job, found, fault.code)
            return
    if result is None:
        _wait_for_word(found)
    after = settle_transfer(result, job, found)
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
    result = _query(withdrawal)
    now = clock.now()
    if result is None:
        if not withdrawal.is_queryable(now) or now < withdrawal.cancel_requested_at + STRAY_REQUESTS:
            _wait_for_word(found)
        after = change(job.key, lambda one, tx: failed(one, tx) if one == withdrawal else one, job, found)
    else:
        after = settle_transfer(_called_off(result, found, withdrawal.cancel_requested_at), job, found)
    if after.open:
        raise RetryLater(ask_again_seconds(TRANSFERS, withdrawal.cancel_requested_at, now))


def _called_off(result: TransferResult, found: Versioned[Withdrawal], since: datetime) -> TransferResult:
    """Have WeChat call the transfer off, where it can; how far it is then."""
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
        raise RetryLater(ask_again_seconds(TRANSFERS, since, clock.now())) from fault


def _wait_for_word(found: Versioned[Withdrawal]) -> NoReturn:
    """Wait when WeChat tells of no transfer of that number: it will again, or has forgotten it."""
    withdrawal = found.value
    if withdrawal.is_queryable(clock.now()):
        raise RetryLater(TRANSFERS.park_seconds)
    if withdrawal.outcome != UNKNOWN_AT_WECHAT:
        _note(found, UNKNOWN_AT_WECHAT)
        log.error("withdrawal_forgotten", withdrawal_id=withdrawal.withdrawal_id)
    raise RetryLater(TRANSFERS.forgotten_seconds)


def _ask(withdrawal: Withdrawal) -> TransferResult | None:
    """Ask how far the transfer is; None when WeChat does not tell of one. Raises WechatError.

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


def _wait_unless_refused(job: Job, found: Versioned[Withdrawal], fault: WechatError) -> None:
    """Raise what has the job run again, unless the fault is a refusal that is to be believed."""
    step = next_step(TRANSFERS, fault, job.task.attempts, found.value.outcome)
    if step.action == "refused":
        return
    if step.is_shown:
        _note(found, fault.code)
    if step.action == "park":
        log.warning("withdrawal_waits", withdrawal_id=job.key, reason=fault.code)
        raise RetryLater(TRANSFERS.park_seconds) from fault
    raise fault


def _give_up(job: Job, found: Versioned[Withdrawal], why: str) -> None:
    """Fail the withdrawal, which WeChat refuses and has never heard of, unless it has changed since it was read."""
    before = found.value

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal != before:
            return withdrawal
        tx.after_commit(log.error, "withdrawal_refused", withdrawal_id=job.key, reason=why)
        return failed(withdrawal, tx, outcome=why)

    if change(job.key, decide, job, found).open:
        raise RetryLater(TRANSFERS.park_seconds)


def _note(found: Versioned[Withdrawal], why: str) -> None:
    """Let operators see why a withdrawal waits: the merchant's balance may need filling."""
    change(found.value.withdrawal_id, lambda withdrawal, _: waiting_for(withdrawal, why), found=found)


def settle_transfer(
    result: TransferResult, job: Job | None = None, found: Versioned[Withdrawal] | None = None
) -> Withdrawal:
    """Take in what WeChat says of a transfer; said again it changes nothing. The withdrawal after it.

    An end is never left again: WeChat saying another one later is an error that an operator must look at, and changes
    nothing. Raises `not_found`, `conflict`, ValueError when the amount is not the withdrawal's.
    """
    state = STATES[result.state]

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if result.amount_fen not in (None, withdrawal.net_fen):
            raise ValueError(f"WeChat speaks of another amount for {withdrawal.withdrawal_id}")
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
