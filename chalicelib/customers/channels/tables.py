"""Channels, live rooms and touches. Tables `channels`, `live_rooms`, `member_touches`.

| who asks | how | units |
|---|---|---|
| by which ways a member came | Get (member, "touches") | 1 RRU |
| the same, as an order is placed | in its BatchGet | 1 RRU |
| a further way | Get, Put "touches" under its version in the transaction of what tells it | 1 RRU, 2 WRU per KB |
| which channel a code is of | Get (ALL, code), remembered for a second | 1 RRU |
| who comes directly | nothing | |
| a member enters a live room first | Get room, Query (member, "room#"); Put "room#", Update a counter | 2 RRU, 4 WRU |
| an order of a live room is paid | a job: Update a counter, the first time "room#", too | 4 WRU |
| how many entered and bought | Query (room, "n#") | 1 RRU |
| all channels | Query ALL, page by page | 0.5 RRU per 4 KB |
| all live rooms, the last to start first | Query by_start, BatchGet the page | 0.5 RRU per room and more |

A member's touches are one item: an order reads them whole. What counts for a room is in shards, because a popular one
is entered by hundreds within a second; a member counts once, by "room#".
"""

from __future__ import annotations

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.customers.channels.rooms.rules import Entry
from chalicelib.customers.channels.rules import Channel, LiveRoom
from chalicelib.customers.channels.touches.rules import Touches
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

ALL = "all"
TOUCHES = "touches"
ENTERED = "room#"
ROOM = "room"
COUNT = "n#"
#: The shards of a room's counters.
COUNT_SHARDS = 8


class Channels(Table):
    """All channels, by their codes."""

    class Meta(TableMeta):
        table_name = name("channels")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    channel = Document(Channel)
    version = NumberAttribute()


class ByStart(GlobalSecondaryIndex["LiveRooms"]):
    """All live rooms by when they start; of a room's parts only the room itself stands here."""

    class Meta:
        index_name = "by_start"
        projection = KeysOnlyProjection()

    roster = UnicodeAttribute(hash_key=True)
    starts = UnicodeAttribute(range_key=True)


class LiveRooms(Table):
    """A live room (part "room"), and what is counted of it, in shards ("n#")."""

    class Meta(TableMeta):
        table_name = name("live_rooms")

    room_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "room"
    room = Document(LiveRoom, null=True)
    version = NumberAttribute(null=True)
    roster = UnicodeAttribute(null=True)
    starts = UnicodeAttribute(null=True)
    # under "n#"
    entrants = NumberAttribute(null=True)
    fans = NumberAttribute(null=True)
    follows_oa = NumberAttribute(null=True)
    wecom_contact = NumberAttribute(null=True)
    host_before = NumberAttribute(null=True)
    bought_before = NumberAttribute(null=True)
    buyers = NumberAttribute(null=True)
    orders = NumberAttribute(null=True)
    gmv_fen = NumberAttribute(null=True)

    by_start = ByStart()


class MemberTouches(Table):
    """The ways by which a member came (part "touches"), and the live rooms that they entered ("room#<room>")."""

    class Meta(TableMeta):
        table_name = name("member_touches")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    touches = Document(Touches, null=True)
    version = NumberAttribute(null=True)
    # under "room#"
    entry = Document(Entry, null=True)


def touches_key(member_id: str) -> Key:
    """Name the item of a member's touches."""
    return MemberTouches, (member_id, TOUCHES)


def entry_key(member_id: str, room_id: str) -> Key:
    """Name the item of a member's entry of a live room."""
    return MemberTouches, (member_id, f"{ENTERED}{room_id}")


def room_key(room_id: str) -> Key:
    """Name the item of a live room."""
    return LiveRooms, (room_id, ROOM)


def counter_key(room_id: str, member_id: str) -> Key:
    """Name the counter of a room in which a member counts."""
    return LiveRooms, (room_id, f"{COUNT}{ids.shard(member_id, COUNT_SHARDS)}")


def room_item(room: LiveRoom, version: int) -> LiveRooms:
    """Make the item of a live room."""
    starts = f"{clock.stamp(room.starts_at)}|{room.room_id}"
    return LiveRooms(room.room_id, ROOM, room=room, version=version, roster=ALL, starts=starts)
