"""The audit of segments: who is on which list, and how many are counted, against what is known of each member; and that
against what other wings keep of them. Pure; every difference is named.

A member is compared as of the instant that they were looked at for, and as of the last one before the next look, so
that a look that is due too late is found. Definitions that are being built, and what names them, are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from chalicelib.core.difference import Difference
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.growth.segments.definitions.rules import Definition
from chalicelib.growth.segments.evaluation.checks import Law, Person, is_inside, standing, word_of, words_of
from chalicelib.growth.segments.traits.rules import Traits

_WORDS = ("new", "first_order", "repeat", "loyal", "silent")
#: Of whom no look is due, nothing changes until long after now: the year 2200, in Unix milliseconds.
_FOR_EVER = 7_258_118_400_000


class Known(msgspec.Struct, frozen=True):
    """What is known of a member, and when the next look is due (Unix milliseconds; None: never)."""

    traits: Traits
    due: int | None


class Row(msgspec.Struct, frozen=True):
    """That a list has a member, in one of its shards."""

    segment_id: str
    shard: str
    member_id: str


class Count(msgspec.Struct, frozen=True):
    """How many ever came into one shard of a segment, and how many left it."""

    segment_id: str
    shard: str
    entered: int
    left: int


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """All that segments keep, and what they look at. Everybody has been looked at for the generation `built`."""

    definitions: list[Definition] = []
    built: int = 0
    bounds: LifeCycleRules
    known: list[Known] = []
    rows: list[Row] = []
    counts: list[Count] = []
    persons: dict[str, Person] = {}
    #: Who has left, and is being forgotten.
    leaving: frozenset[str] = frozenset()


def audit(records: Records, at: datetime | None) -> list[Difference]:
    """Find every difference, as of `at`; None where no job is run, so that time is not followed."""
    now = None if at is None else round(at.timestamp() * 1000)
    found = _lists(records) + _counts(records)
    law = Law(definitions={one.segment_id: one for one in records.definitions}, bounds=records.bounds)
    compared = _compared(records)
    for one in records.known:
        person = records.persons.get(one.traits.member_id)
        if person is None and one.traits.member_id in records.leaving:
            continue
        if person is None:
            found.append(Difference(one.traits.member_id, "traits of nobody"))
        elif not one.traits.incomplete:
            person = msgspec.structs.replace(person, tags=one.traits.tags, refused=one.traits.refused)
            found += _numbers(one.traits, person, law) + _segments(one, person, law, compared, now)
    return found


def _lists(records: Records) -> list[Difference]:
    """Who is listed is who is inside, but for what they came into and left since the lists followed."""
    wanted: Counter[tuple[str, str]] = Counter()
    for one in records.known:
        member_id = one.traits.member_id
        wanted.update((segment_id, member_id) for segment_id in one.traits.inside)
        for _, segment_id, came in one.traits.moves:
            wanted[segment_id, member_id] -= 1 if came else -1
    listed = Counter((row.segment_id, row.member_id) for row in records.rows)
    return [
        Difference(segment_id, f"{member_id} is listed {listed[key]} times, and belongs there {wanted[key]} times")
        for key in sorted(wanted.keys() | listed.keys())
        if listed[key] != wanted[key]
        for segment_id, member_id in [key]
    ]


def _counts(records: Records) -> list[Difference]:
    listed = Counter((row.segment_id, row.shard) for row in records.rows)
    counted = {(one.segment_id, one.shard): one.entered - one.left for one in records.counts}
    found = [
        Difference(one.segment_id, f"shard {one.shard} counts {one.entered} who came and {one.left} who left")
        for one in records.counts
        if min(one.entered, one.left) < 0
    ]
    return found + [
        Difference(segment_id, f"shard {shard} counts {counted.get(key, 0)} members, and lists {listed[key]}")
        for key in sorted(listed.keys() | counted.keys())
        if listed[key] != counted.get(key, 0)
        for segment_id, shard in [key]
    ]


def _numbers(traits: Traits, person: Person, law: Law) -> list[Difference]:
    """The profile counts the completed orders that there are; and has the tags that are known."""
    completed, last = standing(person.orders)
    profile, found = person.profile, []
    if (profile.orders_completed, profile.last_completed_at) != (completed, last):
        says = f"{profile.orders_completed} orders are completed, the last {profile.last_completed_at}"
        found.append(Difference(profile.member_id, f"the profile says {says}; orders say {completed}, {last}"))
    defined = {one.tag for one in law.definitions.values()}
    if not traits.moves and defined.intersection(profile.tags) != traits.tags.keys():
        found.append(Difference(profile.member_id, f"the profile's tags are {profile.tags}, not {sorted(traits.tags)}"))
    return found


def _segments(
    known: Known, person: Person, law: Law, compared: Iterable[str], at: int | None
) -> list[Difference]:  # fmt: skip
    """Who is where they are by the rules: as of now, and of the last instant before the next look."""
    if known.due is not None and at is not None and known.due <= at:
        return []  # a look is owed; a job that stays undone is named as such
    found: list[Difference] = []
    last = _FOR_EVER if known.due is None else known.due - 1
    for instant in (last,) if at is None else (at, last):
        word = word_of(person, law.bounds, instant)
        right = {segment_id for segment_id in compared if is_inside(law.definitions[segment_id], person, law, instant)}
        is_now = {one for one in known.traits.inside if one in compared or one in _WORDS}
        if is_now != right | {word}:
            when = "now" if instant == at else f"until a look at {known.due}"
            found.append(
                Difference(
                    person.profile.member_id,
                    f"is {when} in {sorted(is_now)}, and by the rules in {sorted(right | {word})}",
                )
            )
    return found


def _compared(records: Records) -> set[str]:
    """The definitions that everybody has been looked at for, and that name none other."""
    by_id = {one.segment_id: one for one in records.definitions}
    by_tag = {one.tag: one.segment_id for one in records.definitions if one.tag}
    compared: dict[str, bool] = {}
    return {one for one in by_id if _is_built(one, records.built, by_id, by_tag, compared)}


def _is_built(
    segment_id: str, built: int, by_id: Mapping[str, Definition], by_tag: Mapping[str, str], known: dict[str, bool]
) -> bool:
    if segment_id not in known:
        definition = by_id[segment_id]
        named = []
        for word, leaf in words_of(definition.rule) if definition.rule is not None else ():
            if word == "segment":
                named.append(leaf["segment"])
            elif word == "tag" and leaf["tag"] in by_tag:
                named.append(by_tag[leaf["tag"]])
        known[segment_id] = definition.generation <= built and all(
            _is_built(one, built, by_id, by_tag, known) for one in named if one in by_id
        )
    return known[segment_id]
