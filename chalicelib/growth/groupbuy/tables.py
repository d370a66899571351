"""Group-buys. Tables `group_activities`, `lobbies`.

| who asks | how | units |
|---|---|---|
| one activity | Get (activity, "activity") | 0.5 RRU, 1 to decide by |
| activities by their end | Query by_end | 0.5 RRU per 4 KB |
| which activity has such a request made, or changed, last | Get, Update ("body#<digest>", "body") | 1 RRU, 2 WRU |
| how much has a member bought in it | Update (activity, "member#<member>") in the order's transaction | 2 WRU |
| what counts on for who returns | Query by_end, BatchGet (activity, "member#<member>"), Put each | 1 RRU, 1 WRU each |
| counts for who they turned out to be | the same; Delete, Update each | 1 RRU, 4 WRU each |
| a refunded order's pieces count no more | Get lobby, Get and Update (activity, "member#<member>") | 2 RRU, 2 WRU |
| who takes part in the draw of an activity | Query (activity, "entry#") | 1 RRU per 4 KB; once, by its draw |
| a page of the proof of a draw | Get (activity, "activity"), (activity, "proof#<page>") | 0.5 RRU per 4 KB, 18 |
| a lobby, and my seat in it | BatchGet (lobby, "lobby"), (lobby, "seat#<member>") | 1 RRU each |
| hold, take, free a seat | Update lobby, and seat, in the order's transaction | 2 WRU (lobby: per KB of terms) |
| everybody in a lobby | Query lobby | 1 RRU per 4 KB |
| lobbies to join, nearly full first | Query by_partition in each shard, BatchGet page | 0.5 RRU a shard + 0.5 each |
| all lobbies of an activity, for its report | Query by_partition in each shard | 0.5 RRU per 4 KB, some 25 lobbies |
| which lobbies are due | jobs `groupbuy.settle_lobby`, each at its lobby's expiry | see jobs |

A lobby is a partition of its own, so that lobbies never wait for each other. Its seats are three counters under
conditions: free + held + taken = size. `position` in the index says how many seats are unpaid; of two who pay in the
same instant it may show the first, until the next one pays: it only sorts a list.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.growth.groupbuy.rules import Activity, Lobby, SeatItem, Terms
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

ACTIVITY = "activity"
MEMBER = "member#"
ENTRY = "entry#"
PROOF = "proof#"
BODY = "body"
LOBBY = "lobby"
SEAT = "seat#"
#: Hash key of the one list of all activities: there are dozens, changed by hand.
ALL = "all"


class ByEnd(GlobalSecondaryIndex["GroupActivities"]):
    """All activities by their end."""

    class Meta:
        index_name = "by_end"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    ends = UnicodeAttribute(range_key=True)


class Draw(msgspec.Struct, frozen=True):
    """How a draw over a whole activity ended: the winning orders, and how many pages its proof has (none where nobody
    took part, and in a draw of a version that wrote none)."""

    winners: list[str]
    pages: int = 0


class ProofPage(msgspec.Struct, frozen=True):
    """Some of the orders that took part in a draw over a whole activity, in their sequence. Written once."""

    orders: list[str]


class GroupActivities(Table):
    """The parts of an activity; which attributes are there follows from the part. Under "body#<digest>" stands which
    activity was made, or changed, by a request with that body last."""

    class Meta(TableMeta):
        table_name = name("group_activities")

    activity_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "activity"
    activity = Document(Activity, null=True)
    version = NumberAttribute(null=True)
    listing = UnicodeAttribute(null=True)
    ends = UnicodeAttribute(null=True)
    #: Of a lottery; told to nobody before the draw.
    secret = UnicodeAttribute(null=True)
    drawn = Document(Draw, null=True)
    #: No order takes part in the draw any more.
    closed = BooleanAttribute(null=True)
    # part "member#<member_id>": pieces that this member has in orders of the activity
    bought = NumberAttribute(null=True)
    #: How many of them they bought as the member they were before they left and returned.
    carried = NumberAttribute(null=True)
    # part "proof#<page>", once the activity is closed
    proof = Document(ProofPage, null=True)
    # part "body"
    made = UnicodeAttribute(null=True)

    by_end = ByEnd()


class ByPartition(GlobalSecondaryIndex["Lobbies"]):
    """The lobbies of one shard of an activity's variant: "<state>|<unpaid seats>|<expiry>|<lobby>"."""

    class Meta:
        index_name = "by_partition"
        projection = IncludeProjection(["taken", "paid_fen", "leader_left"])

    partition = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class Lobbies(Table):
    """The parts of a lobby: "lobby", and a seat for each member, under whom it was taken by: who turned out to be
    another since keeps it there (`Order.placed_by`)."""

    class Meta(TableMeta):
        table_name = name("lobbies")

    lobby_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    state = UnicodeAttribute()
    # part "lobby"
    terms = Document(Terms, null=True)
    free = NumberAttribute(null=True)
    held = NumberAttribute(null=True)
    taken = NumberAttribute(null=True)
    paid_fen = NumberAttribute(null=True)
    expires_at = UnicodeAttribute(null=True)
    leader_left = BooleanAttribute(null=True)
    #: Every order of the ended lobby has been seen to.
    finished = BooleanAttribute(null=True)
    partition = UnicodeAttribute(null=True)
    position = UnicodeAttribute(null=True)
    # part "seat#<member_id>"
    order_id = UnicodeAttribute(null=True)
    leader = BooleanAttribute(null=True)
    #: The member let this seat go unpaid, and is not to hold one here again.
    let_go = BooleanAttribute(null=True)

    by_partition = ByPartition()


