"""Reads of why a member is in a segment."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.refusals import NO_SUCH_MEMBER
from chalicelib.growth.segments.assessment.rules import counts_since, viewed
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions.rules import Entry
from chalicelib.growth.segments.evaluation.rules import View
from chalicelib.growth.segments.explaining.rules import Why, explained
from chalicelib.growth.segments.restoring.queries import known
from chalicelib.growth.segments.traits.queries import Stored, as_of_now, book_for
from chalicelib.growth.segments.traits.rules import Traits, instant, ms


class Reason(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a member is in a segment, since when, by which version of its rule, and why. `withheld`: the member does
    not want to be chosen by what they did and bought, and the rule asks for that. `building`: everybody is being looked
    at for this version. `undecided`: it cannot be read, or something that it names; the member is as they were."""

    segment_id: str
    member_id: str
    inside: bool
    since: datetime | None = None
    version: int
    building: bool = False
    undecided: bool = False
    withheld: bool = False
    why: Why | None = None


def reason(segment_id: str, member_id: str) -> Reason:
    """Say why the member is in the segment or tag, or is not. Raises `not_found`."""
    found = known(member_id)
    if found is None:
        raise MallError("not_found", errors=(NO_SUCH_MEMBER.at("member_id"),))
    book = book_for(found.traits)
    entry = book.entries.get(segment_id)
    if entry is None:
        raise MallError("not_found")
    traits = as_of_now(found)
    return _reason(entry, traits, viewed(book, traits, ms(clock.now()), around))


def reasons(found: Stored) -> list[tuple[str, Reason]]:
    """Say why a member of whom this is known is in each segment that they are in now, with its name; those of the life
    cycle first. Nothing more is read."""
    book, traits = book_for(found.traits), as_of_now(found)
    view = viewed(book, traits, ms(clock.now()), around)
    segments = [one for one in book.entries.values() if not one.definition.tag]
    return [
        (one.definition.name, _reason(one, traits, view))
        for one in segments
        if one.definition.segment_id in traits.inside
    ]


def _reason(entry: Entry, traits: Traits, view: View) -> Reason:
    segment_id = entry.definition.segment_id
    since = traits.inside.get(segment_id)
    view.since = counts_since(entry.definition)
    return Reason(
        segment_id=segment_id,
        member_id=traits.member_id,
        inside=since is not None,
        since=None if since is None else instant(since),
        version=entry.definition.version,
        building=entry.building,
        undecided=entry.undecided,
        withheld=segment_id in view.withheld,
        why=None if entry.rule is None else explained(entry.rule, view),
    )
