"""Operators decide whether two members are one person; of two logins, two operators do."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.merging import rules
from chalicelib.customers.members.merging.queries import load, stored
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.merging.service import found, unite_once
from chalicelib.customers.members.merging.tables import Merges, merge_item, merge_of
from chalicelib.customers.members.refusals import ALREADY_DECIDED, ANOTHER_OPERATOR_MERGES, NO_SUCH_MEMBER, TWO_LOGINS
from chalicelib.customers.members.rules import Profile
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned


def propose(one: str, other: str, operator: str, reason: str, force: bool) -> Merge:
    """Say, as an operator, that these two are one person: done at once, unless both log in to the mini-program; then
    proposed, with `force`, for another operator to agree.

    Raises `not_found` for who is not there, `two_logins` without force, and what `unite` and `decide` raise.
    """
    pair = [member_queries.current(member_queries.resolved(member_id)) for member_id in (one, other)]
    for member, field in zip(pair, ("from", "to"), strict=True):
        if member is None:
            raise MallError("not_found", errors=(NO_SUCH_MEMBER.at(field),))
    stays, goes = rules.survivor(*(member for member in pair if member is not None))
    if stays.member_id == goes.member_id:
        raise MallError("already_merged")
    merge_id = merge_of(stays.member_id, goes.member_id)
    known = stored(merge_id)
    if known is not None and known.value.state in ("candidate", "proposed"):
        return decide(merge_id, True, operator, reason, force)
    merge = Merge(
        merge_id=merge_id, former=goes.member_id, survivor=stays.member_id, how="operator", state="candidate",
        at=clock.now(), reason=reason,
    )  # fmt: skip
    tx = Transaction()
    if known is None:
        tx.create(merge_item(merge, 1), Conflict)
    else:
        tx.put(merge_item(merge, known.version + 1), Merges.version == known.version, Conflict)
    _check_logins(stays, goes, force)
    try:
        versioned.commit(tx)
    except Conflict as fault:
        raise MallError("conflict") from fault
    return decide(merge_id, True, operator, reason, force)


def decide(merge_id: str, is_one: bool, operator: str, reason: str, force: bool) -> Merge:
    """Decide, as an operator, whether two members are one person; of two logins the first one's word is a proposal.

    Raises `not_found`, `already_merged` where it was decided before, `two_logins` without force, `second_operator`
    where they proposed it themselves, and what `unite` raises.
    """
    return versioned.retry(lambda: _decide_once(merge_id, is_one, operator, reason, force))


def _decide_once(merge_id: str, is_one: bool, operator: str, reason: str, force: bool) -> Merge:
    known = load(merge_id)
    merge = known.value
    if merge.state not in ("candidate", "proposed"):
        raise MallError("already_merged", errors=(ALREADY_DECIDED.at("merge_id"),))
    if not is_one:
        return _rewritten(known, state="rejected", by=operator, reason=reason, ended_at=clock.now())
    former, survivor = (found(member_queries.resolved(member_id)).value for member_id in (merge.former, merge.survivor))
    if former.member_id == survivor.member_id:  # they have become one otherwise: nothing is left to be asked
        return _rewritten(known, state="done", by=operator, reason=reason, ended_at=clock.now())
    if rules.two_logins(former, survivor):
        if merge.state == "candidate":
            _check_logins(former, survivor, force)
            return _rewritten(known, state="proposed", proposed_by=operator, reason=reason)
        if merge.proposed_by == operator:
            raise MallError("second_operator", errors=(ANOTHER_OPERATOR_MERGES.at("merge_id"),))
    return unite_once(merge.former, merge.survivor, "operator", operator, None, reason)


def _check_logins(one: Profile, other: Profile, force: bool) -> None:
    if rules.two_logins(one, other) and not force:
        raise MallError("two_logins", errors=(TWO_LOGINS.at("force"),))


def _rewritten(known: Versioned[Merge], **changes: Any) -> Merge:
    after = msgspec.structs.replace(known.value, **changes)
    tx = Transaction()
    tx.put(merge_item(after, known.version + 1), Merges.version == known.version, Conflict)
    versioned.commit(tx)
    return after
