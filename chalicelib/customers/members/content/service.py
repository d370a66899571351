"""WeChat looks at nicknames and pictures before others see them: asked by a job, its verdicts taken over.

WeChat looks at nothing of a member who has not opened the mini-program in the last two hours: their next login asks
anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from chalicelib.core import clock, ids, log
from chalicelib.core.errors import MallError
from chalicelib.customers.members.content.rules import (
    VERDICT_WITHIN,
    Shown,
    Suggest,
    asked,
    asks_now,
    check_address,
    is_allowed,
    is_due,
    judged,
    said,
)
from chalicelib.customers.members.content.tables import PictureChecks
from chalicelib.customers.members.jobs import CHECK_CONTENT
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.service import change_profile
from chalicelib.customers.members.settings import PICTURES
from chalicelib.customers.members.tables import PROFILE, Members
from chalicelib.mall.files import queries as file_queries
from chalicelib.mall.files import service as files
from chalicelib.mall.files.tables import owner_of
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction

_KEPT = timedelta(days=2)


def change_own(member_id: str, changes: Mapping[str, Any]) -> Profile:
    """Change what the member says of themselves: `nickname`, `avatar_url`, which others see when WeChat has looked at
    them, and `birthday`.

    Raises `malformed` for a picture that lies elsewhere, `invalid` for an upload that cannot be used,
    `unauthenticated`, `conflict`, `unavailable`.
    """
    url, kept = changes.get("avatar_url"), None
    if url:
        kept = files.publish(owner_of(member_id), "avatar", url, "avatar_url")
        if kept is None:
            check_address(url, PICTURES.current().hosts, "avatar_url")

    def decide(before: Profile, tx: Transaction) -> Profile:
        after = said(before, changes)
        if kept is not None:
            files.keep(tx, kept)
        if is_due(after, "nickname") or asks_now(after, clock.now()):
            schedule(tx, CHECK_CONTENT, member_id)
        return after

    return change_profile(member_id, decide)


def check(job: Job) -> None:
    """Have WeChat look at what is new of a member's nickname and picture. Raises WechatError."""
    item = read.get(Members, job.key, PROFILE)
    if item is None:
        return  # they have left
    profile = item.profile
    if is_due(profile, "nickname"):
        _check_nickname(profile)
    if asks_now(profile, clock.now()):
        if _may_be_seen(profile.avatar_url):
            _ask_about_picture(profile)
        else:  # what an older version let in: nobody is led there, and it is not looked at again
            _judge(profile.member_id, "avatar_url", profile.avatar_url, "review")


def _may_be_seen(url: str) -> bool:
    """Whether others may be led to this address: what an older profile has may lie anywhere."""
    return file_queries.is_own(url) or is_allowed(url, PICTURES.current().hosts)


def _check_nickname(profile: Profile) -> None:
    from chalicelib.gateways.wechat import mini

    suggest = mini.check_text(profile.nickname, profile.openid)
    if suggest is not None:
        _judge(profile.member_id, "nickname", profile.nickname, suggest)


def _ask_about_picture(profile: Profile) -> None:
    from chalicelib.gateways.wechat import mini

    url = profile.avatar_url
    trace_id = mini.check_picture(url, profile.openid)
    if trace_id is None:
        return

    def noted(before: Profile, tx: Transaction) -> Profile:
        if before.avatar_url != url or not is_due(before, "avatar_url"):
            return before
        now = clock.now()
        tx.put(PictureChecks(trace_id, member_id=before.member_id, picture=_mark(url), expires=now + _KEPT))
        schedule(tx, CHECK_CONTENT, before.member_id, now + VERDICT_WITHIN)
        return asked(before, trace_id, now)

    _change_if_there(profile.member_id, noted)


def take_verdict(trace_id: str, suggest: Literal["pass", "review", "risky"] | None) -> None:
    """Take over what WeChat found of a picture (its event wxa_media_check); None where it could not look, so that it is
    asked again when its time is over. One that nobody waits for is no fault. Repeatable."""
    item = read.get(PictureChecks, trace_id)
    if item is None or suggest is None:
        log.info("picture_verdict_of_nothing", reason="unknown" if item is None else "not_seen")
        return

    def decide(before: Profile, _: Transaction) -> Profile:
        is_it = _mark(before.avatar_url) == item.picture
        return judged(before, "avatar_url", before.avatar_url, suggest) if is_it else before

    _change_if_there(item.member_id, decide)


def _mark(url: str) -> str:
    """What is kept of a picture's address beside the profile: it says nothing of a person who has left."""
    return ids.digest(url.encode())


def _judge(member_id: str, field: Shown, value: str, suggest: Suggest) -> None:
    _change_if_there(member_id, lambda before, _: judged(before, field, value, suggest))


def _change_if_there(member_id: str, decide: Any) -> None:
    try:
        change_profile(member_id, decide)
    except MallError as fault:
        if fault.code != "unauthenticated":  # they have left meanwhile
            raise
