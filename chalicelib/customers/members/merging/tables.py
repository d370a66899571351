"""Merges. Table `merges`.

| who asks | how | units |
|---|---|---|
| two become one | Update identities, profile, who moved; Put merge, jobs; in one transaction | some 40 WRU |
| one merge | Get merge | 1 RRU |
| merges of a member | Query by_former, by_survivor, BatchGet | 0.5 RRU each, 1 each |
| merges in a state, newest first | Query by_state | 0.5 RRU per 4 KB |
| note that two may be one person | Put merge, must not exist | 2 WRU |
| a code by which a member becomes one with another | Get, Put "code#<digits>" | 1 RRU, 1 WRU |

A pair of members has one merge however often it is found that they may be one: its id follows from theirs. What was
merged is forgotten after half a year, and so is what was rejected; a code after some minutes.
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.customers.members.merging.rules import Merge
from chalicelib.platform.store.base import Document, Table, TableMeta, name

#: How long it is kept what was merged, or was not.
KEPT = timedelta(days=180)
_OPEN = ("candidate", "proposed", "moving")


class ByState(GlobalSecondaryIndex["Merges"]):
    """Merges by their state, in the order of time."""

    class Meta:
        index_name = "by_state"
        projection = AllProjection()

    state = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute(range_key=True)


class ByFormer(GlobalSecondaryIndex["Merges"]):
    """Merges by who becomes another."""

    class Meta:
        index_name = "by_former"
        projection = KeysOnlyProjection()

    former = UnicodeAttribute(hash_key=True)


class BySurvivor(GlobalSecondaryIndex["Merges"]):
    """Merges by who stays."""

    class Meta:
        index_name = "by_survivor"
        projection = KeysOnlyProjection()

    survivor = UnicodeAttribute(hash_key=True)


class Merges(Table):
    """A merge; or a code of six digits that a member shows to themselves on another phone."""

    class Meta(TableMeta):
        table_name = name("merges")

    merge_id = UnicodeAttribute(hash_key=True)
    merge = Document(Merge, null=True)
    version = NumberAttribute(null=True)
    state = UnicodeAttribute(null=True)
    since = UnicodeAttribute(null=True)
    former = UnicodeAttribute(null=True)
    survivor = UnicodeAttribute(null=True)
    # of a code: whose it is, by which token of theirs it was asked for (whom that was made for, and when), until when
    # it is good (Unix milliseconds), and what came of it
    member_id = UnicodeAttribute(null=True)
    subject = UnicodeAttribute(null=True)
    issued_at = UnicodeAttribute(null=True)
    good_until = NumberAttribute(null=True)
    used_for = UnicodeAttribute(null=True)
    expires = TTLAttribute(null=True)

    by_state = ByState()
    by_former = ByFormer()
    by_survivor = BySurvivor()


def merge_of(one: str, other: str) -> str:
    """Name the merge of these two members."""
    return ids.derived("mg", *sorted((one, other)))


def merge_item(merge: Merge, version: int) -> Merges:
    """Make the item of a merge."""
    return Merges(
        merge.merge_id,
        merge=merge,
        version=version,
        state=merge.state,
        since=f"{clock.stamp(merge.at)}|{merge.merge_id}",
        former=merge.former,
        survivor=merge.survivor,
        expires=None if merge.state in _OPEN else clock.now() + KEPT,
    )


def code_key(digits: str) -> str:
    """Name the item of a code."""
    return f"code#{digits}"
