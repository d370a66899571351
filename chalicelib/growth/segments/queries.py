"""Reads of segments, tags and their members for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Segment
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import LIFE_CYCLE, Entry
from chalicelib.growth.segments.membership import queries as membership
from chalicelib.growth.segments.refusals import NO_SUCH_SEGMENT, NO_SUCH_TAG
from chalicelib.growth.segments.tables import unstamped
from chalicelib.growth.segments.tags import queries as tagged
from chalicelib.growth.segments.traits.queries import Stored, as_of_now, history, stored_of
from chalicelib.growth.segments.views import (
    MemberOfSegment,
    MemberTag,
    MoveView,
    SegmentView,
    TagView,
    member_of_segment,
    moves_of,
    segment_view,
    tag_of_member,
    tag_view,
)
from chalicelib.platform.store import cache, cursors, read


def segments() -> list[SegmentView]:
    """List all segments, those of the life cycle first."""
    entries = definitions.fresh().entries.values()
    return [segment_view(entry) for entry in entries if not entry.definition.tag]


def tags() -> list[TagView]:
    """List all tags."""
    return [tag_view(entry) for entry in definitions.fresh().entries.values() if entry.definition.tag]


def segment(segment_id: str) -> SegmentView:
    """Show a segment with how many members it has, as of the instant up to which time has been followed, and while it
    is building with how far that is. Raises `not_found`."""
    entry = _entry(segment_id, is_tag=False)
    seen = building.progress(entry.definition.generation) if entry.building else None
    return segment_view(entry, totals(segment_id).members, as_of(), seen)


def tag(tag_id: str) -> TagView:
    """Show a tag with how many members have it. Raises `not_found`."""
    return tag_view(_entry(tag_id, is_tag=True), totals(tag_id).members, as_of())


def check_segment(segment_id: str) -> None:
    """Raise `not_found` where there is no such segment or tag."""
    if segment_id not in definitions.fresh().entries:
        raise MallError("not_found", errors=(NO_SUCH_SEGMENT.at("segment_id", segment_id=segment_id),))


def _entry(segment_id: str, is_tag: bool) -> Entry:
    entry = definitions.fresh().entries.get(segment_id)
    if entry is None or bool(entry.definition.tag) is not is_tag:
        raise MallError("not_found", errors=(NO_SUCH_SEGMENT.at("segment_id", segment_id=segment_id),))
    return entry


def as_of() -> datetime:
    """Tell up to which instant lists and counts follow the time, possibly `cache_seconds` old: now, where nobody waits
    to be looked at."""
    return cache.remember(("segments_as_of",), _as_of)


def _as_of() -> datetime:
    oldest = membership.oldest_due()
    return clock.now() if oldest is None else unstamped(oldest)


def members_of(segment_id: str, limit: int, cursor: str | None) -> tuple[list[MemberOfSegment], str | None]:
    """List a page of the members of a segment, or of those who have a tag. Raises `cursor_invalid`."""
    listing = f"segment:{segment_id}"
    rows, position = membership.members_of(segment_id, limit, cursors.read(listing, cursor))
    profiles = read.batch_get([profile_key(row.member_id) for row in rows], consistent=False)
    theirs = stored_of([row.member_id for row in rows], consistent=False)
    found = [
        member_of_segment(row, None if item is None else item.profile, None if one is None else life_cycle_of(one))
        for row, item, one in zip(rows, profiles, theirs, strict=True)
    ]
    return found, cursors.write(listing, position)


def listed(segment_id: str, limit: int, position: Any) -> tuple[dict[str, datetime], Any]:
    """List a page of ids of the members of a segment or tag, each with since when; and where to go on (None: no
    more)."""
    rows, after = membership.members_of(segment_id, limit, position)
    return {row.member_id: unstamped(row.entered_at) for row in rows}, after


def life_cycle_of(found: Stored) -> Segment | None:
    """Find the segment of the life cycle that the member is in now."""
    inside = as_of_now(found).inside
    return next((word for word in LIFE_CYCLE if word in inside), None)


def tag_named(name: str) -> str:
    """Find the id of the tag of this name. Raises `not_found`."""
    entry = definitions.fresh().named(name)
    if entry is None:
        raise MallError("not_found", errors=(NO_SUCH_TAG.at("tag", tag=name),))
    return entry.definition.segment_id


def tags_of(member_id: str) -> list[MemberTag]:
    """List the tags of the member, as of now. Raises `not_found`."""
    return [tag_of_member(name, tag) for name, tag in tagged.tags_of(member_id)]


def moves(member_id: str, limit: int, cursor: str | None) -> tuple[list[MoveView], str | None]:
    """List what the member came into and left, the latest first, so many changes a page. Raises `cursor_invalid`."""
    listing = f"moves:{member_id}"
    found, position = history(member_id, limit, cursors.read(listing, cursor))
    entries = definitions.book().entries
    names = {segment_id: entry.definition.name for segment_id, entry in entries.items()}
    return moves_of([item.moved for item in found], names), cursors.write(listing, position)
