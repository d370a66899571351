"""Reads of what members did."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.customers.events.rules import AGE_MAX, Batch, Event, is_kept
from chalicelib.customers.events.tables import BATCH, MemberEvents, batch_key
from chalicelib.platform.store import read

_decoder = msgspec.json.Decoder(list[Event])

#: How many batches are read at once for a page; and after how many a page is shown that is not full.
_AT_ONCE, _BATCHES_MAX = 20, 200

#: Where an event stands among all of its member's: by time, then by its batch, then by its place there.
Place = tuple[str, str, int]
#: Where a page goes on: behind which event, and from which batch on, by its last event.
Position = tuple[Place, str]


class Told(msgspec.Struct, frozen=True):
    """An event with the batch that it came in, and its place among all of its member's."""

    event: Event
    batch: Batch
    place: Place


def batch_of(member_id: str, batch_id: str) -> Batch | None:
    """Find what is known of a batch; None where none of this id was taken."""
    item = read.get(MemberEvents, *batch_key(member_id, batch_id)[1])
    return None if item is None else item.batch


def packed(events: Sequence[Event]) -> bytes:
    """Pack events as they are kept."""
    return zlib.compress(msgspec.json.encode(events))


def unpacked(item: MemberEvents) -> list[Event]:
    """Unpack the events of a batch's item."""
    return _decoder.decode(zlib.decompress(item.events))


def events_of(member_id: str, names: Collection[str], since: datetime, until: datetime) -> list[Event]:
    """List what the member did of these names from `since` until `until`, both included, in the order of time.

    Reads all that is kept of the member as it is now. Raises `unavailable`.
    """
    found = _told(member_id, since, until)
    chosen = (one for one in found if one.event.name in names and since <= one.event.at <= until)
    return [one.event for one in sorted(chosen, key=lambda one: one.place)]


def history(
    member_id: str, name: str | None, since: datetime, until: datetime, limit: int, after: Any
) -> tuple[list[Told], Position | None]:
    """Read a page of what the member did in this time, both ends included, newest first; of one name, or of all.

    Goes on at the position `after` (None: from the start), and gives where the next page does (None: no more). Batches
    are read from the one that ends last on, as many as the page needs; where they hold little of that name 200, and
    more only as long as nothing is found. It may be a second old. Raises `unavailable`.
    """
    place, start = (None, clock.stamp(min(until, clock.now()) + AGE_MAX)) if after is None else after
    found: list[Told] = []
    ends: dict[str, str] = {}
    rest: read.Raw | None = None
    while True:
        items, rest = _ending_by(member_id, start, since, until, rest)
        ends |= {item.part: item.last_at for item in items}
        found += (
            one
            for item in items
            for one in _of(item)
            if (name is None or one.event.name == name)
            and since <= one.event.at <= until
            and (place is None or one.place < tuple(place))
        )
        found.sort(key=lambda one: one.place, reverse=True)
        # What is not read yet lies no later than the end of the next batch.
        certain = found if rest is None else [one for one in found if one.place[0] > rest["last_at"]["S"]]
        if rest is None or len(certain) > limit or (certain and len(ends) >= _BATCHES_MAX):
            break
    shown = certain[:limit]
    ahead = [ends[one.place[1]] for one in found[len(shown) :]]
    if rest is not None:
        ahead.append(rest["last_at"]["S"])
    return shown, (shown[-1].place, max(ahead)) if ahead else None


def _ending_by(
    member_id: str, start: str, since: datetime, until: datetime, after: read.Raw | None
) -> tuple[list[MemberEvents], read.Raw | None]:
    """Read some batches that reach into this time, those that end last first, from `start` on."""
    first = clock.stamp(since)
    if start < first:
        return [], None
    heads, rest = read.query(
        MemberEvents, member_id, index=MemberEvents.by_time, where=MemberEvents.last_at.between(first, start),
        keep=MemberEvents.first_at <= clock.stamp(until), forward=False, limit=_AT_ONCE, after=after,
    )  # fmt: skip
    items = read.batch_get([(MemberEvents, (member_id, raw["part"]["S"])) for raw in heads], consistent=False)
    return [item for item in items if item is not None], rest


def _told(member_id: str, since: datetime, until: datetime) -> Iterator[Told]:
    """Every event that is kept now of the batches which reach into this time."""
    overlaps = (MemberEvents.last_at >= clock.stamp(since)) & (MemberEvents.first_at <= clock.stamp(until))
    batches = MemberEvents.part.startswith(BATCH)
    for item in read.query_all(MemberEvents, member_id, where=batches, keep=overlaps, consistent=True):
        yield from _of(item)


def _of(item: MemberEvents) -> Iterator[Told]:
    now = clock.now()
    for place, event in enumerate(unpacked(item)):
        if is_kept(event, now):
            yield Told(event, item.batch, (clock.stamp(event.at), item.part, place))


def page(member_id: str, position: str | None, batches: int) -> tuple[list[Told], str | None]:
    """Read what the member did of so many batches, in the order of their ids, behind that position (None: from the
    start); and where the next page starts (None: no more). Raises `unavailable`."""
    parts = MemberEvents.part
    where = parts.startswith(BATCH) if position is None else parts.between(f"{position} ", f"{BATCH}~")
    items, rest = read.query(MemberEvents, member_id, where=where, limit=batches)
    told = [one for raw in items for one in _of(MemberEvents.from_raw_data(raw))]
    return told, items[-1]["part"]["S"] if rest is not None else None


def batches_of(member_id: str, limit: int) -> list[MemberEvents]:
    """Read the first batches of the member as they are stored now. Raises `unavailable`."""
    where = MemberEvents.part.startswith(BATCH)
    items, _ = read.query(MemberEvents, member_id, where=where, limit=limit, consistent=True)
    return [MemberEvents.from_raw_data(raw) for raw in items]


def parts_of(member_id: str) -> Iterator[str]:
    """Name every item of the member. Raises `unavailable`."""
    return (item.part for item in read.query_all(MemberEvents, member_id, consistent=True))
