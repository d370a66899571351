"""Who follows the official account is a member, or becomes one: known by their openid there, and by their unionid as
soon as WeChat tells it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import unavailable
from chalicelib.customers.members.identities import service as identities
from chalicelib.customers.members.identities.rules import Identity
from chalicelib.customers.members.jobs import FOLLOWED
from chalicelib.customers.members.logins.service import begins, join
from chalicelib.customers.members.returning import queries as returning_queries
from chalicelib.customers.members.rules import Profile, Source, Visit
from chalicelib.customers.members.service import change_profile, visited
from chalicelib.customers.members.tables import oa_identity, union_identity
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import versioned
from chalicelib.platform.store.transaction import Transaction

#: How WeChat begins the event of who has come by a code with a scene.
_BY_CODE = "qrscene_"
_CHANNEL_MAX = 64


def hear(openid: str, at: datetime, *, follows: bool, scene: str = "") -> None:
    """Keep that WeChat told at that time that somebody follows the official account, or does no more; it is worked on
    soon. `scene` is the code's that they came by. Nobody's openid is let go. Raises `unavailable`."""
    if not openid:
        return
    tx = Transaction()
    key = ids.digest(f"{openid}|{clock.stamp(at)}|{follows}".encode())
    schedule(tx, FOLLOWED, key, openid=openid, at=clock.stamp(at), follows="yes" if follows else "", scene=scene)
    tx.commit()


def followed(job: Job) -> None:
    """Know who follows, or has ceased to: ask WeChat for their unionid, have them join or find who they are."""
    told = job.task.payload
    at, follows = clock.from_stamp(told["at"]), bool(told["follows"])
    unionid = _unionid(told["openid"]) if follows else None
    source = _source(told["scene"], at)
    member = versioned.retry(lambda: _known(told["openid"], unionid, source, at, follows=follows))
    if member is not None:
        if source is not None:
            visited(member.member_id, Visit(at=at, source=source))
        identities.recognise(member, unionid, "follow")


def _unionid(openid: str) -> str | None:
    """Ask WeChat who follows. Raises `unavailable`: the job comes again."""
    from chalicelib.gateways.wechat import oa
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        return oa.follower(openid).unionid
    except WechatError as fault:
        if fault.retryable:
            raise unavailable() from fault
        raise


def _source(scene: str, at: datetime) -> Source | None:
    """Where they came from: the channel of the code that they scanned."""
    channel = scene.removeprefix(_BY_CODE)[:_CHANNEL_MAX]
    return Source(channel=channel, at=at) if scene.startswith(_BY_CODE) and channel else None


def _known(
    openid: str, unionid: str | None, source: Source | None, at: datetime, *, follows: bool
) -> Profile | None:  # fmt: skip
    """Find who follows and note it; or have them join. None for who ceased to follow and is nobody."""
    key = oa_identity(openid)
    owner = identities.owner_of(key)
    if owner is not None:
        return change_profile(owner, lambda member, _: _noted(member, key, source, at, follows=follows))
    if not follows:
        return None
    shopper = identities.owner_of_unionid(unionid)
    if shopper is not None and not shopper.apart:
        return identities.attach(
            shopper.member_id, key, "follow", lambda member: _noted(member, key, source, at, follows=True), at
        )
    return _join(key, unionid if shopper is None else None, source, at)


def _noted(member: Profile, key: str, source: Source | None, at: datetime, *, follows: bool) -> Profile:
    """Note that they follow or do not, unless something later is known; when, is kept with the identity."""
    known = next((one for one in member.identities if one.key == key), None)
    if known is not None and known.at > at:
        return member
    dated = [msgspec.structs.replace(one, at=at) if one is known else one for one in member.identities]
    return msgspec.structs.replace(
        member,
        follows_oa=follows,
        identities=dated,
        first_source=member.first_source or source,
        last_source=source or member.last_source,
    )


def _join(key: str, unionid: str | None, source: Source | None, at: datetime) -> Profile:
    before = returning_queries.before(key)
    known_by = [Identity(key=key, evidence="follow", at=at)]
    if unionid is not None:
        known_by.append(Identity(key=union_identity(unionid), evidence="follow", at=clock.now()))
    member = begins(key, before, source, openid="", unionid=unionid, identities=known_by, follows_oa=True)
    join(key, member, before)
    return member
