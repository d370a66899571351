"""Reads of journeys: the book, remembered for a moment; versions, remembered for ever."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.book import rules
from chalicelib.growth.journeys.book.rules import Book, Known
from chalicelib.growth.journeys.language.rules import Plan, plan_of
from chalicelib.growth.journeys.listening.queries import CACHE, heads, keep_heads
from chalicelib.growth.journeys.listening.rules import Listens
from chalicelib.growth.journeys.listening.tables import ALL, BOOK, DEFINITION, VERSION, Journeys, version_part
from chalicelib.growth.journeys.refusals import NO_SUCH_JOURNEY
from chalicelib.growth.journeys.rules import Journey, Version
from chalicelib.platform.store import cache, read

#: So many versions a process remembers.
_PLANS_MAX = 500

#: The book that this process has put together last.
_made: Book | None = None
_plans: dict[tuple[str, int], Plan] = {}


def book() -> Book:
    """Give the book, possibly `cache_seconds` old. Drafts in it may be older. Raises `unavailable`."""
    global _made
    if _made is None or _made.mark != heads()[0]:
        _made = fresh()
        cache.keep((CACHE,), (_made.mark, rules.listened(_made, clock.now())))
    return _made


def refreshed() -> Book:
    """Give the book as it is now: somebody goes by what the remembered one may not know. Journeys are read again where
    it is another by now. Raises `unavailable`."""
    keep_heads()
    return book()


def forget() -> None:
    """Forget the book, because this process has changed it; other processes see that a moment later."""
    global _made
    _made = None
    cache.forget(CACHE)


def fresh() -> Book:
    """Read the book as it is now. Raises `unavailable`."""
    where = Journeys.part.between(BOOK, DEFINITION + "~")
    items = list(read.query_all(Journeys, ALL, where=where, consistent=True))
    mark = next((item.mark for item in items if item.part == BOOK), "")
    known = [_known(item) for item in items if item.part != BOOK]
    return Book(journeys={one.journey.journey_id: one for one in known}, mark=mark)


def find(journey_id: str) -> Known:
    """Find a journey as it is now. Raises `not_found`."""
    item = None if "#" in journey_id else read.get(Journeys, ALL, DEFINITION + journey_id)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_JOURNEY.at("journey_id"),))
    return _known(item)


def naming(segment_id: str, tag: str) -> list[str]:
    """Name the journeys that have not ended whose version names the segment, or the tag of this name ("": none)."""
    found = [known.journey for known in fresh().journeys.values()]
    there = [one for one in found if one.version and one.state != "ended"]
    return [one.journey_id for one in there if rules.names(plan_now(one), segment_id, tag)]


def version(journey_id: str, number: int) -> Version | None:
    """Read a version; None where there is none of this number."""
    item = None if "#" in journey_id else read.get(Journeys, ALL, version_part(journey_id, number))
    return None if item is None else msgspec.json.decode(item.document, type=Version)


def versions(journey_id: str) -> list[Version]:
    """Read all versions of a journey, the latest first: one Query, however many they are."""
    where = Journeys.part.startswith(f"{VERSION}{journey_id}#")
    items = list(read.query_all(Journeys, ALL, where=where, consistent=True))
    return [msgspec.json.decode(item.document, type=Version) for item in reversed(items)]


def plan(journey_id: str, number: int) -> Plan:
    """Give the plan of a version, which never changes. Raises `not_found`."""
    found = _plans.get((journey_id, number))
    if found is None:
        kept = version(journey_id, number)
        if kept is None:
            raise MallError("not_found", errors=(NO_SUCH_JOURNEY.at("journey_id"),))
        if len(_plans) >= _PLANS_MAX:
            _plans.clear()
        found = _plans[journey_id, number] = plan_of(journey_id, number, kept.definition)
    return found


def plan_now(journey: Journey) -> Plan:
    """Give the plan of the version that holds. Raises `not_found` where none does yet."""
    return plan(journey.journey_id, journey.version)


def _known(item: Any) -> Known:
    return Known(
        journey=msgspec.json.decode(item.document, type=Journey),
        changes=int(item.changes),
        listens=item.listens or Listens(),
    )
