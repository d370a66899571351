"""Segments. Tables `member_traits`, `segments`, `segment_members`, `segment_counts`, `audiences`.

| who asks | how | units |
|---|---|---|
| what is known of a member | Get (member, "traits") | 1 RRU, of many orders more |
| a change of it | Put under its version, in the transaction of what changed | 2 WRU per KB |
| the same where the instant of the next look moves forward | + by_due, + a job | + 2 WRU, + 2 |
| bring the lists up to date with a member | + a row and a counter for each segment, Put "h#" | + 10 |
| whom time may have changed | Query by_due in each shard | 0.5 RRU per 4 KB, some 60 members |
| one in 256 of all members | Query by_sample | the same |
| a member's history, newest first | Query (member, "h#") | 0.5 RRU per 4 KB |
| all definitions | Query (ALL, "def#"), where the generation is another than the remembered | 0.5 RRU per 4 KB |
| the generation | Get (ALL, "book"), remembered for a second | 0.5 RRU |
| members of a segment | Query `segment_members` in each shard | 0.5 RRU per 4 KB |
| how many they are | Query (segment, "n") in `segment_counts` | 0.5 RRU |
| a page of an audience | Get `audiences` | 0.5 RRU per 4 KB, some 150 members |

The document of a member is read and written as a whole: what was decided of them stands beside what it was decided by,
so that what a member is shown is right at once; lists and counts follow (membership/service.py).
"""

from __future__ import annotations

from datetime import datetime

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.growth.segments.audiences.rules import Audience, Listed
from chalicelib.growth.segments.building.rules import Part
from chalicelib.growth.segments.definitions.rules import Definition
from chalicelib.growth.segments.membership.rules import Moved
from chalicelib.growth.segments.traits.rules import Traits
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

TRAITS = "traits"
HISTORY = "h#"
ALL = "all"
BOOK = "book"
DEFINITION = "def#"
PART = "part#"
COUNT = "n#"
DAY = "day#"
HEAD = "head"
LISTED = "ids#"
#: The shards of what all members share: those whom time may change, and the rows and counters of a segment. A pass
#: looks after one of the former, all of whose members are in one of the latter, so that it counts them together.
DUE_SHARDS = 64
COUNT_SHARDS = 16
#: One in so many members is in the sample.
SAMPLE_OF = 256


class ByDue(GlobalSecondaryIndex["MemberTraits"]):
    """The members of one shard by when time alone may change something of them."""

    class Meta:
        index_name = "by_due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class BySample(GlobalSecondaryIndex["MemberTraits"]):
    """One in SAMPLE_OF of all members, by a hash of their ids."""

    class Meta:
        index_name = "by_sample"
        projection = KeysOnlyProjection()

    sample = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)


class MemberTraits(Table):
    """What is known of a member (part "traits"), and what they came into and left ("h#<instant>")."""

    class Meta(TableMeta):
        table_name = name("member_traits")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    traits = Document(Traits, null=True)
    version = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    #: Not after the instant at which time may change something; a passed one may be found to change nothing.
    due_at = UnicodeAttribute(null=True)
    sample = UnicodeAttribute(null=True)
    # under "h#"
    moved = Document(Moved, null=True)
    expires = TTLAttribute(null=True)

    by_due = ByDue()
    by_sample = BySample()


class Segments(Table):
    """Definitions and their versions, the generation of all ("book"), and the parts of a build."""

    class Meta(TableMeta):
        table_name = name("segments")

    partition = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    definition = Document(Definition, null=True)
    #: Of the book: how often anything was changed, and which generation everybody has been looked at for.
    generation = NumberAttribute(null=True)
    built = NumberAttribute(null=True)
    #: Of the book: another at every change.
    mark = UnicodeAttribute(null=True)
    building = Document(Part, null=True)


class SegmentMembers(Table):
    """Who is in a segment or has a tag, in shards, and since when."""

    class Meta(TableMeta):
        table_name = name("segment_members")

    place = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)
    entered_at = UnicodeAttribute()


class SegmentCounts(Table):
    """How many members a segment has, in shards ("n#"), and how many it had as a day began ("day#")."""

    class Meta(TableMeta):
        table_name = name("segment_counts")

    segment_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    #: All who ever came in, and all who ever left.
    entered = NumberAttribute()
    left = NumberAttribute()
    expires = TTLAttribute(null=True)


class Audiences(Table):
    """A frozen list of members: its head, and 500 of them an item."""

    class Meta(TableMeta):
        table_name = name("audiences")

    audience_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    audience = Document(Audience, null=True)
    listed = Document(Listed, null=True)
    version = NumberAttribute(null=True)


def version_part(segment_id: str, version: int) -> str:
    """Name the part that keeps a version of a definition for ever."""
    return f"v#{segment_id}#{version:06}"


def traits_key(member_id: str) -> Key:
    """Name the item of what is known of a member."""
    return MemberTraits, (member_id, TRAITS)


def listed_part(before: int) -> str:
    """Name the part of a list whose members stand behind so many others."""
    return f"{LISTED}{before:09}"


def due_shard(member_id: str) -> int:
    """Say in which shard of DUE_SHARDS the member is."""
    return ids.shard(member_id, DUE_SHARDS)


def count_shard(member_id: str) -> int:
    """Say in which shard of COUNT_SHARDS the member is."""
    return due_shard(member_id) % COUNT_SHARDS


def sample_of(member_id: str) -> str | None:
    """Say that the member is in the sample; None for who is not."""
    return "s" if ids.shard(f"sample|{member_id}", SAMPLE_OF) == 0 else None


def place_of(segment_id: str, shard: int) -> str:
    """Name one shard of a segment's members."""
    return f"{segment_id}#{shard}"


def traits_item(traits: Traits, version: int, due: int | None) -> MemberTraits:
    """Make the item of what is known of a member; `due` in Unix milliseconds."""
    return MemberTraits(
        traits.member_id,
        TRAITS,
        traits=traits,
        version=version,
        due_shard=None if due is None else str(due_shard(traits.member_id)),
        due_at=None if due is None else stamp(due),
        sample=sample_of(traits.member_id),
    )


def stamp(milliseconds: int) -> str:
    """Write Unix milliseconds as text that sorts."""
    return clock.stamp(clock.from_ms(milliseconds))


def unstamped(text: str) -> datetime:
    """Read the instant of a stamp."""
    return clock.from_stamp(text)
