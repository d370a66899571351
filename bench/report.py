"""The figures as a page for people."""

from __future__ import annotations

from typing import Any

import msgspec

from bench import journeys, merges, segments
from bench.load.http import OPERATIONS, OPERATIONS_EACH, Measured, loads_table, race_sentence
from bench.load.server import Cpu
from bench.markdown import table
from bench.package.cold import Cold
from bench.package.stack import Stack
from bench.units import lobbies
from bench.units.costs import Cost
from bench.units.figures import Journeys, Lives, Merged, Segments
from bench.units.floors import FLOORS, Read
from bench.units.request_units import Units
from infra.package import Sizes

#: Milliseconds of the API's CPU that we aim at: half of the best peer's for reads, a quarter for writes (PEERS).
AIMS = {
    "list of 20, another page each time": 1.4,
    "product detail, another one each time": 1.4,
    "add to cart, another product each time": 3.75,
    "whole checkout (these four)": 12.0,
}
#: Measured once, not by this bench: milliseconds of server CPU for one operation, and operations per second.
PEERS = {
    "Vendure 3.7.3": ("2.8 (220/s)", "5.6 (131/s)", "15 (60/s)", "106 (7.9/s, 6 calls)", "200 sold", "302"),
    "django-oscar 4.2.1": (
        "36 (27/s)", "11 (83/s)", "34 (27/s)", "59 (15.6/s, 2 calls); 48 at one connection", "200 sold", "100",
    ),
    "Medusa 2.21.2": (
        "103 (12/s)", "27 (38/s)", "155 (7/s)", "874 (1.2/s, 7 calls)", "36 sold, the rest 500 errors", "872",
    ),
}  # fmt: skip
_BESIDE = 16
_CHECKOUT_CALLS = 5
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
    segments: Segments
    merge: Merged
    journeys: Journeys
    cpu: list[Cpu]
    http: Measured


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
    parts += [_units(results.costs), _groups(results.groups), segments.part(results.segments)]
    parts += [journeys.part(results.journeys), merges.part(results.merge)]
    parts += [_http(results), _cpu(results.cpu, results.products), _cold(results.sizes, results.cold), _floors()]
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

