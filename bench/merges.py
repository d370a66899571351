"""What it costs that two members become one, for docs/bench.md."""

from __future__ import annotations

from bench.markdown import table
from bench.units.figures import Merged

#: What all of it may write, of two members with 200 orders together.
MERGE_WRITES = 2_000


def part(found: Merged) -> str:
    """Tell of members who become one."""
    written = ", ".join(f"{name} {units:g}" for name, units in list(found.written.items())[:6])
    rows = [(name, f"{units:g}") for name, units in found.writes.items()]
    rows.append(("**all of it**", f"**{sum(found.writes.values()):g}**, may be {MERGE_WRITES:,}"))
    return f"""## Two members who become one

By the code of one login that is entered in the other: two members with {2 * found.orders} completed orders together.
Who becomes the other has {found.orders} of them, one in five with a coupon, {found.commissions} commissions of what
others bought, {found.batches} batches of 20 events and touches. {found.trips} round trips and {found.reads:g} RRU, most
of them in the background; most WRU at {written}. An order that is moved takes some 8 WRU, a batch 6, a commission 4.

{table(("", "WRU"), rows)}"""
