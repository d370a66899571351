"""The part of docs/cost.md that is about quotas: partitions and workers among them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.cost import quotas, traffic
from bench.cost.usage import DAY_SECONDS, Mall, Prices, memory_mb
from bench.markdown import table
from chalicelib.insight.reconciliation.rules import SECONDS_MAX
from chalicelib.platform.jobs.declarations import SENDS
from chalicelib.platform.jobs.worker import BATCH
from infra.functions import BATCHES_AT_ONCE

#: The region whose figures are shown where those of the other are much the same.
HOME = "ap-southeast-1"
#: Of partitions that are read so many are shown.
_HOTTEST = 4
#: A livestream's rush over the busiest second of an ordinary day.
_RUSH = 10
#: So many are sent at once.
_SENDS = 100_000


def met(mall: Mall) -> str:
    """At the busiest second, and of the stack."""
    peaks = [quotas.peak(mall, size) for size in traffic.SIZES]
    stack = mall.found.stack
    memory, one_cpu, size = memory_mb()["run-due-calls"], int(traffic.VCPU_MB.number), quotas.DAY_PAYMENTS
    rush = math.ceil(_RUSH * peaks[-1].partition * quotas.shards("job_shards") / quotas.PARTITION_WRITES)

    def row(name: str, quota: float, values: list[float], answer: str) -> tuple[Any, ...]:
        return (name, f"{quota:,}", *(_against(value, quota) for value in values), answer)

    rows = [
        ("orders", "", *(f"{each.orders:.2f}" for each in peaks), ""),
        row("calls of the API (API Gateway, account)", quotas.API_CALLS, [each.calls for each in peaks],
            "asking AWS; lists and details answered from a CDN would be fewer"),
        row("environments at work (Lambda, account)", quotas.CONCURRENCY, [each.concurrency for each in peaks],
            "asking AWS, before the first deployment: a new account begins with 10 or 50; time-outs bound a call"),
        row(f"write units on the table `{peaks[0].table}`", quotas.TABLE_WRITES, [each.table_writes for each in peaks],
            "asking AWS; a new table begins with 4,000 and doubles within 30 minutes"),
        row("write units on the busiest partition every order meets", quotas.PARTITION_WRITES,
            [each.partition for each in peaks], "`YUTANG_JOB_SHARDS` (below)"),
        ("resources of the API", quotas.API_RESOURCES, *[stack.api_resources] * len(peaks),
         f"{stack.paths} paths; some {quotas.API_RESOURCES - stack.api_resources} more before paths must share"),
        ("resources of the stack (CloudFormation)", quotas.STACK_RESOURCES, *[stack.resources] * len(peaks),
         "tables and functions are added, not calls: far away"),
    ]  # fmt: skip
    head = ("in the busiest second", "quota", *(f"{size:,} orders a day" for size in traffic.SIZES), "what answers it")
    return f"""## Quotas

The busiest second has {traffic.PEAK.number:g} times the day's mean. What is above a quota is bold.

{table(head, rows)}

