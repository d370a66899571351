"""Each function imports what it runs: a worker knows every job, and what jobs ask of other wings, but no endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local.processes import ROOT

#: What a process of this handler knows. Handlers by name: two processes do not share functions.
_KNOWN = """
import json, sys
import app
from chalicelib.jobs import service
from chalicelib.members import person
from chalicelib.orders import groups, referrals
from chalicelib.web import endpoint
def name(thing): return f"{thing.__module__}.{thing.__qualname__}"
print(json.dumps({
    "kinds": {kind: [name(known.handler), known.lane] for kind, known in service._kinds.items()},
    "subscribers": {event: [name(one) for one in each] for event, each in service._subscribers.items()},
    "keepers": sorted(keeper.name for keeper in person._keepers),
    "asked": [name(type(groups.groups())), name(type(referrals.referrers()))],
    "endpoints": len(endpoint.ENDPOINTS),
    "routes": len(app.app.routes),
}))
"""


def known(handler: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "_HANDLER"}
    environment |= {"_HANDLER": handler} if handler else {}
    done = subprocess.run(
        [sys.executable, "-c", _KNOWN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return known("")


def test_the_api_is_everything(everything: dict[str, Any]) -> None:
    assert known("app.app") == everything
    assert everything["routes"] > 50


def test_a_worker_knows_every_job_and_no_endpoint(everything: dict[str, Any]) -> None:
    worker = known("app.run_due_jobs")
    for what in ("kinds", "subscribers", "keepers", "asked"):
        assert worker[what] == everything[what]
    assert (worker["endpoints"], worker["routes"]) == (0, 0)
