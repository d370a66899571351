"""Commands about distributors: apply, be approved or suspended, rise in tier."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.tables import Members, profile_key
from chalicelib.growth.distribution.distributors.queries import stored_distributor
from chalicelib.growth.distribution.jobs import RAISE_TIER
from chalicelib.growth.distribution.rules import (
    STANDARD,
    DistributionRules,
    Distributor,
    DistributorState,
    Link,
    next_tier,
)
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    DISTRIBUTOR,
    Distributors,
    Links,
    distributor_item,
    distributor_key,
    figures,
    queue_of,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

_CODE_LENGTH = 10
_GONE = "the member is gone"


class _Again(Exception):
    """Somebody changed the distributor between the read and the write."""


def switch(on: bool) -> DistributionRules:
    """Let distribution run, or stop it for all: nothing new is earned from then on. All other settings stay, and what
    was earned. Twice is no error. Raises `conflict`, `unavailable`."""
    return DISTRIBUTION.edit(lambda rules: msgspec.structs.replace(rules, enabled=on))


def apply(member_id: str) -> Distributor:
    """The member becomes a distributor, or waits to be approved; whoever is one already stays what they are.

    There is nothing to pay and nothing to buy. Raises `distribution_off`.
    """
    known = read.get(Distributors, member_id, DISTRIBUTOR)
    if known is not None:
        return known.distributor
    rules = DISTRIBUTION.fresh()
    if not rules.enabled:
        raise MallError("distribution_off")
    now = clock.now()
    code = ids.derived("", "invite", member_id)[:_CODE_LENGTH]
    state: DistributorState = "active" if rules.approval == "open" else "pending"
    distributor = Distributor(member_id=member_id, state=state, invite_code=code, applied_at=now)
    tx = Transaction()
    tx.check(*profile_key(member_id), Members.version.exists(), _GONE)
    tx.create(distributor_item(distributor, 1), _Again)
    tx.put(Links(code, link=Link(member_id=member_id, made_at=now)))
    try:
        tx.commit()
    except ConditionFailed as fault:
        if _GONE in fault.failed:
            raise MallError("unauthenticated") from fault
        return stored_distributor(member_id).distributor
    return distributor


def approve(member_id: str) -> Distributor:
    """Let the distributor work, also again after they were suspended; twice is no error.

    Raises `not_found`, also for a member who is gone.
    """
    if member_queries.found(member_id) is None:
        raise MallError("not_found")
    return _change(member_id, lambda known: msgspec.structs.replace(known, state="active"))


def suspend(member_id: str) -> Distributor:
    """Stop the distributor: no commissions and no customers from now on; what they earned stays theirs.

    Twice is no error. Raises `not_found`.
    """
    return _change(member_id, lambda known: msgspec.structs.replace(known, state="suspended"))


def set_tier(member_id: str, tier: str) -> Distributor:
    """Put the distributor into a tier, whatever they have reached. Raises `not_found`, `invalid` for no such tier."""
    if tier != STANDARD and DISTRIBUTION.fresh().tier(tier) is None:
        raise invalid("tier", "no such tier in the settings")
    return _change(member_id, lambda known: msgspec.structs.replace(known, tier=tier))


def raise_tier(job: Job) -> None:
    """Put a distributor into the highest tier that is reached by now, one after the other.

    Each tier on the way rewards a distributor once for ever. Nobody is ever put lower.
    """
    while retry_busy(lambda: _rise(job.key), _Again):
        pass


def _rise(member_id: str) -> bool:
    """Put the distributor into the next tier that they have reached; False when there is none, or nothing new is to be
    earned."""
    kept = stored_distributor(member_id)
    known = kept.distributor
    rules = DISTRIBUTION.fresh()
    tier = next_tier(known.tier, figures(kept), rules.tiers)
    if tier is None or known.state != "active" or not rules.enabled:
        return False
    tx = Transaction()
    rewarded = known.rewarded
    if tier.reward_fen and tier.tier_id not in rewarded:
        rewarded = [*rewarded, tier.tier_id]
        ledger.post(tx, entries.rewarded(member_id, tier.tier_id, clock.now(), tier.reward_fen))
    _put(tx, msgspec.structs.replace(known, tier=tier.tier_id, rewarded=rewarded), kept)
    _commit(tx)
    return True


def _change(member_id: str, decide: Callable[[Distributor], Distributor]) -> Distributor:
    """The distributor as `decide` makes them of what they are."""

    def once() -> Distributor:
        kept = stored_distributor(member_id)
        after = decide(kept.distributor)
        if after != kept.distributor:
            tx = Transaction()
            _put(tx, after, kept)
            _commit(tx)
        return after

    return retry_busy(once, _Again)


def _put(tx: Transaction, after: Distributor, kept: Distributors) -> None:
    """Write the distributor, under the version that was read; counters are left alone, orders add to them meanwhile."""
    version = int(kept.version)
    if after.state == "active" != kept.distributor.state:
        schedule(tx, RAISE_TIER, after.member_id)  # what was kept meanwhile may have reached one
    actions = [
        Distributors.distributor.set(after),
        Distributors.version.set(version + 1),
        Distributors.queue.set(queue_of(after)),
        Distributors.board.set(queue_of(after)),
        Distributors.sales_fen.set(Distributors.sales_fen | 0),
    ]
    tx.update(*distributor_key(after.member_id), actions, Distributors.version == version, _Again)


def _commit(tx: Transaction) -> None:
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise _Again from fault
