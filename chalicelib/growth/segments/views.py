"""What operators and members are shown of segments, tags and audiences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.customers.members.rules import NAMELESS, Profile, Segment, masked
from chalicelib.growth.segments.audiences.rules import Audience
from chalicelib.growth.segments.definitions.rules import Definition, Entry
from chalicelib.growth.segments.membership.rules import Moved
from chalicelib.growth.segments.preview.queries import Preview
from chalicelib.growth.segments.tables import SegmentMembers, unstamped
from chalicelib.growth.segments.traits.rules import Tag, instant


class Progress(msgspec.Struct, frozen=True):
    """How many members have been looked at for what was changed last."""

    members: int


class SegmentView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A segment: `built_in` those of the life cycle; `building` while everybody is looked at for it; `undecided` while
    this version of the mall cannot read it, or something that it names; `proven` where what clients report alone leads
    nobody into it, so that coupons and offers may name it."""

    segment_id: str
    name: str
    version: int
    state: Literal["building", "live", "undecided"]
    rule: Any
    shown: bool
    built_in: bool
    proven: bool
    behavioural: bool
    from_now_on: bool = False
    changed_at: datetime | None = None
    progress: Progress | None = None
    count: int | None = None
    as_of: datetime | None = None


class TagView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag, and the rule by which it is given, if it has one."""

    tag_id: str
    name: str
    version: int
    state: Literal["building", "live", "undecided"]
    group: str = ""
    wecom: bool = False
    ttl_days: int | None = None
    rule: Any = None
    from_now_on: bool = False
    count: int | None = None
    as_of: datetime | None = None


class MemberOfSegment(msgspec.Struct, frozen=True):
    """A member who is in a segment, or has a tag, since when; the name is masked."""

    member_id: str
    nickname: str
    segment: Segment | None
    since: datetime


class MemberTag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tag of a member: since when, by whom, why, and until when it stays where that is known. `evidence`: how often
    each event had come by then that its rule asks for, or at least so often."""

    name: str
    set_at: datetime
    by: str
    why: str = ""
    until: datetime | None = None
    evidence: dict[str, int] = {}


class MoveView(msgspec.Struct, frozen=True):
    """That a member came into a segment or got a tag (`came`), or left it."""

    at: datetime
    segment_id: str
    name: str
    came: bool


class PreviewView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many of all `members` a rule would have: `count`, where all were looked at; else `estimate`, the bounds
    within which it is with 95 % by a sample of so many."""

    members: int
    count: int | None = None
    estimate: Bounds | None = None
    sample: int | None = None


class Bounds(msgspec.Struct, frozen=True):
    """Between what it is."""

    low: int
    high: int


class AudienceView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frozen list of members; while it is `making`, its count grows."""

    audience_id: str
    state: Literal["making", "made"]
    count: int
    made_at: datetime
    proven: bool
    segment_id: str = ""
    rule: Any = None


def state_of(entry: Entry) -> Literal["building", "live", "undecided"]:
    """Tell whether a definition is decided, and everybody has been looked at for it."""
    if entry.undecided:
        return "undecided"
    return "building" if entry.building else "live"


def segment_view(
    entry: Entry, count: int | None = None, as_of: datetime | None = None, seen: int | None = None
) -> SegmentView:  # fmt: skip
    """Show a segment, with its count as of an instant, and how many members have been looked at for it."""
    definition = entry.definition
    return SegmentView(
        segment_id=definition.segment_id,
        name=definition.name,
        version=definition.version,
        state=state_of(entry),
        rule=definition.rule,
        shown=definition.shown,
        built_in=not definition.generation,
        proven=entry.proven,
        behavioural=entry.behavioural,
        from_now_on=definition.from_now_on,
        changed_at=definition.changed_at if definition.generation else None,
        progress=None if seen is None else Progress(seen),
        count=count,
        as_of=as_of,
    )


def tag_view(entry: Entry, count: int | None = None, as_of: datetime | None = None) -> TagView:
    """Show a tag, with how many members have it as of an instant."""
    definition: Definition = entry.definition
    return TagView(
        tag_id=definition.segment_id,
        name=definition.tag,
        version=definition.version,
        state=state_of(entry),
        group=definition.group,
        wecom=definition.wecom,
        ttl_days=definition.ttl_days,
        rule=definition.rule,
        from_now_on=definition.from_now_on,
        count=count,
        as_of=as_of,
    )


def member_of_segment(row: SegmentMembers, profile: Profile | None, segment: Segment | None) -> MemberOfSegment:
    """Show a member of a segment; of who has just left, that somebody is in it."""
    nickname = NAMELESS if profile is None else masked(profile.nickname)
    return MemberOfSegment(row.member_id, nickname, segment, unstamped(row.entered_at))


def tag_of_member(name: str, tag: Tag) -> MemberTag:
    """Show a tag of a member to operators."""
    until = instant(tag.until) if tag.until else None
    return MemberTag(name=name, set_at=instant(tag.at), by=tag.by, why=tag.why, until=until, evidence=tag.evidence)


def moves_of(moved: Sequence[Moved], names: dict[str, str]) -> list[MoveView]:
    """Show what a member came into and left, the latest first; `names` are those of what there is."""
    return [
        MoveView(instant(move.at), move.segment_id, names.get(move.segment_id, ""), move.came)
        for one in moved
        for move in reversed(one.moves)
    ]


def preview_view(found: Preview) -> PreviewView:
    """Show how many members a rule would have."""
    bounds = None if found.estimate is None else Bounds(*found.estimate)
    return PreviewView(members=found.members, count=found.count, estimate=bounds, sample=found.sample)


def audience_view(audience: Audience) -> AudienceView:
    """Show a frozen list."""
    return AudienceView(
        audience_id=audience.audience_id, state=audience.state, count=audience.count, made_at=audience.made_at,
        proven=audience.proven, segment_id=audience.segment_id, rule=audience.rule,
    )  # fmt: skip
