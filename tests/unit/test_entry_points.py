"""Every function knows all jobs and who hears what, and imports what it runs: the API opens the office when an operator
comes; a worker knows what jobs ask of other wings, but no endpoint, and imports a handler with the first job of it."""

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
modules = sorted(name for name in sys.modules if name.startswith("chalicelib."))
for path in sys.argv[1:]:  # by a method that no path has
    answer = app.app({
        "httpMethod": "TRACE", "headers": {}, "pathParameters": None, "multiValueQueryStringParameters": None,
        "stageVariables": None, "body": None, "isBase64Encoded": False,
        "requestContext": {"httpMethod": "TRACE", "resourcePath": path},
    }, None)
    assert answer["statusCode"] == 405, answer
from chalicelib.jobs import declarations
from chalicelib.members import person
from chalicelib.shop import service as shop
from chalicelib.orders import groups, referrals
from chalicelib.web import endpoint
def name(thing): return f"{thing.__module__}.{thing.__qualname__}"
print(json.dumps({
    "modules": modules,
    "kinds": {kind: [known.handler, known.lane] for kind, known in declarations._kinds.items()},
    "subscribers": {event: sorted(one.name for one in each) for event, each in declarations._subscribers.items()},
    "daily": {kind.name: str(at) for kind, at in declarations.daily_kinds().items()},
    "keepers": sorted(keeper.name for keeper in person._keepers),
    "asked": [name(type(groups.groups())), name(type(referrals.referrers()))],
    "sections": sorted(shop.SECTIONS),
    "endpoints": len(endpoint.ENDPOINTS),
    "routes": {path: sorted(methods) for path, methods in sorted(app.app.routes.items())},
}))
"""


def known(handler: str, *asked: str) -> dict[str, Any]:
    """What a process of this handler knows, once it was asked for this path."""
    environment = {name: value for name, value in os.environ.items() if name != "_HANDLER"}
    environment |= {"_HANDLER": handler} if handler else {}
    done = subprocess.run(
        [sys.executable, "-c", _KNOWN, *asked], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return known("")


#: What every function knows of jobs.
JOBS = ("kinds", "subscribers", "daily")
#: What hold handlers and nothing that a shopper's call or another wing's job asks for.
HANDLERS = {
    "chalicelib.catalogue.indexing", "chalicelib.coupons.grants", "chalicelib.coupons.purchases",
    "chalicelib.coupons.usage", "chalicelib.distribution.commissions", "chalicelib.reconciliation.books",
    "chalicelib.reconciliation.service",
}  # fmt: skip


def test_the_api_opens_the_office_when_an_operator_comes(everything: dict[str, Any]) -> None:
    closed, opened = known("app.app", "/v1/cart"), known("app.app", "/v1/admin/login")
    assert opened | {"modules": []} == everything | {"modules": []}
    for what in (*JOBS, "keepers", "asked", "sections"):
        assert closed[what] == everything[what]
    doors = closed["routes"].items()
    assert doors < everything["routes"].items(), "a path is open with all its methods"
    assert {path for path in everything["routes"] if not path.startswith("/v1/admin/")} - {"/docs", "/openapi.json"} < {
        path for path, _ in doors
    }


@pytest.mark.parametrize("handler", ["run_due_jobs", "run_due_calls", "run_owed_jobs", "run_owed_calls"])
def test_a_worker_knows_every_job_and_no_endpoint(handler: str, everything: dict[str, Any]) -> None:
    worker = known(f"app.{handler}")
    for what in (*JOBS, "keepers", "asked"):
        assert worker[what] == everything[what]
    assert (worker["endpoints"], worker["routes"]) == (0, {})


def test_what_is_declared_is_known_where_no_handler_was_imported() -> None:
    """The shop's API owes and tells as a worker hears, whatever it has imported."""
    shop, worker = known("app.app"), known("app.run_owed_jobs")
    assert {what: shop[what] for what in JOBS} == {what: worker[what] for what in JOBS}
    assert shop["kinds"]["reconciliation.compare_day"] == ["chalicelib.reconciliation.service:run_owed", "o"]
    heard_by = ["order.completed/coupons.after_purchase", "order.completed/members.count_purchase"]
    assert shop["subscribers"]["order.completed"] == heard_by
    assert HANDLERS.intersection(shop["modules"]) == HANDLERS.intersection(worker["modules"]) == set()
