"""Shared coupons (裂变): who shares a template has a token; a friend claims with it, and the sharer gets one more."""

from __future__ import annotations

import contextlib

import msgspec

from chalicelib.commerce.coupons.centre.queries import offered
from chalicelib.commerce.coupons.issue.service import give
from chalicelib.commerce.coupons.jobs import REWARD_SHARER
from chalicelib.commerce.coupons.rules import Held, Template
from chalicelib.commerce.coupons.tables import SHARE, CouponCodes, share_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import ids, log
from chalicelib.core.errors import FieldError, MallError
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: What ends a reward without one: none of it is anybody's fault.
_NO_REWARD = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "unauthenticated", "not_found")


class Share(msgspec.Struct, frozen=True):
    """A member's token for a template, how many they have got for friends by now, and how many they may."""

    token: str
    template: Template
    rewards: int


def share(member_id: str, template_id: str) -> Share:
    """The member's token for this template; always the same one. Raises `not_found` where it is not to be shared."""
    template = offered(template_id, "share")
    token = ids.derived("s", template_id, member_id)
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None:
        tx = Transaction()
        tx.create(CouponCodes(SHARE + token, template_id=template_id, member_id=member_id, rewards=0))
        with contextlib.suppress(ConditionFailed):  # the same request came twice at once
            tx.commit()
    return Share(token, template, 0 if item is None else int(item.rewards or 0))


def claim(member_id: str, template_id: str, token: str) -> Held:
    """A friend's coupon, once for each template, whoever shared it; the sharer's follows.

    Raises `not_found`, `claim_limit` for a second time, `not_for_you` for the sharer themselves, `invalid` for a token
    that is none of this template, and what `give` raises.
    """
    template = offered(template_id, "share")
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None or item.template_id != template_id:
        raise MallError("invalid", errors=(FieldError("share_token", "no such token of this template"),))
    if item.member_id == member_id:
        raise MallError("not_for_you")

    def owed(tx: Transaction) -> None:
        # the token is a secret of sorts: a job's key is logged, and shown to operators
        schedule(tx, REWARD_SHARER, f"{ids.digest(token.encode())}|{member_id}", None, token=token)

    given = give(template, member_id, "share", ("friend",), owed)
    if not given.is_new:
        raise MallError("claim_limit", limit=1)
    return given.held


def reward_sharer(job: Job) -> None:
    """Give the member who shared one more coupon for this friend's claim, up to the template's `share_limit`."""
    token, friend_id = job.task.payload["token"], job.key.partition("|")[2]
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None:
        return
    template = template_queries.remembered(item.template_id)

    def counted(tx: Transaction) -> None:
        enough = MallError("claim_limit", limit=template.share_limit)
        fits = CouponCodes.rewards < template.share_limit
        tx.update(*share_key(token), [CouponCodes.rewards.add(1)], fits, enough)

    try:
        give(template, item.member_id, "share", ("for", friend_id), counted)
    except MallError as fault:
        if fault.code not in _NO_REWARD:
            raise
        log.info("no_reward", template_id=item.template_id, reason=fault.code)
