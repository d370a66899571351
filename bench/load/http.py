r"""Four operations of a mall, and a race for its last pieces, over kept-alive HTTP/1.1 connections (Linux).

    python -m bench.load.http --shop bench.load.shops.yutang --url http://127.0.0.1:8000 \
        --pids 4711 --beside database=4712,4713

Nothing here knows Yutang: a module of two functions (`Shop`) says with which calls a mall does each operation. Every
connection is a thread of this process, which makes the next call when the last one is answered. The CPU time is the
kernel's, of the named processes with their children: the server that answers, and beside it whatever else works for it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import msgspec

from bench.markdown import table

OPERATIONS = ("product_list", "product_detail", "add_to_cart", "checkout")
CONNECTIONS = (1, 16)
ROUNDS = 3
#: After so many operations another shopper comes: carts stay small, and nobody meets a limit made for one person.
OPERATIONS_EACH = 5
PIECES, AT_ONCE = 50, 200
STOCK = 100_000
_TIMEOUT_SECONDS = 60
_ARRIVING = 16
SERVER, LOAD = "server", "load"


class Answer(NamedTuple):
    """What came back; the headers' names are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


class Session:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        place = urlsplit(self.url)
        self._path = place.path
        self._connection = http.client.HTTPConnection(place.netloc, timeout=_TIMEOUT_SECONDS)

    def call(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send and wait for the answer, whatever its status."""
        self._connection.request(method, self._path + path, body, dict(headers))
        reply = self._connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Shopper(Protocol):
    """One shopper at one connection. Each function makes all calls of its operation, and raises when one fails."""

    def product_list(self) -> None:
        """See a page of twenty products."""

    def product_detail(self) -> None:
        """See a product."""

    def add_to_cart(self) -> None:
        """Put a product into the cart that it is not in yet."""

    def checkout(self) -> bool:
        """Buy one piece of a product, from the empty cart to the paid order; False when the mall says that none is
        left."""
        ...


class Shop(Protocol):
    """A mall that can be measured: a module with these functions. It is of no other traffic meanwhile."""

    def prepare(self, session: Session, products: int, stock: int) -> Any:
        """Put so many new products on sale, each with so many pieces; what `arrive` must know of them."""

    def arrive(self, session: Session, catalogue: Any) -> Shopper:
        """Someone new who is ready to buy these products: logged in, with an address, with nothing in the cart."""
        ...


class Load(msgspec.Struct, kw_only=True):
    """One operation at so many connections. Where there is a list, it has a figure for each round.

    `cpu_ms` is CPU time for one operation: of "server", of "load" (this process), and of what else was named.
    """

    operation: str
    connections: int
    operations: int
    per_second: list[float]
    cpu_ms: dict[str, list[float]]
    p50_ms: float
    p99_ms: float

    def middle(self, process: str = SERVER) -> float:
        """The median of the rounds' CPU milliseconds for one operation."""
        return statistics.median(self.cpu_ms[process])

    @property
    def per_cpu_second(self) -> float:
        """Operations for each second of the server's CPU."""
        return 1000 / self.middle()

    @property
    def rate(self) -> float:
        """Operations per second by the clock on the wall."""
        return statistics.median(self.per_second)

    @property
    def busy_cores(self) -> float:
        """How many cores all named processes and the load together kept busy."""
        return sum(map(self.middle, self.cpu_ms)) * self.rate / 1000


class Race(msgspec.Struct, kw_only=True):
    """So many checkouts at once of a product with so many pieces; `failed` says what became of those that were neither
    sold nor refused."""

    at_once: int
    pieces: int
    sold: int
    refused: int
    failed: list[str]
    seconds: float


class Measured(msgspec.Struct, kw_only=True):
    """Everything about one mall; the memory is the server's, resident, after all of it."""

    shop: str
    products: int
    loads: list[Load]
    race: Race
    memory_mib: float


def measure(
    name: str, url: str, processes: Mapping[str, Sequence[int]], products: int, operations: int
) -> Measured:  # fmt: skip
    """Drive the shop of that module at `url`: three rounds of so many operations each. `processes` are the ids of
    "server" and of what is beside it."""
    shop = cast(Shop, importlib.import_module(name))
    with connect(url, 1) as (session,):
        catalogue = shop.prepare(session, products, STOCK)
    loads = []
    for connections in CONNECTIONS:
        for operation in OPERATIONS:
            print(f"  {operation} at {connections} ...", file=sys.stderr, flush=True)
            with connect(url, connections) as sessions:
                loads.append(_load(shop, catalogue, sessions, operation, operations, processes))
    with connect(url, AT_ONCE) as sessions:
        raced = race(shop, sessions, PIECES)
    return Measured(
        shop=name, products=products, loads=loads, race=raced, memory_mib=round(_memory(processes[SERVER]), 1)
    )


def _load(
    shop: Shop, catalogue: Any, sessions: Sequence[Session], operation: str, operations: int,
    processes: Mapping[str, Sequence[int]],
) -> Load:  # fmt: skip
    share = math.ceil(operations / len(sessions))
    _round(shop, catalogue, sessions, operation, min(share, OPERATIONS_EACH), processes)  # warms up
    rounds = [_round(shop, catalogue, sessions, operation, share, processes) for _ in range(ROUNDS)]
    latencies = [latency for each in rounds for latency in each.latencies_ms]
    return Load(
        operation=operation, connections=len(sessions), operations=share * len(sessions),
        per_second=[round(len(each.latencies_ms) / each.seconds, 1) for each in rounds],
        cpu_ms={name: [round(each.cpu_ms[name], 3) for each in rounds] for name in rounds[0].cpu_ms},
        p50_ms=round(percentile(latencies, 50), 2), p99_ms=round(percentile(latencies, 99), 2),
    )  # fmt: skip


class _Round(NamedTuple):
    seconds: float
    cpu_ms: dict[str, float]
    latencies_ms: list[float]


def _round(
    shop: Shop, catalogue: Any, sessions: Sequence[Session], operation: str, share: int,
    processes: Mapping[str, Sequence[int]],
) -> _Round:  # fmt: skip
    """Let each connection do its share; those who do it have arrived before."""
    crowd = math.ceil(share / OPERATIONS_EACH)

    def arrive(session: Session) -> list[Callable[[], Any]]:
        return [getattr(shop.arrive(session, catalogue), operation) for _ in range(crowd)]

    def work(turns: Sequence[Callable[[], Any]]) -> list[float]:
        taken = []
        start.wait()
        for number in range(share):
            begun = time.perf_counter()
            answer = turns[number // OPERATIONS_EACH]()
            taken.append((time.perf_counter() - begun) * 1000)
            assert answer is not False, f"{operation}: refused"
        return taken

    with ThreadPoolExecutor(len(sessions)) as pool:
        turns = list(pool.map(arrive, sessions))
        cpu = {name: CpuTime(pids) for name, pids in processes.items()} | {LOAD: CpuTime.of_this_process()}
        start = threading.Barrier(len(sessions))
        begun, before = time.perf_counter(), {name: clock.ms() for name, clock in cpu.items()}
        latencies = [latency for taken in pool.map(work, turns) for latency in taken]
        seconds, after = time.perf_counter() - begun, {name: clock.ms() for name, clock in cpu.items()}
    return _Round(seconds, {name: (after[name] - before[name]) / len(latencies) for name in cpu}, latencies)


def race(shop: Shop, sessions: Sequence[Session], pieces: int) -> Race:
    """Let someone check out at every session, all at once, where there is one product with so many pieces."""
    catalogue = shop.prepare(sessions[0], 1, pieces)
    with ThreadPoolExecutor(_ARRIVING) as pool:
        shoppers = list(pool.map(lambda session: shop.arrive(session, catalogue), sessions))
    start = threading.Barrier(len(sessions))

    def buy(shopper: Shopper) -> bool | str:
        start.wait()
        try:
            return shopper.checkout()
        except Exception as fault:  # whatever it is, it is neither a sale nor a refusal
            return f"{type(fault).__name__}: {fault}"[:300]

    with ThreadPoolExecutor(len(sessions)) as pool:
        begun = time.perf_counter()
        ends = list(pool.map(buy, shoppers))
        seconds = time.perf_counter() - begun
    failed = [end for end in ends if isinstance(end, str)]
    return Race(
        at_once=len(sessions), pieces=pieces, sold=ends.count(True), refused=ends.count(False), failed=failed,
        seconds=round(seconds, 2),
    )  # fmt: skip


@contextlib.contextmanager
def connect(url: str, count: int) -> Iterator[list[Session]]:
    """So many connections; they are closed at the end."""
    sessions = [Session(url) for _ in range(count)]
    try:
        yield sessions
    finally:
        for session in sessions:
            session.close()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


class CpuTime:
    """The CPU time of processes, with the children that they have now."""

    def __init__(self, pids: Sequence[int]) -> None:
        family = {child for pid in pids for child in _family(pid)}
        self._clocks = [(~pid << 3) | 2 for pid in family]  # see clock_getcpuclockid(3)

    @classmethod
    def of_this_process(cls) -> CpuTime:
        """That of this process alone."""
        own = cls([])
        own._clocks = [time.CLOCK_PROCESS_CPUTIME_ID]
        return own

    def ms(self) -> float:
        """Milliseconds so far. Raises OSError when one of them has ended."""
        return sum(time.clock_gettime_ns(clock) for clock in self._clocks) / 1e6


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread or a child that has just ended
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _memory(pids: Sequence[int]) -> float:
    """Resident memory of these processes and their children, MiB."""
    statuses = [Path(f"/proc/{each}/status").read_text() for pid in pids for each in _family(pid)]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) / 1024


def loads_table(loads: Sequence[Load]) -> str:
    """The figures as a table."""
    beside = [name for name in loads[0].cpu_ms if name != SERVER]
    head = (
        "operation", "connections", "ops/s", "server CPU ms", "ops per server CPU-second", "p50 ms", "p99 ms",
        *(f"{name} CPU ms" for name in beside), "busy cores",
    )  # fmt: skip
    return table(
        head,
        [
            (
                each.operation.replace("_", " "), each.connections, f"{each.rate:.1f}", f"{each.middle():.2f}",
                f"{each.per_cpu_second:.0f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}",
                *(f"{each.middle(name):.2f}" for name in beside), f"{each.busy_cores:.1f}",
            )
            for each in loads
        ],
    )  # fmt: skip


def race_sentence(race: Race) -> str:
    """What came of the race."""
    failed = f"; others failed, the first with {race.failed[0]}" if race.failed else ""
    return (
        f"{race.at_once} checkouts at once of {race.pieces} pieces: {race.sold} sold, {race.refused} told that none is "
        f"left, {len(race.failed)} failed{failed}."
    )


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.load.http", description="Measure a mall over HTTP.")
    parser.add_argument("--shop", required=True, help="module with prepare and arrive (see bench.load.http.Shop)")
    parser.add_argument("--url", required=True)
    parser.add_argument("--pids", required=True, type=_pids, help="the server's processes, with commas between them")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=PIDS", help="others, shown apart")
    parser.add_argument("--products", type=int, default=1000)
    parser.add_argument("--operations", type=int, default=400, help="in each of the three rounds")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    beside = {name: _pids(pids) for name, _, pids in (each.partition("=") for each in given.beside)}
    measured = measure(given.shop, given.url, {SERVER: given.pids} | beside, given.products, given.operations)
    print(f"{loads_table(measured.loads)}\n\n{race_sentence(measured.race)}")
    print(f"The server's memory after all of it: {measured.memory_mib:.0f} MiB.")
    if given.json is not None:
        given.json.write_bytes(msgspec.json.encode(measured))
    return 0


def _pids(text: str) -> list[int]:
    return [int(pid) for pid in text.split(",")]


if __name__ == "__main__":
    raise SystemExit(main())
