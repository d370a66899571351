"""Two members become one: who they are, in one transaction; what is theirs, owner after owner in the background.

From the transaction on, every identity and every token of the former member's is the survivor's. It owes a job at once;
again a minute later, for what was being written in that moment or was not in an index yet; and a day later, for what
came in by a job that had waited.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import service as members
from chalicelib.customers.members.identities.rules import Absorbed, How, Identity
from chalicelib.customers.members.jobs import BLOCKED, MERGE
from chalicelib.customers.members.merging import rules
from chalicelib.customers.members.merging.queries import stored
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.customers.members.merging.tables import Merges, merge_item, merge_of
from chalicelib.customers.members.refusals import MERGED_TOO_OFTEN
from chalicelib.customers.members.rules import Profile, former_ids, login_ids
from chalicelib.customers.members.sessions.queries import remember_moved
from chalicelib.customers.members.tables import (
    MOVED,
    Identities,
    Members,
    addresses_key,
    mini_identity,
    phone_identity,
    profile_key,
)
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

#: When what was theirs is moved: at once, when nobody can be writing any more who did not know, and a day later.
_PASSES = {"first": timedelta(0), "second": timedelta(seconds=60), "last": timedelta(days=1)}


def unite(
    one: str, other: str, how: How, by: str | None = None, also: Callable[[Transaction, Merge], None] | None = None
) -> Merge:
    """Make these two members one, and owe the moving of what is theirs. `also` adds to the transaction.

    Raises `already_merged` where they are one, `merge_refused` where too many were merged into one, `merge_conflict`
    where one of them is gone; `conflict`, `unavailable`.
    """
    return versioned.retry(lambda: unite_once(one, other, how, by, also))


def unite_once(
    one: str, other: str, how: How, by: str | None, also: Callable[[Transaction, Merge], None] | None, reason: str = ""
) -> Merge:
    """As `unite`, once, and for this reason, where nobody has given one in proposing it: raises Conflict where another
    writer was quicker."""
    pair = [_as_now(member_id) for member_id in (one, other)]
    stays, goes = rules.survivor(pair[0].value, pair[1].value)
    if stays.member_id == goes.member_id:
        raise MallError("already_merged")
    if not rules.has_room(stays, goes):
        raise MallError("merge_refused", errors=(MERGED_TOO_OFTEN.at("member_id"),))
    versions = {one.value.member_id: one.version for one in pair}
    merge_id = merge_of(one, other)
    known = stored(merge_id)
    proposal = known.value if known is not None and by is not None else None
    merge = Merge(
        merge_id=merge_id, former=goes.member_id, survivor=stays.member_id, how=how, state="moving", at=clock.now(),
        by=by, reason=(None if proposal is None else proposal.reason) or reason or None,
        proposed_by=None if proposal is None else proposal.proposed_by,
    )  # fmt: skip
    tx = Transaction()
    _redirect(tx, stays, goes, merge, versions)
    if known is None:
        tx.create(merge_item(merge, 1), Conflict)
    else:
        tx.put(merge_item(merge, known.version + 1), Merges.version == known.version, Conflict)
    for name, after in _PASSES.items():
        schedule(tx, MERGE, f"{merge_id}|{name}", merge.at + after, former=merge.former, survivor=merge.survivor)
    if also is not None:
        also(tx, merge)
    tx.after_commit(log.info, "members_merged", how=how)
    versioned.commit(tx)
    return merge


def suggest(one: str, other: str, how: How) -> None:
    """Have an operator look whether these two are one person; nothing where that was asked before, or one of them has
    left or become another meanwhile."""
    merge_id = merge_of(one, other)
    pair = member_queries.current(one), member_queries.current(other)
    if pair[0] is None or pair[1] is None or stored(merge_id) is not None:
        return
    stays, goes = rules.survivor(pair[0], pair[1])
    merge = Merge(
        merge_id=merge_id, former=goes.member_id, survivor=stays.member_id, how=how, state="candidate", at=clock.now()
    )
    tx = Transaction()
    tx.create(merge_item(merge, 1), Conflict)
    with contextlib.suppress(Conflict):  # somebody else has asked in this moment
        versioned.commit(tx)


def found(member_id: str) -> Versioned[Profile]:
    """Find a member who is to be merged. Raises `merge_conflict` for who is gone."""
    try:
        return member_queries.stored_profile(member_id)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        raise MallError("merge_conflict") from fault


def _as_now(member_id: str) -> Versioned[Profile]:
    """Find who the member is by now. Raises Conflict where they become another this moment, else as `found` does."""
    now = member_queries.resolved(member_id)
    try:
        return found(now)
    except MallError as fault:
        if member_queries.resolved(now) == now:
            raise
        raise Conflict from fault


def _redirect(tx: Transaction, stays: Profile, goes: Profile, merge: Merge, versions: dict[str, int]) -> None:
    """Make the former member the other, as part of `tx`: identities, profile, and where tokens lead."""
    at = merge.at
    entry = Absorbed(
        member_id=goes.member_id, openid=goes.openid, at=at, how=merge.how, merge_id=merge.merge_id,
        formerly=goes.formerly,
    )  # fmt: skip
    theirs = list(goes.identities)
    if goes.openid:
        theirs.append(Identity(key=mini_identity(settings().wechat_appid, goes.openid), evidence="login", at=at))
    both = rules.merged(stays, goes, entry, theirs)
    after = rules.with_phone(both, None if both.phone is None else phone_identity(both.phone))
    for identity in theirs:
        mine = Identities.member_id == goes.member_id
        if identity not in after.identities:
            tx.delete(Identities, (identity.key,), mine, Conflict)
            continue
        changes = [
            Identities.member_id.set(stays.member_id),
            Identities.subject.set(Identities.subject | goes.member_id),
        ]
        tx.update(Identities, (identity.key,), changes, mine, Conflict)
    before = Versioned(stays, versions[stays.member_id])
    members.write_profile(tx, before, after)
    if after.blocked is not None and stays.blocked is None:
        emit(tx, BLOCKED, stays.member_id)  # what they hold is let go, as of any other who is blocked
    book = read.get(Members, *addresses_key(goes.member_id)[1])
    if book is None:
        raise Conflict
    tx.delete(*profile_key(goes.member_id), Members.version == versions[goes.member_id], Conflict)
    tx.delete(*addresses_key(goes.member_id), Members.version == book.version, Conflict)
    tx.put(Members(goes.member_id, MOVED, moved_to=stays.member_id, addresses=book.addresses, version=1))
    logins, formers = login_ids(goes), former_ids(goes)
    for former in dict.fromkeys([*formers, *logins]):
        to = [
            attribute.set(stays.member_id)
            for attribute, led in ((Members.moved_to, formers), (Members.login_to, logins))
            if former in led
        ]
        tx.update(Members, (former, MOVED), to, Members.version.exists(), Conflict)
    tx.after_commit(remember_moved, goes.member_id, stays.member_id)
