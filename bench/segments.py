"""What segments cost, for docs/bench.md."""

from __future__ import annotations

from typing import Any

from bench.markdown import table
from bench.units.figures import Segments, Work

#: What each may cost: milliseconds of CPU and write units of a batch; write units of a transition, by what is known.
BATCH_CPU_MS, BATCH_WRITES = 8, 12
TRANSITION_WRITES = {"few orders": 20, "64 orders": 40}
#: How much more an order may write, and how many jobs more it may owe, than before there were segments (the plain order
#: in bench/results.json of then). Whom it moves is a transition beside that.
BEFORE_WRITES, BEFORE_JOBS = 92, 6
ORDER_WRITES, ORDER_JOBS = 16, 2
#: And of how many milliseconds after their second others may be done, beside very many who are due.
LATE_MS = 2000


def part(found: Segments) -> str:
    """Tell of segments."""
    batch, at_once = found.batch, found.at_once
    rows: list[tuple[Any, ...]] = [
        (
            f"a batch of {batch.events} events, {batch.bytes:,} bytes, at which a rule looks", *_cells(batch.work),
            f"{batch.cpu_ms:.1f}", f"{BATCH_WRITES} WRU, {BATCH_CPU_MS} ms",
        ),
        *(
            (
                f"a member whom time moves, {one.name} ({one.bytes:,} bytes), one of {one.together}", *_cells(one.work),
                f"{one.cpu_ms:.1f}", f"{TRANSITION_WRITES[one.name]} WRU",
            )
            for one in found.transitions
        ),
        ("a member held against a new rule, which one in ten is in", *_cells(found.build.work),
         f"{found.build.cpu_ms:.2f}", ""),
        ("a member on whom a rule is tried", *_cells(found.tried.work), f"{found.tried.cpu_ms:.2f}", ""),
    ]  # fmt: skip
    orders = [
        (
            one.rules, f"{one.number}.", one.moves, f"{one.bytes:,}", f"{one.reads:g}", f"{one.writes:g}",
            f"{one.writes - BEFORE_WRITES:+g}", f"{one.jobs - BEFORE_JOBS:+d}",
        )
        for one in found.orders
    ]  # fmt: skip
    late = [(one.what, one.most_ms, LATE_MS) for one in at_once.late]
    return f"""## Segments

What is known of a member is written in the transaction of what happens; whom that moves, or time, follows in a job,
which brings lists, counts and the member's history up to date. Members whom time moves are looked at together.

{table(("", "round trips", "RRU", "WRU", "CPU ms", "may be"), rows)}

A plain order from the quote to the last job that it owes, by a member's number of it. Before there were segments it
wrote {BEFORE_WRITES} units and owed {BEFORE_JOBS} jobs; it may write {ORDER_WRITES} and owe {ORDER_JOBS} more where
it moves nobody. Into or out of how many segments it brings the member ("moves") is written beside that, at once for
all that one change moves, and is a transition: the five rules over purchases are such as merchants write, and the
first order brings its member into one of them as it is paid, and from one segment of the life cycle into the next
as it is completed.

{table(("rules", "order", "moves", "bytes known", "RRU", "WRU", "WRU more", "jobs more"), orders)}

{at_once.members:,} members who are due in one second stood in their new lists {at_once.seconds:g} s after it, by
{at_once.readers} readers of their lane in one process of this machine, with DynamoDB Local. Beside them, each in
its own lane, at most so many milliseconds after its second:

{table(("", "ms", "may be"), late)}

What that is in a deployed mall, and in money, is in [cost.md](cost.md#segments)."""


def _cells(work: Work) -> tuple[str, str, str]:
    return f"{work.trips:g}", f"{work.reads:g}", f"{work.writes:g}"
