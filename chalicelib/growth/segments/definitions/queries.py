"""Reads of what operators have defined: the book, remembered by each process until its generation is another."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.growth.segments.definitions.rules import Book, Definition, book_of, unread
from chalicelib.growth.segments.tables import ALL, BOOK, DEFINITION, Segments, version_part
from chalicelib.growth.segments.unreadable.service import noticed
from chalicelib.platform.store import cache, read

CACHE = "segments"

#: Generation, the generation that everybody has been looked at for, and the mark of the last change of either.
_State = tuple[int, int, str]

#: The book that this process has put together last, and what it was made of.
_made: tuple[tuple[_State, LifeCycleRules], Book] | None = None


def book() -> Book:
    """Give the book, possibly `cache_seconds` old. Raises `unavailable`."""
    global _made
    bounds = LIFE_CYCLE.current()
    if _made is not None:
        state: _State = cache.remember((CACHE,), lambda: _state(read.get(Segments, ALL, BOOK, consistent=False)))
        if _made[0] == (state, bounds):
            return _made[1]
    made, state = _read(bounds)  # of a process that has none yet, this is the only look
    _made = (cache.keep((CACHE,), state), bounds), made
    return made


def refreshed() -> Book:
    """Give the book as it is now: somebody has what the remembered one does not know. Definitions are read again where
    the book is another by now."""
    cache.keep((CACHE,), _state(read.get(Segments, ALL, BOOK)))
    return book()


def forget() -> None:
    """Forget the book, because this process has changed it; other processes see that a moment later."""
    global _made
    _made = None
    cache.forget(CACHE)


def fresh() -> Book:
    """Read the book as it is now. Raises `unavailable`."""
    return _read(LIFE_CYCLE.fresh())[0]


def _read(bounds: LifeCycleRules) -> tuple[Book, _State]:
    where = Segments.part.between(BOOK, DEFINITION + "~")
    found = {raw["part"]["S"]: raw for raw in read.query_all_raw(Segments, ALL, where=where, consistent=True)}
    item = found.pop(BOOK, None)
    state = _state(None if item is None else Segments.from_raw_data(item))
    definitions = [_definition(part.removeprefix(DEFINITION), raw) for part, raw in found.items()]
    made = book_of(definitions, state[0], state[1], bounds)
    noticed(made.unreadable, state[2])
    return made, state


def _definition(segment_id: str, raw: read.Raw) -> Definition:
    """Take a definition out of its item, or what can be made of one that this version of the mall cannot read."""
    try:
        read_whole: Definition = Segments.from_raw_data(raw).definition
        return read_whole
    except msgspec.DecodeError:
        return unread(segment_id, _parts(raw["definition"]["S"]))


def _parts(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _state(item: Any) -> _State:
    return (0, 0, "") if item is None else (int(item.generation), int(item.built or 0), item.mark)


def tag_name(book: Book, tag_id: str) -> str:
    """Give the name of a tag, also of one that was taken away from everybody just now."""
    entry = book.entries.get(tag_id)
    if entry is not None:
        return entry.definition.tag
    first = read.get_raw(Segments, ALL, version_part(tag_id, 1))
    assert first is not None
    return _definition(tag_id, first).tag
