"""Trying a rule on members before it is kept: on all of them where they are few, else on a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError, invalid
from chalicelib.core.settings import settings
from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.assessment.rules import advance, assess
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import LIFE_CYCLE, Book, Definition, Entry, book_of
from chalicelib.growth.segments.language.rules import parsed
from chalicelib.growth.segments.preview.rules import interval
from chalicelib.growth.segments.refusals import MEMBERS_UNCOUNTED, UNREADABLE
from chalicelib.growth.segments.restoring.queries import completed, restored
from chalicelib.growth.segments.tables import MemberTraits
from chalicelib.growth.segments.traits.queries import Stored, stored_of
from chalicelib.growth.segments.traits.rules import Traits, ms
from chalicelib.platform.store import read

#: Up to so many members all are looked at; and so many where what they did must be looked through for the rule.
EXACT_MAX = 5_000
_LOOKED_THROUGH_MAX = 300
#: Of so many members ids are drawn from all; of more there is a sample at hand. No preview reads the ids of more.
_DRAWN_FROM_MAX = 50_000
_IDS_PAGE = 2_000
_TRIED = "tried"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is tried: the book with it, and whether what members did must be looked through for it: it asks for
    what nobody has counted, or not everybody has been looked at once."""

    book: Book
    looks_through: bool

    @property
    def entry(self) -> Entry:
        """Give the rule as it is decided."""
        return self.book.entries[_TRIED]

    def holds_for(self, member_ids: Sequence[str]) -> list[bool]:
        """Say of each of these members whether the rule holds for them now; of who has left it does not."""
        found = stored_of(member_ids, consistent=False)
        return [self._holds(one, there) for one, there in zip(member_ids, found, strict=True)]

    def _holds(self, member_id: str, found: Stored | None) -> bool:
        now = ms(clock.now())
        traits: Traits | None
        if found is None:
            traits = restored(member_id, self.book)
        else:
            traits = advance(definitions.book(), found.traits, found.due, now, around).traits
            if self.looks_through:
                traits = completed(traits, self.book)
        return traits is not None and _TRIED in assess(self.book, traits, now, around).traits.inside


def trial_of(rule: Any) -> Trial:
    """Try a rule with all that is defined. Raises `malformed`, `rule_too_large`, and `rule_invalid` where it names what
    cannot be read."""
    parsed(rule)
    book = definitions.book()
    now = clock.now()
    tried = Definition(
        segment_id=_TRIED, name=_TRIED, rule=rule, generation=book.built, made_at=now, changed_at=now
    )  # fmt: skip
    with_it = book_of([*book.own, tried], book.generation, book.built, book.bounds)
    if with_it.entries[_TRIED].undecided:
        raise MallError("rule_invalid", errors=(UNREADABLE.at("rule"),))
    needs = with_it.entries[_TRIED].needs
    known = book.needs
    counted = all(key in known.rings and known.rings[key].kept >= leaf.kept for key, leaf in needs.rings.items())
    looks_through = not (book.built and counted and needs.parts <= known.parts and needs.templates <= known.templates)
    return Trial(book=with_it, looks_through=looks_through)


class Preview(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many members a rule would have: counted, or estimated from a sample of so many."""

    members: int
    count: int | None = None
    estimate: tuple[int, int] | None = None
    sample: int | None = None


def preview(rule: Any) -> Preview:
    """Count for whom the rule holds now; or estimate it, with the bounds within which it is with 95 %.

    Raises `malformed`, `rule_too_large`, and `invalid` where members are too many to be gone through who have not been
    counted yet: of how many a sample is then nobody knows.
    """
    trial = trial_of(rule)
    most = _LOOKED_THROUGH_MAX if trial.looks_through else EXACT_MAX
    counted = _counted(trial.book)
    if counted is None or counted <= _DRAWN_FROM_MAX:
        found = _some(_DRAWN_FROM_MAX + 1)
        if len(found) <= most:
            return Preview(members=len(found), count=sum(trial.holds_for(found)))
        if len(found) <= _DRAWN_FROM_MAX:
            return _estimate(trial, _drawn(found, most), len(found))
        if counted is None:
            raise invalid(MEMBERS_UNCOUNTED.at("rule"))
        counted = len(found)  # of which more have joined since
    return _estimate(trial, _sample(most), counted)


def _estimate(trial: Trial, sample: Sequence[str], whole: int) -> Preview:
    low, high = interval(sum(trial.holds_for(sample)), len(sample), whole)
    return Preview(members=whole, estimate=(low, high), sample=len(sample))


def _counted(book: Book) -> int | None:
    """How many members there are by the counters; None until everybody has been looked at once, who is counted then."""
    return sum(totals(word).members for word in LIFE_CYCLE) if book.built else None


def _some(most: int) -> list[str]:
    """The ids of all members; of so many of them, where they are more."""
    now = clock.now()
    found: list[str] = []
    for shard in range(settings().member_shards):
        after: str | None = ""
        while after is not None and len(found) < most:
            some, after = members.everybody(shard, now, after, min(_IDS_PAGE, most - len(found)))
            found += some
    return found


def _drawn(member_ids: Sequence[str], most: int) -> list[str]:
    """So many of these members, drawn by a hash of their ids."""
    return sorted(member_ids, key=lambda member_id: ids.digest(member_id.encode()))[:most]


def _sample(most: int) -> list[str]:
    """One in SAMPLE_OF of all members, by a hash of their ids; the first of them where they are too many."""
    items, _ = read.query(MemberTraits, "s", index=MemberTraits.by_sample, limit=most)
    return [raw["member_id"]["S"] for raw in items]
