"""Distribution. Tables `distributors`, `commissions`, `links`, `link_pictures`.

| who asks | how | units |
|---|---|---|
| who brought this member; are they a distributor | BatchGet (member, "binding"), (member, "distributor") | 1 RRU each |
| bind, by a visit or an order | Put binding, check (member, "distributor"), Update the inviter's, once | 5 or 7 WRU |
| whom did I bring, newest first | Query by_inviter | 0.5 RRU per 4 KB, some 25 members |
| distributors by state, oldest first | Query by_state in each shard, BatchGet the page | 0.5 RRU a shard + 0.5 each |
| the same by sales, the most first | Query by_sales in each shard, BatchGet the page | 0.5 RRU a shard + 0.5 each |
| count a sale that was kept, or given back | Update (member, "distributor"), which moves it in by_sales | 2 + 2 WRU |
| the best of a month | Query by_sales in each shard | 0.5 RRU a shard |
| what an order pays | BatchGet (order, level) with the order | 1 RRU each |
| make a commission | Put it, with its entry and balance (ledger) | 2 WRU per KB + 2 |
| change it | Put under its version, with its entry and balance | 2 WRU per KB, + 1 with its state |
| does the buyer count as a customer already | Get (distributor, "customer#<buyer>"), at a release | 1 RRU |
| a distributor's commissions, newest first | Query by_member, BatchGet the page | 0.5 RRU + 0.5 each |
| the commissions of a day, newest first | Query by_day in each shard, BatchGet the page | 0.5 RRU a shard + 0.5 each |
| the member turns out to be another | see absorbing/ | 8 to 12 WRU a commission, customer, link |
| what goes on for who returns | Get binding, debt, "customer#" of the former; Put each | 3 RRU, 1 or 2 WRU |
| whose is this link | Get link | 0.5 RRU |
| make a link | Get link, Query (member, "link#"); Put link and (member, "link#<token>") | 1 to 11 RRU, 4 WRU |
| all links of a member, for themselves | Query (member, "link#"), BatchGet the links | 0.5 RRU per 4 KB + 0.5 each |
| the picture of its code | Get picture, some 60 KB | 8 RRU, which clients and caches keep for a day |
| customers of my customers | Query by_inviter, BatchGet whether they have any, Query those who do | 0.5 RRU each |

That no ring of members is ever bound needs no walk for who has brought nobody: `has_customers` of the member is checked
in the transaction that binds them, and set on the inviter in the one that gives them their first.
"""

from __future__ import annotations

from datetime import date, datetime

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.growth.distribution.rules import (
    Binding,
    Commission,
    Distributor,
    DistributorRecord,
    Link,
    MonthlySales,
    SalesTotals,
)
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

BINDING = "binding"
DISTRIBUTOR = "distributor"
MONTH = "month#"
CUSTOMER = "customer#"
LINK = "link#"
DEBT = "debt"
MERGED = "merged"


class ByInviter(GlobalSecondaryIndex["Distributors"]):
    """Bindings by who brought whom, by time."""

    class Meta:
        index_name = "by_inviter"
        projection = AllProjection()

    inviter = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute(range_key=True)


class ByState(GlobalSecondaryIndex["Distributors"]):
    """The distributors of one shard of a state by when they applied."""

    class Meta:
        index_name = "by_state"
        projection = KeysOnlyProjection()

    queue = UnicodeAttribute(hash_key=True)
    since = UnicodeAttribute(range_key=True)


class BySales(GlobalSecondaryIndex["Distributors"]):
    """One shard of a month's leaderboard ("2026-11#3"), or of the distributors of a state ("active#3"), by sales."""

    class Meta:
        index_name = "by_sales"
        projection = KeysOnlyProjection()

    board = UnicodeAttribute(hash_key=True)
    sales_fen = NumberAttribute(range_key=True)


class Distributors(Table):
    """The parts of a member in distribution: whom they are bound to ("binding"), that they are a distributor, and their
    sales of a month ("month#2026-11") while there is a leaderboard; and what they owed as they left ("debt"). Of who
    turned out to be another member stay whose the distributor is, and the tie that ended with that ("merged"). And,
    under a distributor's id, each customer who counts for their tier ("customer#<member>"): there once, however often
    the two are bound."""

    class Meta(TableMeta):
        table_name = name("distributors")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    version = NumberAttribute(null=True)
    since = UnicodeAttribute(null=True)
    # parts "binding", "merged": and what the member has bought since, by orders that paid the inviter something
    binding = Document(Binding, null=True)
    inviter = UnicodeAttribute(null=True)
    paid_fen = NumberAttribute(null=True)
    # part "distributor"
    distributor = Document(Distributor, null=True)
    queue = UnicodeAttribute(null=True)
    has_customers = BooleanAttribute(null=True)
    customers = NumberAttribute(null=True)
    # a binding and a distributor
    orders = NumberAttribute(null=True)
    # a distributor and a month
    sales_fen = NumberAttribute(null=True)
    board = UnicodeAttribute(null=True)
    # part "debt": in fen; charged to who returns as a distributor, and 0 from then on
    debt_fen = NumberAttribute(null=True)
    #: A customer who counted before they left and returned: not counted once more.
    carried = BooleanAttribute(null=True)

    by_inviter = ByInviter()
    by_state = ByState()
    by_sales = BySales()