A second with {_RUSH} times the orders of the busiest one of {traffic.SIZES[-1]:,} a day (a livestream) needs
`YUTANG_JOB_SHARDS={rush}` for its partitions, and workers to match ([below](#workers)).

A body of more than 6 MB Lambda neither takes nor gives: pages are bounded, and an import is sent in parts. WeChat
documents 150 refunds a second, 300 questions about refunds, 100 transfers; at {traffic.SIZES[-1]:,} orders a day the
busiest second has {peaks[-1].orders * traffic.KINDS["refunded"].number:.1f} refunds.

WeChat's bills of a day are compared by one job of `run-due-calls`, which has {SECONDS_MAX:.0f} s for it. By its CPU,
its waiting left out, it gets through some {about(quotas.reconciled(memory))} payments with its {memory:,} MB; with
{one_cpu:,} MB, a whole vCPU, through {about(quotas.reconciled(one_cpu))}, as many as it is let read
({quotas.DAY_CPU_S} s for {size:,}: `python -m bench.load.reconciliation {size}`). Memory is no limit before that. A
longer day is an open difference (`unread`), of which `BillsDiffer` tells; with more memory for the function in
.chalice/config.json the next morning compares it."""


def partitions(mall: Mall) -> str:
    """Where orders and visits meet."""
    rows = [
        (
            f"`{limit.place}`", f"`{limit.pattern}`", limit.who, f"{limit.writes:g}", limit.shards,
            f"{limit.orders_a_second:,.0f}", limit.answer,
        )
        for limit in quotas.limits(mall)
    ]  # fmt: skip
    peak = quotas.peak(mall, traffic.SIZES[-1])
    reads = [
        (
            f"`{hot.place}`", f"`{hot.pattern}`", f"{hot.reads:.2f}", f"{hot.visits_a_second:,.0f}",
            _against(peak.orders * traffic.VISITS_PER_ORDER.number * hot.reads, quotas.PARTITION_READS),
            _against(peak.concurrency * hot.remembered, quotas.PARTITION_READS),
        )
        for hot in quotas.readings(mall)[:_HOTTEST]
    ]  # fmt: skip
    reads_head = (
        "table or index", "partition", "RRU of a visit", "visits a second", "RRU a second, nothing remembered",
        "remembered, each page",
    )  # fmt: skip
    head = ("table or index", "partition", "who meets there", "WRU of one", "partitions", "a second", "what answers it")
    return f"""## Partitions

A partition takes {quotas.PARTITION_WRITES:,} write units a second, whatever its table may. Orders of different members
and products were recorded; every partition that more than one of them wrote to is here: of each table and index the
busiest, in the kind of order that writes most there, and how many a second it takes when keys spread evenly. What is
one item (a product's stock, a distributor's balance) meets conflicts of transactions sooner, at some hundred a second
by estimate.

{table(head, rows)}

Reads: {quotas.PARTITION_READS:,} read units a second. Visits of different members read these most. A process remembers
what it has read of the catalogue for a second (`YUTANG_CACHE_SECONDS`), so that each page of a list costs one read a
second for each environment at work, however many visit; of the busiest second of {traffic.SIZES[-1]:,} orders a day
({peak.orders * traffic.VISITS_PER_ORDER.number:,.0f} visits, {peak.concurrency:,.0f} environments) the last columns
tell both.

{table(reads_head, reads)}"""


def workers(malls: Mapping[str, Mall], listed: Prices) -> str:
    """What runs jobs, how many orders it keeps up with, and how many of it a mall needs."""
    by_region = {region: {each.function: each for each in quotas.workers(mall)} for region, mall in malls.items()}
    rows = []
    for worker in by_region[HOME].values():
        here = [by_region[region][worker.function] for region in malls]
        times = [f"{each.seconds * 1000:.0f}" for each in here]
        most = [about(each.orders_a_second * DAY_SECONDS) for each in here]
        needed = [[each.needed(size / DAY_SECONDS * traffic.PEAK.number) for each in here] for size in traffic.SIZES]
        shown = [_either([_against(number, worker.at_once, "d") for number in numbers]) for numbers in needed]
        rows.append((f"`{worker.function}`", worker.at_once, worker.more_by, *times, *most, *shown))
    batches, senders = BATCHES_AT_ONCE[SENDS], quotas.readers(SENDS)
    sent = _either([f"{_SENDS / quotas.sends_a_second(mall) / 60:.0f} minutes" for mall in malls.values()])
    names = [listed.regions[region].name for region in malls]
    head = (
        "function", "at once", "by", *(f"ms for one order, {name}" for name in names),
        *(f"orders a day, {name}" for name in names),
        *(f"needed in the busiest second of {size:,}" for size in traffic.SIZES),
    )  # fmt: skip
    return f"""## Workers

A worker runs the jobs of its shards one after the other: those due later the workers of a schedule, each with its part
of the shards; those owed at once the readers of the stream, which keep the order of each job's own records alone, so
that no shard of jobs has one to itself. Each of the stream's shards has up to ten readers inside and three outside,
where WeChat's limits are; a new table's stream has {quotas.STREAM_SHARDS} shards, and more as the table grows. So each
function keeps up with so many orders a day, when they come evenly. The last columns say how many of it the busiest
second needs, so that nothing waits ({" or ".join(names)}); bold is more than there are. What is owed to
very many members at once has a table, a stream and workers of its own, and {quotas.shards("many_shards")} shards
(`YUTANG_MANY_SHARDS`): no order waits for it.

What is sent to very many has its own workers in that table, and {senders} readers side by side ({batches} for each of
the stream's shards): a hundred thousand are sent within {sent} ([below](#journeys-and-messages)). A
transaction hands up to {BATCH} that are due at one time to the readers, for 4 write units each.

{table(head, rows)}

`YUTANG_JOB_WORKERS` and `YUTANG_JOB_SHARDS` stand in .chalice/config.json; more workers than shards have nothing to do.
The readers count against Lambda's concurrency, and `WorkersReserved` is the most of each function.
Where there are too few, nothing is lost: the closing of unpaid orders (with their stock), reports to WeChat, receipt by
time and commissions come later, and above the day's figure later every day; `InsideJobsLate` and `OutsideJobsLate` say
so. Computed with what is [taken to be so](#taken-to-be-so); listing a product anew is counted for every order."""


def _either(figures: list[str]) -> str:
    return " or ".join(dict.fromkeys(figures))


def about(number: float) -> str:
    """The number to two significant digits."""
    return f"{round(number, 1 - math.floor(math.log10(number))):,.0f}"


def _against(value: float, quota: float, form: str = ",.1f") -> str:
    shown = format(value, form)
    return f"**{shown}**" if value > quota else shown
