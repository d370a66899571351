"""Grants: a coupon for each member of a list or an audience, in steps that may be cut off anywhere.

A grant has parts (so many listed members each, or a shard of the mall's roster), and each part a job of its own, so
that parts run side by side. A step is one transaction: the coupons of the next members, their counters, the stock, and
how far the part is by then. So a step is done or not, whoever dies, and its counts are those of the coupons.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.coupons import give, rules, stock, templates
from chalicelib.coupons.rules import Audience, Template
from chalicelib.coupons.tables import (
    PART,
    CouponGrants,
    Grant,
    Listed,
    coupon_item,
    got_key,
    got_of,
    grant_key,
    ids_key,
    part_key,
    template_key,
)
from chalicelib.jobs import service as jobs
from chalicelib.jobs.service import OUTSIDE
from chalicelib.members import service as members
from chalicelib.members.rules import Profile
from chalicelib.members.tables import profile_key
from chalicelib.store import read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction
from chalicelib.web.types import Id

#: Members that one grant lists; with 25 characters an id they are 280 KB, so its body may be larger than others.
LISTED_MAX = 10_000
BODY_MAX = 384 * 1024
#: Listed members of one part, so that a list has at most 20 parts and a part's list is 14 KB.
PART_MEMBERS = 500
#: Members of one step: two actions of its transaction each, beside up to 32 for the stock and one for the part.
STEP_MEMBERS = 30
#: A job works so long and then gives way to others that are due. It is of the lane OUTSIDE though it calls nobody: a
#: grant may take an hour, and in the other lane jobs are run at their second.
RUN_SECONDS = 2.0
#: While its template is paused a grant waits, and looks again so often.
PAUSED_SECONDS = 60.0

State = Literal["running", "done", "sold_out", "over"]

_MOVED = "the part has been moved on by another worker"
_STALE = "a member or the stock has changed"


class GrantInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets one: these members, or an audience, or everybody who has joined by now."""

    members: Annotated[list[Id], Meta(min_length=1, max_length=LISTED_MAX)] | None = None
    audience: Audience | None = None
    all: bool = False


class GrantView(msgspec.Struct, kw_only=True):
    """How far a grant is: `done` members of `total` (known for a list) were `given` one or `skipped`, because they are
    not in the audience, have all they may, or are gone. `sold_out` and `over` ended before everybody was reached."""

    grant_id: str
    template_id: str
    state: State
    total: int | UnsetType = UNSET
    done: int
    given: int
    skipped: int
    created_at: datetime


class _Again(Exception):
    """Somebody got in between the read and the write."""


class _Next(msgspec.Struct, frozen=True):
    """The members of a step, the position after them, and whether they are the last."""

    members: list[str]
    position: str
    last: bool


def create(template_id: str, operator: str, key: str, asked: GrantInput) -> GrantView:
    """Begin the grant that this operator's Idempotency-Key stands for; a repetition finds it.

    Raises `not_found`, `invalid`, `coupon_not_offered`, `idempotency_key_reused`.
    """
    if (asked.members is not None) + (asked.audience is not None) + asked.all != 1:
        raise invalid("members", "either members, or audience, or all: true")
    grant_id = ids.derived("cg", template_id, operator, key)
    digest = ids.digest(msgspec.json.encode(asked))
    template = templates.load(template_id).template
    if read.get(CouponGrants, *grant_key(grant_id)[1]) is None:
        if "grant" not in template.how:
            raise invalid("template_id", "this template is not for grants")
        if not template.is_offered(clock.now()):
            raise MallError("coupon_not_offered")
        _begin(grant_id, template_id, digest, asked)
    if _head(grant_id, template_id).digest != digest:
        raise MallError("idempotency_key_reused")
    return view(template_id, grant_id)


def view(template_id: str, grant_id: str) -> GrantView:
    """How far the grant is. Raises `not_found`."""
    head = _head(grant_id, template_id)
    parts = list(read.query_all(CouponGrants, grant_id, where=CouponGrants.part.startswith(PART), consistent=True))
    states = {str(part.state) for part in parts}
    state = next(each for each in ("running", "sold_out", "over", "done") if each in states)
    given, skipped = (sum(int(getattr(part, name)) for part in parts) for name in ("given", "skipped"))
    return GrantView(
        grant_id=grant_id, template_id=template_id, state=state,
        total=UNSET if head.total is None else head.total, done=given + skipped, given=given, skipped=skipped,
        created_at=head.at,
    )  # fmt: skip


@jobs.handles("coupons.grant", OUTSIDE)
def run(job: jobs.Job) -> None:
    """Move one part of a grant on, for some seconds."""
    grant_id, _, number = job.key.partition("|")
    end = clock.monotonic() + RUN_SECONDS
    while step(job.task.payload["template_id"], grant_id, int(number)):
        if clock.monotonic() > end:
            raise jobs.Later(0)


def step(template_id: str, grant_id: str, number: int) -> bool:
    """Give the next members of a part theirs; whether there is more to do.

    Raises `Later` while the template is paused, `conflict`, `unavailable`.
    """
    return retry_busy(lambda: _step(template_id, grant_id, number), _Again)


