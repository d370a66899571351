"""Commands about withdrawals: asked for, reviewed, cancelled, concluded, and brought to their end under one number."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members.queries import is_theirs, resolved
from chalicelib.customers.members.rules import openid_of
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.distribution.tables import Distributors, distributor_key
from chalicelib.growth.payouts.jobs import CANCEL_WITHDRAWAL, PUSH_WITHDRAWAL
from chalicelib.growth.payouts.limits.rules import Allowance, new_withdrawal, tax_to_return
from chalicelib.growth.payouts.limits.service import has_gathered, put_allowance
from chalicelib.growth.payouts.queries import find, find_allowance, load_if_there, stored_allowance
from chalicelib.growth.payouts.refusals import BALANCE_SHORT, money
from chalicelib.growth.payouts.rules import (
    TRANSITIONS,
    Withdrawal,
    WithdrawalEvent,
    approved,
    cancel_requested,
    check_action,
    ended,
)
from chalicelib.growth.payouts.settings import WITHDRAWALS
from chalicelib.growth.payouts.tables import (
    Withdrawals,
    allowance_key,
    withdrawal_item,
    withdrawal_key,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

#: Makes the withdrawal after a change from the withdrawal before it, and adds to the transaction what goes with the
#: change; gives back the same withdrawal where there is nothing to change. It may be asked again: `versioned.change`
#: says what it may do.
Decision = Callable[[Withdrawal, Transaction], Withdrawal]


def request(member_id: str, key: str, amount_fen: int, subject: str = "") -> Withdrawal:
    """Take this much out of a distributor's balance; by an operator's leave, where it is much or they are suspended. It
    does not matter whether distribution is switched on. It is sent to the login by which the session was opened, whose
    token was made for this `subject` ("": the member).

    The withdrawal is the one that this Idempotency-Key stands for; a repetition gets its first answer again.
    Raises `not_found` for a member who is no distributor, `distributor_state` while they wait to be approved,
    `balance_short`, `withdrawal_limit`, `invalid`, `idempotency_key_reused`, `conflict`.
    """
    subject = subject or member_id
    number = ids.derived("w", subject, key)
    made = versioned.create_once(
        lambda: _request_once(member_id, subject, number, amount_fen),
        lambda: load_if_there(number),
        lambda withdrawal: withdrawal.amount_fen == amount_fen and is_theirs(withdrawal.member_id, member_id),
    )
    return made.at_first()


def _request_once(member_id: str, subject: str, number: str, amount_fen: int) -> Withdrawal:
    known, allowance, distributor, profile = read.batch_get(
        [withdrawal_key(number), allowance_key(member_id), distributor_key(member_id), profile_key(member_id)]
    )
    if known is not None:
        return known.withdrawal  # type: ignore[no-any-return]
    if distributor is None or profile is None:
        raise MallError("not_found")
    if has_gathered(profile.profile):
        raise Conflict
    now = clock.now()
    today, stored = clock.day(now), stored_allowance(allowance)
    before = Allowance(day=today) if stored is None else stored.value.on(today)
    openid = openid_of(profile.profile, subject)
    section = WITHDRAWALS.versioned()
    made = new_withdrawal(
        number, amount_fen, distributor.distributor, openid, before, section.value, section.version, now
    )
    made = msgspec.structs.replace(made, notify_to=settings().public_url)
    tx = Transaction()
    tx.create(withdrawal_item(made, 1), Conflict)
    short = MallError("balance_short", errors=(BALANCE_SHORT.at("amount_fen", **money(amount=amount_fen)),))
    ledger.post(tx, entries.withdrawal_begun(number, member_id, now, amount_fen), short=short)
    put_allowance(tx, member_id, before.with_one(made, section.value.tax), stored)
    tx.check(*distributor_key(member_id), Distributors.version == int(distributor.version), Conflict)
    if made.state == "processing":
        schedule(tx, PUSH_WITHDRAWAL, number)
    versioned.commit(tx)
    return made


def approve(withdrawal_id: str, by: str) -> Withdrawal:
    """Let a withdrawal go; twice is no error. Raises `not_found`, `withdrawal_state`, `conflict`."""

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.submitted_at is not None:
            return withdrawal
        after = approved(withdrawal, by, clock.now())
        schedule(tx, PUSH_WITHDRAWAL, withdrawal_id)
        return after

    return change(withdrawal_id, decide)


def reject(withdrawal_id: str, reason: str, by: str) -> Withdrawal:
    """Refuse a withdrawal that is to be decided, and give its money back to the balance; twice is no error.

    Raises `not_found`, `withdrawal_state`, `conflict`.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.state == "failed" and withdrawal.submitted_at is None:
            return withdrawal
        check_action(withdrawal, "reject", clock.now())
        return failed(withdrawal, tx, "reject", reason=reason, decided_by=by)

    return change(withdrawal_id, decide)