Request units by DynamoDB's rules from the items' sizes (`bench/units/request_units.py`; local engines count otherwise).
"First call": the process remembers nothing. The other figures are of a process that remembers what every call asks for
(freight templates, the shop's rules), and nothing of the catalogue. The ratio is the price over that of the floor
below, with a write unit at five read units; the aim is at most {RATIO_AIM}. The floor is that of this mall's promises
and documents, at the sizes and with the index entries that they have: a ratio of 1 says that a call touches nothing
which the list below does not give a reason for, and not that the list could not be shorter. A mall that does not bound
unpaid orders, logs nothing of its operators or keeps no journal would write less. A search reads all rows: its units
grow with the mall (docs/decisions/0003-search.md), here one of a few dozen products. Nobody here was brought by a
distributor: commissions come on top.

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


def _http(results: Results) -> str:
    loads, cores = results.http.loads, results.machine["cores"]
    most = max(load.busy_cores for load in loads)
    alone = {each.call.partition(",")[0]: each.median_ms for each in results.cpu if "another" in each.call}
    return f"""## Four operations over HTTP

A mall of {results.http.products:,} products, driven over kept-alive HTTP by a process of its own
(`bench/load/http.py`): medians of three rounds of {loads[0].operations} operations at
{loads[0].connections} and at {loads[-1].connections} connections; latencies of all rounds together.
Pages and products are chosen at random, a shopper stays for {OPERATIONS_EACH} operations, and the process remembers
what it read for a second, as any does. A checkout is all its {_CHECKOUT_CALLS} calls: into the cart, quote, order of
the cart, start of the payment, WeChat's notice of it.

{loads_table(loads)}

"Server" is the one process that answers the API: the application, and before it what stands for API Gateway. The
engine is DynamoDB Local in memory, which stands for DynamoDB; the worker runs the jobs that the operations owe; WeChat
is its sandbox; the load is the driver, which also plays WeChat's notice. They all share {cores} cores, of which up to
{most:.1f} were busy: operations per second are those of this machine with everything on it, while one server process
alone, which has one interpreter and so one core, does at most the operations of a server CPU-second.

{race_sentence(results.http.race)}

## Beside other malls

The same operations of other malls, at {_BESIDE} connections: milliseconds of server CPU for one operation, and
operations per second. The others were measured once (two cores, PostgreSQL 15 with fsync, 1,000 products, one server
process, keep-alive HTTP, medians of three rounds) and are not measured again by `make bench`; Yutang's figures are of
this run. Each full checkout is all calls of that mall. The others' milliseconds were recorded as the server's; what
PostgreSQL spent beside it was not, as the engine's are not in Yutang's here (they are above). PostgreSQL wrote to a
disk where the engine writes to memory: compare milliseconds of server CPU, not operations per second. Some of Yutang's
lists and details come from what the process remembers; where it remembers nothing of them they take
{alone["list of 20"]:.1f} and {alone["product detail"]:.1f} ms.

{_beside(results)}

Another mall is put beside these by a module with the two functions of `bench.load.http.Shop`: `prepare` puts products
on sale, `arrive` gives a shopper with `product_list`, `product_detail`, `add_to_cart` and `checkout`
(`bench/load/shops/yutang.py` is Yutang's, `tests/support/toy_shop.py` that of a toy). Then, with the
process ids of its server and of what works for it (children are counted with them):

    python -m bench.load.http --shop my_mall --url http://127.0.0.1:3000 --pids 4711 --beside database=4712

The module is found from the folder where the command runs, or in PYTHONPATH. For the mall that `make run` opened it is
`bench.load.shops.yutang`."""


def _beside(results: Results) -> str:
    loads = {load.operation: load for load in results.http.loads if load.connections == _BESIDE}
    race = results.http.race
    ours = [f"{loads[name].middle():.1f} ({loads[name].rate:.0f}/s)" for name in OPERATIONS]
    ours[-1] = ours[-1].replace(")", f", {_CHECKOUT_CALLS} calls)")
    failed = f", {len(race.failed)} failed" if race.failed else ""
    ours += [f"{race.sold} sold, {race.refused} refused{failed}", f"{results.http.memory_mib:.0f}"]
    names = (
        "product list of 20", "product detail", "add to cart", "full checkout",
        f"{race.at_once} checkouts at once, {race.pieces} in stock", "the server's memory after it all, MiB",
    )  # fmt: skip
    rows = [(name, *figures) for name, *figures in zip(names, ours, *PEERS.values(), strict=True)]
    return table(("", "Yutang", *PEERS), rows)


def _cpu(cpu: list[Cpu], products: int) -> str:
    rows = []
    for each in cpu:
        rounds = " ".join(f"{one:.2f}" for one in each.rounds_ms)
        rows.append((each.call, f"{each.median_ms:.2f}", AIMS.get(each.call, ""), rounds))
    return f"""## The CPU of each call

Milliseconds of the API process's own CPU time for one call, over HTTP at one kept-alive connection, one call after the
other: the median of three rounds of {cpu[0].calls} calls, in a mall of {products:,} products. "Another each time" asks
for what the process does not remember. The cart that is read has two lines, the list of orders twenty orders, and
every search is for another number. "Jobs of an order" is the worker's CPU instead, for one order from its payment to
its completion: paid, shipped, received by itself after ten days, completed seven days later; without what the worker
spends in the same days in a mall where nobody orders.

{table(("call", "ms", "aim", "rounds"), rows)}"""


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

What each call cannot do without (`bench/units/floors.py`), each at its real size in the run; `*` stands for all such
items.

{table(("call", "", "item", "", "why"), rows)}"""


def _how(need: Any) -> str:
    if isinstance(need, Read):
        return "consistent" if need.consistent else "a moment old"
    return "in the transaction" if need.transactional else "alone"


def _both(units: Units) -> str:
    return f"{_figure(units.reads)} + {_figure(units.writes)}"


def _figure(units: float) -> str:
    return f"{units:g}"
