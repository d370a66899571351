"""A traced mall: X-Ray is told what took how long and what failed, and nothing that somebody keeps to themselves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: One request, as a function of Lambda that is traced answers it; its body is what the shopper typed.
ASK = """
import sys
from local.client import in_process

method, path, body = sys.argv[1:]
print(in_process()(method, path, {"Content-Type": "application/json"}, body.encode() or None).status)
"""
TRACE = "1-5f84c7a1-0123456789abcdef01234567"
#: What a subsegment is sent with; any more would be something that somebody said.
PLAIN = {"id", "name", "start_time", "end_time", "parent_id", "trace_id", "type", "in_progress", "namespace"}


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """X-Ray's daemon, as it hears what it is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard:
        heard.bind(("127.0.0.1", 0))
        heard.settimeout(0.2)
        yield heard


def told(daemon: socket.socket, *request: str, **environment: str) -> tuple[str, dict[str, dict[str, Any]], str]:
    """The status that was answered, the subsegments that the daemon got by their names, and all its bytes."""
    traced = {
        "YUTANG_TRACE": "true",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        "LAMBDA_TASK_ROOT": "/var/task",
        "_X_AMZN_TRACE_ID": f"Root={TRACE};Parent=0123456789abcdef;Sampled=1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", ASK, *request], env=os.environ | traced | environment, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    sent = []
    try:
        while True:
            sent.append(daemon.recv(65536).decode())
    except TimeoutError:
        pass
    found = [json.loads(one.partition("\n")[2]) for one in sent]
    return ran.stdout.split()[-1], {one["name"]: one for one in found}, "".join(sent)


def test_what_fails_is_named_and_neither_the_secret_nor_any_text_is_told(dynamodb: str, daemon: socket.socket) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        wechat = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        status, segments, everything = told(
            daemon, "POST", "/v1/auth/login", '{"code": "THE-CODE-OF-THE-LOGIN"}',
            YUTANG_WECHAT_API_URL=wechat, YUTANG_WECHAT_SECRET="THE-APP-SECRET",
        )  # fmt: skip
    assert status == "503"
    for kept in ("THE-APP-SECRET", "THE-CODE-OF-THE-LOGIN", "jscode2session", "connect_failed", "refused", "secret"):
        assert kept not in everything
    call, case = segments["WeChat"], segments["POST /v1/auth/login"]
    assert (call["fault"], call["annotations"]) == (True, {"error_type": "ConnectionError"})
    assert (case["fault"], case["annotations"]) == (True, {"error_type": "MallError"})
    assert call["parent_id"] == case["id"]
    assert all(set(one) <= PLAIN | {"fault", "annotations"} for one in segments.values())


def test_what_goes_well_is_told_by_name_and_time_alone(dynamodb: str, daemon: socket.socket) -> None:
    status, segments, everything = told(daemon, "GET", "/v1/products?limit=3&q=THE-QUERY", "")
    assert status == "200"
    assert "GET /v1/products" in segments
    assert any(name.startswith("DynamoDB ") for name in segments)
    assert all(set(one) <= PLAIN for one in segments.values())
    assert "THE-QUERY" not in everything
    assert os.environ["YUTANG_TABLE_PREFIX"] not in everything
