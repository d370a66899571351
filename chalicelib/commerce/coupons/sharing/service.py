"""Shared coupons (裂变): a member shares a template by a token, a friend claims with it, the sharer gets another."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence

import msgspec

from chalicelib.commerce.coupons.centre.queries import offered
from chalicelib.commerce.coupons.issue.service import FRIEND, NO_COUPON_REASONS, give, give_owed
from chalicelib.commerce.coupons.jobs import REWARD_SHARER
from chalicelib.commerce.coupons.refusals import LIMIT_REACHED, OWN_SHARE, SHARE_CLAIMED, SHARE_TOKEN_UNKNOWN
from chalicelib.commerce.coupons.rules import Held, Template
from chalicelib.commerce.coupons.sharing.rules import share_token
from chalicelib.commerce.coupons.tables import SHARE, CouponCodes, share_key
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import ids, log
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members.queries import admit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, save_new
from chalicelib.platform.store.versioned import Conflict, commit, retry
from chalicelib.platform.web.tokens import Token


class Share(msgspec.Struct, frozen=True):
    """A member's token for a template, and how many coupons they have got for friends by now."""

    token: str
    template: Template
    rewards: int


def share(member_id: str, template_id: str) -> Share:
    """Give the member's token for this template, always the same. Raises `not_found` where it is not for sharing,
    `member_blocked`."""
    admit(member_id)
    template = offered(template_id, "share")
    token = share_token(template_id, member_id)
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None:
        tx = Transaction()
        tx.create(CouponCodes(SHARE + token, template_id=template_id, member_id=member_id, rewards=0))
        with contextlib.suppress(ConditionFailed):  # the same request came twice at once
            tx.commit()
    return Share(token, template, 0 if item is None else int(item.rewards or 0))


def hand_on(former: str, member_id: str, template_ids: Sequence[str]) -> None:
    """Have what a member has got for friends, as the member they were, count on for them: of these templates."""
    tokens = {share_token(one, former): one for one in template_ids}
    for token, item in zip(tokens, read.batch_get([share_key(token) for token in tokens]), strict=True):
        if item is not None and item.rewards:
            shared = CouponCodes(SHARE + share_token(tokens[token], member_id), rewards=int(item.rewards))
            shared.template_id, shared.member_id = tokens[token], member_id
            save_new(shared)


def absorb(former: str, member_id: str, template_ids: Sequence[str]) -> None:
    """Have the former member's tokens for these templates be the member's, who is the same person, with what was got
    for them: they stay good. Repeatable. Raises `conflict`, `unavailable`."""
    tokens = {share_token(one, former): one for one in template_ids}
    for token, item in zip(tokens, read.batch_get([share_key(token) for token in tokens]), strict=True):
        if item is not None and item.member_id == former:
            retry(functools.partial(_absorb_token, token, former, member_id))


def _absorb_token(token: str, former: str, member_id: str) -> None:
    """What both have got for friends counts at the member's own token from now on."""
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None or item.member_id != former:
        return
    rewards, own = int(item.rewards or 0), share_token(item.template_id, member_id)
    as_read = (CouponCodes.member_id == former) & (CouponCodes.rewards == rewards)
    tx = Transaction()
    tx.update(*share_key(token), [CouponCodes.member_id.set(member_id), CouponCodes.rewards.set(0)], as_read, Conflict)
    if read.get(CouponCodes, *share_key(own)[1]) is None:
        tx.create(
            CouponCodes(SHARE + own, template_id=item.template_id, member_id=member_id, rewards=rewards), Conflict
        )
    else:
        tx.update(*share_key(own), [CouponCodes.rewards.add(rewards)], CouponCodes.member_id.exists(), Conflict)
    commit(tx)


def claim(member_id: str, template_id: str, token: str, caller: Token | None = None) -> Held:
    """Give a friend, who called with the token `caller`, their coupon, once for each template, whoever shared it; the
    sharer's follows.

    Raises `not_found`, `claim_limit` for a second time, `not_for_you` for the sharer themselves, `invalid` for a token
    that is none of this template, and what `give` raises.
    """
    template = offered(template_id, "share")
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None or item.template_id != template_id:
        raise invalid(SHARE_TOKEN_UNKNOWN.at("share_token"))
    if item.member_id == member_id:
        raise MallError("not_for_you", errors=(OWN_SHARE.at("share_token"),))

    def owed(tx: Transaction) -> None:
        # the token is a secret of sorts: a job's key is logged, and shown to operators
        schedule(tx, REWARD_SHARER, f"{ids.digest(token.encode())}|{member_id}", None, token=token)

    given = give(template, member_id, "share", FRIEND, owed, caller, sharer=item.member_id)
    if not given.is_new:
        raise MallError("claim_limit", errors=(SHARE_CLAIMED.at("template_id", name=template.name, limit=1),), limit=1)
    return given.held


def reward_sharer(job: Job) -> None:
    """Give the member who shared one more coupon for this friend's claim, up to the template's `share_limit`."""
    token, friend_id = job.task.payload["token"], job.key.partition("|")[2]
    item = read.get(CouponCodes, *share_key(token)[1])
    if item is None:
        return
    template = template_queries.remembered(item.template_id)

    def counted(tx: Transaction) -> None:
        shared, limit = _counted_at(token), template.share_limit
        if shared.rewards >= limit:
            error = LIMIT_REACHED.at("template_id", name=template.name, limit=limit)
            raise MallError("claim_limit", errors=(error,), limit=limit)
        as_read = (CouponCodes.rewards == shared.rewards) & (CouponCodes.member_id == shared.member_id)
        tx.update(CouponCodes, (shared.code,), [CouponCodes.rewards.add(1)], as_read, Conflict)

    try:
        give_owed(template, item.member_id, "share", ("for", friend_id), counted)
    except MallError as fault:
        if fault.code not in NO_COUPON_REASONS:
            raise
        log.info("no_reward", template_id=item.template_id, reason=fault.code)


def _counted_at(token: str) -> CouponCodes:
    """Find where it is counted what is got by this token: there, or at that of whom its sharer was merged into."""
    item = read.get(CouponCodes, *share_key(token)[1])
    assert item is not None  # it is never removed
    own = share_token(item.template_id, item.member_id)
    return item if own == token else _counted_at(own)
