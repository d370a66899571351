"""Reads of lists of messages: all of the mall's, and a member's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.growth.messaging.rules import Message
from chalicelib.growth.messaging.tables import QUEUE_SHARDS, Messages, queue_of, queued_as
from chalicelib.platform.store import read

#: How many messages one page looks at, at most, for those that it wants.
LOOKED_MAX = 2000
#: How many are read at once: of all messages, and of one member's at least, most of which are wanted.
_PAGE, _OWN_PAGE = 100, 20


def listed(
    takes: Callable[[Message], bool], limit: int, after: str | None, member_id: str | None = None
) -> tuple[list[Message], str | None]:
    """List messages that are wanted, the latest to be queued first: all, or those to one member; behind the place
    `after` (None: from the start). Gives also the place behind which the next page starts (None: no more).

    No more than LOOKED_MAX are looked at, so that a page of rare ones may be short, and is not the last one then. From
    an index: one that was queued this moment may be missing.
    """
    found: list[Message] = []
    looked = 0
    while True:
        some, place = _page(member_id, after, _PAGE if member_id is None else max(limit, _OWN_PAGE))
        looked += len(some)
        for message in some:
            if takes(message):
                found.append(message)
            if len(found) == limit:
                is_last = place is None and message is some[-1]
                return found, None if is_last else queued_as(message)
        if place is None or looked >= LOOKED_MAX:
            return found, place
        after = place


def _page(member_id: str | None, after: str | None, limit: int) -> tuple[list[Message], str | None]:
    unders, index = (
        ([queue_of(shard) for shard in range(QUEUE_SHARDS)], Messages.by_queueing)
        if member_id is None
        else ([member_id], Messages.by_member)
    )
    raws, place = read.merged(
        Messages, unders, index=index, along=Messages.queued, after=after, limit=limit, forward=False
    )
    return of([raw["message_id"]["S"] for raw in raws]), place


def latest_of(member_id: str, limit: int) -> list[Message]:
    """List the latest messages to a member, as they were a moment ago: 0.5 RRU, and 0.5 each."""
    raws, _ = read.query(Messages, member_id, index=Messages.by_member, forward=False, limit=limit)
    return of([raw["message_id"]["S"] for raw in raws])


def of(message_ids: Sequence[str]) -> list[Message]:
    """Read these messages, in this order; those that are not there any more are left out."""
    items = read.batch_get([(Messages, (message_id,)) for message_id in message_ids], consistent=False)
    return [item.message for item in items if item is not None and item.message is not None]


def ids_of(member_id: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    """List ids of messages to a member, the first to be queued at the front, and where to go on (None: no more)."""
    raws, place = read.merged(
        Messages, [member_id], index=Messages.by_member, along=Messages.queued, after=after, limit=limit
    )
    return [raw["message_id"]["S"] for raw in raws], place
