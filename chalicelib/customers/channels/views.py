"""A live room as operators see it, and the touches of a member."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.customers.channels.rooms.rules import RoomCounts
from chalicelib.customers.channels.rules import LiveRoom, RoomKind


class LiveRoomView(msgspec.Struct, kw_only=True):
    """A live room, and what came of it: how many members entered, how many of them were fans, of any kind and of each,
    how many bought, their orders, and what was paid for these in fen."""

    room_id: str
    kind: RoomKind
    host: str
    title: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
    entrants: int
    fans: int
    follows_oa: int
    wecom_contact: int
    host_before: int
    bought_before: int
    buyers: int
    orders: int
    gmv_fen: int


def room_view(room: LiveRoom, counts: RoomCounts) -> LiveRoomView:
    """Show a live room with its counts."""
    return LiveRoomView(**msgspec.structs.asdict(room), **msgspec.structs.asdict(counts))
