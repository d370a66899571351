"""Which unit tests run which lines of the rule modules: learned in one run of all of them, under coverage.py."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from coverage import Coverage

#: How pytest is run: alone, and without a word in the cache of a person's own runs.
QUIETLY = ("-p", "no:xdist", "--assert=plain", "-o", "cache_dir=.pytest_cache/mutants")


class Seen(msgspec.Struct):
    """The tests that run each line, by "path:line"; how long each test takes in seconds; and which modules of other
    people were imported meanwhile."""

    tests: dict[str, list[str]]
    seconds: dict[str, float]
    modules: list[str]
    passed: bool


class _Watch:
    """A plugin of pytest that tells coverage which test runs."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration


def watch(paths: Sequence[str], root: Path, target: Path) -> None:
    """Run all unit tests in this process and write what was seen of these files to `target`."""
    coverage = Coverage(data_file=None, include=[str(root / path) for path in paths])
    plugin = _Watch(coverage)
    coverage.start()
    status = pytest.main(["-q", *QUIETLY, str(root / "tests" / "unit")], [plugin])
    coverage.stop()
    data = coverage.get_data()
    tests = {
        f"{path}:{line}": [name for name in names if name]
        for path in paths
        for line, names in data.contexts_by_lineno(str(root / path)).items()
    }
    ours = ("chalicelib", "tests", "local", "tools", "bench", "infra", "app")
    others = sorted(name for name in sys.modules if name.partition(".")[0] not in ours)
    target.write_bytes(msgspec.json.encode(Seen(tests, dict(plugin.seconds), others, status == 0)))
