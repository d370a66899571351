"""Members log in with the mini-program, by a code of wx.login."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.settings import settings
from chalicelib.customers.members.content.rules import asks_now, is_due
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.identities.rules import Identity
from chalicelib.customers.members.jobs import CHECK_CONTENT
from chalicelib.customers.members.ports import observers, visitors
from chalicelib.customers.members.queries import current, stored_profile
from chalicelib.customers.members.returning import queries as returning_queries
from chalicelib.customers.members.returning import service as returning
from chalicelib.customers.members.returning.rules import Before
from chalicelib.customers.members.rules import Addresses, Profile, Source, Visit, invited
from chalicelib.customers.members.service import LOGIN_REASONS, ask_wechat, tell_invited, visited, write_profile
from chalicelib.customers.members.sessions import rules as sessions
from chalicelib.customers.members.tables import (
    ADDRESSES,
    Identities,
    Members,
    mini_identity,
    profile_item,
    union_identity,
)
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict
from chalicelib.platform.web import limits, tokens

#: How often one person may log in within a minute; a mini-program does it when it is opened.
LOGINS_PER_MINUTE = 30


class LoggedIn(msgspec.Struct, frozen=True):
    """A token, until when it is good, whose it is, and whether they have just joined."""

    token: str
    expires_at: datetime
    is_new: bool
    profile: Profile


class Found(msgspec.Struct, frozen=True):
    """Who logged in, whether they are new to the mini-program, and whom their token is made for."""

    member: Profile
    is_new: bool
    subject: str


def login(code: str, visit: Visit) -> LoggedIn:
    """Log in the shopper with this wx.login code, who comes by this visit; a person who was never here joins.

    Raises `wechat_code_invalid`, `wechat_code_used`, `wechat_user_blocked`, `too_many_requests`, `unavailable`.
    """
    session = ask_wechat(lambda mini: mini.code2session(code), LOGIN_REASONS)
    identity = mini_identity(settings().wechat_appid, session.openid)
    limits.count_call("login", identity, LOGINS_PER_MINUTE)
    found = versioned.retry(lambda: _found_or_joined(identity, session, visit))
    member = identities.recognise(found.member, session.unionid)
    if is_due(member, "nickname") or asks_now(member, clock.now()):
        # WeChat looks at nothing of who was not there of late: now they are.
        tx = Transaction()
        schedule(tx, CHECK_CONTENT, member.member_id)
        tx.commit()
    return _logged_in(member, found)


def _logged_in(member: Profile, found: Found) -> LoggedIn:
    now = clock.now()
    expires_at = now + timedelta(days=settings().member_token_days)
    issued_at = sessions.issued_at(member.called_in, found.subject, now)
    token = tokens.issue("member", found.subject, expires_at, issued_at)
    return LoggedIn(token, expires_at, found.is_new, member)


def _found_or_joined(identity: str, session: Any, visit: Visit) -> Found:
    """Find who has the identity, or have them join. Who has followed the official account before, by whose unionid they
    are known, begins to log in as the member that they are."""
    item = read.get(Identities, identity)
    if item is not None:
        return Found(visited(item.member_id, visit), False, item.subject or item.member_id)
    union = None if session.unionid is None else union_identity(session.unionid)
    before, owner = returning_queries.before_and_owner(identity, union)
    former = before.known(clock.now())
    follower = None if owner is None else current(owner)
    if follower is not None and not follower.openid and not follower.apart:
        member = _begin(follower.member_id, identity, session.openid, visit, before)
        return Found(member, former is None, member.member_id)
    known_by = [] if union is None or owner is not None else [Identity(key=union, evidence="login", at=clock.now())]
    unionid = session.unionid if known_by else None
    member = begins(
        identity, before, visit.source, openid=session.openid, unionid=unionid, identities=known_by,
        invites=invited([], visit.source),
    )  # fmt: skip
    join(identity, member, before, visit)
    return Found(member, former is None, member.member_id)


def begins(identity: str, before: Before, source: Source | None, **told: Any) -> Profile:
    """Make the profile of who is about to join with this identity, with what else is told of them. What counts on of
    whom they were before is handed on to it."""
    now = clock.now()
    former = before.known(now)
    member_id = returning.next_member(identity, before)
    if former is not None:
        returning.hand_on(former, member_id)
    return Profile(
        member_id=member_id,
        joined_at=now,
        first_source=source,
        last_source=source,
        last_seen=now,
        blocked=before.blocked,
        returned=former is not None,
        **told,
    )


def _begin(member_id: str, identity: str, openid: str, visit: Visit, before: Before) -> Profile:
    """Have a follower log in for the first time. Raises Conflict where another login was quicker."""
    former = before.known(clock.now())
    if former is not None:
        returning.hand_on(former, member_id)
    found = stored_profile(member_id)
    if found.value.openid:
        raise Conflict
    now, source = clock.now(), visit.source
    after = msgspec.structs.replace(
        found.value,
        openid=openid,
        last_seen=now,
        first_source=found.value.first_source or source,
        last_source=source or found.value.last_source,
        invites=invited(found.value.invites, source),
        blocked=found.value.blocked or before.blocked,
        returned=found.value.returned or former is not None,
    )
    tx = Transaction()
    tx.create(Identities(identity, member_id=member_id), Conflict)
    returning.forget(tx, identity, before)
    tell_invited(tx, member_id, source)
    visitors().came(tx, after, visit)
    write_profile(tx, found, after)
    versioned.commit(tx)
    return after


def join(identity: str, profile: Profile, before: Before, visit: Visit | None = None) -> None:
    """Write the identities, the profile, an empty address book and by which way they come together. Raises Conflict
    where another with one of these identities was first: its member is this one."""
    tx = Transaction()
    for key in {identity, *(one.key for one in profile.identities)}:
        tx.create(Identities(key, member_id=profile.member_id), Conflict)
    tx.create(profile_item(profile), Conflict)
    tx.create(Members(profile.member_id, ADDRESSES, addresses=Addresses(), version=1), Conflict)
    returning.forget(tx, identity, before)
    tell_invited(tx, profile.member_id, profile.first_source)
    if visit is not None:
        visitors().came(tx, profile, visit)
    for each in observers():
        each.joined(tx, profile)
    versioned.commit(tx)