class ByMember(GlobalSecondaryIndex["Commissions"]):
    """A distributor's commissions by time."""

    class Meta:
        index_name = "by_member"
        projection = IncludeProjection(["state"])

    member_id = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class ByDay(GlobalSecondaryIndex["Commissions"]):
    """One shard of the commissions that were made on a day of Asia/Shanghai, by time."""

    class Meta:
        index_name = "by_day"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class Commissions(Table):
    """What an order pays on one level."""

    class Meta(TableMeta):
        table_name = name("commissions")

    order_id = UnicodeAttribute(hash_key=True)
    level = UnicodeAttribute(range_key=True)
    commission = Document(Commission)
    version = NumberAttribute()
    member_id = UnicodeAttribute()
    made = UnicodeAttribute()
    day = UnicodeAttribute()
    state = UnicodeAttribute()

    by_member = ByMember()
    by_day = ByDay()


class Links(Table):
    """What a short token stands for."""

    class Meta(TableMeta):
        table_name = name("links")

    token = UnicodeAttribute(hash_key=True)
    link = Document(Link)


class LinkPictures(Table):
    """The picture of a link's mini-program code, once somebody has asked for it. Beside the links, for it is a hundred
    times as large as one, and binding a member by a link reads that."""

    class Meta(TableMeta):
        table_name = name("link_pictures")

    token = UnicodeAttribute(hash_key=True)
    #: Base64.
    picture = UnicodeAttribute()
    content_type = UnicodeAttribute()


def binding_key(member_id: str) -> Key:
    """Give the key of what a member is bound by."""
    return Distributors, (member_id, BINDING)


def distributor_key(member_id: str) -> Key:
    """Give the key of a member as a distributor."""
    return Distributors, (member_id, DISTRIBUTOR)


def debt_key(member_id: str) -> Key:
    """Give the key of what a member owed as they left, or as who they were before they returned."""
    return Distributors, (member_id, DEBT)


def debt_item(member_id: str, debt_fen: int) -> Distributors:
    """Make the item of what a member owes when they leave, in fen, or owed before they returned."""
    return Distributors(member_id, DEBT, debt_fen=debt_fen)


def month_key(member_id: str, month: str) -> Key:
    """Give the key of a distributor's sales of a month."""
    return Distributors, (member_id, MONTH + month)


def commission_key(order_id: str, level: int) -> Key:
    """Give the key of the commission of an order on a level."""
    return Commissions, (order_id, str(level))


def binding_item(binding: Binding, version: int) -> Distributors:
    """Make the item of a new binding; the member has bought nothing yet."""
    since = since_of(binding.bound_at, binding.member_id)
    return Distributors(
        binding.member_id, BINDING, binding=binding, inviter=binding.inviter, since=since, version=version
    )


def ended_item(former: str, binding: Binding) -> Distributors:
    """Make the item of a tie that ended as its member, or the former one, turned out to be the other."""
    return Distributors(former, MERGED, binding=binding, version=1)


def customer_item(member_id: str, customer_id: str) -> Distributors:
    """Make the item by which a member counts as a customer of a distributor: they have bought and kept something."""
    return Distributors(member_id, CUSTOMER + customer_id)


def distributor_item(distributor: Distributor, version: int) -> Distributors:
    """Make the item of a new distributor."""
    return Distributors(
        distributor.member_id,
        DISTRIBUTOR,
        distributor=distributor,
        version=version,
        queue=queue_of(distributor),
        board=queue_of(distributor),
        sales_fen=0,
        since=since_of(distributor.applied_at, distributor.member_id),
    )


def queue_of(distributor: Distributor) -> str:
    """Give the shard of the distributor in the index of states, and in that of sales."""
    return state_shard(distributor.state, _shard(distributor.member_id))


def state_shard(state: str, shard: int) -> str:
    """Name a shard of the distributors of a state."""
    return f"{state}#{shard}"


def board(month: str, member_id: str) -> str:
    """Name the shard of a month's leaderboard where the member stands."""
    return board_shard(month, _shard(member_id))


def board_shard(month: str, shard: int) -> str:
    """Name a shard of a month's leaderboard."""
    return f"{month}#{shard}"


def shards() -> range:
    """Count the shards of states, boards and days."""
    return range(settings().distribution_shards)


def monthly_sales(item: Distributors) -> MonthlySales:
    """Take a distributor's sales of a month out of an item of part "month#..."."""
    return MonthlySales(item.member_id, item.part.removeprefix(MONTH), int(item.sales_fen or 0))


def record_of(item: Distributors) -> DistributorRecord:
    """Take a distributor and what is counted of them out of an item of part "distributor"."""
    totals = SalesTotals(int(item.sales_fen or 0), int(item.orders or 0), int(item.customers or 0))
    return DistributorRecord(item.distributor, totals)


def commission_item(commission: Commission, version: int) -> Commissions:
    """Make the item of a commission."""
    return Commissions(
        commission.order_id,
        str(commission.level),
        commission=commission,
        version=version,
        member_id=commission.member_id,
        made=f"{clock.stamp(commission.created_at)}|{commission.order_id}|{commission.level}",
        day=day_shard(clock.day(commission.created_at), _shard(commission.order_id)),
        state=commission.state,
    )


def day_shard(day: date, shard: int) -> str:
    """Name a shard of the commissions of a day."""
    return f"{day}#{shard}"


def since_of(instant: datetime, member_id: str) -> str:
    """Give where something of a member stands in an index by time."""
    return f"{clock.stamp(instant)}|{member_id}"


def _shard(key: str) -> int:
    return ids.shard(key, settings().distribution_shards)
