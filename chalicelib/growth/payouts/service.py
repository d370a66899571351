"""Commands about withdrawals: asked for, reviewed, called off, concluded, and brought to their end under one number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.distribution.rules import Distributor
from chalicelib.growth.distribution.tables import Distributors, distributor_key
from chalicelib.growth.payouts.jobs import CANCEL_WITHDRAWAL, PUSH_WITHDRAWAL
from chalicelib.growth.payouts.queries import StoredWithdrawal, find
from chalicelib.growth.payouts.rules import (
    TRANSITIONS,
    UNKNOWN_AT_WECHAT,
    Allowance,
    Withdrawal,
    WithdrawalState,
    check_limits,
    kept_back,
)
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.growth.payouts.tables import (
    Withdrawals,
    allowance_item,
    allowance_key,
    allowance_of,
    withdrawal_item,
    withdrawal_key,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, LeaseLost
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

_SHORT = "the balance is short"


class _Again(Exception):
    """Somebody changed the withdrawal or the allowance between the read and the write."""


#: Given the withdrawal as it is, adds to the transaction what goes with the change and returns the withdrawal after it;
#: the same one when there is nothing to change.
Decision = Callable[[Withdrawal, Transaction], Withdrawal]


def request(member_id: str, key: str, amount_fen: int) -> Withdrawal:
    """A distributor takes this much out of their balance; by an operator's leave, where it is much or they are
    suspended. It does not matter whether distribution is switched on.

    The withdrawal is the one that this Idempotency-Key stands for; a repetition gets its first answer again.
    Raises `not_found` for who is no distributor, `distributor_state` while they wait to be approved, `balance_short`,
    `withdrawal_limit`, `invalid`, `idempotency_key_reused`, `conflict`.
    """
    number = ids.derived("w", member_id, key)
    return retry_busy(lambda: _request_once(member_id, number, amount_fen), _Again)


def _request_once(member_id: str, number: str, amount_fen: int) -> Withdrawal:
    known, allowance, distributor, profile = read.batch_get(
        [withdrawal_key(number), allowance_key(member_id), distributor_key(member_id), profile_key(member_id)]
    )
    if known is not None:
        if known.withdrawal.amount_fen != amount_fen:
            raise MallError("idempotency_key_reused")
        return known.withdrawal.at_first()  # type: ignore[no-any-return]
    if distributor is None or profile is None:
        raise MallError("not_found")
    now = clock.now()
    before = allowance_of(allowance, now)
    made = _new(number, amount_fen, distributor.distributor, profile.profile.openid, before, now)
    tx = Transaction()
    tx.create(withdrawal_item(made, 1), _Again)
    ledger.post(tx, entries.withdrawal_begun(number, member_id, now, amount_fen), short=_SHORT)
    _put_allowance(tx, member_id, before.with_one(made), allowance)
    tx.check(*distributor_key(member_id), Distributors.version == int(distributor.version), _Again)
    if made.state == "processing":
        schedule(tx, PUSH_WITHDRAWAL, number)
    try:
        tx.commit()
    except ConditionFailed as fault:
        # If it is there by now, it was made by this request itself, and the balance is short because of that.
        if _SHORT in fault.failed and ledger.POSTED not in fault.failed:
            raise MallError("balance_short") from fault
        raise _Again from fault
    return made


def _new(
    number: str, amount_fen: int, distributor: Distributor, openid: str, before: Allowance, now: datetime
) -> Withdrawal:
    if distributor.state == "pending":
        raise MallError("distributor_state", state=distributor.state)
    section = WITHDRAWALS.versioned()
    rules, version = section.value, section.version
    check_limits(amount_fen, before, rules)
    tax, fee = kept_back(amount_fen, before, rules)
    much = rules.review_from_fen is not None and amount_fen >= rules.review_from_fen
    state: WithdrawalState = "reviewing" if much or distributor.state == "suspended" else "processing"
    return Withdrawal(
        withdrawal_id=number, member_id=distributor.member_id, openid=openid, state=state, first_state=state,
        amount_fen=amount_fen, tax_fen=tax, fee_fen=fee, rules_version=version, created_at=now,
        submitted_at=now if state == "processing" else None,
    )  # fmt: skip


def approve(withdrawal_id: str, by: str) -> Withdrawal:
    """An operator lets a withdrawal go; twice is no error. Raises `not_found`, `withdrawal_state`, `conflict`."""

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.submitted_at is not None:
            return withdrawal
        _check_reviewing(withdrawal)
        schedule(tx, PUSH_WITHDRAWAL, withdrawal_id)
        return msgspec.structs.replace(withdrawal, state="processing", submitted_at=clock.now(), decided_by=by)

    return change(withdrawal_id, decide)


def reject(withdrawal_id: str, reason: str, by: str) -> Withdrawal:
    """An operator refuses a withdrawal, and its money is in the balance again; twice is no error.

    Raises `not_found`, `withdrawal_state`, `conflict`.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.state == "failed" and withdrawal.submitted_at is None:
            return withdrawal
        _check_reviewing(withdrawal)
        return failed(withdrawal, tx, reason=reason, decided_by=by)

    return change(withdrawal_id, decide)


