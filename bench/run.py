"""One run of everything: the cold start, the request units, the server's CPU, the load over HTTP."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench import report
from bench.load import server
from bench.load.http import Measured
from bench.package import cold, stack
from bench.units import journeys, lobbies, merges, scenario, segments
from bench.units.costs import Cost, costs
from bench.units.figures import Journeys, Lives, Segments
from bench.units.purchase import Purchase, forget_catalogue, forget_everything
from chalicelib.core import clock
from chalicelib.mall.operators.service import bootstrap
from infra import package
from local import dynamodb, processes
from local.client import Operator, Sandbox, Transport, in_process
from local.clock import LocalClock
from local.environment import Places
from local.mall import Mall
from local.tables import create_all

#: Products beside those that are bought, so that a page of a list is full.
_OTHERS = 20
QUICK = bool(os.environ.get("BENCH_QUICK"))
_CALLS = 10 if QUICK else 150
#: Beside so many open lobbies, so many that are due are settled.
_LOBBIES = (100, 1000) if QUICK else (100, 100_000)
_DUE = 10 if QUICK else 100
#: Members who are held against a new rule; and who are due in one second, or come into a journey together.
_MEMBERS, _AT_ONCE = (100, 100) if QUICK else (3000, 5000)
#: So often each kind of order is played.
_LIVES = 2 if QUICK else 6
_PRODUCTS = 60 if QUICK else 1000
#: Of one round over HTTP.
_OPERATIONS = 32 if QUICK else 400
#: What works for the API beside it.
_BESIDE = {"dynamodb": "engine", "worker": "worker", "sandbox": "WeChat"}


def run(folder: Path, places: Places) -> report.Results:
    """Measure, with what it needs of files in the folder."""
    print("cold start ...", flush=True)
    sizes = package.package("prod", folder / "package")
    unpacked = cold.unpack(folder / "package" / "deployment.zip", folder / "unpacked")
    parts = stack.count(folder / "package" / "sam.json")
    started = cold.measure(unpacked, 3 if QUICK else cold.ROUNDS)
    print("request units ...", flush=True)
    with in_this_process(folder, places) as (send, sandbox, mall_clock):
        found, whole, groups, moved = _units(send, sandbox, mall_clock)
        print("members who become one ...", flush=True)
        merged = merges.Bench(send, sandbox, mall_clock).run()
        told = _journeys(send, sandbox, mall_clock)
    print("the server's CPU ...", flush=True)
    for name in ("DYNAMODB_ENDPOINT", "YUTANG_CACHE_SECONDS", "YUTANG_JOB_SHARDS", "YUTANG_MANY_SHARDS"):
        os.environ.pop(name, None)  # as in any mall, and an engine of its own
    cpu = server.run(folder / "calls", _CALLS, _PRODUCTS)
    print("the load over HTTP ...", flush=True)
    loaded = _http(folder)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    return report.Results(
        machine=machine, quick=QUICK, products=_PRODUCTS, sizes=sizes, stack=parts, cold=started, costs=found,
        lives=whole, groups=groups, segments=moved, merge=merged, journeys=told, cpu=cpu,
        http=loaded,
    )  # fmt: skip


def only_journeys(folder: Path, places: Places) -> Journeys:
    """Measure journeys alone."""
    with in_this_process(folder, places) as mall:
        return _journeys(*mall)


def _journeys(send: Transport, sandbox: Sandbox, mall_clock: LocalClock) -> Journeys:
    print("journeys ...", flush=True)
    return journeys.Bench(send, sandbox, mall_clock).run(_AT_ONCE)


@contextlib.contextmanager
def in_this_process(folder: Path, places: Places) -> Iterator[tuple[Transport, Sandbox, LocalClock]]:
    """The application in this process, on an engine and a sandbox of its own."""
    mall_clock = LocalClock(folder / "clock")
    running = [dynamodb.start(places.engine_port, None, folder / "dynamodb.log")] if places.engine_is_ours else []
    arguments = ("--port", str(places.sandbox_port), "--data", str(places.keys), "--clock", str(folder / "clock"))
    log = folder / "sandbox.log"
    running.insert(0, processes.module("sandbox", "local.sandbox", *arguments, environment=os.environ, log=log))
    try:
        processes.wait_until(lambda: processes.answers(places.sandbox_port, "/_control/ledger"), running[0])
        clock.use(mall_clock)
        create_all()
        bootstrap("admin", "admin")
        yield in_process(), Sandbox(places.sandbox_url), mall_clock
    finally:
        processes.stop(running)


def _units(
    send: Transport, sandbox: Sandbox, mall_clock: LocalClock
) -> tuple[list[Cost], Lives, lobbies.Results, Segments]:
    first, busy = (
        Purchase(send, sandbox, mall_clock, Operator.arrive(send), forget, _OTHERS).run()
        for forget in (forget_everything, forget_catalogue)
    )
    print("whole lives ...", flush=True)
    whole = scenario.Bench(send, sandbox, mall_clock, _LIVES).run()
    print("segments ...", flush=True)
    moved = segments.Bench(send, sandbox, mall_clock).run(_CALLS, _MEMBERS, _AT_ONCE)
    print("group-buy ...", flush=True)
    groups = lobbies.Bench(send, sandbox, mall_clock, Operator.arrive(send)).run(_LOBBIES, _DUE)
    return costs(first, busy), whole, groups, moved


def _http(folder: Path) -> Measured:
    """Let the command that measures any mall measure this one, in a process of its own."""
    figures = folder / "http.json"
    with Mall(folder / "http") as mall:
        pids, ports = mall.pids, mall.ports
        places = {
            "PORT": ports.api, "SANDBOX_PORT": ports.sandbox, "CONTROL_PORT": ports.control,
            "DYNAMODB_PORT": ports.dynamodb, "YUTANG_LOCAL": mall.data,
        }  # fmt: skip
        beside = (f"--beside={shown}={pids[name]}" for name, shown in _BESIDE.items())
        command = [
            sys.executable, "-m", "bench.load.http", "--shop=bench.load.shops.yutang", f"--url={mall.api_url}",
            f"--pids={pids['api']}", *beside, f"--products={_PRODUCTS}", f"--operations={_OPERATIONS}",
            f"--json={figures}",
        ]  # fmt: skip
        environment = dict(os.environ) | {name: str(place) for name, place in places.items()}
        subprocess.run(command, env=environment, check=True)
    return msgspec.json.decode(figures.read_bytes(), type=Measured)
