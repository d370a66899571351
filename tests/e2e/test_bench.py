"""The mall can be put beside others: the command that measures any mall over HTTP measures this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.load.http import OPERATIONS, Measured
from local.mall import Mall
from local.processes import ROOT

pytestmark = pytest.mark.slow


def test_its_own_shop_is_measured_and_sells_no_piece_twice(mall: Mall, tmp_path: Path) -> None:
    figures, ports = tmp_path / "figures.json", mall.ports
    command = [
        sys.executable, "-m", "bench.load.http", "--shop=bench.load.shops.yutang", f"--url={mall.api_url}",
        f"--pids={mall.pids['api']}", f"--beside=worker={mall.pids['worker']}", "--products=5", "--operations=16",
        f"--json={figures}",
    ]  # fmt: skip
    places = {"PORT": ports.api, "SANDBOX_PORT": ports.sandbox, "CONTROL_PORT": ports.control}
    environment = os.environ | {name: str(port) for name, port in places.items()} | {"YUTANG_LOCAL": str(mall.data)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured = msgspec.json.decode(figures.read_bytes(), type=Measured)
    assert {each.operation for each in measured.loads} == set(OPERATIONS)
    assert all(each.middle() > 0 for each in measured.loads)
    assert (measured.race.sold, measured.race.refused, measured.race.failed) == (50, 150, [])