def cancel(withdrawal_id: str, reason: str, by: str) -> Withdrawal:
    """An operator wants a withdrawal called off that its receiver has not confirmed; twice is no error. Nothing is sent
    from now on, and WeChat is asked to call off what it has. How it ends is what WeChat says: it was paid, where the
    receiver was quicker.

    Raises `not_found`, `conflict`, and `withdrawal_state` for one that is to be decided, on its way, forgotten or over.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.cancel_requested_at is not None:
            return withdrawal
        now = clock.now()
        on_its_way = withdrawal.state == "processing" and withdrawal.package_info
        if not withdrawal.open or on_its_way or not withdrawal.is_queryable(now):
            raise MallError("withdrawal_state", state=withdrawal.state)
        schedule(tx, CANCEL_WITHDRAWAL, withdrawal_id)
        return msgspec.structs.replace(withdrawal, cancel_requested_at=now, outcome="", reason=reason, decided_by=by)

    return change(withdrawal_id, decide)


def conclude(withdrawal_id: str, paid: bool, reason: str, by: str) -> Withdrawal:
    """An operator has seen in WeChat Pay's console how a transfer ended that WeChat tells the mall nothing of any more.

    Twice is no error. Raises `not_found`, `conflict`, and `withdrawal_state` for any other: WeChat says how those end.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.state == ("succeeded" if paid else "failed") and withdrawal.decided_by and withdrawal.reason:
            return withdrawal
        if not withdrawal.open or withdrawal.outcome != UNKNOWN_AT_WECHAT or withdrawal.is_queryable(clock.now()):
            raise MallError("withdrawal_state", state=withdrawal.state)
        end = succeeded if paid else failed
        return end(withdrawal, tx, reason=reason, decided_by=by)

    return change(withdrawal_id, decide)


def _check_reviewing(withdrawal: Withdrawal) -> None:
    if withdrawal.state != "reviewing":
        raise MallError("withdrawal_state", state=withdrawal.state)


def succeeded(withdrawal: Withdrawal, tx: Transaction, **told: str) -> Withdrawal:
    """The withdrawal once its receiver has the money, with the entry that says so in `tx`."""
    now = clock.now()
    about = withdrawal.withdrawal_id, withdrawal.member_id, now
    ledger.post(tx, entries.withdrawal_paid(*about, withdrawal.amount_fen, withdrawal.tax_fen, withdrawal.fee_fen))
    return _ended(withdrawal, "succeeded", now, told)


def failed(withdrawal: Withdrawal, tx: Transaction, **told: str) -> Withdrawal:
    """The withdrawal once it has finally failed: in `tx` its money and its part of the allowance are given back."""
    now = clock.now()
    about = withdrawal.withdrawal_id, withdrawal.member_id, now
    ledger.post(tx, entries.withdrawal_failed(*about, withdrawal.amount_fen))
    kept = read.get(Withdrawals, *allowance_key(withdrawal.member_id)[1])
    if kept is not None and (after := kept.allowance.without(withdrawal)) != kept.allowance:
        _put_allowance(tx, withdrawal.member_id, after, kept)
    return _ended(withdrawal, "failed", now, told)


def _ended(withdrawal: Withdrawal, state: WithdrawalState, now: datetime, told: dict[str, str]) -> Withdrawal:
    ended = {"outcome": "", "package_info": ""} | told
    return msgspec.structs.replace(withdrawal, state=state, finished_at=now, **ended)


def _put_allowance(tx: Transaction, member_id: str, after: Allowance, kept: Withdrawals | None) -> None:
    if kept is None:
        tx.create(allowance_item(member_id, after, 1), _Again)
    else:
        version = int(kept.version)
        tx.put(allowance_item(member_id, after, version + 1), Withdrawals.version == version, _Again)


def change(
    withdrawal_id: str, decide: Decision, job: Job | None = None, found: StoredWithdrawal | None = None
) -> Withdrawal:
    """Change the withdrawal in one transaction, which also ends `job` when that has ended it; the withdrawal after it.

    `found` is where the caller has just read it. Raises `not_found`, `conflict`, what `decide` raises, and
    ConditionFailed(LeaseLost) when the job is another's.
    """
    tries = iter([found] if found is not None else [])
    return retry_busy(lambda: _change_once(next(tries, None) or find(withdrawal_id), decide, job), _Again)


def _change_once(found: StoredWithdrawal, decide: Decision, job: Job | None) -> Withdrawal:
    tx = Transaction()
    before = found.withdrawal
    after = decide(before, tx)
    if after is before:
        return after
    assert after.state == before.state or after.state in TRANSITIONS[before.state], (before.state, after.state)
    version = found.version
    tx.put(withdrawal_item(after, version + 1), Withdrawals.version == version, _Again)
    if job is not None and not after.open:
        job.finish(tx)
    try:
        tx.commit()
    except ConditionFailed as fault:
        if job is not None:
            job.finished = False
        if LeaseLost in fault.failed:
            raise
        raise _Again from fault
    log.info("withdrawal_changed", withdrawal_id=after.withdrawal_id, state=after.state, outcome=after.outcome)
    return after
