"""Segments and audiences that a test makes up, as what stands above coupons gives them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from datetime import datetime

from chalicelib.commerce.coupons import ports
from chalicelib.core.errors import invalid
from chalicelib.core.refusals import NO_SUCH
from chalicelib.customers.members.tables import Members
from chalicelib.platform.store import cache
from chalicelib.platform.store.read import Key, ReadSet
from chalicelib.platform.store.transaction import save
from tests.support.registered import registered

_PART = "test-segments"


class MadeUpSegments:
    """Who is in a segment stands beside the member; `asked` are those whom was asked about."""

    def __init__(self, known: Collection[str]) -> None:
        self.known = set(known)
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def put(self, member_id: str, *segment_ids: str) -> None:
        """The member is in these segments, and no others, from now on."""
        save(Members(member_id, _PART, version=1, roster=" ".join((_PART, *segment_ids))))

    def keys(self, member_id: str, segment_ids: Collection[str]) -> list[Key]:
        if not segment_ids:
            return []
        self.asked.append((member_id, tuple(sorted(segment_ids))))
        return [(Members, (member_id, _PART))]

    def within(self, member_id: str, segment_ids: Collection[str], found: ReadSet, now: datetime) -> frozenset[str]:
        item = found[(Members, (member_id, _PART))]
        return frozenset() if item is None else frozenset(item.roster.split()) & set(segment_ids)

    def check(self, segment_ids: Collection[str], field: str) -> None:
        if not set(segment_ids) <= self.known:
            raise invalid(NO_SUCH.at(field))

    def check_tags(self, tags: Collection[str], field: str) -> None:
        """Every tag may be named."""


class MadeUpLists:
    """Lists of audiences; a position is how many members stand before it."""

    def __init__(self) -> None:
        self.members: dict[str, list[str]] = {}

    def check(self, audience_id: str, field: str) -> int:
        if audience_id not in self.members:
            raise invalid(NO_SUCH.at(field))
        return len(self.members[audience_id])

    def page(self, audience_id: str, position: str, limit: int) -> tuple[list[str], str | None]:
        start = int(position.removeprefix("at") or 0)
        end = start + limit
        rest = f"at{end}" if end < len(self.members[audience_id]) else None
        return self.members[audience_id][start:end], rest


@contextlib.contextmanager
def made_up_segments(*known: str) -> Iterator[MadeUpSegments]:
    """These custom segments are all that there are meanwhile."""
    with registered(ports.register_segments, ports.segments, MadeUpSegments(known)) as stand_in:
        yield stand_in
    cache.forget("coupons")
    cache.forget("pricing")


@contextlib.contextmanager
def made_up_lists() -> Iterator[MadeUpLists]:
    """There are lists of audiences that the test makes."""
    with registered(ports.register_audience_lists, ports.audience_lists, MadeUpLists()) as stand_in:
        yield stand_in
