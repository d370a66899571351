"""Members who are made up where very many are needed: their traits as if they had bought, and what looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from bench.units.request_units import item_size
from chalicelib.core import clock, ids
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.segments.assessment.rules import assess
from chalicelib.growth.segments.birthdays.queries import around
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.tables import due_shard
from chalicelib.growth.segments.timers import service as timers
from chalicelib.growth.segments.traits.rules import DAY_MS, Bought, Came, Person, Traits, ms
from chalicelib.platform.jobs import queue
from chalicelib.platform.jobs.declarations import Kind
from chalicelib.platform.jobs.tables import Jobs, table_of
from chalicelib.platform.store import base, read
from chalicelib.platform.store.base import Table
from chalicelib.platform.store.transaction import Transaction

_WRITE_BATCH = 25
_JOINED_DAYS = 500


def bought(member_id: str, silent_at: int, orders: int, ring: int, listed: bool = True) -> Traits:
    """Make up what is known of a member of so many orders, who is silent from that instant on (Unix milliseconds), and
    of so many instants of every event that a rule looks at; all of it has been decided, and `listed`."""
    book, now = definitions.book(), ms(clock.now())
    last = silent_at - book.bounds.active_days * DAY_MS - 1
    known = Traits(
        member_id=member_id,
        person=Person(
            joined_at=now - _JOINED_DAYS * DAY_MS, has=["phone", "nickname", "avatar_url"], last_seen=now - DAY_MS,
            came={touch: Came(channel="autumn-poster-12", scene="1047") for touch in ("first", "last", "joined")},
        ),
        bought=[_order(last - number * DAY_MS) for number in reversed(range(orders))],
        rings={key: [now - number * 3_600_000 for number in reversed(range(ring))] for key in book.needs.rings},
        generation=book.generation,
    )  # fmt: skip
    decided = assess(book, known, now, around).traits
    return msgspec.structs.replace(decided, moves=[]) if listed else decided


def _order(completed_at: int) -> Bought:
    return Bought(ids.new("o"), completed_at - 8 * DAY_MS, 15_900, completed_at)


def profile(member_id: str) -> Profile:
    """Make up a member's profile."""
    return Profile(member_id=member_id, openid=f"o{member_id}", joined_at=clock.now() - timedelta(days=_JOINED_DAYS))


def ids_of_shard(shard: int, count: int) -> list[str]:
    """Make up ids of members of one shard of those whom time may change."""
    found: list[str] = []
    while len(found) < count:
        made = ids.new("m")
        if due_shard(made) == shard:
            found.append(made)
    return found


def put_all(items: Sequence[Table]) -> None:
    """Write these items of one table past everything."""
    for start in range(0, len(items), _WRITE_BATCH):
        some = items[start : start + _WRITE_BATCH]
        put = [{"PutRequest": {"Item": item.serialize()}} for item in some]
        base.call("BatchWriteItem", {"RequestItems": {some[0].Meta.table_name: put}})


def item_bytes(item: Table) -> int:
    """Tell the bytes of an item."""
    return item_size(item.serialize())


def owe_look(member_id: str, due: int) -> None:
    """Owe the look at a member when that instant has come."""
    tx = Transaction()
    timers.owe_look(tx, member_id, due)
    tx.commit()


def owed(kind: Kind) -> list[Jobs]:
    """List the jobs of this kind."""
    return [
        job
        for shard in queue.shards([kind.lane])
        for job in read.query_all(table_of(shard), shard, consistent=True)
        if job.task.kind == kind.name
    ]
