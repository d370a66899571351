"""Reads of grants: how far one is, and what its next step is decided by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.audiences import queries as audiences
from chalicelib.commerce.coupons.bulk_issue import rules
from chalicelib.commerce.coupons.bulk_issue.rules import Following, Part
from chalicelib.commerce.coupons.issue.queries import keys_as_another
from chalicelib.commerce.coupons.issue.rules import coupon_id
from chalicelib.commerce.coupons.ports import audience_lists
from chalicelib.commerce.coupons.refusals import NO_SUCH_GRANT
from chalicelib.commerce.coupons.rules import Grant, Template
from chalicelib.commerce.coupons.stock import queries as stock_queries
from chalicelib.commerce.coupons.tables import (
    IDS,
    NAMING,
    PART,
    CouponGrants,
    coupon_key,
    grant_key,
    ids_key,
    part_key,
    received_key,
    received_of,
    template_key,
)
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.rules import LifeCycleRules, Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key


class Candidates(msgspec.Struct, frozen=True):
    """What a step is decided by: what is free in each shard of the stock; the bounds of life cycle; and of each listed
    member who that is by now, who may have been merged into another since, with that one's profile, how many coupons of
    the template they have got, and in which of the custom segments that matter they are."""

    frees: list[int]
    persons: dict[str, str]
    profiles: dict[str, Profile | None]
    received: dict[str, int]
    within: dict[str, frozenset[str]]
    bounds: LifeCycleRules


def find(grant_id: str) -> Grant | None:
    """Find the grant, or None."""
    item = read.get(CouponGrants, *grant_key(grant_id)[1])
    return None if item is None else item.grant


def load(grant_id: str, template_id: str) -> Grant:
    """Find the grant of coupons of this template. Raises `not_found`."""
    grant = find(grant_id)
    if grant is None or grant.template_id != template_id:
        raise MallError("not_found", errors=(NO_SUCH_GRANT.at("grant_id"),))
    return grant


def parts(grant_id: str) -> list[Part]:
    """Read how far each part of the grant is."""
    items = read.query_all(CouponGrants, grant_id, where=CouponGrants.part.startswith(PART), consistent=True)
    return [part_of(item) for item in items]


def part_of(item: CouponGrants) -> Part:
    """Take how far a part is from an item at `part_key`."""
    return Part(
        number=int(item.part.removeprefix(PART)), position=item.position or "", state=item.state,  # type: ignore[arg-type]
        issued=int(item.issued), skipped=int(item.skipped), listed_count=int(item.listed_count or 0),
    )  # fmt: skip


def naming_segment(segment_id: str) -> list[tuple[str, str]]:
    """List the grants under way that are for members of this segment, by template and id, as
    `templates.queries.naming_segment` lists templates; what those of a list look at is their template's alone."""
    return [_named(one) for one in _naming() if one.audience is not None and segment_id in one.audience.segments]


def naming_tag(tag: str) -> list[tuple[str, str]]:
    """List the grants under way that are for members with this tag, as `naming_segment` does."""
    return [_named(one) for one in _naming() if one.audience is not None and tag in one.audience.tags]


def _named(grant: Grant) -> tuple[str, str]:
    return grant.template_id, grant.grant_id


def _naming() -> list[Grant]:
    """The grants that look at segments or tags of their own, and have somebody to reach yet."""
    parts = read.query_all(CouponGrants, NAMING, index=CouponGrants.by_naming)
    heads = read.batch_get([grant_key(one) for one in dict.fromkeys(part.grant_id for part in parts)])
    lasting = {one.template_id for one in template_queries.not_over()} if heads else set()
    return [head.grant for head in heads if head.grant.template_id in lasting]


def under_way(template_id: str, grant_id: str, number: int) -> tuple[Grant, Part, Template]:
    """Read a grant, one of its parts, and its template. One BatchGet."""
    keys = [grant_key(grant_id), part_key(grant_id, number), template_key(template_id)]
    head, part, template = read.batch_get(keys)
    return head.grant, part_of(part), template.template


def following(grant: Grant, part: Part, at_most: int) -> Following:
    """Find the members of the next step, so many at most.

    Listed members are counted off; of everybody, or of an audience, the position is where the last one stands there.
    """
    if grant.audience_id:
        found, after = audience_lists().page(grant.audience_id, part.position, at_most)
        return Following(found, after or part.position, after is None)
    if not grant.has_list:
        found, after = member_queries.everybody(part.number, grant.at, part.position, at_most)
        return Following(found, after or part.position, after is None)
    start = int(part.position or 0)
    found = _listed(grant.grant_id, start, at_most)
    end = start + len(found)
    return Following(found, str(end), end >= part.listed_count)


def _listed(grant_id: str, start: int, at_most: int) -> list[str]:
    """Find the next members of a list from number `start` on, as far as the item has them in which that one is."""
    where = CouponGrants.part.between(ids_key(grant_id, 0)[1][1], ids_key(grant_id, start)[1][1])
    found, _ = read.query(CouponGrants, grant_id, where=where, forward=False, limit=1, consistent=True)
    item = CouponGrants.from_raw_data(found[0])
    skipped = start - int(item.part.removeprefix(IDS))
    members: list[str] = item.listed.members[skipped : skipped + at_most]
    return members


def candidates(template: Template, grant: Grant, member_ids: Sequence[str], now: datetime) -> Candidates:
    """Read what a step to these members is decided by. One BatchGet; another two where some are not found."""
    stocks = stock_queries.keys(template)
    asked = rules.segments_asked(template, grant)
    found = read.read_set([*stocks, *_keys(template, asked, member_ids)])
    persons = {each: each for each in member_ids}
    if missing := [each for each in member_ids if found[profile_key(each)] is None]:
        merged = member_queries.merged(missing)
        found |= read.read_set(_keys(template, asked, list(merged.values())))
        persons |= merged
    profiles = {each: found[profile_key(now_is)] for each, now_is in persons.items()}
    return Candidates(
        frees=stock_queries.frees(found.each(stocks)),
        persons=persons,
        profiles={each: None if item is None else item.profile for each, item in profiles.items()},
        received={
            each: received_of(found[received_key(now_is, template.template_id)]) for each, now_is in persons.items()
        },
        within={each: audiences.within(now_is, asked, found, now) for each, now_is in persons.items()},
        bounds=audiences.bounds(asked),
    )


def _keys(template: Template, asked: Sequence[str], member_ids: Sequence[str]) -> list[Key]:
    """List what must be read of these members."""
    own = [key for each in member_ids for key in (profile_key(each), received_key(each, template.template_id))]
    return [*own, *(key for each in member_ids for key in audiences.keys(each, asked))]


def reached_before(template: Template, grant_id: str, found: Candidates) -> set[str]:
    """Find the listed members who have a coupon of this grant already, as who they are or were. One BatchGet, and none
    where nobody may have one."""
    cause = (grant_id,)
    places: list[tuple[str, Key]] = []
    for each in rules.with_room(template, list(found.persons), found.received):
        person = found.persons[each]
        places.append((each, coupon_key(person, coupon_id(template, person, "grant", cause))))
    for each, profile in found.profiles.items():
        if profile is not None:
            places += [(each, key) for key in keys_as_another(profile, template, "grant", cause)]
    items = read.batch_get([key for _, key in places])
    return {each for (each, _), item in zip(places, items, strict=True) if item is not None}