def _begin(grant_id: str, template_id: str, digest: str, asked: GrantInput) -> None:
    listed = None if asked.members is None else list(dict.fromkeys(asked.members))
    parts = settings().member_shards if listed is None else -(-len(listed) // PART_MEMBERS)
    head = Grant(
        grant_id=grant_id, template_id=template_id, digest=digest, at=clock.now(), parts=parts,
        total=None if listed is None else len(listed), audience=asked.audience,
    )  # fmt: skip
    tx = Transaction()
    tx.create(CouponGrants(*_key(grant_key(grant_id)), grant=head), _STALE)
    for number in range(parts):
        part = CouponGrants(*_key(part_key(grant_id, number)), position="", given=0, skipped=0, state="running")
        tx.create(part, _STALE)
        if listed is not None:
            some = Listed(listed[number * PART_MEMBERS : (number + 1) * PART_MEMBERS])
            tx.create(CouponGrants(*_key(ids_key(grant_id, number)), listed=some), _STALE)
        jobs.schedule(tx, "coupons.grant", f"{grant_id}|{number}", template_id=template_id)
    try:
        tx.commit()
    except ConditionFailed:
        return  # the same request came twice at once


def _head(grant_id: str, template_id: str) -> Grant:
    item = read.get(CouponGrants, *grant_key(grant_id)[1])
    if item is None or item.grant.template_id != template_id:
        raise MallError("not_found")
    return item.grant


def _step(template_id: str, grant_id: str, number: int) -> bool:
    keys = [grant_key(grant_id), part_key(grant_id, number), ids_key(grant_id, number)]
    head, part, listed, known = read.batch_get([*keys, template_key(template_id)])
    if part.state != "running":
        return False
    template: Template = known.template
    now = clock.now()
    if template.is_over(now):
        return _move(part, part.position, state="over")
    if template.state != "published":
        raise jobs.Later(PAUSED_SECONDS)
    following = _following(head.grant, number, part.position, listed)
    frees, profiles, got = _look(template, following.members)
    wanted = [each for each in following.members if _may_have(template, head.grant, profiles[each], got[each], now)]
    portions = rules.portions(frees, len(wanted), number % template.shards)
    given = wanted[: sum(portions.values())]
    seen = following.members
    state = "done" if following.last else "running"
    if len(given) < len(wanted):
        seen = seen[: seen.index(wanted[len(given)])]
        state = "sold_out"
    tx = Transaction()
    for shard, pieces in portions.items():
        stock.take(tx, template.template_id, shard, pieces, _STALE)
    for member_id in given:
        give.count(tx, template, member_id, got[member_id], _STALE)
        tx.create(coupon_item(give.coupon_of(template, member_id, "grant", (grant_id,), now)), _STALE)
    return _move(part, following.position, state, len(given), len(seen) - len(given), tx)


def _following(grant: Grant, number: int, position: str, listed: Any) -> _Next:
    """Listed members are counted off; of everybody, the position is where the last one stands in the roster."""
    if listed is None:
        found, after = members.everybody(number, grant.at, position, STEP_MEMBERS)
        return _Next(found, after or position, after is None)
    start = int(position or 0)
    everybody = listed.listed.members
    end = start + STEP_MEMBERS
    return _Next(everybody[start:end], str(end), end >= len(everybody))


def _look(template: Template, member_ids: Sequence[str]) -> tuple[list[int], dict[str, Profile | None], dict[str, int]]:
    """What is free in each shard of the stock, the members' profiles, and how many each has got: one round trip."""
    stocks = stock.keys(template)
    people = [key(each) for each in member_ids for key in (profile_key, lambda one: got_key(one, template.template_id))]
    items = read.batch_get([*stocks, *people])
    frees = stock.frees(items[: len(stocks)])
    profiles, got = items[len(stocks) :: 2], items[len(stocks) + 1 :: 2]
    return (
        frees,
        {each: None if item is None else item.profile for each, item in zip(member_ids, profiles, strict=True)},
        {each: got_of(item) for each, item in zip(member_ids, got, strict=True)},
    )


def _may_have(template: Template, grant: Grant, profile: Profile | None, got: int, now: datetime) -> bool:
    if profile is None or (grant.audience is not None and not grant.audience.admits(profile, now)):
        return False
    try:
        give.check_member(template, profile, got, now)
    except MallError:
        return False
    return True


def _move(
    part: CouponGrants,
    position: str,
    state: str,
    given: int = 0,
    skipped: int = 0,
    tx: Transaction | None = None,
) -> bool:
    """Commit the step with where the part is after it; whether there is more to do."""
    step = tx or Transaction()
    changes = [
        CouponGrants.position.set(position),
        CouponGrants.state.set(state),
        CouponGrants.given.set(CouponGrants.given + given),
        CouponGrants.skipped.set(CouponGrants.skipped + skipped),
    ]
    same = (CouponGrants.position == part.position) & (CouponGrants.state == "running")
    step.update(CouponGrants, (part.grant_id, part.part), changes, same, _MOVED)
    try:
        step.commit()
    except ConditionFailed as fault:
        raise _Again from fault
    return state == "running"


def _key(key: read.Key) -> Any:
    return key[1]
