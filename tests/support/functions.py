"""The functions as Lambda runs them: each a process of its own that has the unpacked zip and the standard library."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Reads one event a line and answers with one: the handler's result, what it raised, or what it wrote to its log.
_RUNTIME = """
import importlib, json, os, sys, time
folder, clock_file = {folder!r}, {clock!r}
sys.path.insert(0, folder)
answers, sys.stdout = sys.stdout, sys.stderr
module, _, name = os.environ["_HANDLER"].rpartition(".")
handler = getattr(importlib.import_module(module), name)

import struct
from chalicelib.core import clock
def now():
    with open(clock_file, "rb") as file:
        return time.time() + struct.unpack("<d", file.read(8))[0]
clock.use(now)

class Context:
    aws_request_id = "request-of-the-runtime"
    function_name = name
    function_version = "$LATEST"
    memory_limit_in_mb = 1024
    log_stream_name = ""
    def __init__(self, seconds):
        self.until = time.monotonic() + seconds
    def get_remaining_time_in_millis(self):
        return max(0, int((self.until - time.monotonic()) * 1000))

for line in sys.stdin:
    told = json.loads(line)
    try:
        result = {{"result": handler(told["event"], Context(told["seconds"]))}}
    except BaseException as fault:
        result = {{"fault": repr(fault)}}
    result["modules"] = sorted(sys.modules)
    print(json.dumps(result), file=answers, flush=True)
"""
#: What Lambda itself sets; the rest of the environment is the template's.
_LAMBDA = {"AWS_REGION": "cn-north-1", "LAMBDA_TASK_ROOT": "/var/task"}
_SHARED = ("DYNAMODB_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Function:
    """A warm function: call it with an event."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log
        self.modules: list[str] = []

    def written(self) -> list[str]:
        """The lines of its log."""
        return self._log.read_text(encoding="utf-8").splitlines()

    def __call__(self, event: dict[str, Any], context: Any = None, seconds: float = 29.0) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"event": event, "seconds": seconds}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the function died"
        told = json.loads(answer)
        assert "fault" not in told, told["fault"]
        self.modules = told["modules"]
        return told["result"]


@contextlib.contextmanager
def deployed(folder: Path, handler: str, clock: Path, log: Path) -> Iterator[Function]:
    """The function of this handler, against the engine and the sandbox of this test process."""
    environment = _LAMBDA | {"_HANDLER": handler, "PATH": os.environ.get("PATH", "")}
    environment |= {name: value for name, value in os.environ.items() if name in _SHARED or name.startswith("YUTANG_")}
    code = _RUNTIME.format(folder=str(folder), clock=str(clock))
    with (
        log.open("w") as lines,
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", code],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=lines, text=True,
        ) as process,
    ):  # fmt: skip
        yield Function(process, log)


def schedule_event() -> dict[str, Any]:
    """What EventBridge sends every minute."""
    return {
        "version": "0", "id": "event", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": "2026-11-21T00:00:00Z", "region": "cn-north-1",
        "resources": ["arn:aws-cn:events:cn-north-1:123456789012:rule/minute"], "detail": {},
    }  # fmt: skip


def stream_event(images: list[dict[str, Any]]) -> dict[str, Any]:
    """What a stream sends of items that were just written; the n-th record has the sequence number n."""
    return {
        "Records": [
            {
                "eventID": str(number), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "cn-north-1",
                "eventSourceARN": "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/yutang-jobs/stream/2026",
                "dynamodb": {
                    "ApproximateCreationDateTime": 1763683200, "SequenceNumber": str(number), "SizeBytes": 100,
                    "StreamViewType": "NEW_IMAGE", "Keys": {name: image.get(name) for name in ("shard", "due")},
                    "NewImage": image,
                },
            }
            for number, image in enumerate(images, start=1)
        ]
    }  # fmt: skip
