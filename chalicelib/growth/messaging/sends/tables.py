"""One message to many. Table `sends`.

| who asks | how | units |
|---|---|---|
| make one | Put head, "go#", "part#", and 500 members an item of its own list | 2 WRU per KB; 28 for each 500 |
| may an operator let out more alone | Get, Update alone#<operator>#<day> | 1 RRU, 2 WRU |
| a step, 40 members | Get head, part, list; profiles; messages with jobs, the part | 30 RRU, 4 WRU, and the messages |
| does it stand, of each message as it goes out | Get head; check "go#<n>" | 1 RRU, 2 WRU |
| recall it | Put head, Delete "go#" | 2 WRU each |
| how far it is | Query "part#", head | 1 RRU |
| all, newest first | Query by_age | 0.5 RRU per 4 KB |

That a send stands lies in up to 16 items, so that messages that go out at once do not meet at one. All goes 400 days
after it was made, as its messages do.
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.core import clock, ids
from chalicelib.growth.messaging.sends.rules import Listed, Part, Send
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

HEAD, PART, IDS, GO, ALONE = "head", "part#", "ids#", "go#", "alone#"
#: Hash key of the one list of all sends.
ALL = "all"
KEPT = timedelta(days=400)
#: How long it is kept to how many an operator has written alone on a day.
ALONE_KEPT = timedelta(days=2)


class ByAge(GlobalSecondaryIndex["Sends"]):
    """All sends by when they were made."""

    class Meta:
        index_name = "by_age"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class Sends(Table):
    """A send under its version ("head"), that it stands ("go#<n>"), its parts ("part#<n>"), its own list ("ids#"); and
    to how many an operator has written alone on a day ("alone#<operator>#<day>", "head")."""

    class Meta(TableMeta):
        table_name = name("sends")

    send_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    send = Document(Send, null=True)
    version = NumberAttribute(null=True)
    listing = UnicodeAttribute(null=True)
    made = UnicodeAttribute(null=True)
    # under "part#"
    position = NumberAttribute(null=True)
    state = UnicodeAttribute(null=True)
    queued = NumberAttribute(null=True)
    skipped = NumberAttribute(null=True)
    # under "alone#"
    alone = NumberAttribute(null=True)
    # under "ids#"
    listed = Document(Listed, null=True)
    expires = TTLAttribute(null=True)

    by_age = ByAge()


def head_key(send_id: str) -> Key:
    """Name the item of the send itself."""
    return Sends, (send_id, HEAD)


def alone_key(operator: str, day: str) -> Key:
    """Name the item that counts to how many an operator has written alone on a day of Asia/Shanghai."""
    return Sends, (f"{ALONE}{operator}#{day}", HEAD)


def part_key(send_id: str, number: int) -> Key:
    """Name the item of a part."""
    return Sends, (send_id, f"{PART}{number}")


def guard_key(send: Send, number: int) -> Key:
    """Name one of the items that are there while the send stands."""
    return Sends, (send.send_id, f"{GO}{number % send.guards}")


def guard_of(send: Send, message_id: str) -> Key:
    """Name the one of these items that this message looks at."""
    return guard_key(send, ids.shard(message_id, send.guards))


def listed_part(before: int) -> str:
    """Name the part of a list whose members stand behind so many others."""
    return f"{IDS}{before:09}"


def head_item(send: Send, version: int) -> Sends:
    """Make the item of a send."""
    return Sends(
        send.send_id, HEAD, send=send, version=version, listing=ALL, made=f"{clock.stamp(send.made_at)}|{send.send_id}",
        expires=send.made_at + KEPT,
    )  # fmt: skip


def part_of(item: Sends) -> Part:
    """Take how far a part is from its item."""
    return Part(
        number=int(item.part.removeprefix(PART)), position=int(item.position), state=item.state,  # type: ignore[arg-type]
        queued=int(item.queued), skipped=int(item.skipped),
    )  # fmt: skip
