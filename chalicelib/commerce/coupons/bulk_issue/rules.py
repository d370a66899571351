"""What a step of a grant gives to whom, and where the part is after it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.commerce.coupons import rules
from chalicelib.commerce.coupons.issue.rules import refused
from chalicelib.commerce.coupons.rules import Grant, Template
from chalicelib.customers.members.rules import LifeCycleRules, Profile

#: How a part of a grant stands, and so the whole: as the first of _BY_WEIGHT that one of its parts has.
State = Literal["running", "done", "sold_out", "over"]
_BY_WEIGHT: tuple[State, ...] = ("running", "sold_out", "over", "done")

#: How many members one step takes: two actions of its transaction each, beside up to 32 for the stock and one for the
#: part; and how many where somebody observes the template's coupons: up to six more are added for each.
STEP_MEMBERS = 30
STEP_MEMBERS_OBSERVED = 8


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """How far a part of a grant is. `position` is the number of listed members that were reached, or a place in the
    roster or in an audience's list; `listed_count` how many are listed by now, 0 where there is no list."""

    number: int
    position: str
    state: State
    issued: int
    skipped: int
    listed_count: int


class Following(msgspec.Struct, frozen=True):
    """The members of a step, the position after them, and whether they are the last."""

    members: list[str]
    position: str
    last: bool


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it is decided: who is given one, from which shards of the stock, how many are skipped, and where the
    part is then."""

    given: list[str] = []
    portions: dict[int, int] = {}
    skipped: int = 0
    position: str
    state: State


def step_members(is_observed: bool) -> int:
    """Say how many members the next step takes at most."""
    return STEP_MEMBERS_OBSERVED if is_observed else STEP_MEMBERS


def state_of(parts: Sequence[Part]) -> State:
    """Find the state of a grant from those of its parts."""
    states = {part.state for part in parts}
    return next(state for state in _BY_WEIGHT if state in states)


def segments_asked(template: Template, grant: Grant) -> list[str]:
    """List the segments that decide who may have a coupon of the grant."""
    return [*template.audience.segments, *(grant.audience.segments if grant.audience is not None else [])]


def may_have(
    template: Template, grant: Grant, profile: Profile | None, received: int, now: datetime, bounds: LifeCycleRules,
    within: Collection[str],
) -> bool:  # fmt: skip
    """Whether the grant is for this member, who has got `received` by now and is `within` so many custom segments;
    without a profile it is not."""
    if profile is None or (grant.audience is not None and not grant.audience.admits(profile, now, bounds, within)):
        return False
    return refused(template, profile, received, now, bounds, within, "members") is None


def decide(
    template: Template, grant: Grant, part: Part, following: Following, wanted: Sequence[str], frees: Sequence[int]
) -> Step:
    """Decide a step: `wanted` of the `following` members are to have one, of what is free in each shard of the stock.

    Each step begins at another shard. Where the coupons run out, the part ends with the last member who got one.
    """
    turn = part.number + part.issued // STEP_MEMBERS
    portions = rules.portions(frees, len(wanted), turn % template.shards)
    given = list(wanted[: sum(portions.values())])
    if len(given) == len(wanted):
        return Step(
            given=given, portions=portions, skipped=len(following.members) - len(given), position=following.position,
            state="done" if following.last else "running",
        )  # fmt: skip
    reached = following.members.index(wanted[len(given)])
    # More members for a list set it going again, from here; a roster, or an audience, is not gone through again.
    position = str(int(part.position or 0) + reached) if grant.has_own_list else following.position
    return Step(given=given, portions=portions, skipped=reached - len(given), position=position, state="sold_out")


def with_room(template: Template, members: Sequence[str], received: Mapping[str, int]) -> list[str]:
    """List the members who have got some of the template, and may have more: one of them may be of this very grant."""
    return [each for each in members if 0 < received[each] < template.limit_per_member]


def each_once(members: Sequence[str], persons: Mapping[str, str]) -> list[str]:
    """List the members, of those who are one person by now the first alone."""
    first: dict[str, str] = {}
    for each in members:
        first.setdefault(persons[each], each)
    return list(first.values())
