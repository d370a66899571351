"""What operators send about segments, tags and audiences; and members about their own tags."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.platform.web.types import Id, Reason256, ShortText

#: Members that one request lists, and how large its body may be then.
LISTED_MAX = 10_000
BODY_MAX = 384 * 1024

RawRule = Annotated[
    dict[str, Any],
    Meta(
        description=(
            "A rule: {all: [..]}, {any: [..]} and {not: ..} join conditions, such as "
            '{"purchases": "count", "within_days": 90, "op": ">=", "value": 2}. docs/segments.md tells of all of them.'
        )
    ),
]
TtlDays = Annotated[int, Meta(ge=1, le=3650)]


class SegmentInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A segment: its name, who is in it, whether members see that they are, and whether only events from now on count
    for it."""

    name: ShortText
    rule: RawRule
    shown: bool = False
    from_now_on: bool = False


class TagInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tag: its name, its group, whether WeCom is told of it; for how many days it stays, given by hand, or after its
    rule held the last time; and the rule by which it is given, if it has one."""

    name: ShortText
    group: ShortText | None = None
    wecom: bool = False
    ttl_days: TtlDays | None = None
    rule: RawRule | None = None
    from_now_on: bool = False


class TagChangeInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tag is from now on; its name stays."""

    group: ShortText | None = None
    wecom: bool = False
    ttl_days: TtlDays | None = None
    rule: RawRule | None = None
    from_now_on: bool = False


Tags = Annotated[list[ShortText], Meta(max_length=20)]


class MemberTagsInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tags to give to a member, tags to take away, and why."""

    add: Tags = []
    remove: Tags = []
    reason: Reason256 | None = None


class RuleInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule to be tried."""

    rule: RawRule


class AudienceInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on the list: the members of a segment, those of a rule, or these; exactly one of the three."""

    segment_id: Id | None = None
    rule: RawRule | None = None
    members: Annotated[list[Id], Meta(min_length=1, max_length=LISTED_MAX)] | None = None


class DaysQuery(msgspec.Struct, kw_only=True):
    """How many days back, today included."""

    days: Annotated[int, Meta(ge=1, le=400)] = 30


class OwnTagsQuery(msgspec.Struct, kw_only=True):
    """The tag to take away; all of them where none is named."""

    tag: ShortText | UnsetType = UNSET