def cancel(withdrawal_id: str, reason: str, by: str) -> Withdrawal:
    """Call off a withdrawal that its receiver has not confirmed; twice is no error. Nothing is sent from now on, and
    WeChat is asked to call off what it has. How it ends is what WeChat says: it was paid, where the receiver was
    quicker.

    Raises `not_found`, `conflict`, and `withdrawal_state` for one that is to be decided, on its way, forgotten or over.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.cancel_requested_at is not None:
            return withdrawal
        after = cancel_requested(withdrawal, reason, by, clock.now())
        schedule(tx, CANCEL_WITHDRAWAL, withdrawal_id)
        return after

    return change(withdrawal_id, decide)


def conclude(withdrawal_id: str, paid: bool, reason: str, by: str) -> Withdrawal:
    """Take in how a transfer ended that WeChat tells the mall nothing of any more, as an operator has seen it in WeChat
    Pay's console.

    Twice is no error. Raises `not_found`, `conflict`, and `withdrawal_state` for any other: WeChat says how those end.
    """

    def decide(withdrawal: Withdrawal, tx: Transaction) -> Withdrawal:
        if withdrawal.state == ("succeeded" if paid else "failed") and withdrawal.decided_by and withdrawal.reason:
            return withdrawal
        check_action(withdrawal, "conclude", clock.now())
        if paid:
            return succeeded(withdrawal, tx, reason=reason, decided_by=by)
        return failed(withdrawal, tx, reason=reason, decided_by=by)

    return change(withdrawal_id, decide)


def succeeded(withdrawal: Withdrawal, tx: Transaction, **changes: str) -> Withdrawal:
    """End the withdrawal, whose receiver has the money, with the entry that says so in `tx`."""
    now = clock.now()
    about = withdrawal.withdrawal_id, withdrawal.account, now
    ledger.post(tx, entries.withdrawal_paid(*about, withdrawal.amount_fen, withdrawal.tax_fen, withdrawal.fee_fen))
    return ended(withdrawal, "pay", now, **changes)


def failed(withdrawal: Withdrawal, tx: Transaction, event: WithdrawalEvent = "fail", **changes: str) -> Withdrawal:
    """End the withdrawal, which has finally failed: in `tx` its money and its part of the allowance are given back, and
    the tax that others of its month were kept back because of it."""
    now = clock.now()
    member_id = withdrawal.member_id
    stored = find_allowance(member_id)
    if stored is None and (member_id := resolved(member_id)) != withdrawal.member_id:
        stored = find_allowance(member_id)
    returned = 0 if stored is None else tax_to_return(withdrawal, stored.value)
    after = msgspec.structs.replace(ended(withdrawal, event, now, **changes), tax_returned_fen=returned)
    about = withdrawal.withdrawal_id, withdrawal.account, now
    ledger.post(tx, entries.withdrawal_failed(*about, withdrawal.amount_fen, returned))
    if stored is not None and (left := stored.value.without(after)) != stored.value:
        put_allowance(tx, member_id, left, stored)
    return after


def change(
    withdrawal_id: str, decide: Decision, job: Job | None = None, found: Versioned[Withdrawal] | None = None
) -> Withdrawal:
    """Change the withdrawal in one transaction, which also ends `job` when that has ended it; give the withdrawal after
    it.

    `found` is where the caller has just read it. Raises `not_found`, `conflict`, what `decide` raises, and
    ConditionFailed(LeaseLost) when the job is another's.
    """

    def write(tx: Transaction, before: Versioned[Withdrawal], after: Withdrawal) -> None:
        state = before.value.state
        assert after.state in (state, *TRANSITIONS[state].values()), (state, after.state)
        tx.put(withdrawal_item(after, before.version + 1), Withdrawals.version == before.version, Conflict)
        if job is not None and not after.open:
            job.finish(tx)
        tx.after_commit(
            log.info, "withdrawal_changed", withdrawal_id=withdrawal_id, state=after.state, outcome=after.outcome
        )

    return versioned.change(lambda: find(withdrawal_id), decide, write, found=found)
