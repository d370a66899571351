"""Yutang's Lambda entry points: the HTTP API, and of each lane of jobs its schedule and its stream. Nothing else.

Every function knows all jobs and events, by the tables in which the wings declare them, and imports what it runs: the
API every wing, and the operators' doors only when one comes; a worker what jobs of other wings ask for, and a handler
with the first job that needs it. Wherever Lambda has not said which function this is (packaging, the local mall,
tests), everything is here.
"""

from __future__ import annotations

import gc

gc.disable()  # nothing that is imported is rubbish; to look for some is a tenth of a cold start

import importlib
from typing import Any

from chalice.app import Chalice, Rate

from chalicelib.core import log
from chalicelib.core.entry import entry
from chalicelib.core.settings import settings
from chalicelib.jobs import daily, worker
from chalicelib.jobs.declarations import INSIDE, OUTSIDE
from chalicelib.jobs.tables import Jobs
from chalicelib.store import base

#: What every wing owes to later, tells and hears: tables of names, which import no handler. Every function knows all of
#: them, so that none takes an event for one that nobody hears, or owes a job in another lane than its own.
JOBS = (
    "members.jobs", "catalogue.jobs", "coupons.jobs", "orders.jobs", "groupbuy.jobs", "distribution.jobs",
    "distribution.withdrawal_jobs", "reconciliation.jobs",
)  # fmt: skip
#: Every module that declares endpoints for shoppers and WeChat.
DOORS = (
    "members.routes", "catalogue.routes", "coupons.routes", "cart.routes", "orders.routes", "groupbuy.routes",
    "distribution.routes", "pricing.routes",
)  # fmt: skip
#: Those with endpoints for operators, and the document of them all: no shopper waits for these to be imported.
OFFICE = (
    "catalogue.admin_routes", "catalogue.transfer_routes", "coupons.admin_routes", "orders.admin_routes",
    "groupbuy.admin_routes", "distribution.admin_routes", "pricing.admin_routes", "reconciliation.routes",
    "operators.routes", "jobs.routes", "shop.routes", "web.openapi",
)  # fmt: skip
#: Every module that answers what other wings ask of its own, whatever job is run: who takes a seat, who brought a
#: member, and what is kept of a person.
WORK = (
    "members.person", "coupons.person", "cart.person", "orders.person", "groupbuy.seats", "distribution.bindings",
    "distribution.person", "distribution.withdrawal_person",
)  # fmt: skip


class Mall(Chalice):
    """The API. Whoever comes to a path that is not there yet finds the office opened."""

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request of API Gateway's."""
        if event.get("requestContext", {}).get("resourcePath") not in self.routes:
            self.open(OFFICE)
        return super().__call__(event, context)

    def open(self, doors: tuple[str, ...]) -> None:
        """Import these modules and serve what is declared; nothing more when they are open."""
        from chalicelib.web import edge
        from chalicelib.web.endpoint import ENDPOINTS

        _import(doors)
        edge.register(self, _guard, ENDPOINTS)


def _guard() -> Any:
    """Who admits operators; no shopper waits for it to be imported."""
    from chalicelib.operators.guard import OperatorGuard

    return OperatorGuard()


def _import(modules: tuple[str, ...]) -> None:
    for module in modules:
        importlib.import_module(f"chalicelib.{module}")


app = Mall(app_name="yutang", configure_logs=False)
_import(JOBS)
match settings().handler:
    case "":
        app.open(DOORS)
        app.open(OFFICE)
    case "app.app":
        app.open(DOORS)
    case _:
        _import(WORK)
if settings().handler:
    base.client()  # while Lambda still gives a start its full CPU
gc.freeze()
gc.enable()


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-jobs")
def run_due_jobs(event: Any) -> None:
    """Every minute, for a minute: run the jobs inside at their second, also those that nobody was woken for.

    And owe those of every day.
    """
    with entry("run-due-jobs", event.context) as left:
        daily.owe()
        ran = worker.run_due(left(), [INSIDE], ahead=True, part=event.detail.get("part", 0))
        log.info("jobs_ran", jobs=ran)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-calls")
def run_due_calls(event: Any) -> None:
    """Every minute: run the jobs that call WeChat and are due, also those that nobody was woken for."""
    with entry("run-due-calls", event.context) as left:
        ran = worker.run_due(left(), [OUTSIDE], part=event.detail.get("part", 0))
        log.info("jobs_ran", jobs=ran)


# The stream is named by infra/, which knows the table; what is said here is replaced when the mall is packaged.
@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-jobs")
def run_owed_jobs(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs inside that are owed at once."""
    return _run_owed("run-owed-jobs", event)


@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-calls")
def run_owed_calls(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs that are owed at once and call WeChat."""
    return _run_owed("run-owed-calls", event)


def _run_owed(name: str, event: Any) -> dict[str, Any]:
    """Run the jobs of these records (each stream handler's filter lets only those of its lane through).

    Answers which records could not be tried, so that Lambda brings those again and not the whole batch. A job that
    was tried and failed is not among them: it has put itself back.
    """
    failed: list[str] = []
    with entry(name, event.context) as left:
        for record in event:
            if left() < 0:
                break  # the schedule runs the rest
            try:
                if record.new_image and record.event_name == "INSERT":
                    worker.run_one(Jobs.from_raw_data(record.new_image))
            except Exception as fault:
                log.error("record_failed", fault, handler=name)
                failed.append(record.sequence_number)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
