"""Grants: a coupon for each member of a list or an audience, in steps that may be cut off anywhere.

A grant has parts (its list, that of an audience, or a shard of the mall's roster each), and each part a job of its own.
A step is one transaction: the coupons of the next members, their counters, the stock, and how far the part is by then.
So a step is done or not, whatever dies, and its counts are those of the coupons.

Its own list may be added to at any time, also when all who were listed have been reached. A coupon's id is of the
grant and its member, so that a member who is listed twice gets one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.commerce.coupons.agreement import service as agreement
from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.bulk_issue import queries, rules
from chalicelib.commerce.coupons.bulk_issue.inputs import GrantInput, GrantMoreInput
from chalicelib.commerce.coupons.bulk_issue.rules import Part, Step
from chalicelib.commerce.coupons.bulk_issue.views import GrantMoreView, GrantView, begun_view
from chalicelib.commerce.coupons.issue import service as issue
from chalicelib.commerce.coupons.issue.rules import coupon_of
from chalicelib.commerce.coupons.jobs import BULK_ISSUE
from chalicelib.commerce.coupons.ports import audience_lists, following
from chalicelib.commerce.coupons.refusals import GRANT_WITHOUT_LIST, NOT_FOR_GRANTS, NOT_PUBLISHED, WHO_GETS_THEM
from chalicelib.commerce.coupons.rules import Grant, ListedMembers, Template
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.tables import (
    NAMING,
    CouponGrants,
    added_key,
    grant_key,
    ids_key,
    part_key,
)
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, create_once, retry

#: How many listed members one item holds, which each of its steps reads: 14 KB, and 20 of them for a request.
ITEM_MEMBERS = 500
#: How long a job works before it gives way to others that are due, in seconds.
RUN_SECONDS = 2.0
#: How long a grant waits, while its template is paused, before the template is read again, in seconds.
PAUSED_SECONDS = 60.0


def create(template_id: str, operator: str, key: str, asked: GrantInput) -> GrantView:
    """Begin the grant that this operator's Idempotency-Key stands for; a repetition gets the same answer.

    Raises `not_found`, `invalid`, `coupon_not_offered`, `second_operator`, `idempotency_key_reused`, `conflict`.
    """
    if (asked.members is not None) + (asked.audience is not None) + (asked.audience_id is not None) + asked.all != 1:
        raise invalid(WHO_GETS_THEM.at("members"))
    grant_id = ids.derived("cg", template_id, operator, key)
    digest = ids.digest(msgspec.json.encode(asked))

    def begin() -> Grant:
        template = template_queries.load(template_id).value
        begun = queries.find(grant_id)
        if begun is not None:
            return begun
        if "grant" not in template.how:
            raise invalid(NOT_FOR_GRANTS.at("template_id"))
        _check_offered(template)
        agreement.check(template)
        return _begin(grant_id, template_id, digest, asked)

    return begun_view(create_once(begin, lambda: queries.find(grant_id), lambda grant: grant.digest == digest))


def add(template_id: str, grant_id: str, operator: str, key: str, asked: GrantMoreInput) -> GrantMoreView:
    """Add these members to the grant's list, once for this operator's Idempotency-Key; a repetition is answered alike.

    A grant that had ended goes on: with them, and where the coupons had run out with those who were not reached.
    Raises `not_found`, `invalid` when the grant has no list, `coupon_not_offered`, `second_operator`,
    `idempotency_key_reused`, `conflict`, `unavailable`.
    """
    if not queries.load(grant_id, template_id).has_own_list:
        raise invalid(GRANT_WITHOUT_LIST.at("grant_id"))
    added = added_key(grant_id, ids.derived("", operator, key))
    digest = ids.digest(msgspec.json.encode(asked))
    listed = list(dict.fromkeys(asked.members))

    def find() -> str | None:
        item = read.get(CouponGrants, *added[1])
        return None if item is None else item.digest

    create_once(lambda: _add(template_id, grant_id, added, digest, listed), find, lambda before: before == digest)
    return GrantMoreView(grant_id=grant_id, template_id=template_id, added=len(listed))


def bulk_issue(job: Job) -> None:
    """Issue coupons to the next members of one part, for two seconds; again at once until the part is done, and after
    a minute while the template is paused.
    """
    grant_id, _, number = job.key.partition("|")
    end = clock.monotonic() + RUN_SECONDS
    while step(job.task.payload["template_id"], grant_id, int(number)):
        if clock.monotonic() > end:
            raise RetryLater(0)


def step(template_id: str, grant_id: str, number: int) -> bool:
    """Give the next members of a part theirs, and return whether there is more to do.

    Raises `RetryLater` while the template is paused, `conflict`, `unavailable`.
    """
    return retry(lambda: _step(template_id, grant_id, number))


def _check_offered(template: Template) -> None:
    if not template.is_offered(clock.now()):
        raise MallError("coupon_not_offered", errors=(NOT_PUBLISHED.at("template_id"),))


def _begin(grant_id: str, template_id: str, digest: str, asked: GrantInput) -> Grant:
    """Write the grant with its parts, their jobs and its list. Raises `invalid` for a segment or an audience that there
    is not."""
    listed = [] if asked.members is None else list(dict.fromkeys(asked.members))
    total = None if asked.members is None else len(listed)
    if asked.audience is not None:
        audiences.check_audience(asked.audience)
    if asked.audience_id is not None:
        total = audience_lists().check(asked.audience_id, "audience_id")
    grant = Grant(
        grant_id=grant_id, template_id=template_id, digest=digest, at=clock.now(), total=total, audience=asked.audience,
        audience_id=asked.audience_id or "",
    )  # fmt: skip
    tx = Transaction()
    tx.create(CouponGrants(*_key(grant_key(grant_id)), grant=grant), Conflict)
    for number in range(1 if grant.has_list else settings().member_shards):
        part = CouponGrants(*_key(part_key(grant_id, number)), position="", issued=0, skipped=0, state="running")
        part.listed_count = total or 0
        part.naming = NAMING if grant.names else None
        tx.create(part, Conflict)
        _schedule(tx, template_id, grant_id, number)
    _list(tx, grant_id, listed, 0)
    commit(tx)
    return grant


def _add(template_id: str, grant_id: str, added: read.Key, digest: str, listed: list[str]) -> str:
    """Add to the list under the number of those listed so far, and return the digest of the request that did it.

    That number says which items are the next, and no step that has seen fewer can end the part.
    """
    before, item = read.batch_get([added, part_key(grant_id, 0)])
    if before is not None:
        return str(before.digest)
    template = template_queries.load(template_id).value
    _check_offered(template)
    agreement.check(template)
    part = queries.part_of(item)
    tx = Transaction()
    tx.create(CouponGrants(*_key(added), digest=digest), Conflict)
    changes = [CouponGrants.listed_count.set(part.listed_count + len(listed)), CouponGrants.state.set("running")]
    unchanged = (CouponGrants.listed_count == part.listed_count) & (CouponGrants.state == part.state)
    tx.update(*part_key(grant_id, 0), changes, unchanged, Conflict)
    _list(tx, grant_id, listed, part.listed_count)
    if part.state != "running":
        _schedule(tx, template_id, grant_id, 0)
    commit(tx)
    return digest


def _list(tx: Transaction, grant_id: str, members: list[str], before: int) -> None:
    """Write down these members of the list, behind so many others, as part of `tx`."""
    for start in range(0, len(members), ITEM_MEMBERS):
        some = ListedMembers(members[start : start + ITEM_MEMBERS])
        tx.create(CouponGrants(*_key(ids_key(grant_id, before + start)), listed=some), Conflict)


def _schedule(tx: Transaction, template_id: str, grant_id: str, number: int) -> None:
    schedule(tx, BULK_ISSUE, f"{grant_id}|{number}", template_id=template_id)


def _step(template_id: str, grant_id: str, number: int) -> bool:
    grant, part, template = queries.under_way(template_id, grant_id, number)
    if part.state != "running":
        return False
    now = clock.now()
    tx = Transaction()
    if template.is_over(now):
        return _move(tx, grant_id, part, Step(position=part.position, state="over"))
    if template.state != "published":
        raise RetryLater(PAUSED_SECONDS)
    if grant.audience is not None and grant.audience.tags and not audiences.tags_give(grant.audience):
        raise RetryLater(PAUSED_SECONDS)  # until an operator makes the rule of the tag one that proves something
    next_ones = queries.following(grant, part, rules.step_members(bool(following(template_id))))
    found = queries.candidates(template, grant, next_ones.members, now)
    received = found.received
    had = queries.reached_before(template, grant_id, found)
    wanted = [
        each
        for each in rules.each_once(next_ones.members, found.persons)
        if each not in had
        and rules.may_have(template, grant, found.profiles[each], received[each], now, found.bounds, found.within[each])
    ]
    step = rules.decide(template, grant, part, next_ones, wanted, found.frees)
    for shard, pieces in step.portions.items():
        stock.take(tx, template_id, shard, pieces, Conflict)
    for each in step.given:
        person = found.persons[each]
        issue.count(tx, template, person, received[each], Conflict)
        wallet.receive(tx, coupon_of(template, person, "grant", (grant_id,), now), Conflict)
    return _move(tx, grant_id, part, step)


def _move(tx: Transaction, grant_id: str, part: Part, step: Step) -> bool:
    """Commit the step with where the part is after it, and return whether there is more to do."""
    changes = [
        CouponGrants.position.set(step.position),
        CouponGrants.state.set(step.state),
        CouponGrants.issued.set(CouponGrants.issued + len(step.given)),
        CouponGrants.skipped.set(CouponGrants.skipped + step.skipped),
    ]
    if step.state != "running":
        changes.append(CouponGrants.naming.remove())
    unchanged = (
        (CouponGrants.position == part.position)
        & (CouponGrants.state == "running")
        & (CouponGrants.listed_count == part.listed_count)
    )
    tx.update(*part_key(grant_id, part.number), changes, unchanged, Conflict)
    commit(tx)
    return step.state == "running"


def _key(key: read.Key) -> Any:
    return key[1]
