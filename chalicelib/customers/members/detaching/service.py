"""A login, or another identity, is taken out of a member and begins anew as somebody else.

What was ever bought, paid or agreed stays where it is; what is wrong in it is put right by new entries and orders.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.identities.rules import Absorbed, Identity, kind_of
from chalicelib.customers.members.merging.queries import stored
from chalicelib.customers.members.merging.rules import detachable
from chalicelib.customers.members.merging.tables import Merges, merge_item
from chalicelib.customers.members.ports import observers
from chalicelib.customers.members.refusals import (
    LAST_LOGIN,
    NO_SUCH_IDENTITY,
    NO_SUCH_MEMBER,
    PHONE_STAYS,
    TOO_LATE_TO_DETACH,
)
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
    which it came to them, and of what else that account at WeChat is known by; the new member. Tokens of that login are
    the new member's.

    Raises `not_found`, `merge_refused` where it is too late, came by no merge, is all that they have, or is still being
    merged; `conflict`, `unavailable`.
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
    if kind_of(key) == "phone":
        raise MallError("merge_refused", errors=(PHONE_STAYS.at("identity"),))
    brought = _brought(member)
    entry = next((one for one in member.absorbed if one.member_id == brought.get(key)), None)
    if entry is None or not detachable(entry, clock.now()) or not is_settled(member):
        raise MallError("merge_refused", errors=(TOO_LATE_TO_DETACH.at("identity"),))
    theirs = [one for one in member.identities if brought.get(one.key) == entry.member_id]
    return _written(found, _of_account(theirs, key, entry), entry, reason)


def _brought(member: Profile) -> dict[str, str]:
    """Find which identities came to the member by a merge, and whose each was before."""
    items = read.batch_get([(Identities, (one.key,)) for one in member.identities])
    return {item.identity: item.subject for item in items if item is not None and item.subject}


def _of_account(theirs: Sequence[Identity], key: str, entry: Absorbed) -> list[Identity]:
    """List what goes with this identity, of those that came by the same merge: with a login all by which its account is
    known at WeChat; with what else is somebody's, the unionid, unless that is how it was known that they are one."""
    if kind_of(key) == "mini":
        return [one for one in theirs if one.kind != "phone"]
    with_unionid = not entry.openid and entry.how != "unionid"
    return [one for one in theirs if one.key == key or (with_unionid and one.kind == "union")]


def _written(found: Versioned[Profile], taken: Sequence[Identity], entry: Absorbed, reason: str) -> Profile:
    member, now = found.value, clock.now()
    kinds = {one.kind for one in taken}
    left = [one for one in member.identities if one not in taken]
    unionid = next((one.key.rpartition(":")[2] for one in taken if one.kind == "union"), None)
    begins = Profile(
        member_id=ids.new("m"),
        openid=entry.openid if "mini" in kinds else "",
        unionid=unionid,
        joined_at=now,
        last_seen=now,
        blocked=member.blocked,
        called_in=member.called_in,
        returned=True,
        identities=[msgspec.structs.replace(one, evidence="operator", at=now) for one in taken if one.kind != "mini"],
        follows_oa=member.follows_oa and "oa" in kinds,
        formerly=[entry.member_id, *entry.formerly] if "mini" in kinds else [],
        apart=True,
    )
    stays = msgspec.structs.replace(
        member,
        unionid=None if member.unionid == unionid else member.unionid,
        identities=left,
        absorbed=[_without_login(one) if "mini" in kinds and one is entry else one for one in member.absorbed],
        follows_oa=member.follows_oa and ("oa" not in kinds or any(one.kind == "oa" for one in left)),
    )
    returning.hand_on(entry.member_id, begins.member_id)
    tx = Transaction()
    changes = [Identities.member_id.set(begins.member_id), Identities.subject.remove()]
    for one in taken:
        tx.update(Identities, (one.key,), changes, Identities.member_id == member.member_id, Conflict)
    write_profile(tx, Versioned(member, found.version), stays)
    tx.create(profile_item(begins), Conflict)
    book = _taken_along(tx, entry, begins) if "mini" in kinds else Addresses()
    tx.create(Members(begins.member_id, ADDRESSES, addresses=book, called_in=begins.called_in, version=1), Conflict)
    merge = stored(entry.merge_id)
    if merge is not None:
        noted = msgspec.structs.replace(merge.value, detached_at=now, detached_because=reason)
        tx.put(merge_item(noted, merge.version + 1), Merges.version == merge.version, Conflict)
    for each in observers():
        each.joined(tx, begins)
    tx.after_commit(log.info, "identity_detached", kind=",".join(sorted(kinds)))
    commit(tx)
    return begins


def _without_login(entry: Absorbed) -> Absorbed:
    return msgspec.structs.replace(entry, openid="", detached=True, formerly=[])


def _taken_along(tx: Transaction, entry: Absorbed, begins: Profile) -> Addresses:
    """Have tokens of who had been merged lead to the new member, as part of `tx`; their addresses for which the
    other's book had no room."""
    moved = read.get(Members, entry.member_id, MOVED)
    if moved is None:
        raise Conflict
    changes = [
        Members.login_to.set(begins.member_id),
        Members.addresses.remove(),
        Members.version.set(moved.version + 1),
    ]
    tx.update(Members, (entry.member_id, MOVED), changes, Members.version == moved.version, Conflict)
    for former in entry.formerly:
        tx.update(Members, (former, MOVED), changes[:1], Members.version.exists(), Conflict)
    for former in begins.formerly:
        tx.after_commit(remember_moved, former, begins.member_id)
    theirs: Addresses | None = moved.addresses  # of who has been taken out before there are none
    return Addresses() if theirs is None else Addresses().with_those_of(theirs)[0]
