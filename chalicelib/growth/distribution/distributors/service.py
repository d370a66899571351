"""Commands about distributors: apply, be approved or suspended, rise in tier."""

from __future__ import annotations

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members.tables import Members, profile_key
from chalicelib.growth.distribution.distributors.queries import counts_twice, find
from chalicelib.growth.distribution.distributors.rules import risen
from chalicelib.growth.distribution.jobs import RAISE_TIER
from chalicelib.growth.distribution.ports import observers
from chalicelib.growth.distribution.refusals import NO_SUCH_TIER
from chalicelib.growth.distribution.rules import (
    STANDARD,
    DistributionRules,
    Distributor,
    DistributorRecord,
    DistributorState,
    Link,
)
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    DISTRIBUTOR,
    Distributors,
    Links,
    debt_item,
    debt_key,
    distributor_item,
    distributor_key,
    queue_of,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

_CODE_LENGTH = 10
#: How long a tier waits, in seconds, until it is known how many customers there are of two who turned out to be one.
_COUNTED_SECONDS = 10.0


def switch(on: bool) -> DistributionRules:
    """Let distribution run, or stop it for all: nothing new is earned from then on. All other settings stay, and what
    was earned. Twice is no error. Raises `conflict`, `unavailable`."""
    return DISTRIBUTION.edit(lambda rules: msgspec.structs.replace(rules, enabled=on))


def apply(member_id: str) -> Distributor:
    """Make the member a distributor, or one who waits to be approved; a distributor stays what they are.

    There is nothing to pay and nothing to buy; but what they owed as a distributor when they left is charged to who
    returns. Raises `distribution_off`, `conflict`.
    """
    return versioned.retry(lambda: _apply(member_id))


def _apply(member_id: str) -> Distributor:
    known, owed = read.batch_get([distributor_key(member_id), debt_key(member_id)])
    if known is not None:
        held: Distributor = known.distributor
        return held
    rules = DISTRIBUTION.fresh()
    if not rules.enabled:
        raise MallError("distribution_off")
    now = clock.now()
    code = ids.derived("", "invite", member_id)[:_CODE_LENGTH]
    state: DistributorState = "active" if rules.approval == "open" else "pending"
    distributor = Distributor(
        member_id=member_id, state=state, invite_code=code, applied_at=now,
        active_since=now if state == "active" else None,
    )  # fmt: skip
    tx = Transaction()
    tx.check(*profile_key(member_id), Members.version.exists(), MallError("unauthenticated"))
    tx.create(distributor_item(distributor, 1), Conflict)
    tx.put(Links(code, link=Link(member_id=member_id, made_at=now)))
    for each in observers():
        each.changed(tx, member_id, state)
    if owed is not None and owed.debt_fen:
        # It stays at nothing: a hand-on that comes late must not write it once more.
        tx.put(debt_item(member_id, 0), Distributors.debt_fen == owed.debt_fen, Conflict)
        ledger.post(tx, entries.charged(member_id, now, int(owed.debt_fen)))
    versioned.commit(tx)
    return distributor


def approve(member_id: str) -> Distributor:
    """Let the distributor work, also again after they were suspended; twice is no error.

    Raises `not_found`, also for a member who was erased.
    """
    return _change(member_id, state="active")


def suspend(member_id: str) -> Distributor:
    """Stop the distributor: no commissions and no customers from now on; what they earned stays theirs.

    Twice is no error. Raises `not_found`.
    """
    return _change(member_id, state="suspended")


def leave(tx: Transaction, member_id: str) -> None:
    """Suspend the distributor for good, as part of `tx`; nothing for who is none. `tx` fails with Conflict where they
    change meanwhile."""
    if read.get(Distributors, member_id, DISTRIBUTOR) is not None:
        before = find(member_id)
        _store(tx, before, _with(before.value, state="suspended"))
        for each in observers():
            each.changed(tx, member_id, None)


def set_tier(member_id: str, tier: str) -> Distributor:
    """Put the distributor into a tier, whatever they have reached. Raises `not_found`, `invalid` for no such tier."""
    if tier != STANDARD and DISTRIBUTION.fresh().tier(tier) is None:
        raise invalid(NO_SUCH_TIER.at("tier"))
    return _change(member_id, tier=tier)


def raise_tier(job: Job) -> None:
    """Put a distributor into the highest tier that is reached by now, one after the other.

    Each tier on the way rewards a distributor once for ever. Nobody is ever put lower; but who stands in a
    tier that was removed, into the highest that they have reached. Raises RetryLater while customers of theirs are
    counted twice.
    """
    while versioned.retry(lambda: _rise(job.key)):
        pass


def _rise(member_id: str) -> bool:
    """Put the distributor into the next tier that they have reached; False when there is none, or nothing new is to be
    earned."""
    before = find(member_id)
    distributor = before.value.distributor
    rules = DISTRIBUTION.fresh()
    found = risen(distributor, before.value.totals, rules.tiers)
    if found is None or distributor.state != "active" or not rules.enabled:
        return False
    if counts_twice(distributor.member_id):
        raise RetryLater(_COUNTED_SECONDS)
    after, reward_fen = found
    tx = Transaction()
    if reward_fen:
        ledger.post(tx, entries.rewarded(after.member_id, after.tier, clock.now(), reward_fen))
    _write(tx, before, msgspec.structs.replace(before.value, distributor=after))
    versioned.commit(tx)
    return True


def _change(member_id: str, **fields: str) -> Distributor:
    """Change these fields of the distributor; they are left alone where nothing is different. Who is gone by then is
    not made active: `not_found`."""

    def decide(before: DistributorRecord, tx: Transaction) -> DistributorRecord:
        after = _with(before, **fields)
        if after == before:
            return before
        if after.distributor.state == "active" != before.distributor.state:
            after = _with(after, active_since=clock.now())
            whose = after.distributor.member_id
            tx.check(*profile_key(whose), Members.version.exists(), MallError("not_found"))
            schedule(tx, RAISE_TIER, whose)  # what was sold meanwhile may have reached a tier
        return after

    return versioned.change(lambda: find(member_id), decide, _write).distributor


def _with(record: DistributorRecord, **fields: object) -> DistributorRecord:
    return msgspec.structs.replace(record, distributor=msgspec.structs.replace(record.distributor, **fields))


def _write(tx: Transaction, before: Versioned[DistributorRecord], after: DistributorRecord) -> None:
    """Add the changed distributor to `tx`, and tell of a state that is another."""
    _store(tx, before, after)
    distributor = after.distributor
    if distributor.state != before.value.distributor.state:
        for each in observers():
            each.changed(tx, distributor.member_id, distributor.state)


def _store(tx: Transaction, before: Versioned[DistributorRecord], after: DistributorRecord) -> None:
    """Add the changed distributor to `tx`, under the version that was read; counters are not touched, orders add to
    them meanwhile."""
    distributor = after.distributor
    actions = [
        Distributors.distributor.set(distributor),
        Distributors.version.set(before.version + 1),
        Distributors.queue.set(queue_of(distributor)),
        Distributors.board.set(queue_of(distributor)),
        Distributors.sales_fen.set(Distributors.sales_fen | 0),
    ]
    tx.update(*distributor_key(distributor.member_id), actions, Distributors.version == before.version, Conflict)
