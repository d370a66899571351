"""What is known of who entered a live room, and what is counted of it. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.customers.channels.touches.rules import Fan


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a member entered a live room: which, whose, when first, what made them a fan then; and whether they have
    paid an order of it."""

    room_id: str
    host: str
    at: datetime
    fan: list[Fan] = []
    bought: bool = False


class RoomCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many members entered a room, how many of them are fans, of any kind and of each, how many have paid an order
    of it, how many such orders there are, and what was paid for them in fen; refunds do not lower it."""

    entrants: int = 0
    fans: int = 0
    follows_oa: int = 0
    wecom_contact: int = 0
    host_before: int = 0
    bought_before: int = 0
    buyers: int = 0
    orders: int = 0
    gmv_fen: int = 0


def counted(entry: Entry) -> dict[str, int]:
    """Say what a member's entry counts, by counter."""
    counts = {"entrants": 1, "fans": int(bool(entry.fan)), "buyers": int(entry.bought)}
    return {name: count for name, count in (counts | dict.fromkeys(entry.fan, 1)).items() if count}


def united(former: Entry, other: Entry | None) -> tuple[Entry, dict[str, int]]:
    """Put the entry of one member to that of another who is the same person: it counts once, as of the earlier. Gives
    the entry after it, and by how much the counters change beside the moved one."""
    if other is None:
        return former, {}
    earlier = min(former, other, key=lambda entry: (entry.at, msgspec.json.encode(entry)))
    both = msgspec.structs.replace(earlier, bought=former.bought or other.bought)
    before, after = [counted(former), counted(other)], counted(both)
    names = {name for one in (*before, after) for name in one}
    changes = {name: after.get(name, 0) - sum(one.get(name, 0) for one in before) for name in sorted(names)}
    return both, {name: change for name, change in changes.items() if change}
