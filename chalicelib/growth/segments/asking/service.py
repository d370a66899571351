"""What coupons and promotions ask of segments and audiences (coupons/ports.py); app.py registers it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chalicelib.core import log
from chalicelib.core.errors import MallError, invalid
from chalicelib.customers.members import queries as members
from chalicelib.customers.members.ports import ShownSegment
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.segments.assessment.rules import advance
from chalicelib.growth.segments.audiences import queries as audiences
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.refusals import (
    AUDIENCE_BEING_MADE,
    BEING_BUILT,
    BY_CLIENTS_ALONE,
    NO_SUCH_AUDIENCE,
    NO_SUCH_SEGMENT,
    UNREADABLE,
)
from chalicelib.growth.segments.restoring.queries import known, known_of
from chalicelib.growth.segments.tables import traits_key
from chalicelib.growth.segments.traits.queries import Stored, as_of_now, book_for, stored_of
from chalicelib.growth.segments.traits.rules import ms
from chalicelib.platform.store.read import Key, ReadSet


class Segments:
    """In which segments a member is."""

    def keys(self, member_id: str, segment_ids: Collection[str]) -> list[Key]:
        """Name what must be read to know it: one item, and none where no segment is asked for."""
        return [traits_key(member_id)] if segment_ids else []

    def within(self, member_id: str, segment_ids: Collection[str], found: ReadSet, now: datetime) -> frozenset[str]:
        """Say in which of these segments the member is at `now`. Of who joined before there were segments, that is
        found out from what they did."""
        if not segment_ids:
            return frozenset()
        stored = known_of(member_id, found[traits_key(member_id)])
        if stored is None:
            return frozenset()
        book = book_for(stored.traits)
        try:
            inside = advance(book, stored.traits, stored.due, ms(now), around).traits.inside
        except Exception as fault:  # who cannot be decided for is in none, and can buy
            log.error("rules_failed", fault)
            return frozenset()
        # A rule may have been changed since it was named; and until everybody has been looked at for what it is now,
        # some are in the segment by what it was. Nothing is proven of one that cannot be read.
        theirs = {one: book.entries[one] for one in segment_ids if one in inside}
        return frozenset(one for one, entry in theirs.items() if entry.proven and not entry.replaced)

    def check(self, segment_ids: Collection[str], field: str) -> None:
        """Raise `invalid` for a segment that there is not, or that cannot be read, and for one into which what clients
        report alone leads."""
        entries = definitions.fresh().entries if segment_ids else {}
        for segment_id in segment_ids:
            entry = entries.get(segment_id)
            if entry is None or entry.definition.tag:
                raise invalid(NO_SUCH_SEGMENT.at(field, segment_id=segment_id))
            if entry.undecided:
                raise invalid(UNREADABLE.at(field))
            if not entry.proven:
                raise invalid(BY_CLIENTS_ALONE.at(field))

    def check_tags(self, tags: Collection[str], field: str) -> None:
        """Raise `invalid` for a tag that a rule gives to which what clients report alone leads, for one that cannot be
        read, and for one that is being built, or what it names: some may have it by what its rule was, or have one of
        this name that there was before."""
        entries = definitions.fresh().entries.values()
        named = [entry for entry in entries if entry.definition.tag and entry.definition.tag in tags]
        if any(entry.undecided for entry in named):
            raise invalid(UNREADABLE.at(field))
        if any(not entry.proven for entry in named):
            raise invalid(BY_CLIENTS_ALONE.at(field))
        if any(entry.settling for entry in named):
            raise invalid(BEING_BUILT.at(field))


class Shown:
    """What members see of their segments and tags."""

    def shown(self, member: Profile) -> tuple[list[ShownSegment], list[str]]:
        """Give the segments that the member sees they are in, and the names of their tags. Nothing is read where no
        segment is shown and no tag defined."""
        entries = definitions.book().entries.values()
        shown = [entry.definition for entry in entries if entry.definition.shown]
        named = {entry.definition.tag for entry in entries if entry.definition.tag}
        found = known(member.member_id) if shown or named else None
        if found is None:
            return [], member.tags
        try:
            traits = as_of_now(found)
        except MallError:
            raise
        except Exception as fault:  # as they were decided last
            log.error("rules_failed", fault)
            traits = found.traits
        others = [name for name in member.tags if name not in named]
        inside = [ShownSegment(one.segment_id, one.name) for one in shown if one.segment_id in traits.inside]
        return inside, sorted({*others, *traits.tags})


class AudienceLists:
    """Who is on the list of an audience."""

    def check(self, audience_id: str, field: str) -> int:
        """Count the members of the list. Raises `invalid` where there is no such audience, where it is being made, and
        where what clients report alone leads into it."""
        try:
            audience = audiences.load(audience_id)
        except MallError:
            raise invalid(NO_SUCH_AUDIENCE.at(field)) from None
        if audience.state != "made":
            raise invalid(AUDIENCE_BEING_MADE.at(field))
        if not audience.proven:
            raise invalid(BY_CLIENTS_ALONE.at(field))
        return audience.count

    def page(self, audience_id: str, position: str, limit: int) -> tuple[list[str], str | None]:
        """List members of the list, `limit` at most, behind the `position` ("" at first), and where the next page
        starts (None: no more)."""
        listed, after = audiences.listed(audience_id, position, limit)
        if audiences.load(audience_id).behavioural:  # some may have said since that they are not to be chosen so
            known = zip(listed, stored_of(listed, consistent=False), strict=True)
            listed = [one for one, found in known if _is_willing(one, found)]
        return listed, after


def _is_willing(member_id: str, found: Stored | None) -> bool:
    """Whether what the member does may count for what they are offered; of whom nothing is stored (None) the profile
    says it, and there is none of who is gone."""
    if found is not None:
        return found.traits.person.personalised
    profile = members.found(member_id)
    return profile is not None and profile.personalised
