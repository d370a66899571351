"""How long a fresh interpreter takes until the packaged application can answer, and how much of that is ours."""

from __future__ import annotations

import statistics
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import msgspec

ROUNDS = 7

#: Only the zip and the standard library are on the path, as in Lambda.
_FRAME = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
sys.path.insert(0, {folder!r})
{work}
print(json.dumps({{"wall_ms": (time.perf_counter() - wall) * 1000, "cpu_ms": (time.process_time() - cpu) * 1000,
    "modules": sorted(sys.modules)}}))
"""
#: What nobody who uses Chalice, PynamoDB and DynamoDB can save.
_FLOOR = """
import chalice, pynamodb.models, botocore.session
from botocore.config import Config
botocore.session.get_session().create_client(
    "dynamodb", region_name="cn-north-1", config=Config(retries={"mode": "standard"}))
"""
_OURS = """
import app
from chalicelib.store import base
base.client()
"""
_IMPORT = "import app"
#: All that a fresh function of Lambda has of the mall's settings; no secret is needed to start.
ENVIRONMENT = {
    "AWS_REGION": "cn-north-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "LAMBDA_TASK_ROOT": "/var/task",
    "YUTANG_STAGE": "prod",
    "YUTANG_TABLE_PREFIX": "yutang-",
    "YUTANG_TOKEN_KEYS": "secretsmanager:yutang/prod/token_keys",
}


class Start(msgspec.Struct):
    """One start: its time, and what was loaded by it."""

    wall_ms: float
    cpu_ms: float
    modules: list[str]


class Milliseconds(NamedTuple):
    """Medians of CPU and of wall time."""

    cpu_ms: float
    wall_ms: float


class Cold(NamedTuple):
    """The application with its client, the floor, and our own share of the CPU time."""

    app: Milliseconds
    floor: Milliseconds
    own_ms: float
    rounds: int


def unpack(archive: Path, folder: Path) -> Path:
    """The zip, unpacked into the folder."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


def start(folder: Path, work: str = _IMPORT, environment: dict[str, str] = ENVIRONMENT) -> Start:
    """Run this work in a fresh interpreter that has only the folder and the standard library."""
    code = _FRAME.format(folder=str(folder), work=work)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Start)


def measure(folder: Path, rounds: int = ROUNDS) -> Cold:
    """The medians of so many starts of each kind, in turn."""
    for work in (_OURS, _FLOOR):
        start(folder, work)  # the files are in the machine's memory from here on
    pairs = [(start(folder, _OURS), start(folder, _FLOOR)) for _ in range(rounds)]
    app, floor = _medians([ours for ours, _ in pairs]), _medians([floor for _, floor in pairs])
    return Cold(app, floor, round(app.cpu_ms - floor.cpu_ms, 1), rounds)


def _medians(starts: list[Start]) -> Milliseconds:
    return Milliseconds(
        round(statistics.median(each.cpu_ms for each in starts), 1),
        round(statistics.median(each.wall_ms for each in starts), 1),
    )
