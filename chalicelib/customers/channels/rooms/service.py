"""Who enters a live room is counted there once, and what they pay for its orders."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chalicelib.customers.channels import queries
from chalicelib.customers.channels.jobs import COUNT_SALE
from chalicelib.customers.channels.rooms.rules import Entry, counted, united
from chalicelib.customers.channels.tables import ENTERED, LiveRooms, MemberTouches, counter_key, entry_key
from chalicelib.customers.channels.touches.rules import OrderSource
from chalicelib.customers.members import queries as members
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How many entries are moved at once: three actions each.
_AT_ONCE = 25


def enter(tx: Transaction, member_id: str, entry: Entry) -> None:
    """Count as part of `tx` that the member enters the room for the first time; a Conflict where they did meanwhile."""
    tx.create(entry_item(member_id, entry), Conflict)
    count(tx, entry.room_id, member_id, counted(entry))


def count(tx: Transaction, room_id: str, member_id: str, counts: Mapping[str, int]) -> None:
    """Change the room's counters by these, as part of `tx`, in the member's shard; nothing of nothing."""
    changes = [getattr(LiveRooms, name).add(number) for name, number in counts.items() if number]
    if changes:
        tx.update(*counter_key(room_id, member_id), changes)


def entry_item(member_id: str, entry: Entry) -> MemberTouches:
    """Make the item of an entry."""
    _, (key, part) = entry_key(member_id, entry.room_id)
    return MemberTouches(key, part, entry=entry)


def owe_sale(tx: Transaction, source: OrderSource | None, order_id: str, member_id: str, paid_fen: int) -> None:
    """Owe as part of `tx` that an order of a live room is counted there, which is paid; nothing of any other."""
    if source is not None and source.live_room:
        told = {"room_id": source.live_room, "member_id": member_id, "paid_fen": str(paid_fen)}
        schedule(tx, COUNT_SALE, order_id, None, **told)


def count_sale(job: Job) -> None:
    """Count a paid order of a live room there, once: with the end of the job; and its member as a buyer, the first
    time."""
    told = job.task.payload
    room_id, paid_fen = told["room_id"], int(told["paid_fen"])

    def once() -> None:
        tx = Transaction()
        counts = {"orders": 1, "gmv_fen": paid_fen}
        member_id, item = _entry_of(told["member_id"], room_id)
        if item is not None and not item.entry.bought:  # whoever has left meanwhile is no one any more
            after = msgspec.structs.replace(item.entry, bought=True)
            tx.put(entry_item(member_id, after), MemberTouches.entry == item.entry, Conflict)
            counts["buyers"] = 1
        count(tx, room_id, member_id, counts)
        job.finish(tx)
        commit(tx)

    retry(once)


def _entry_of(member_id: str, room_id: str) -> tuple[str, MemberTouches | None]:
    """Find a member's entry of the room, and whose it is by now: it moves after them who were merged into another."""
    item = read.get(MemberTouches, *entry_key(member_id, room_id)[1])
    if item is None and (now := members.resolved(member_id)) != member_id:
        return now, read.get(MemberTouches, *entry_key(now, room_id)[1])
    return member_id, item


def absorb(former: str, member_id: str, _position: str | None) -> str | None:
    """Move some entries of a member to another who is the same person: in each room they count once. What is moved is
    not found again, so that each step begins at the start."""

    def once() -> bool:
        entries, _ = queries.page_of_entries(former, None, _AT_ONCE)
        there = read.batch_get([entry_key(member_id, entry.room_id) for entry in entries])
        tx = Transaction()
        for entry, item in zip(entries, there, strict=True):
            both, changes = united(entry, None if item is None else item.entry)
            as_read = MemberTouches.part.does_not_exist() if item is None else MemberTouches.entry == item.entry
            tx.put(entry_item(member_id, both), as_read, Conflict)
            tx.delete(MemberTouches, entry_key(former, entry.room_id)[1], MemberTouches.entry == entry, Conflict)
            count(tx, entry.room_id, member_id, changes)
        if entries:
            commit(tx)
        return bool(entries)

    return ENTERED if retry(once) else None
