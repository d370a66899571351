"""A member is recognised by what WeChat says of them; who turns out to be two members becomes one, or is looked at.

Only a unionid makes two members one without anybody's act, and only where at most one of them logs in to the
mini-program: two logins are two accounts of WeChat. All else is a candidate in the operators' queue.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.consents.rules import agreed, withdrawn
from chalicelib.customers.members.identities.rules import Evidence, How, Identity, kind_of
from chalicelib.customers.members.merging import rules as merging_rules
from chalicelib.customers.members.rules import Profile, without_login
from chalicelib.customers.members.service import change_profile, given_phone
from chalicelib.customers.members.sessions import rules as sessions
from chalicelib.customers.members.settings import MERGING
from chalicelib.customers.members.tables import Identities, identities_of, mini_identity, phone_identity, union_identity
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def owner_of(key: str) -> str | None:
    """Tell which member has the identity; None where nobody has."""
    item = read.get(Identities, key)
    return None if item is None else item.member_id


def owner_of_unionid(unionid: str | None) -> Profile | None:
    """Find the member who is known by this unionid; None where nobody is, or WeChat gave none."""
    owner = None if unionid is None else owner_of(union_identity(unionid))
    return None if owner is None else member_queries.current(owner)


def recognise(member: Profile, unionid: str | None, evidence: Evidence = "login") -> Profile:
    """Keep by which unionid the member is known; and where another is, make them one if they may be. Gives who the
    member is then. Nothing is read where the unionid is known. Raises `conflict`, `unavailable`."""
    if unionid is None or any(one.key == union_identity(unionid) for one in member.identities):
        return member
    other = owner_of_unionid(unionid)
    if other is None:
        try:
            return attach(member.member_id, union_identity(unionid), evidence, lambda after: _known_by(after, unionid))
        except MallError as fault:
            other = owner_of_unionid(unionid)
            if fault.code != "conflict" or other is None:
                raise
    if other.member_id == member.member_id:
        return other
    if not merging_rules.may_by_itself(member, other):
        metrics.add(Metric.IDENTITY_CONFLICTS)
        _merging().suggest(member.member_id, other.member_id, "unionid")
        return member
    return _united(member, other, "unionid")


def _united(member: Profile, other: Profile, how: How) -> Profile:
    """Make the two one; who the member is then. Where that was done in this very moment, or cannot be any more, there
    is nothing to do. Raises `unauthenticated` where the member has left, `conflict`, `unavailable`."""
    try:
        _merging().unite(member.member_id, other.member_id, how)
    except MallError as fault:
        if fault.code not in ("already_merged", "merge_conflict", "merge_refused"):
            raise
    return member_queries.profile(member_queries.resolved(member.member_id))


def _merging() -> Any:
    """What makes two members one: imported by the few logins at which that is so."""
    from chalicelib.customers.members.merging import service

    return service


def _known_by(member: Profile, unionid: str) -> Profile:
    return msgspec.structs.replace(member, unionid=unionid)


def attach(
    member_id: str, key: str, evidence: Evidence, also: Callable[[Profile], Profile], at: datetime | None = None
) -> Profile:
    """Keep that the identity is the member's, since that instant (now); `also` changes the profile with it. Raises
    `conflict` where it is another's by now."""

    def decide(member: Profile, tx: Transaction) -> Profile:
        after = also(member)
        if any(one.key == key for one in member.identities):
            return after
        tx.create(Identities(key, member_id=member_id), Conflict)
        mine = Identity(key=key, evidence=evidence, at=at or clock.now())
        return msgspec.structs.replace(after, identities=[*after.identities, mine])

    after = change_profile(member_id, decide)
    log.info("identity_attached", kind=key.partition(":")[0])
    return after


def set_phone(member_id: str, subject: str, code: str, version: str) -> Profile:
    """Keep the phone number that the shopper agreed to give with this code, and that they did, by this version of the
    text that they were shown. Where another member has the number, the two may be one person: the merchant's settings
    say whether that is so by itself where only one of them logs in, else an operator looks.

    Raises `wechat_code_invalid`, `wechat_code_used`, `unauthenticated`, `unavailable`.
    """
    phone = given_phone(member_id, subject, code)
    key = phone_identity(phone)
    owner = owner_of(key)
    now = clock.now()

    def decide(member: Profile, tx: Transaction) -> Profile:
        again = agreed(withdrawn(member.consents, "phone", now), "phone", version, now)
        kept = [one for one in member.identities if one.kind != "phone" or one.key == key]
        if owner is None:
            tx.create(Identities(key, member_id=member_id), Conflict)
            kept.append(Identity(key=key, evidence="phone", at=now))
        return msgspec.structs.replace(member, phone=phone, consents=again, identities=kept)

    member = change_profile(member_id, decide)
    if owner is None or owner == member_id:
        return member
    other = member_queries.current(owner)
    if other is None:
        return member
    if MERGING.current().merge_on_phone and merging_rules.may_by_itself(member, other):
        return _united(member, other, "phone")
    _merging().suggest(member_id, owner, "phone")
    return member


def drop_login(member_id: str, openid: str) -> bool:
    """Take away the login of an account that was closed at WeChat, where the member has another; its
    tokens are void, as all of theirs. False where it is their only one, and nothing is done."""
    dropped = False

    def decide(member: Profile, _: Transaction) -> Profile:
        nonlocal dropped
        logins = [key for key in identities_of(member) if kind_of(key) == "mini"]
        key = mini_identity(settings().wechat_appid, openid)
        dropped = key in logins and len(logins) > 1
        if not dropped:
            return member
        return without_login(member, openid, key, sessions.all_until(member.called_in, clock.now()))

    change_profile(member_id, decide)
    return dropped
