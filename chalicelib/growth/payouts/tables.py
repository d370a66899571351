"""Withdrawals. Table `withdrawals`; a withdrawal is one document (0.6 KB), changed under its version.

| who asks | how | units |
|---|---|---|
| one withdrawal | Get | 1 RRU |
| withdraw | BatchGet withdrawal, allowance, distributor, profile | 4 RRU |
| | Put withdrawal, allowance, entry and balance (ledger), job | 4 + 2 + 7 + 2 WRU |
| an end | Put withdrawal, of a failure allowance, entry and balance, end of the job | 4 + 2 + 7 or 9 + 2 WRU |
| a member's, newest first | Query by_member, BatchGet the page | 0.5 RRU + 1 each |
| operators: a queue, oldest first | Query by_queue in each shard, BatchGet the page | 0.5 RRU a shard + 1 each |
| what goes on for who returns | Get allowance of the former, Put it | 1 RRU, 1 or 2 WRU |
| the member turns out to be another | Get, Delete, Put allowances; Query by_member, Get, Put each | 4 + 8 WRU each |
| who was paid what in a quarter | Query by_quarter, shard after shard, by member | 0.5 RRU per 4 KB, some 6 |

A member's allowance ("allowance#<member>") is what they have withdrawn today, this month and this year: one item, so
that two withdrawals at once cannot both fit below one limit. Who returns goes on with that of the member they were.
"""

from __future__ import annotations

from collections.abc import Iterable

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from chalicelib.core import clock, ids
from chalicelib.core.settings import settings
from chalicelib.growth.payouts.limits.rules import Allowance
from chalicelib.growth.payouts.rules import Withdrawal, quarter_of
from chalicelib.platform.store.base import Document, Table, TableMeta, name
from chalicelib.platform.store.read import Key

_ALLOWANCE = "allowance#"
#: Those that WeChat does not go on with: the merchant's balance is short, it refuses, or it has forgotten them.
WAITING = "waiting"


class ByMember(GlobalSecondaryIndex["Withdrawals"]):
    """A member's withdrawals by time."""

    class Meta:
        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class ByQueue(GlobalSecondaryIndex["Withdrawals"]):
    """The open withdrawals of one shard of a queue by time; one that has ended does not stand here."""

    class Meta:
        index_name = "by_queue"
        projection = KeysOnlyProjection()

    queue = UnicodeAttribute(hash_key=True)
    made = UnicodeAttribute(range_key=True)


class ByQuarter(GlobalSecondaryIndex["Withdrawals"]):
    """One shard of what was paid, and of the tax that was returned, in a quarter, member by member."""

    class Meta:
        index_name = "by_quarter"
        projection = IncludeProjection(["withdrawal"])

    quarter = UnicodeAttribute(hash_key=True)
    paid_to = UnicodeAttribute(range_key=True)


class Withdrawals(Table):
    """A withdrawal and what it is found by; or a member's allowance."""

    class Meta(TableMeta):
        table_name = name("withdrawals")

    withdrawal_id = UnicodeAttribute(hash_key=True)
    version = NumberAttribute()
    withdrawal = Document(Withdrawal, null=True)
    member_id = UnicodeAttribute(null=True)
    made = UnicodeAttribute(null=True)
    queue = UnicodeAttribute(null=True)
    quarter = UnicodeAttribute(null=True)
    paid_to = UnicodeAttribute(null=True)
    # an allowance
    allowance = Document(Allowance, null=True)

    by_member = ByMember()
    by_queue = ByQueue()
    by_quarter = ByQuarter()


def withdrawal_key(withdrawal_id: str) -> Key:
    """Say where a withdrawal is stored. An allowance is no withdrawal, whatever id is asked for: no id has a "#"."""
    return Withdrawals, (withdrawal_id,)


def allowance_key(member_id: str) -> Key:
    """Say where it is stored what a member has withdrawn lately."""
    return Withdrawals, (_ALLOWANCE + member_id,)


def allowance_item(member_id: str, allowance: Allowance, version: int) -> Withdrawals:
    """Make the item in which the allowance is stored."""
    return Withdrawals(_ALLOWANCE + member_id, allowance=allowance, version=version)


def withdrawals_and_allowances(items: Iterable[Withdrawals]) -> tuple[list[Withdrawal], dict[str, Allowance]]:
    """Take the withdrawals from these items, and the allowances by member."""
    withdrawals: list[Withdrawal] = []
    allowances: dict[str, Allowance] = {}
    for item in items:
        if item.withdrawal_id.startswith(_ALLOWANCE):
            allowances[item.withdrawal_id.removeprefix(_ALLOWANCE)] = item.allowance
        else:
            withdrawals.append(item.withdrawal)
    return withdrawals, allowances


def withdrawal_item(withdrawal: Withdrawal, version: int) -> Withdrawals:
    """Make the item in which the withdrawal is stored, with what it is found by."""
    item = Withdrawals(
        withdrawal.withdrawal_id,
        withdrawal=withdrawal,
        version=version,
        member_id=withdrawal.member_id,
        made=f"{clock.stamp(withdrawal.created_at)}|{withdrawal.withdrawal_id}",
    )
    if withdrawal.open:
        shard = ids.shard(withdrawal.withdrawal_id, settings().distribution_shards)
        item.queue = queue_shard(queue_of(withdrawal), shard)
    is_reported = withdrawal.state == "succeeded" or withdrawal.tax_returned_fen
    if is_reported and withdrawal.finished_at is not None:
        shard = ids.shard(withdrawal.member_id, settings().distribution_shards)
        item.quarter = quarter_shard(quarter_of(withdrawal.finished_at), shard)
        item.paid_to = f"{withdrawal.member_id}|{withdrawal.withdrawal_id}"
    return item


def queue_of(withdrawal: Withdrawal) -> str:
    """Name the operators' queue in which an open withdrawal stands."""
    return WAITING if withdrawal.outcome else withdrawal.state


def queue_shard(queue: str, shard: int) -> str:
    """Name one shard of a queue."""
    return f"{queue}#{shard}"


def quarter_shard(quarter: str, shard: int) -> str:
    """Name one shard of what was paid in a quarter."""
    return f"{quarter}#{shard}"
