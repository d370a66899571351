"""Reads of channels, live rooms and touches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib.core.errors import MallError
from chalicelib.customers.channels.refusals import NO_SUCH_CHANNEL, NO_SUCH_ROOM
from chalicelib.customers.channels.rooms.rules import Entry, RoomCounts
from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.channels.tables import (
    ALL,
    COUNT,
    ENTERED,
    Channels,
    LiveRooms,
    MemberTouches,
    room_key,
    touches_key,
)
from chalicelib.customers.channels.touches.rules import Touches
from chalicelib.platform.store import cache, cursors, read
from chalicelib.platform.store.versioned import Versioned

#: What a process remembers of channels and live rooms for a moment; who changes one forgets it.
CACHE = "channels"


def channel(code: str) -> Versioned[Channel]:
    """Find a channel with its version. Raises `not_found`."""
    item = read.get(Channels, ALL, code)
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_CHANNEL.at("code"),))
    return Versioned(item.channel, int(item.version))


def known_channel(code: str | None) -> Channel | None:
    """Find the channel that a code is of, possibly a second old; None where there is none."""
    if code is None:
        return None

    def load() -> Channel | None:
        item = read.get(Channels, ALL, code)
        return None if item is None else item.channel

    return cache.remember((CACHE, "code", code), load)


def channels(limit: int, cursor: str | None) -> tuple[list[Channel], str | None]:
    """List channels in the order of their codes, and the cursor of the next page. Raises `cursor_invalid`."""
    after = cursors.read("channels", cursor)
    items, rest = read.query(Channels, ALL, limit=limit, after=after)
    return [Channels.from_raw_data(raw).channel for raw in items], cursors.write("channels", rest)


def room(room_id: str) -> Versioned[LiveRoom]:
    """Find a live room with its version. Raises `not_found`."""
    item = read.get(LiveRooms, *room_key(room_id)[1])
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_ROOM.at("room_id"),))
    return Versioned(item.room, int(item.version))


def known_room(room_id: str | None) -> LiveRoom | None:
    """Find the live room of that id, possibly a second old; None where there is none."""
    if room_id is None:
        return None

    def load() -> LiveRoom | None:
        item = read.get(LiveRooms, *room_key(room_id)[1])
        return None if item is None else item.room

    return cache.remember((CACHE, "room", room_id), load)


def rooms(limit: int, cursor: str | None) -> tuple[list[LiveRoom], str | None]:
    """List live rooms, the last to start first, and the cursor of the next page. Raises `cursor_invalid`."""
    after = cursors.read("live_rooms", cursor)
    heads, rest = read.query(LiveRooms, ALL, index=LiveRooms.by_start, forward=False, limit=limit, after=after)
    items = read.batch_get([room_key(raw["room_id"]["S"]) for raw in heads])
    return [item.room for item in items if item is not None], cursors.write("live_rooms", rest)


def room_counts(room_id: str) -> RoomCounts:
    """Count who entered the room and what was bought there, as of now."""
    shards = list(read.query_all(LiveRooms, room_id, where=LiveRooms.part.startswith(COUNT), consistent=True))
    names = RoomCounts.__struct_fields__
    return RoomCounts(**{name: sum(int(getattr(shard, name) or 0) for shard in shards) for name in names})


def touches_of(item: Any) -> Touches:
    """Take a member's touches out of their item; of who never came by a way there is none."""
    return Touches() if item is None else item.touches


def stored_touches(member_id: str) -> Versioned[Touches]:
    """Read the member's touches as they are now, and their version (0: there are none)."""
    item = read.get(MemberTouches, *touches_key(member_id)[1])
    return Versioned(touches_of(item), 0 if item is None else int(item.version))


def entries(member_id: str) -> Iterator[Entry]:
    """Read which live rooms the member entered, as of now."""
    where = MemberTouches.part.startswith(ENTERED)
    return (item.entry for item in read.query_all(MemberTouches, member_id, where=where, consistent=True))


def page_of_entries(member_id: str, after: str | None, limit: int = 100) -> tuple[list[Entry], str | None]:
    """Read which live rooms the member entered, behind that part (None: from the start), and where to go on."""
    parts = MemberTouches.part
    where = parts.startswith(ENTERED) if after is None else parts.between(f"{after} ", f"{ENTERED}~")
    items, rest = read.query(MemberTouches, member_id, where=where, limit=limit, consistent=True)
    found = [MemberTouches.from_raw_data(raw).entry for raw in items]
    return found, items[-1]["part"]["S"] if rest is not None else None
