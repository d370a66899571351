"""What any journey listens to, remembered for a moment."""

from __future__ import annotations

from chalicelib.growth.journeys.listening.rules import Listens
from chalicelib.growth.journeys.listening.tables import ALL, BOOK, Journeys
from chalicelib.platform.store import cache, read

CACHE = "journeys"

#: The book's mark, and what it says that journeys listen to.
Heads = tuple[str, Listens]


def listened() -> Listens:
    """Say what any journey listens to, possibly `cache_seconds` old. Raises `unavailable`."""
    return heads()[1]


def heads() -> Heads:
    """Give the book's mark, and what any journey listens to, possibly `cache_seconds` old. Raises `unavailable`."""
    return cache.remember((CACHE,), _read)


def keep_heads() -> None:
    """Remember both as they are now. Raises `unavailable`."""
    cache.keep((CACHE,), _read(consistent=True))


def _read(consistent: bool = False) -> Heads:
    item = read.get(Journeys, ALL, BOOK, consistent=consistent)
    return ("", Listens()) if item is None else (item.mark, item.listens)
