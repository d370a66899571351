"""What a member agrees to is kept with its time; what they take back, here or in WeChat's settings, is forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members import service
from chalicelib.customers.members.consents.rules import Subject, agreed, parts_revoked, standing, withdrawn
from chalicelib.customers.members.content import rules as shown
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.jobs import LEAVE
from chalicelib.customers.members.privacy.service import erase
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import Identities, mini_identity
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction

#: How long a member who closed their account at WeChat waits for what still keeps theirs here open, in seconds.
_LEAVE_AGAIN_SECONDS = 86_400.0
#: How long a balance is kept of a member who closed their account at WeChat.
_BALANCE_KEPT = timedelta(days=180)
#: How many of WeChat's events are remembered as done, and how much of one.
_HEARD_MAX, _MARK_MAX = 8, 64
#: WeChat tells the second of an event: what was given within it may have been before.
_WECHATS_SECOND = timedelta(seconds=1)
#: What is in the place of a part that a member took back.
_NOTHING: dict[str, Any] = {"nickname": "", "avatar_url": "", "phone": None}


def agree(profile: Profile, what: Subject, version: str) -> Profile:
    """Keep that the member agrees to this version of a text; nothing is written where that is known. Raises
    `unauthenticated`, `conflict`, `unavailable`."""
    now = clock.now()
    if agreed(profile.consents, what, version, now) is profile.consents:
        return profile

    def decide(member: Profile, _: Transaction) -> Profile:
        return msgspec.structs.replace(member, consents=agreed(member.consents, what, version, now))

    return service.change_profile(profile.member_id, decide)


def take_back(member_id: str, what: Subject) -> Profile:
    """Note that the member takes back what they agreed to about this; where nothing holds, nothing is written. Raises
    `unauthenticated`, `conflict`, `unavailable`."""

    def decide(member: Profile, _: Transaction) -> Profile:
        after = withdrawn(member.consents, what, clock.now())
        return member if after is member.consents else msgspec.structs.replace(member, consents=after)

    return service.change_profile(member_id, decide)


def forget_phone(member_id: str) -> Profile:
    """Forget the member's phone number, which they take back; orders keep the one of their receiver. Raises
    `unauthenticated`, `conflict`."""
    return service.change_profile(member_id, lambda member, _: _without(member, {"phone"}, clock.now()))


def revoked(openid: str, said: str, at: datetime) -> None:
    """Forget what the shopper took back in WeChat's settings at that time, by the numbers of WeChat's event; what they
    have given anew since then stays. Nobody's openid changes nothing. Raises `conflict`, `unavailable`."""
    member_id, parts = member_of(openid), parts_revoked(said)
    if member_id is None or not parts:
        return
    mark = f"{clock.stamp(at)} {said}"[:_MARK_MAX]

    def decide(member: Profile, tx: Transaction) -> Profile:
        if mark in member.heard:
            return member
        phone = standing(member.consents, "phone")
        given_anew = {"phone"} if phone is not None and phone.at >= at + _WECHATS_SECOND else set()
        if "addresses" in parts:
            service.forget_addresses(tx, member_id)
        after = _without(member, parts - given_anew, at)
        return msgspec.structs.replace(after, heard=[*member.heard, mark][-_HEARD_MAX:])

    try:
        service.change_profile(member_id, decide)
    except MallError as fault:
        if fault.code != "unauthenticated":  # they have left meanwhile
            raise
    log.info("consent_revoked", parts=",".join(sorted(parts)))


def cancelled(openid: str, at: datetime) -> None:
    """Have the shopper leave who closed their account at WeChat at that time: what they told of themselves is forgotten
    at once, the account as soon as nothing keeps it open. Who has another login only loses that one. Nobody's openid,
    and one who came after that, change nothing.
    Raises `conflict`, `unavailable`."""
    member_id = member_of(openid)
    if member_id is None or identities.drop_login(member_id, openid):
        return

    def decide(member: Profile, tx: Transaction) -> Profile:
        if member.closed_at_wechat is not None or member.joined_at >= at + _WECHATS_SECOND:
            return member
        schedule(tx, LEAVE, member_id)
        service.forget_addresses(tx, member_id)
        return msgspec.structs.replace(_without(member, set(_NOTHING), at), closed_at_wechat=at)

    try:
        service.change_profile(member_id, decide)
    except MallError as fault:
        if fault.code != "unauthenticated":
            raise


def leave(job: Job) -> None:
    """Delete the account of a member who has none at WeChat any more; ask again a day later while orders are under way
    or a balance is left. Nobody can take that out any more: after half a year it is given up, as every member is told
    who gives it up themselves."""
    member = member_queries.current(job.key)
    if member is None or member.closed_at_wechat is None:
        return  # they have left, or turned out to be one who has another account at WeChat
    try:
        erase(job.key, clock.now() - member.closed_at_wechat >= _BALANCE_KEPT)
    except MallError as fault:
        if fault.code == "account_open":
            log.warning("leaving_hindered", hindrances=",".join(fault.data["hindrances"]))
            raise RetryLater(_LEAVE_AGAIN_SECONDS) from None
        if fault.code != "unauthenticated":
            raise


def _without(member: Profile, parts: set[str], at: datetime) -> Profile:
    """The profile without these parts; the same where they are empty already."""
    changes = {part: _NOTHING[part] for part in parts & _NOTHING.keys() if getattr(member, part) != _NOTHING[part]}
    if "phone" in parts:
        changes["consents"] = withdrawn(member.consents, "phone", at)
        changes["identities"] = [one for one in member.identities if one.kind != "phone"]
    after = shown.said(member, changes)  # others see it no more either
    return member if after == member else after


def member_of(openid: str) -> str | None:
    """Find the member who logs in under this openid; None where it is nobody's."""
    item = read.get(Identities, mini_identity(settings().wechat_appid, openid))
    return None if item is None else item.member_id
