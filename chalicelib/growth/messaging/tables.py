"""Messages. Tables `messages`, `contacts`, `message_templates`, `message_counts`.

| who asks | how | units |
|---|---|---|
| queue a message | Update that leaves what is there, with its 2 indexes; a job | 2 WRU per KB, 4, 2 |
| send it | Get message, Query (member) in `contacts`, Get profile; Put message and contact in one transaction, which holds that the member is there; after the call Put message, and add to a counter | 3 RRU, 6 WRU, 4 WRU |
| the same of a subscribe message | + Update an allowance | + 2 WRU |
| the same of an SMS | + Update one of the day's shards; Put "ref#" | + 4 WRU |
| hold it, drop it | Put message; a job, or a counter | 4 WRU |
| what a platform tells of it | Get "ref#", Get message; Put message, add to a counter | 1 RRU, 4 WRU |
| a member's messages, newest first | Query by_member, BatchGet | 0.5 RRU and 0.5 each |
| all messages, newest first | Query by_queueing in each of 4 shards, BatchGet | 2 RRU and 0.5 each |
| what a member wants | Get (member, "me") | 1 RRU |
| change it | Put under its version | 2 WRU per KB |
| a template | Get (ALL, id), remembered for a second | 0.5 RRU |
| what became of a journey's messages | BatchGet 8 counters | 4 RRU |

Both indexes hold keys only and are written once, as the message is queued. What is sent counts in a member's "me": an
opt-out changes the same item, so that of the two one comes first. Messages go 400 days after they were queued.
"""  # noqa: E501

from __future__ import annotations

from datetime import datetime, timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.growth.messaging.rules import Allowance, Contact, Heard, Medium, Message, Template
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

ALL = "all"
ME = "me"
ALLOWANCE = "allow#"
SPEND = "sms#"
#: The shards of the list of all messages, and of a source's counters.
QUEUE_SHARDS = 4
COUNT_SHARDS = 8
#: How long messages are kept, and the platforms' ids of them.
KEPT = timedelta(days=400)
REF_KEPT = timedelta(days=30)


class ByMember(GlobalSecondaryIndex["Messages"]):
    """The messages to a member by when they were queued."""

    class Meta:
        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    queued = UnicodeAttribute(range_key=True)


class ByQueueing(GlobalSecondaryIndex["Messages"]):
    """All messages, in shards, by when they were queued."""

    class Meta:
        index_name = "by_queueing"
        projection = KeysOnlyProjection()

    queue = UnicodeAttribute(hash_key=True)
    queued = UnicodeAttribute(range_key=True)


class Messages(Table):
    """A message under its version; and, under a platform's id of one ("ref#<medium>#<id>"), which it is."""

    class Meta(TableMeta):
        table_name = name("messages")

    message_id = UnicodeAttribute(hash_key=True)
    message = Document(Message, null=True)
    version = NumberAttribute(null=True)
    member_id = UnicodeAttribute(null=True)
    queue = UnicodeAttribute(null=True)
    #: When it was queued, and which it is.
    queued = UnicodeAttribute(null=True)
    # under "ref#"
    refers_to = UnicodeAttribute(null=True)
    expires = TTLAttribute(null=True)

    by_member = ByMember()
    by_queueing = ByQueueing()


class Contacts(Table):
    """How a member may be written to ("me"), and the allowances of their openids ("allow#<openid>#<template>")."""

    class Meta(TableMeta):
        table_name = name("contacts")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    contact = Document(Contact, null=True)
    version = NumberAttribute(null=True)
    # under "allow#": how many are left; and the events that said so, under `version`
    left = NumberAttribute(null=True)
    heard = Document(Heard, null=True)
    # of who has left the mall: until they would return as somebody new
    expires = TTLAttribute(null=True)


class MessageTemplates(Table):
    """All templates as they are (their ids), and as they were ("<id>#<version>")."""

    class Meta(TableMeta):
        table_name = name("message_templates")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    template = Document(Template)


class MessageCounts(Table):
    """What became of a source's messages, and what a day's SMS cost ("sms#<day>"), both in shards."""

    class Meta(TableMeta):
        table_name = name("message_counts")

    source = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # under "sms#": fen
    spent = NumberAttribute(null=True)


def ref_of(medium: Medium, ref: str) -> str:
    """Name where it is kept which message a platform calls so."""
    return f"ref#{medium}#{ref}"


def queued_as(message: Message) -> str:
    """Say where the message stands in the lists of messages."""
    return f"{clock.stamp(message.queued_at)}|{message.message_id}"


def queue_of(shard: int) -> str:
    """Name one shard of the list of all messages."""
    return f"q{shard}"


def message_item(message: Message, version: int) -> Messages:
    """Make the item of a message."""
    return Messages(
        message.message_id,
        message=message,
        version=version,
        member_id=message.member_id,
        queue=queue_of(ids.shard(message.message_id, QUEUE_SHARDS)),
        queued=queued_as(message),
        expires=message.queued_at + KEPT,
    )


def ref_item(message: Message, now: datetime) -> Messages:
    """Make the item that leads from its platform's id of a message to it."""
    assert message.medium is not None
    return Messages(ref_of(message.medium, message.ref), refers_to=message.message_id, expires=now + REF_KEPT)


def contact_key(member_id: str) -> Key:
    """Name the item of how a member may be written to."""
    return Contacts, (member_id, ME)


def allowance_part(openid: str, template_id: str) -> str:
    """Name the part of an allowance."""
    return f"{ALLOWANCE}{openid}#{template_id}"


def allowance_of(item: Contacts) -> Allowance:
    """Read an allowance from its item."""
    openid, _, template_id = item.part.removeprefix(ALLOWANCE).partition("#")
    return Allowance(item.member_id, openid, template_id, int(item.left or 0))


def version_part(template_id: str, version: int) -> str:
    """Name the part that keeps a version of a template for ever."""
    return f"{template_id}#{version:06}"


def count_keys(source: str) -> list[tuple[str, str]]:
    """Name the counters of a source."""
    return [(source, f"n#{shard}") for shard in range(COUNT_SHARDS)]


def count_key(source: str, message_id: str) -> tuple[str, str]:
    """Name the counter of a source in which a message counts."""
    return count_keys(source)[ids.shard(message_id, COUNT_SHARDS)]


def spend_key(day: str, shard: int) -> tuple[str, str]:
    """Name one shard of what a day's SMS cost."""
    return f"{SPEND}{day}", f"n#{shard}"
