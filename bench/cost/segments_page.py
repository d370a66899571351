"""What segments cost by AWS's prices, and how many members a deployed mall looks at in a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from bench.cost import quotas, traffic
from bench.cost.quota_page import HOME
from bench.cost.usage import Mall, Prices, bill
from bench.markdown import table
from bench.units.figures import Looked, Transition, Work
from chalicelib.growth.segments.tables import COUNT_SHARDS, DUE_SHARDS
from chalicelib.platform.jobs.declarations import MANY
from infra.functions import BATCHES_AT_ONCE

_MEMBERS, _SHARE = 1_000_000, 0.03
_AT_ONCE = 100_000
#: The row of a list, and a counter, in a transaction.
_ROW = 2.0

Money = Callable[[float, str, Prices], str]


class Bound:
    """Something that so many members at once have to get through, and the seconds that it takes at least."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what, self.seconds = what, seconds


def section(malls: Mapping[str, Mall], listed: Prices, money: Money) -> str:
    """Tell of a day's passing, of very many at once, and of a new rule."""
    found = malls[HOME].found.segments
    usual = found.transitions[0]
    moved = _MEMBERS * _SHARE
    head = ("", *(listed.regions[region].name for region in malls))
    rows = [
        (what, *_priced(work, times, malls, listed, money))
        for what, work, times in (
            (f"a day's passing: {moved:,.0f} of {_MEMBERS:,} members moved by time", usual.work, moved),
            (f"a new rule held against {_AT_ONCE:,} members", found.build.work, _AT_ONCE),
            (f"{_AT_ONCE:,} members moved in one second", usual.work, _AT_ONCE),
        )
    ]
    bounds = at_once(malls[HOME], usual)
    readers = readers_at_once()
    minutes = build_seconds(malls[HOME], found.build) / 60
    parts = quotas.shards("member_shards")
    reads, writes = found.build.work.reads * _AT_ONCE, found.build.work.writes * _AT_ONCE
    return f"""## Segments

DynamoDB's requests of what [bench.md](bench.md#segments) measured for one member:

{table(head, rows)}

{_AT_ONCE:,} members who are due in one second are moved within some {max(one.seconds for one in bounds):.0f} s in a
deployed mall. Each line is what that takes at least; the longest decides:

{table(("", "s"), [(one.what, f"{one.seconds:.0f}") for one in bounds])}

The stream of a new table has {quotas.STREAM_SHARDS} shards, and each hands out {BATCHES_AT_ONCE[MANY]} batches at
once: {readers} readers side by side, which is also what they take of Lambda's concurrency ({quotas.CONCURRENCY:,}
where AWS was asked for it). A transaction of {usual.together} members is taken for
{traffic.LARGE_TRANSACTION_MS.number:g} ms. A table on demand takes {quotas.TABLE_WRITES:,} write units a second by
its quota, but a new one 4,000, and then twice its former peak: where an import makes so many due at once, warm
`member_traits` up before. Until then its transactions are throttled and tried again, ten times slower at worst; orders
and lobbies have tables and functions of their own, and go on.

A new rule over {_AT_ONCE:,} members reads {reads:,.0f} and writes {writes:,.0f} units, and everybody has been
looked at after {minutes:.1f} minutes by {parts} parts side by side (`YUTANG_MEMBER_SHARDS`), beside the 35 seconds
until it begins."""


def readers_at_once() -> int:
    """How many readers of the stream work side by side."""
    return quotas.STREAM_SHARDS * BATCHES_AT_ONCE[MANY]


def at_once(mall: Mall, usual: Transition) -> list[Bound]:
    """What _AT_ONCE members who are due in one second have to get through, with the seconds of each."""
    together = usual.together * look_seconds(mall, usual)
    rows = _AT_ONCE * _ROW / quotas.PARTITION_WRITES
    pages = _AT_ONCE / usual.together
    written = usual.written["member_traits"] * _AT_ONCE
    return [
        Bound(
            f"the first look of each of the {DUE_SHARDS} shards, one after the other, by the schedule's worker",
            DUE_SHARDS * together,
        ),
        Bound("the readers of the stream", pages * together / readers_at_once()),
        Bound(f"a list's {COUNT_SHARDS} partitions, where all come into one segment", rows / COUNT_SHARDS),
        Bound("a segment's counters, which are one partition", pages * _ROW / quotas.PARTITION_WRITES),
        Bound("the table `member_traits`, with its index, at its quota", written / quotas.TABLE_WRITES),
    ]  # fmt: skip


def look_seconds(mall: Mall, usual: Transition) -> float:
    """How long a reader takes for each of the members whom it looks at together: round trips, a large transaction for
    all, and CPU."""
    cpu = usual.cpu_ms * max(1.0, traffic.VCPU_MB.number / mall.memory["run-owed-many"])
    others = usual.work.trips * traffic.TRIP_MS.number / usual.together
    return (others + traffic.LARGE_TRANSACTION_MS.number / usual.together + cpu) / 1000


def build_seconds(mall: Mall, build: Looked) -> float:
    """How long it takes to hold _AT_ONCE members against a new rule."""
    cpu = build.cpu_ms * max(1.0, traffic.VCPU_MB.number / mall.memory["run-owed-many"])
    single = (build.work.trips - build.work.transactions) * traffic.TRIP_MS.number
    each = cpu + single + build.work.transactions * traffic.LARGE_TRANSACTION_MS.number
    return math.ceil(_AT_ONCE / quotas.shards("member_shards")) * each / 1000


def _priced(work: Work, times: float, malls: Mapping[str, Mall], listed: Prices, money: Money) -> list[str]:
    used = {"dynamodb_read": work.reads * times, "dynamodb_write": work.writes * times}
    return [money(sum(bill(used, region, listed).values()), region, listed) for region in malls]
