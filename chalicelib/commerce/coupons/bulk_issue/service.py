"""Grants: a coupon for each member of a list or an audience, in steps that may be cut off anywhere.

A grant has parts (its list, or a shard of the mall's roster each), and each part a job of its own. A step is one
transaction: the coupons of the next members, their counters, the stock, and how far the part is by then. So a step is
done or not, whoever dies, and its counts are those of the coupons.

A list may be added to at any time, also when all who were listed have been reached. A coupon's id is of the grant and
its member, so that who is listed twice gets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.bulk_issue.inputs import GrantInput, GrantMoreInput
from chalicelib.commerce.coupons.bulk_issue.views import GrantMoreView, GrantView
from chalicelib.commerce.coupons.issue import service as issue
from chalicelib.commerce.coupons.jobs import BULK_ISSUE
from chalicelib.commerce.coupons.rules import Grant, ListedMembers, Template
from chalicelib.commerce.coupons.stock import service as stock
from chalicelib.commerce.coupons.tables import (
    IDS,
    PART,
    CouponGrants,
    added_key,
    coupon_item,
    coupon_key,
    grant_key,
    ids_key,
    part_key,
    received_key,
    received_of,
    template_key,
)
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.jobs.job import Job, Later
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: Listed members of one item, which each of its steps reads: 14 KB, and 20 of them for a request.
ITEM_MEMBERS = 500
#: Members of one step: two actions of its transaction each, beside up to 32 for the stock and one for the part.
STEP_MEMBERS = 30
#: A job works so long and then gives way to others that are due.
RUN_SECONDS = 2.0
#: While its template is paused a grant waits, and looks again so often.
PAUSED_SECONDS = 60.0


_MOVED = "the part has been moved on by another worker"
_STALE = "a member or the stock has changed"


class _Again(Exception):
    """Somebody got in between the read and the write."""


class _Next(msgspec.Struct, frozen=True):
    """The members of a step, the position after them, and whether they are the last."""

    members: list[str]
    position: str
    last: bool


def create(template_id: str, operator: str, key: str, asked: GrantInput) -> GrantView:
    """Begin the grant that this operator's Idempotency-Key stands for; a repetition is told the same.

    Raises `not_found`, `invalid`, `coupon_not_offered`, `idempotency_key_reused`.
    """
    if (asked.members is not None) + (asked.audience is not None) + asked.all != 1:
        raise invalid("members", "either members, or audience, or all: true")
    grant_id = ids.derived("cg", template_id, operator, key)
    digest = ids.digest(msgspec.json.encode(asked))
    template = template_queries.load(template_id).template
    if read.get(CouponGrants, *grant_key(grant_id)[1]) is None:
        if "grant" not in template.how:
            raise invalid("template_id", "this template is not for grants")
        _check_offered(template)
        _begin(grant_id, template_id, digest, asked)
    head = _head(grant_id, template_id)
    if head.digest != digest:
        raise MallError("idempotency_key_reused")
    return GrantView(
        grant_id=grant_id, template_id=template_id, state="running", total=head.total, done=0, given=0, skipped=0,
        created_at=head.at,
    )  # fmt: skip


def add(template_id: str, grant_id: str, operator: str, key: str, asked: GrantMoreInput) -> GrantMoreView:
    """Add these members to the grant's list, once for this operator's Idempotency-Key; a repetition is told the same.

    A grant that had ended goes on: with them, and where the coupons had run out with those who were not reached.
    Raises `not_found`, `invalid` when the grant has no list, `coupon_not_offered`, `idempotency_key_reused`,
    `conflict`, `unavailable`.
    """
    if _head(grant_id, template_id).total is None:
        raise invalid("grant_id", "this grant is not to a list")
    added = added_key(grant_id, ids.derived("", operator, key))
    return retry_busy(lambda: _add(template_id, grant_id, added, asked), _Again)


def view(template_id: str, grant_id: str) -> GrantView:
    """How far the grant is. Raises `not_found`."""
    head = _head(grant_id, template_id)
    parts = list(read.query_all(CouponGrants, grant_id, where=CouponGrants.part.startswith(PART), consistent=True))
    states = {str(part.state) for part in parts}
    state = next(each for each in ("running", "sold_out", "over", "done") if each in states)
    issued, skipped = (sum(int(getattr(part, name)) for part in parts) for name in ("issued", "skipped"))
    done = issued + skipped
    total = done if state == "done" else None
    if head.total is not None:
        total = int(parts[0].listed_count)
    return GrantView(
        grant_id=grant_id, template_id=template_id, state=state, total=total, done=done, given=issued, skipped=skipped,
        created_at=head.at,
    )  # fmt: skip


def bulk_issue(job: Job) -> None:
    """Issue coupons to the next members of one part, for two seconds; again at once until the part is done, and after
    a minute while the template is paused.
    """
    grant_id, _, number = job.key.partition("|")
    end = clock.monotonic() + RUN_SECONDS
    while step(job.task.payload["template_id"], grant_id, int(number)):
        if clock.monotonic() > end:
            raise Later(0)


def step(template_id: str, grant_id: str, number: int) -> bool:
    """Give the next members of a part theirs; whether there is more to do.

    Raises `Later` while the template is paused, `conflict`, `unavailable`.
    """
    return retry_busy(lambda: _step(template_id, grant_id, number), _Again)


def _check_offered(template: Template) -> None:
    if not template.is_offered(clock.now()):
        raise MallError("coupon_not_offered")


def _begin(grant_id: str, template_id: str, digest: str, asked: GrantInput) -> None:
    listed = None if asked.members is None else list(dict.fromkeys(asked.members))
    total = None if listed is None else len(listed)
    head = Grant(
        grant_id=grant_id, template_id=template_id, digest=digest, at=clock.now(), total=total, audience=asked.audience
    )
    tx = Transaction()
    tx.create(CouponGrants(*_key(grant_key(grant_id)), grant=head), _STALE)
    for number in range(settings().member_shards if listed is None else 1):
        part = CouponGrants(*_key(part_key(grant_id, number)), position="", issued=0, skipped=0, state="running")
        part.listed_count = total or 0
        tx.create(part, _STALE)
        _schedule(tx, template_id, grant_id, number)
    _list(tx, grant_id, listed or [], 0)
    try:
        tx.commit()
    except ConditionFailed:
        return  # the same request came twice at once


def _add(template_id: str, grant_id: str, added: read.Key, asked: GrantMoreInput) -> GrantMoreView:
    """Under the number of those listed so far: it says which items are the next, and no step that has seen fewer can
    end the part."""
    digest = ids.digest(msgspec.json.encode(asked))
    listed = list(dict.fromkeys(asked.members))
    known, part = read.batch_get([added, part_key(grant_id, 0)])
    if known is None:
        _check_offered(template_queries.load(template_id).template)
        before = int(part.listed_count)
        tx = Transaction()
        tx.create(CouponGrants(*_key(added), digest=digest), _STALE)
        changes = [CouponGrants.listed_count.set(before + len(listed)), CouponGrants.state.set("running")]
        same = (CouponGrants.listed_count == before) & (CouponGrants.state == part.state)
        tx.update(*part_key(grant_id, 0), changes, same, _STALE)
        _list(tx, grant_id, listed, before)
        if part.state != "running":
            _schedule(tx, template_id, grant_id, 0)
        _commit(tx)
    elif known.digest != digest:
        raise MallError("idempotency_key_reused")
    return GrantMoreView(grant_id=grant_id, template_id=template_id, added=len(listed))


def _list(tx: Transaction, grant_id: str, members: list[str], before: int) -> None:
    """Write down these members of the list, behind so many others, as part of `tx`."""
    for start in range(0, len(members), ITEM_MEMBERS):
        some = ListedMembers(members[start : start + ITEM_MEMBERS])
        tx.create(CouponGrants(*_key(ids_key(grant_id, before + start)), listed=some), _STALE)


def _schedule(tx: Transaction, template_id: str, grant_id: str, number: int) -> None:
    schedule(tx, BULK_ISSUE, f"{grant_id}|{number}", template_id=template_id)


def _head(grant_id: str, template_id: str) -> Grant:
    item = read.get(CouponGrants, *grant_key(grant_id)[1])
    if item is None or item.grant.template_id != template_id:
        raise MallError("not_found")
    return item.grant


def _step(template_id: str, grant_id: str, number: int) -> bool:
    head, part, known = read.batch_get([grant_key(grant_id), part_key(grant_id, number), template_key(template_id)])
    if part.state != "running":
        return False
    template: Template = known.template
    now = clock.now()
    if template.is_over(now):
        return _move(part, part.position, state="over")
    if template.state != "published":
        raise Later(PAUSED_SECONDS)
    following = _following(head.grant, number, part)
    frees, profiles, received = _look(template, following.members)
    had = _had(
        template, grant_id, [each for each in following.members if 0 < received[each] < template.limit_per_member]
    )
    wanted = [
        each
        for each in following.members
        if each not in had and _may_have(template, head.grant, profiles[each], received[each], now)
    ]
    turn = number + int(part.issued) // STEP_MEMBERS  # each step begins at another shard of the stock
    portions = rules.portions(frees, len(wanted), turn % template.shards)
    given = wanted[: sum(portions.values())]
    seen, position = following.members, following.position
    state = "done" if following.last else "running"
    if len(given) < len(wanted):
        seen = seen[: seen.index(wanted[len(given)])]
        state = "sold_out"
        if head.grant.total is not None:  # whoever adds to the list sets it going again, from here
            position = str(int(part.position or 0) + len(seen))
    tx = Transaction()
    for shard, pieces in portions.items():
        stock.take(tx, template.template_id, shard, pieces, _STALE)
    for member_id in given:
        issue.count(tx, template, member_id, received[member_id], _STALE)
        tx.create(coupon_item(issue.coupon_of(template, member_id, "grant", (grant_id,), now)), _STALE)
    return _move(part, position, state, len(given), len(seen) - len(given), tx)


def _following(grant: Grant, number: int, part: CouponGrants) -> _Next:
    """Listed members are counted off; of everybody, the position is where the last one stands in the roster."""
    if grant.total is None:
        found, after = member_queries.everybody(number, grant.at, part.position, STEP_MEMBERS)
        return _Next(found, after or part.position, after is None)
    start = int(part.position or 0)
    found = _listed(grant.grant_id, start)
    end = start + len(found)
    return _Next(found, str(end), end >= int(part.listed_count))


def _listed(grant_id: str, start: int) -> list[str]:
    """The next members of a list from number `start` on, as far as the item has them in which that one is."""
    where = CouponGrants.part.between(ids_key(grant_id, 0)[1][1], ids_key(grant_id, start)[1][1])
    found, _ = read.query(CouponGrants, grant_id, where=where, forward=False, limit=1, consistent=True)
    item = CouponGrants.from_raw_data(found[0])
    skipped = start - int(item.part.removeprefix(IDS))
    return item.listed.members[skipped : skipped + STEP_MEMBERS]


def _look(template: Template, member_ids: Sequence[str]) -> tuple[list[int], dict[str, Profile | None], dict[str, int]]:
    """What is free in each shard of the stock, the members' profiles, and how many each has got: one round trip."""
    stocks = stock.keys(template)
    people = [
        key(each) for each in member_ids for key in (profile_key, lambda one: received_key(one, template.template_id))
    ]
    items = read.batch_get([*stocks, *people])
    frees = stock.frees(items[: len(stocks)])
    profiles, received = items[len(stocks) :: 2], items[len(stocks) + 1 :: 2]
    return (
        frees,
        {each: None if item is None else item.profile for each, item in zip(member_ids, profiles, strict=True)},
        {each: received_of(item) for each, item in zip(member_ids, received, strict=True)},
    )


