"""What members did. Table `member_events`.

| who asks | how | units |
|---|---|---|
| take a batch | Put (member, "e#<batch>") unless it is there | 2 WRU per KB, 1 for by_time |
| | and Update (member, "day#<day>") unless the day is full | 2 WRU |
| was it taken before | Get (member, "e#<batch>"), where the Put found it there | 1 RRU per 4 KB |
| what a member did, newest first | Query by_time, BatchGet 20 batches at a time until the page is full | 10 RRU |
| what they did of some names, as it is now | Query the member's batches, all that are kept | 1 RRU per 4 KB |
| export | the same, page by page | 0.5 RRU per 4 KB |
| erase | Query, Delete each | 1 WRU per KB, 1 for by_time |

A batch is one item: its events as JSON in the order of time, packed (some twenty of 150 bytes are 1.1 KB). Its key is
what the client called it and nothing else, so that it is taken once; that says nothing of when, because a client's
clock may say anything: `first_at` and `last_at` are the mall's. By the latter the batches stand in an index, so that a
page is read from the newest on; who asks for some names looks at all batches that are kept. Whoever reads leaves out
what is kept no longer: TTL only takes the rubbish away.
"""

from __future__ import annotations

from pynamodb.attributes import BinaryAttribute, NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection

from chalicelib.customers.events.rules import Batch
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

BATCH = "e#"


class ByTime(GlobalSecondaryIndex["MemberEvents"]):
    """The batches of a member of which something was taken, by their last event."""

    class Meta:
        index_name = "by_time"
        projection = IncludeProjection(["first_at"])

    member_id = UnicodeAttribute(hash_key=True)
    last_at = UnicodeAttribute(range_key=True)


class MemberEvents(Table):
    """A batch of what a member did, and what they sent on a day."""

    class Meta(TableMeta):
        table_name = name("member_events")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    expires = TTLAttribute()
    # part "e#<batch>"
    batch = Document(Batch, null=True)
    events = BinaryAttribute(legacy_encoding=False, null=True)
    #: Of the first and the last event of the batch; none where nothing was taken.
    first_at = UnicodeAttribute(null=True)
    last_at = UnicodeAttribute(null=True)
    # part "day#<day>"
    sent_bytes = NumberAttribute(null=True)

    by_time = ByTime()


def batch_key(member_id: str, batch_id: str) -> Key:
    """Name the item of a batch."""
    return MemberEvents, (member_id, f"{BATCH}{batch_id.lower()}")


def moved(item: MemberEvents, member_id: str) -> MemberEvents:
    """Make the item of the same batch of another member."""
    return MemberEvents(
        member_id, item.part, batch=item.batch, events=item.events, first_at=item.first_at, last_at=item.last_at,
        expires=item.expires,
    )  # fmt: skip


def day_key(member_id: str, day: str) -> Key:
    """Name the item of what a member sent on a day (YYYY-MM-DD)."""
    return MemberEvents, (member_id, f"day#{day}")
