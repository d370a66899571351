"""How long a fresh interpreter takes until the packaged application can answer, and how much of that is ours."""

from __future__ import annotations

import contextlib
import http.server
import statistics
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
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
from chalicelib.platform.store import base
base.client()
"""
_IMPORT = "import app"
#: The first request that somebody waits for, with what it reads; {event} is API Gateway's.
_FIRST = """
import app
out, sys.stdout = sys.stdout, sys.stderr
answer = app.app({event!r}, None)
sys.stdout = out
assert answer["statusCode"] == 200, answer
"""
_PATH = "/v1/categories"
_EVENT = {
    "resource": _PATH, "path": _PATH, "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None,
    "stageVariables": None, "body": None, "isBase64Encoded": False,
    "requestContext": {"resourcePath": _PATH, "httpMethod": "GET", "path": _PATH, "requestId": "first", "identity": {}},
}  # fmt: skip
#: All that a fresh function of Lambda has of the mall's settings; no secret is needed to start.
ENVIRONMENT = {
    "AWS_REGION": "cn-north-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "LAMBDA_TASK_ROOT": "/var/task",
    "YUTANG_STAGE": "prod",
    "YUTANG_TABLE_PREFIX": "yutang-",
    "YUTANG_TOKEN_KEYS": "secretsmanager:yutang/prod/token_keys",
    "YUTANG_IDENTITY_KEY": "secretsmanager:yutang/prod/identity_key",
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


class First(NamedTuple):
    """CPU milliseconds until the first request is answered, by what is deployed and by what `chalice package` alone
    would deploy, and the floor: medians. And how many times the one is the other, of all rounds together: a single
    start takes a third more or less by chance."""

    deployed: float
    plain: float
    floor: float
    to_floor: float
    to_plain: float


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


def measure_first(folder: Path, plain: Path, rounds: int = ROUNDS) -> First:
    """The API's first answer, from the deployed zip and from Chalice's own, and the floor, measured in turn."""
    with _empty_tables() as endpoint:
        environment = ENVIRONMENT | {"DYNAMODB_ENDPOINT": endpoint, "_HANDLER": "app.app"}
        first = _FIRST.format(event=_EVENT)
        works = ((folder, first), (plain, first), (folder, _FLOOR))
        times = [[start(where, work, environment).cpu_ms for where, work in works] for _ in range(rounds)]
    deployed, bare, least = (round(statistics.median(each), 1) for each in zip(*times, strict=True))
    ours, chalices, floors = (sum(each) for each in zip(*times, strict=True))
    return First(deployed, bare, least, round(ours / floors, 2), round(ours / chalices, 2))


class _Empty(http.server.BaseHTTPRequestHandler):
    """DynamoDB, as far as it says that there is no such item."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the server calls it so
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _empty_tables() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _medians(starts: list[Start]) -> Milliseconds:
    return Milliseconds(
        round(statistics.median(each.cpu_ms for each in starts), 1),
        round(statistics.median(each.wall_ms for each in starts), 1),
    )
