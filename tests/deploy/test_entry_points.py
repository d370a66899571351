"""Every function knows all jobs and what hears an event, and imports what it runs: the shop's API the shop's endpoints,
the operators' function theirs; a worker has the handlers of all jobs and no endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local.processes import ROOT

#: The functions that run jobs, of app.py.
WORKERS = [
    "run_due_jobs", "run_due_calls", "run_due_many", "run_due_sends",
    "run_owed_jobs", "run_owed_calls", "run_owed_many", "run_owed_sends",
]  # fmt: skip
#: What a process of this handler knows. Handlers by name: two processes do not share functions.
_KNOWN = """
import json, sys
import app
modules = sorted(name for name in sys.modules if name.startswith("chalicelib."))
from chalicelib.platform.jobs import declarations
from chalicelib.customers.members.ports import data_owners
from chalicelib.mall.settings.service import SECTIONS
from chalicelib.commerce.orders import ports
from chalicelib.platform.web import endpoint
def name(thing): return f"{thing.__module__}.{thing.__qualname__}"
print(json.dumps({
    "modules": modules,
    "kinds": {kind: [known.handler, known.lane] for kind, known in declarations._kinds.items()},
    "subscribers": {event: sorted(one.name for one in each) for event, each in declarations._subscribers.items()},
    "daily": {kind.name: str(at) for kind, at in declarations.daily_kinds().items()},
    "owners": [owner.name for owner in data_owners()],
    "ports": [name(type(ports.groups())), name(type(ports.referrers()))],
    "sections": sorted(SECTIONS),
    "endpoints": len(endpoint.ENDPOINTS),
    "routes": {path: sorted(methods) for path, methods in sorted(app.app.routes.items())},
    "office": {path: sorted(methods) for path, methods in sorted(app.office().served.items())}
    if app.office.cache_info().currsize else {},
}))
"""


def known(handler: str, code: str = _KNOWN) -> dict[str, Any]:
    """What a process of this handler knows."""
    return run_alone(code, handler)


def run_alone(code: str, handler: str = "") -> dict[str, Any]:
    """What a fresh process says in the end, as JSON."""
    environment = {name: value for name, value in os.environ.items() if name != "_HANDLER"}
    environment |= {"_HANDLER": handler} if handler else {}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    return known("")


#: Two endpoints that say as which function they are noted, each called over HTTP.
_NOTED = """
import json
from chalice.app import Chalice
from werkzeug.test import Client
from chalicelib.platform.web import edge
from chalicelib.platform.web.endpoint import Reply
from chalicelib.platform.web.operators_edge import OperatorsEdge
from local import calls
from local.serve import gateway
from tests.support.endpoints import endpoint_of
calls._watch_entries()
def noted() -> Reply: return Reply(json.dumps(calls._who.get().who).encode())
mall = Chalice("noted", configure_logs=False)
edge.register(mall, None, [endpoint_of("GET /v1/stock", noted)])
http = Client(gateway(mall, OperatorsEdge(None, [endpoint_of("GET /v1/admin/stock", noted)])))
print(json.dumps({path: http.get(path).json for path in ("/v1/stock", "/v1/admin/stock")}))
"""


def test_what_a_call_does_is_noted_as_its_functions() -> None:
    found = run_alone(_NOTED)
    assert found == {"/v1/stock": "api", "/v1/admin/stock": "operators"}


#: What every function knows of jobs.
JOBS = ("kinds", "subscribers", "daily")
#: Modules that hold handlers, and nothing that a shopper's call asks for.
HANDLERS = {
    "chalicelib.commerce.catalogue.indexing.service", "chalicelib.commerce.coupons.bulk_issue.service",
    "chalicelib.commerce.coupons.issue.purchases", "chalicelib.commerce.coupons.usage.service",
    "chalicelib.growth.distribution.commissions.service", "chalicelib.growth.groupbuy.lobbies.service",
    "chalicelib.insight.reconciliation.ledger_checks.service", "chalicelib.insight.reconciliation.service",
}  # fmt: skip
#: The jobs of all wings in another order, as a release may import them.
_REVERSED = """
import json
from chalicelib.platform import wings
import ast, pathlib
tree = ast.parse(pathlib.Path("app.py").read_text())
listed = next(node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "WINGS")
wings.load(reversed(ast.literal_eval(listed)), "jobs")
from chalicelib.platform.jobs import declarations
print(json.dumps({
    "kinds": {kind.name: [kind.handler, kind.lane] for kind in declarations.kinds()},
    "subscribers": {event: sorted(one.name for one in each) for event, each in declarations._subscribers.items()},
    "daily": {kind.name: str(at) for kind, at in declarations.daily_kinds().items()},
}))
"""


def test_the_shops_api_and_the_operators_share_no_path(everything: dict[str, Any]) -> None:
    shop, office = known("app.app"), known("app.operators")
    for what in (*JOBS, "owners", "ports", "sections"):
        assert shop[what] == office[what] == everything[what]
    assert (shop["office"], office["routes"]) == ({}, {})
    assert (shop["routes"], office["office"]) == (everything["routes"], everything["office"])
    theirs = {path for path in everything["office"] if path.startswith("/v1/admin/")}
    assert everything["office"].keys() - theirs == {"/docs", "/openapi.json"}
    assert len(theirs) > 50
    assert not [path for path in everything["routes"] if path.startswith("/v1/admin") or path in everything["office"]]
    assert office["endpoints"] == everything["endpoints"], "which the OpenAPI document tells of"


@pytest.mark.parametrize("handler", WORKERS)
def test_a_worker_knows_every_job_and_no_endpoint(handler: str, everything: dict[str, Any]) -> None:
    worker = known(f"app.{handler}")
    for what in (*JOBS, "owners", "ports", "sections"):
        assert worker[what] == everything[what]
    assert (worker["endpoints"], worker["routes"], worker["office"]) == (0, {}, {})


def test_what_is_declared_is_known_where_no_handler_was_imported() -> None:
    """The shop's API owes and tells as a worker hears, whatever it has imported."""
    shop, worker = known("app.app"), known("app.run_owed_jobs")
    assert {what: shop[what] for what in JOBS} == {what: worker[what] for what in JOBS}
    assert shop["kinds"]["reconciliation.compare_day"] == ["chalicelib.insight.reconciliation.service:compare_day", "o"]
    heard_by = ["order.completed/coupons.after_purchase", "order.completed/members.count_purchase"]
    assert shop["subscribers"]["order.completed"] == heard_by
    assert HANDLERS.isdisjoint(shop["modules"])
    assert set(worker["modules"]) >= HANDLERS, "while Lambda gives a start its full CPU"


def test_the_order_of_wings_changes_no_name(everything: dict[str, Any]) -> None:
    """What is queued names its handler, whatever order the wings were imported in."""
    turned = known("", code=_REVERSED)
    assert turned == {what: everything[what] for what in JOBS}
