"""bench/load/http.py measures any mall that a module says how to use: here a toy in a process of its own."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.load import http
from bench.load.http import CpuTime, Load, Measured, Race, percentile
from local import processes
from local.processes import HOST, ROOT
from tests.support import toy_shop
from tests.support.toy_mall import BEYOND, BUSY_MS

SHOP = "tests.support.toy_shop"
PRODUCTS, OPERATIONS = 3, 32


@pytest.fixture(params=["careful"])
def toy(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The toy mall's address and its process."""
    port = processes.free_port()
    arguments = ("tests.support.toy_mall", str(port), request.param)
    mall = processes.module("toy", *arguments, environment=os.environ, log=tmp_path / "toy.log")
    try:
        processes.wait_until(lambda: processes.answers(port, "/list"), mall)
        yield f"http://{HOST}:{port}", mall.pid
    finally:
        processes.stop([mall])


def test_the_command_measures_a_mall_that_it_knows_only_by_a_module(toy: tuple[str, int], tmp_path: Path) -> None:
    url, pid = toy
    figures = tmp_path / "figures.json"
    command = [
        sys.executable, "-m", "bench.load.http", f"--shop={SHOP}", f"--url={url}", f"--pids={pid}",
        f"--beside=tests={os.getpid()}", f"--products={PRODUCTS}", f"--operations={OPERATIONS}", f"--json={figures}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    measured = msgspec.json.decode(figures.read_bytes(), type=Measured)
    assert [(each.operation, each.connections) for each in measured.loads] == [
        (operation, connections) for connections in (1, 16) for operation in http.OPERATIONS
    ]
    for each in measured.loads:
        least_ms = BUSY_MS * (2 if each.operation == "checkout" else 1)
        assert each.operations == OPERATIONS
        assert set(each.cpu_ms) == {"server", "tests", "load"}
        assert len(each.per_second) == len(each.cpu_ms["server"]) == http.ROUNDS
        assert least_ms <= each.middle() < 3 * least_ms
        children = zip(each.cpu_ms["tests"], each.cpu_ms["server"], each.cpu_ms["load"], strict=True)
        assert all(tests > server + load - 0.5 for tests, server, load in children)  # both are children of this process
        assert each.rate < 1000 / least_ms  # one interpreter is at work at a time
        assert least_ms <= each.p50_ms <= each.p99_ms
    assert (measured.race.sold, measured.race.refused, measured.race.failed) == (50, 150, [])
    assert measured.memory_mib > 1
    assert "| product list | 16 |" in done.stdout
    assert "200 checkouts at once of 50 pieces: 50 sold, 150 told that none is left, 0 failed." in done.stdout


@pytest.mark.parametrize("toy", ["careless"], indirect=True)
def test_a_race_tells_sales_beyond_the_stock_and_faults_apart(toy: tuple[str, int]) -> None:
    with http.connect(toy[0], 40) as sessions:
        raced = http.race(toy_shop, sessions, pieces=20)
    assert (raced.sold, raced.refused, len(raced.failed)) == (20 + BEYOND, 0, 20 - BEYOND)
    assert "500" in raced.failed[0]
    assert f"{20 + BEYOND} sold" in http.race_sentence(raced)
    assert raced.failed[0] in http.race_sentence(raced)


def test_a_checkout_that_is_refused_is_no_operation(toy: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "STOCK", 1)
    with pytest.raises(AssertionError, match="checkout: refused"):
        http.measure(SHOP, toy[0], {"server": [toy[1]]}, PRODUCTS, OPERATIONS)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5.0], 50, 5.0), ([5.0], 99, 5.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), (list(range(1, 201)), 99, 198)],
)
def test_percentiles(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_figures_of_a_load_are_medians_of_its_rounds() -> None:
    load = Load(
        operation="checkout", connections=16, operations=400, per_second=[90.0, 100.0, 400.0],
        cpu_ms={"server": [4.0, 5.0, 50.0], "database": [7.0, 1.0, 2.0], "load": [1.0, 1.0, 1.0]}, p50_ms=1, p99_ms=2,
    )  # fmt: skip
    assert (load.rate, load.middle(), load.middle("database")) == (100, 5, 2)
    assert load.per_cpu_second == 200
    assert math.isclose(load.busy_cores, (5 + 2 + 1) * 100 / 1000)


def test_a_race_without_faults_is_said_in_one_breath() -> None:
    race = Race(at_once=200, pieces=50, sold=50, refused=150, failed=[], seconds=1.0)
    assert http.race_sentence(race).endswith("50 sold, 150 told that none is left, 0 failed.")


def test_cpu_time_is_of_the_process_and_of_the_children_that_it_has() -> None:
    child = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ntime.sleep(60)"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # the child has worked
            cpu = CpuTime([process.pid])
            spent = cpu.ms()
            time.sleep(0.2)
            assert spent >= 200
            assert cpu.ms() - spent < 20  # both sleep
        finally:
            os.killpg(process.pid, 9)
