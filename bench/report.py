"""The figures as a page for people."""

from __future__ import annotations

from typing import Any

import msgspec

from bench import lobbies
from bench.cold import Cold
from bench.costs import Cost
from bench.figures import Lives
from bench.floors import FLOORS, Read
from bench.server import Cpu
from bench.stack import Stack
from bench.units import Units
from infra.package import Sizes

#: What peers with the same calls need in milliseconds of server CPU (the best of three measured side by side), and
#: what we aim at.
AIMS = {
    "list of 20, another page each time": (2.8, 1.4),
    "product detail, another one each time": (5.6, 1.4),
    "add to cart, another product each time": (15.0, 3.75),
    "whole checkout (these four)": (48.0, 12.0),
}
OWN_IMPORT_MS = 60
RATIO_AIM = 1.2


class Results(msgspec.Struct, kw_only=True):
    """All that was measured."""

    machine: dict[str, Any]
    quick: bool
    products: int
    sizes: Sizes
    stack: Stack
    cold: Cold
    costs: list[Cost]
    lives: Lives
    groups: lobbies.Results
    cpu: list[Cpu]


def page(results: Results) -> str:
    """docs/bench.md."""
    machine = results.machine
    measured = (
        f"Measured by `make bench` (`python -m bench`) with Python {machine['python']} on {machine['cores']} cores "
        f"of {machine['system']}. Do not edit: the next run writes it anew."
    )
    parts = ["# What the mall costs", measured]
    if results.quick:
        parts.append("**A short run (BENCH_QUICK), only to see that it works.**")
    parts += [_units(results.costs), _groups(results.groups)]
    parts += [_cpu(results.cpu, results.products), _cold(results.sizes, results.cold), _floors()]
    return "\n\n".join(parts) + "\n"


def _units(costs: list[Cost]) -> str:
    rows = [
        (
            cost.call, cost.trips_cold, cost.trips, _figure(cost.units.reads), _figure(cost.units.writes),
            _both(cost.floor), f"{cost.ratio:.2f}",
        )
        for cost in costs
    ]  # fmt: skip
    head = ("call", "round trips, first call", "round trips", "RRU", "WRU", "floor, RRU + WRU", "ratio")
    return f"""## DynamoDB

Request units by DynamoDB's rules from the items' sizes (`bench/units.py`; local engines count otherwise). "First
call": the process remembers nothing. The other figures are of a process that remembers what every call asks for
(freight templates, the shop's rules), and nothing of the catalogue. The ratio is the price over that of the floor
below, with a write unit at five read units; the aim is at most {RATIO_AIM}. A search reads all rows: its units grow
with the mall (docs/decisions/0003-search.md), here one of a few dozen products.

{table(head, rows)}"""


def _groups(groups: lobbies.Results) -> str:
    calls = [(each.call, each.trips, _figure(each.units.reads), _figure(each.units.writes)) for each in groups.calls]
    settling = [
        (f"{each.stored:,}", each.due, each.reads, each.writes, each.ms, each.lag_median_ms, each.lag_max_ms)
        for each in groups.settling
    ]
    head = (
        "open lobbies", "of them due", "RRU each", "WRU each", "ms each", "median ms after the expiry", "at most",
    )  # fmt: skip
    return f"""## Group-buy

Each call in a process that remembers the activity; a lobby of two.

{table(("call", "round trips", "RRU", "WRU"), calls)}

What it costs to settle a lobby that is due, with its one paid order refunded, beside few and beside many open lobbies
that are not due: the looking for what is due, the leases, the lobby, its order, stock and journal. The milliseconds
are those from the job to the decided lobby, and from the expiry to that, by a worker that looks ahead on this machine
(two cores, DynamoDB Local) while a shopper orders without pause and the due lobbies expire one after the other.

{table(head, settling)}"""


def _cpu(cpu: list[Cpu], products: int) -> str:
    rows = []
    for each in cpu:
        peers, aim = AIMS.get(each.call, ("", ""))
        rounds = " ".join(f"{one:.2f}" for one in each.rounds_ms)
        rows.append((each.call, f"{each.median_ms:.2f}", aim, peers, rounds))
    return f"""## The server's CPU

Milliseconds of the API process's own CPU time for one call, over HTTP at one kept-alive connection: the median of
three rounds of {cpu[0].calls} calls, in a mall of {products:,} products. "Another each time" asks for what the process
does not remember. Beside them the best of three other malls measured in the same way (one server process, 1,000
products), and what we aim at.

{table(("call", "ms", "aim", "best peer", "rounds"), rows)}"""


def _cold(sizes: Sizes, cold: Cold) -> str:
    rows = [
        ("import of the packaged application, with its DynamoDB client", *cold.app),
        ("floor: Chalice, PynamoDB and a DynamoDB client from the same zip", *cold.floor),
        (f"our own code (aim: at most {OWN_IMPORT_MS})", cold.own_ms, round(cold.app.wall_ms - cold.floor.wall_ms, 1)),
    ]
    before, after, unpacked = (f"{size / 1e6:.1f} MB" for size in sizes)
    return f"""## Cold start

`make package`: {after} deployed ({before} as `chalice package` leaves it), {unpacked} unpacked, with compiled files.
A fresh interpreter with only that on its path; medians of {cold.rounds}, in milliseconds.

{table(("", "CPU", "wall"), rows)}"""


def _floors() -> str:
    rows = []
    for call, needs in FLOORS.items():
        for number, need in enumerate(needs):
            what = "read" if isinstance(need, Read) else "write"
            item = f"{need.table} {need.key}".strip()
            rows.append((call if number == 0 else "", what, item, _how(need), need.why))
    return f"""## The floors

What each call cannot do without (`bench/floors.py`), each at its real size in the run; `*` stands for all such items.

{table(("call", "", "item", "", "why"), rows)}"""


def _how(need: Any) -> str:
    if isinstance(need, Read):
        return "consistent" if need.consistent else "a moment old"
    return "in the transaction" if need.transactional else "alone"


def _both(units: Units) -> str:
    return f"{_figure(units.reads)} + {_figure(units.writes)}"


def _figure(units: float) -> str:
    return f"{units:g}"


def table(head: tuple[str, ...], rows: list[Any]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