def activity_key(activity_id: str) -> Key:
    """Give the key of an activity."""
    return GroupActivities, (activity_id, ACTIVITY)


def activity_item(activity: Activity, version: int, secret: str | None) -> GroupActivities:
    """Make the item of an activity."""
    return GroupActivities(
        activity.activity_id, ACTIVITY, activity=activity, version=version, secret=secret, listing=ALL,
        ends=f"{clock.stamp(activity.ends_at)}|{activity.activity_id}",
    )  # fmt: skip


def body_key(digest: str) -> Key:
    """Give the key of what is known of the requests with a body of this digest."""
    return GroupActivities, (f"{BODY}#{digest}", BODY)


def bought_key(activity_id: str, member_id: str) -> Key:
    """Give the key of the count of pieces that a member has bought in an activity."""
    return GroupActivities, (activity_id, MEMBER + member_id)


def carried_item(activity_id: str, member_id: str, pieces: int) -> GroupActivities:
    """Make the item of the pieces that a member has bought in an activity who returns: those they had bought before."""
    return GroupActivities(activity_id, MEMBER + member_id, bought=pieces, carried=pieces)


def proof_key(activity_id: str, page: int) -> Key:
    """Give the key of a page of the proof of an activity's draw, the first of which is 0."""
    return GroupActivities, (activity_id, f"{PROOF}{page:04}")


def proof_item(activity_id: str, page: int, order_ids: list[str]) -> GroupActivities:
    """Make a page of the proof of an activity's draw."""
    _, (under, part) = proof_key(activity_id, page)
    return GroupActivities(under, part, proof=ProofPage(order_ids))


def lobby_key(lobby_id: str) -> Key:
    """Give the key of a lobby."""
    return Lobbies, (lobby_id, LOBBY)


def seat_key(lobby_id: str, member_id: str) -> Key:
    """Give the key of a member's seat in a lobby."""
    return Lobbies, (lobby_id, SEAT + member_id)


def lobby_of(item: Lobbies) -> Lobby:
    """Take the lobby out of an item of part "lobby"."""
    return Lobby(
        terms=item.terms, state=item.state, free=int(item.free), held=int(item.held), taken=int(item.taken),  # type: ignore[arg-type]
        paid_fen=int(item.paid_fen or 0), expires_at=clock.from_stamp(item.expires_at) if item.expires_at else None,
        finished=bool(item.finished), leader_left=bool(item.leader_left),
    )  # fmt: skip


def seat_of(item: Lobbies) -> SeatItem:
    """Take the seat out of an item of part "seat#..."."""
    return SeatItem(
        member_id=item.part.removeprefix(SEAT),
        order_id=item.order_id,
        leader=bool(item.leader),
        state=item.state,  # type: ignore[arg-type]
    )


def partition_of(terms: Terms) -> str:
    """Name the shard of its activity's variant that a lobby stands in."""
    return partition(terms.activity_id, terms.variant, ids.shard(terms.lobby_id, settings().lobby_shards))


def partition(activity_id: str, variant: str, shard: int) -> str:
    """Name a shard of the lobbies of an activity's variant."""
    return f"{activity_id}|{variant}#{shard}"


def partitions(activity: Activity, variant: str | None = None) -> list[str]:
    """Name every shard of the lobbies of an activity, or of one of its variants."""
    names = activity.variant_names if variant is None else [variant]
    return [
        partition(activity.activity_id, known, shard) for known in names for shard in range(settings().lobby_shards)
    ]


def lobby_item(lobby: Lobby) -> Lobbies:
    """Make the item of a lobby whose leader has not paid: it stands in no list yet."""
    return Lobbies(
        lobby.terms.lobby_id, LOBBY, terms=lobby.terms, state=lobby.state, free=lobby.free, held=lobby.held,
        taken=lobby.taken, paid_fen=lobby.paid_fen,
    )  # fmt: skip


def position_of(lobby: Lobby) -> str | None:
    """Give where a lobby stands in its shard; None before its leader has paid, or when they never did."""
    if lobby.expires_at is None:
        return None
    is_ending = lobby.state in ("succeeded", "failed") and not lobby.finished
    state = "ending" if is_ending else lobby.state
    return position(lobby.terms, state, lobby.terms.size - lobby.taken, lobby.expires_at)


def position(terms: Terms, state: str, unpaid: int, expires_at: datetime) -> str:
    """Give where a lobby stands in its shard: by state ("open", "ending", "succeeded", "failed"), nearly full first."""
    return f"{state}|{unpaid:03}|{clock.stamp(expires_at)}|{terms.lobby_id}"
