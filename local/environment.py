"""Prepares the environment of a process that plays the mall itself, before anything of chalicelib is imported.

Tables are named after the environment as soon as chalicelib is imported, so this module imports nothing of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from local import dynamodb, processes
from local.keys import load_or_make, mall_environment
from local.mall import REGION
from local.processes import HOST


@dataclass(frozen=True)
class Places:
    """Where the servers of this process are, or will be once somebody starts them."""

    worker: str
    engine_port: int
    engine_url: str
    engine_is_ours: bool
    engine_runs: bool
    sandbox_port: int
    sandbox_url: str
    keys: Path


#: Where the controller of several test processes has started one engine for them all.
ENGINE_PORT = "YUTANG_TEST_ENGINE_PORT"


def prepare(keys: Path) -> Places:
    """Choose ports and a table prefix for this process (one of xdist's workers), and set its environment."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    external = dynamodb.external_endpoint()
    shared = os.environ.get(ENGINE_PORT)
    engine_port, sandbox_port = int(shared or processes.free_port()), processes.free_port()
    places = Places(
        worker=worker,
        engine_port=engine_port,
        engine_url=external or f"http://{HOST}:{engine_port}",
        engine_is_ours=external is None,
        engine_runs=bool(external or shared),
        sandbox_port=sandbox_port,
        sandbox_url=f"http://{HOST}:{sandbox_port}",
        keys=keys / worker,
    )
    if places.engine_is_ours:
        os.environ.update({"AWS_ACCESS_KEY_ID": f"local{worker}", "AWS_SECRET_ACCESS_KEY": "local"})
        os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ.update(
        mall_environment(load_or_make(places.keys), places.sandbox_url, "http://127.0.0.1:9")
        | {
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "DYNAMODB_ENDPOINT": places.engine_url,
            "YUTANG_STAGE": "test",
            "YUTANG_JOB_SHARDS": "2",  # more than one, and less to ask than in a real mall
            "YUTANG_MANY_SHARDS": "2",
            "YUTANG_TEST_KEYS": str(places.keys),
            "YUTANG_TABLE_PREFIX": f"test-{worker}-{os.getpid()}-",
        }
    )
    return places
