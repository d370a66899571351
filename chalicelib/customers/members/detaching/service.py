"""A login, or another identity, is taken out of a member and begins anew as somebody else.

What was ever bought, paid or agreed stays where it is; what is wrong in it is put right by new entries and orders.
"""

from __future__ import annotations

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.identities.rules import Absorbed, Identity
from chalicelib.customers.members.merging.queries import stored
from chalicelib.customers.members.merging.rules import detachable
from chalicelib.customers.members.merging.tables import Merges, merge_item
from chalicelib.customers.members.ports import observer
from chalicelib.customers.members.refusals import LAST_LOGIN, NO_SUCH_IDENTITY, NO_SUCH_MEMBER, TOO_LATE_TO_DETACH
from chalicelib.customers.members.returning import service as returning
from chalicelib.customers.members.rules import Addresses, Profile, is_settled
from chalicelib.customers.members.service import write_profile
from chalicelib.customers.members.sessions.queries import remember_moved
from chalicelib.customers.members.tables import (
    ADDRESSES,
    MOVED,
    Identities,
    Members,
    identity_id,
    mini_identity,
    profile_item,
)
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry


def detach(member_id: str, identity: str, reason: str) -> Profile:
    """Make a new member of the identity, which the member is known by (`identity_id`), within days of the merge by
    which it came to them; the new member, who is no new customer. Tokens of that login are the new member's.

    Raises `not_found`, `merge_refused` where it is too late, is all that they have, or is still being merged;
    `conflict`, `unavailable`.
    """
    return retry(lambda: _detach_once(member_id, identity, reason))


def _detach_once(member_id: str, identity: str, reason: str) -> Profile:
    try:
        found = member_queries.stored_profile(member_id)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),)) from fault
    member = found.value
    key = next((one.key for one in member.identities if identity_id(one.key) == identity), None)
    if key is None:
        own = mini_identity(settings().wechat_appid, member.openid)
        what = LAST_LOGIN if identity_id(own) == identity else NO_SUCH_IDENTITY
        raise MallError("merge_refused" if what is LAST_LOGIN else "not_found", errors=(what.at("identity"),))
    entry = _merged_with(member, key)
    now = clock.now()
    if entry is None or not detachable(entry, now) or not is_settled(member):
        raise MallError("merge_refused", errors=(TOO_LATE_TO_DETACH.at("identity"),))
    return _written(found.version, member, key, entry, reason)


def _merged_with(member: Profile, key: str) -> Absorbed | None:
    """Find the merge by which the identity came to the member: the latest of its login, else of who had none."""
    appid = settings().wechat_appid
    latest = reversed(member.absorbed)
    by_login = (one for one in latest if one.openid and mini_identity(appid, one.openid) == key)
    without = [one for one in member.absorbed if not one.openid]
    kept = next((one for one in member.identities if one.key == key), None)
    came = next((one for one in reversed(without) if kept is not None and kept.at <= one.at), None)
    return next(by_login, came)


def _written(version: int, member: Profile, key: str, entry: Absorbed, reason: str) -> Profile:
    now = clock.now()
    is_mini = bool(entry.openid) and key == mini_identity(settings().wechat_appid, entry.openid)
    # Whoever the login was the member of before, and was merged as: they are the new member from now on.
    theirs = [one for one in member.absorbed if is_mini and one.openid == entry.openid]
    begins = Profile(
        member_id=ids.new("m"),
        openid=entry.openid if is_mini else "",
        joined_at=now,
        last_seen=now,
        blocked=member.blocked,
        called_in=member.called_in,
        returned=True,
        identities=[] if is_mini else [Identity(key=key, evidence="operator", at=now)],
        absorbed=theirs,
        follows_oa=member.follows_oa if key.startswith("oa:") else False,
        apart=True,
    )
    stays = msgspec.structs.replace(
        member,
        identities=[one for one in member.identities if one.key != key],
        absorbed=[one for one in member.absorbed if one not in theirs],
        follows_oa=member.follows_oa and not key.startswith("oa:"),
    )
    returning.hand_on(entry.member_id, begins.member_id)
    tx = Transaction()
    changes = [Identities.member_id.set(begins.member_id), Identities.subject.remove()]
    tx.update(Identities, (key,), changes, Identities.member_id == member.member_id, Conflict)
    write_profile(tx, Versioned(member, version), stays)
    tx.create(profile_item(begins), Conflict)
    book = _taken_along(tx, entry, begins) if is_mini else Addresses()
    tx.create(Members(begins.member_id, ADDRESSES, addresses=book, called_in=begins.called_in, version=1), Conflict)
    merge = stored(entry.merge_id)
    if merge is not None:
        noted = msgspec.structs.replace(merge.value, detached_at=now, detached_because=reason)
        tx.put(merge_item(noted, merge.version + 1), Merges.version == merge.version, Conflict)
    observer().joined(tx, begins)
    tx.after_commit(log.info, "identity_detached", kind=key.partition(":")[0])
    commit(tx)
    return begins


def _taken_along(tx: Transaction, entry: Absorbed, begins: Profile) -> Addresses:
    """Have tokens of who had been merged lead to the new member, as part of `tx`; their addresses for which the
    other's book had no room."""
    moved = read.get(Members, entry.member_id, MOVED)
    if moved is None:
        raise Conflict
    changes = [
        Members.moved_to.set(begins.member_id),
        Members.addresses.remove(),
        Members.version.set(moved.version + 1),
    ]
    tx.update(Members, (entry.member_id, MOVED), changes, Members.version == moved.version, Conflict)
    tx.after_commit(remember_moved, entry.member_id, begins.member_id)
    return Addresses() if moved.addresses is None else Addresses().with_those_of(moved.addresses)[0]
