"""The journal and what members' accounts stand at. Tables `ledger_entries`, `balances`.

| who asks | how | units |
|---|---|---|
| post an entry, once | Put (about, cause), must not exist, in the transaction that it belongs to | 2 WRU |
| the same, for a member | and Update (member, "now") and (member, month), and the index by_member | 7 WRU |
| the same, where money moves at WeChat | and the index by_day | 1 WRU more |
| explain this order, this withdrawal | Query about | 0.5 RRU per 4 KB |
| explain this balance, newest first; recompute it | Query by_member, BatchGet the page | 0.5 RRU + 1 per entry |
| a day's money at WeChat | Query by_day in each shard | 0.5 RRU per 4 KB, some 10 entries |
| what a member has | Get (member, "now") | 1 RRU |
| what came and went by month | Query member, up to the month | 1 RRU per 4 KB, some 20 months |
| move all to who the member turned out to be | Get (member, "now"), Query about; post for both | 2 RRU, 11 WRU |

The mall's own accounts have no stored balance: one item that every order changes would be the slowest thing in
the mall. They are folded from the entries (`rules.balances`). A member's balance is changed by the entry's own
transaction, and can be recomputed (`audit`).
"""

from __future__ import annotations

from datetime import date

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.ledger.rules import Entry, wechat_fen
from chalicelib.platform.store.base import Document, Table, TableMeta, name

#: The part of a member's balances that says what they have now; the others are months.
NOW = "now"


class ByMember(GlobalSecondaryIndex["LedgerEntries"]):
    """A member's entries by time; those that concern no member do not stand here. One by which what a member had moved
    to another stands among the entries of that one."""

    class Meta:
        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    posted = UnicodeAttribute(range_key=True)


class ByDay(GlobalSecondaryIndex["LedgerEntries"]):
    """The entries of one shard of a day, in Asia/Shanghai, that move money which lies with WeChat, by time."""

    class Meta:
        index_name = "by_day"
        projection = IncludeProjection(["entry"])

    paid_day = UnicodeAttribute(hash_key=True)
    posted = UnicodeAttribute(range_key=True)


class LedgerEntries(Table):
    """An entry stands under what it is about, at its cause: the same cause is never posted twice."""

    class Meta(TableMeta):
        table_name = name("ledger_entries")

    about = UnicodeAttribute(hash_key=True)
    cause = UnicodeAttribute(range_key=True)
    entry = Document(Entry)
    posted = UnicodeAttribute()
    member_id = UnicodeAttribute(null=True)
    paid_day = UnicodeAttribute(null=True)

    by_member = ByMember()
    by_day = ByDay()


class Balances(Table):
    """Part "now": what the member has, in fen. Part "2026-11": what came and went in that month, and as d01 to d31 the
    commissions of each day, less what was taken back on it (`day_attribute`)."""

    class Meta(TableMeta):
        table_name = name("balances")

    member_id = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    # part "now"
    pending = NumberAttribute(null=True)
    available = NumberAttribute(null=True)
    withdrawing = NumberAttribute(null=True)
    withdrawn = NumberAttribute(null=True)
    # a month; `withdrawn` there too
    earned = NumberAttribute(null=True)
    reversed = NumberAttribute(null=True)
    rewarded = NumberAttribute(null=True)
    tax_returned = NumberAttribute(null=True)
    written_off = NumberAttribute(null=True)
    transferred = NumberAttribute(null=True)


def item(entry: Entry, member_id: str | None) -> LedgerEntries:
    """Make the item of an entry; `member_id` is the member whom it concerns, if it does."""
    shard = ids.shard(entry.about, settings().order_shards)
    return LedgerEntries(
        entry.about,
        entry.cause,
        entry=entry,
        posted=f"{clock.stamp(entry.at)}|{entry.about}|{entry.cause}",
        member_id=member_id,
        paid_day=day_shard(clock.day(entry.at), shard) if wechat_fen(entry) else None,
    )


def day_shard(day: date, shard: int) -> str:
    """Name one shard of a day; there are as many as of orders, from which most of the entries come."""
    return f"{day.isoformat()}#{shard}"


def day_attribute(day: date) -> NumberAttribute:
    """Say where a month keeps the commissions of one of its days; it is in no model, because there would be 31."""
    return NumberAttribute(attr_name=f"d{day.day:02d}")