def _had(template: Template, grant_id: str, member_ids: Sequence[str]) -> set[str]:
    """Who of them has one of this grant. Who has got none of the template is not worth the look."""
    keys = [coupon_key(each, issue.coupon_id(template, each, "grant", (grant_id,))) for each in member_ids]
    items = read.batch_get(keys)
    return {each for each, item in zip(member_ids, items, strict=True) if item is not None}


def _may_have(template: Template, grant: Grant, profile: Profile | None, received: int, now: datetime) -> bool:
    if profile is None or (grant.audience is not None and not grant.audience.admits(profile, now)):
        return False
    try:
        issue.check_member(template, profile, received, now)
    except MallError:
        return False
    return True


def _move(
    part: CouponGrants,
    position: str,
    state: str,
    issued: int = 0,
    skipped: int = 0,
    tx: Transaction | None = None,
) -> bool:
    """Commit the step with where the part is after it; whether there is more to do."""
    step = tx or Transaction()
    changes = [
        CouponGrants.position.set(position),
        CouponGrants.state.set(state),
        CouponGrants.issued.set(CouponGrants.issued + issued),
        CouponGrants.skipped.set(CouponGrants.skipped + skipped),
    ]
    same = (
        (CouponGrants.position == part.position)
        & (CouponGrants.state == "running")
        & (CouponGrants.listed_count == part.listed_count)
    )
    step.update(CouponGrants, (part.grant_id, part.part), changes, same, _MOVED)
    _commit(step)
    return state == "running"


def _commit(tx: Transaction) -> None:
    try:
        tx.commit()
    except ConditionFailed as fault:
        raise _Again from fault


def _key(key: read.Key) -> Any:
    return key[1]
