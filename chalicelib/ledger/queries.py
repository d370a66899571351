"""Reads of the journal and of what members' accounts stand at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib.core.errors import MallError
from chalicelib.core.settings import settings
from chalicelib.ledger.rules import MERGE, Balance, Entry, Month, Turnover
from chalicelib.ledger.tables import NOW, Balances, LedgerEntries, day_shard
from chalicelib.platform.store import cursors, read

#: How many entries of a member are read for one answer at most: some hundred calls, a few seconds.
ALL_MAX = 10_000


def entries_about(about: str, consistent: bool = False) -> list[Entry]:
    """Read every entry about an order or a withdrawal, in the order of time.

    Not `consistent`: an entry of this moment may be missing.
    """
    entries = (item.entry for item in read.query_all(LedgerEntries, about, consistent=consistent))
    return sorted(entries, key=lambda entry: (entry.at, not entry.cause.startswith("paid")))


def find(keys: Sequence[tuple[str, str]]) -> list[Entry | None]:
    """Read the entries of these distinct (about, cause), in their order; None where nothing was posted."""
    return [found.entry if found else None for found in read.batch_get([(LedgerEntries, key) for key in keys])]


def entries_of_day(day: date) -> Iterator[Entry]:
    """Read the entries of a day in Asia/Shanghai that moved money at WeChat; one of the last second may be missing."""
    position: str | None = ""
    while position is not None:
        page, position = page_of_day(day, position)
        yield from page


def page_of_day(day: date, position: str, limit: int | None = None) -> tuple[list[Entry], str | None]:
    """Read a page of a day's entries, as `entries_of_day` gives them, and the position of the next page.

    `position` is "" for the first page; None means that there is no more.
    """
    number, _, posted = position.partition("|")
    shard = int(number or 0)
    where = LedgerEntries.posted > posted if posted else None
    page, after = read.query(LedgerEntries, day_shard(day, shard), index=LedgerEntries.by_day, where=where, limit=limit)
    entries = [msgspec.json.decode(raw["entry"]["S"], type=Entry) for raw in page]
    if after is not None:
        return entries, f"{shard}|{after['posted']['S']}"
    return entries, f"{shard + 1}|" if shard + 1 < settings().order_shards else None


def page_of_member(member_id: str, limit: int, cursor: str | None) -> tuple[list[Entry], str | None]:
    """Read a page of the entries that changed the member's balance, newest first; one of this moment may be missing."""
    listing = f"ledger:{member_id}"
    page, after = read.query(
        LedgerEntries,
        member_id,
        index=LedgerEntries.by_member,
        forward=False,
        limit=limit,
        after=cursors.read(listing, cursor),
    )
    keys = [(LedgerEntries, (raw["about"]["S"], raw["cause"]["S"])) for raw in page]
    return [item.entry for item in read.batch_get(keys)], cursors.write(listing, after)


def balance(member_id: str) -> Balance:
    """Read what the member's accounts stand at now."""
    return balance_of(read.get(Balances, member_id, NOW))


def all_of_member(member_id: str) -> list[Entry]:
    """Read every entry that changed the member's balance, newest first; one of this moment may be missing.

    Raises `too_many_entries` when there are more than ALL_MAX; no entry has been read then, only the index.
    """
    keys: list[read.Key] = []
    after: read.Raw | None = None
    while True:
        room = ALL_MAX + 1 - len(keys)
        page, after = read.query(
            LedgerEntries, member_id, index=LedgerEntries.by_member, forward=False, limit=room, after=after
        )
        keys += [(LedgerEntries, (raw["about"]["S"], raw["cause"]["S"])) for raw in page]
        if len(keys) > ALL_MAX:
            raise MallError("too_many_entries", limit=ALL_MAX)
        if after is None:
            return transfers_from(member_id) + [item.entry for item in read.batch_get(keys)]


def transfers_from(member_id: str) -> list[Entry]:
    """Read the entries by which what the member had moved to the one who they turned out to be, newest first."""
    where = LedgerEntries.cause.startswith(MERGE)
    found = [item.entry for item in read.query_all(LedgerEntries, member_id, where=where, consistent=True)]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def balances(member_ids: Sequence[str]) -> dict[str, Balance]:
    """Read what these members' accounts stand at now, in one BatchGet."""
    found = read.batch_get([(Balances, (member_id, NOW)) for member_id in member_ids])
    return {member_id: balance_of(item) for member_id, item in zip(member_ids, found, strict=True)}


def balance_of(item: Balances | None) -> Balance:
    """Read a member's balance from its item (None: nothing was ever posted for the member)."""
    if item is None:
        return Balance()
    return Balance(**{kind: int(getattr(item, kind) or 0) for kind in Balance.__struct_fields__})


def balance_and_month(member_id: str, today: date) -> tuple[Balance, Month]:
    """Read what the member's accounts stand at now, and what came and went in this month, in one Query."""
    this_month = today.isoformat()[:7]
    parts, _ = read.query(Balances, member_id, where=Balances.part.between(this_month, NOW), consistent=True)
    found = {raw["part"]["S"]: raw for raw in parts}
    now = Balances.from_raw_data(found[NOW]) if NOW in found else None
    return balance_of(now), month_of(found.get(this_month, {"part": {"S": this_month}}))


def months(member_id: str, last: date) -> list[Month]:
    """Read the member's months, oldest first, to the one of that day, without those in which nothing came or went."""
    return [month_of(raw) for raw in _parts(member_id, Balances.part.between("0", last.isoformat()[:7]))]


def statement(member_id: str) -> tuple[Balance, list[Month]]:
    """Read what the member's accounts stand at now, and all their months."""
    parts = list(_parts(member_id))
    now = next((Balances.from_raw_data(raw) for raw in parts if raw["part"]["S"] == NOW), None)
    return balance_of(now), [month_of(raw) for raw in parts if raw["part"]["S"] != NOW]


def _parts(member_id: str, where: Condition | None = None) -> Iterator[read.Raw]:
    after: read.Raw | None = None
    while True:
        page, after = read.query(Balances, member_id, where=where, after=after, consistent=True)
        yield from page
        if after is None:
            return


def month_of(raw: read.Raw) -> Month:
    """Read a month from its item."""
    days = {int(name[1:]): _number(raw, name) for name in raw if name[0] == "d" and name[1:].isdecimal()}
    turnover = Turnover(**{kind: _number(raw, kind) for kind in Turnover.__struct_fields__})
    return Month(raw["part"]["S"], turnover, days)


def _number(raw: read.Raw, name: str) -> int:
    return int(raw[name]["N"]) if name in raw else 0
