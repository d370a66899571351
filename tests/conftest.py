"""Servers for the tests: each started at most once in a test process, and only when a test asks for it.

`dynamodb`  an engine in memory with all tables; chalicelib in this process uses it
`sandbox`   a WeChat sandbox that chalicelib in this process uses
`mall`      a whole mall of its own, over HTTP, with tables of its own in the same engine
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from local import dynamodb as engine
from local import environment, processes
from local.calls import record_if_asked
from local.clock import LocalClock
from local.mall import Mall
from tests.support import permissions

#: Files that take longest (--durations=0), longest first.
_LONGEST = (
    "test_group_machine", "test_group_sweep", "test_merge_sweep", "test_openapi", "test_refund_sweep",
    "test_commission_sweep", "test_absorbing_sweep", "test_growth_merge_sweep", "test_crash_sweep", "test_package",
    "test_withdrawal_sweep", "test_template", "test_random_malls", "test_random_merges", "test_bulk_issue",
    "test_withdrawals_faults", "test_mixed_load", "test_shard_sweep", "test_sound_malls", "test_group_draw",
    "test_pricing", "test_bindings_machine", "test_sent_messages", "test_ladder", "test_drill", "test_group_late",
    "test_bench", "test_distribution", "test_group_races", "test_unknown_words", "test_audit", "test_group_leaving",
    "test_refunds", "test_orders", "test_last_pieces", "test_coupon_races", "test_first_purchase",
)  # fmt: skip

# A machine that is busy with something else is no reason to fail.
settings.register_profile("mall", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mall")

_places = pytest.StashKey[environment.Places]()
_engine = pytest.StashKey[processes.Process]()


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment now: tables are named after it as soon as chalicelib is imported."""
    if not hasattr(config, "workerinput"):
        permissions.record(config)
        if config.getoption("numprocesses", None):
            _share_an_engine(config)  # xdist's controller runs no test, and its workers inherit all that it sets
            return
    config.stash[_places] = environment.prepare(config.cache.mkdir("yutang-keys"))
    record_if_asked()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hold what the whole suite was seen to do against what the deployed functions may do."""
    if not hasattr(session.config, "workerinput"):
        permissions.compare(session)


def _share_an_engine(config: pytest.Config) -> None:
    """One engine for all workers: it takes twenty seconds of CPU to warm up."""
    if engine.external_endpoint() is None and not config.option.collectonly and not _only_units(config):
        port = processes.free_port()
        config.stash[_engine] = engine.start(port, None, config.cache.mkdir("yutang-engine") / "dynamodb.log")
        os.environ[environment.ENGINE_PORT] = str(port)


def _only_units(config: pytest.Config) -> bool:
    """Whether nothing but tests/unit is asked for, where nothing may need an engine."""
    folder = config.rootpath / "tests" / "unit"
    asked = (config.invocation_params.dir / name.partition("::")[0] for name in config.args)
    return all(path.resolve().is_relative_to(folder) for path in asked)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    if _engine in config.stash:
        processes.stop([config.stash[_engine]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take a file after the other (xdist's loadfile), the longest first: so none is left alone in the end.

    Those over HTTP come last: each worker's mall looks for work every second from its first test to the end.
    """
    long = {name: position for position, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: (item.path.parent.name == "e2e", long.get(item.path.stem, len(long))))


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> environment.Places:
    """Where the servers of this test process are."""
    return request.config.stash[_places]


@pytest.fixture(scope="session")
def dynamodb_engine(places: environment.Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a running engine, without tables."""
    if places.engine_runs:
        yield places.engine_url
        return
    process = engine.start(places.engine_port, None, tmp_path_factory.mktemp("engine") / "dynamodb.log")
    yield places.engine_url
    processes.stop([process])


@pytest.fixture(scope="session")
def dynamodb(dynamodb_engine: str, places: environment.Places) -> Iterator[str]:
    """The endpoint of the engine that this process uses, with every table of the mall created."""
    from chalicelib.platform.store import tools
    from local.tables import create_all

    create_all()
    yield dynamodb_engine
    if not places.engine_is_ours:
        for table in tools.tables():
            if table.exists():
                tools.drop(table)


@pytest.fixture(scope="module")
def own_tables(dynamodb: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """Tables that a file of tests has to itself: so what it reads whole, again and again, is only its own."""
    from tests.support.own_tables import own_tables

    with own_tables(request.path.stem):
        yield


@pytest.fixture(scope="session")
def sandbox(places: environment.Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a WeChat sandbox with this process's keys; nobody is at home where its callbacks go."""
    folder = tmp_path_factory.mktemp("sandbox") / "data"
    shutil.copytree(places.keys, folder)
    os.environ["YUTANG_TEST_CLOCK"] = str(folder / "clock")
    arguments = ("--port", str(places.sandbox_port), "--data", str(folder), "--clock", os.environ["YUTANG_TEST_CLOCK"])
    log = folder / "sandbox.log"
    process = processes.module("sandbox", "local.sandbox", *arguments, environment=os.environ, log=log)
    processes.wait_until(lambda: processes.answers(places.sandbox_port, "/_control/ledger"), process)
    yield places.sandbox_url
    processes.stop([process])


@pytest.fixture(scope="session")
def sandbox_clock(sandbox: str) -> LocalClock:
    """The clock of the sandbox; it can be moved forward."""
    return LocalClock(Path(os.environ["YUTANG_TEST_CLOCK"]))


@pytest.fixture
def mall_clock(sandbox_clock: LocalClock) -> Iterator[LocalClock]:
    """The sandbox's clock, by which chalicelib in this process goes too during this test."""
    from chalicelib.core import clock

    before = clock.use(sandbox_clock)
    yield sandbox_clock
    clock.use(before)


@pytest.fixture(scope="session")
def mall(dynamodb_engine: str, places: environment.Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mall]:
    """A whole local mall over HTTP, with the operator admin / admin."""
    folder: Path = tmp_path_factory.mktemp("mall")
    with Mall(folder, endpoint=dynamodb_engine, prefix=f"mall-{places.worker}-{folder.name}-") as running:
        yield running


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The lines of the log of this process, parsed."""
    from chalicelib.core import log

    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(log._logger, "log", lambda _, line: lines.append(json.loads(line)))
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many crash points the sweep tried, and which permissions are not what the functions need."""
    for line in terminalreporter.config.stash.get(permissions.DIFFERENCES, []):
        terminalreporter.write_line(f"permissions: {line}", red=True)
    passed = terminalreporter.stats.get("passed", [])
    points = [value for report in passed for name, value in report.user_properties if name == "crash points"]
    if points:
        terminalreporter.write_line(f"crash sweep: {sum(points)} points in {len(points)} flows, all healed")
