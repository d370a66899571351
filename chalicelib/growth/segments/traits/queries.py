"""Reads of what is known of members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.growth.segments.assessment.rules import advance
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import Book
from chalicelib.growth.segments.tables import HISTORY, TRAITS, MemberTraits, traits_key, unstamped
from chalicelib.growth.segments.traits.rules import Traits, ms
from chalicelib.platform.store import read


class Stored(msgspec.Struct, frozen=True):
    """What is known of a member, its version (0: it is not stored yet), and the instant of the next look, in Unix
    milliseconds."""

    traits: Traits
    version: int
    due: int | None = None


def stored(member_id: str) -> Stored | None:
    """Read what is known of the member; None where nothing is stored."""
    return of_item(read.get(MemberTraits, member_id, TRAITS))


def stored_of(member_ids: Sequence[str], consistent: bool = True) -> list[Stored | None]:
    """Read what is known of these members, in their order."""
    return [of_item(item) for item in read.batch_get([traits_key(one) for one in member_ids], consistent)]


def of_item(item: Any) -> Stored | None:
    """Take what is known of a member out of its item."""
    if item is None:
        return None
    return Stored(item.traits, int(item.version), None if item.due_at is None else ms(unstamped(item.due_at)))


def book_for(traits: Traits) -> Book:
    """Give the book by which the member is decided: one that is not behind what they were decided by before, and knows
    every segment and tag that they have. Of what another process has defined a moment ago nothing is taken away."""
    known = definitions.book()
    had = {*traits.inside, *(tag.of for tag in traits.tags.values())}
    is_behind = known.generation < traits.generation or not had <= known.entries.keys()
    return definitions.refreshed() if is_behind else known


def as_of_now(found: Stored) -> Traits:
    """Find the member's traits as they are now: nothing is written of what time alone has changed."""
    return advance(book_for(found.traits), found.traits, found.due, ms(clock.now()), around).traits


def history(member_id: str, limit: int, after: Any) -> tuple[list[MemberTraits], Any]:
    """Read a page of what the member came into and left, the latest first, and where the next page starts."""
    where = MemberTraits.part.startswith(HISTORY)
    items, rest = read.query(MemberTraits, member_id, where=where, forward=False, limit=limit, after=after)
    return [MemberTraits.from_raw_data(raw) for raw in items], rest
