"""Yutang's Lambda entry points: the HTTP API, and of each lane of jobs its schedule and its stream. Nothing else.

WINGS is the one list of wings: what a wing serves, runs and keeps follows from its file names. A function imports what
it runs: the API the shop's routes, and the operators' when one of their paths is asked for; a worker the handlers of
jobs. Wherever Lambda has not said which function this is (packaging, the local mall, tests), everything is imported.
"""

from __future__ import annotations

import gc
from typing import Any

from chalice.app import Chalice, Rate

from chalicelib.core import log
from chalicelib.core.entry import entry
from chalicelib.core.settings import settings
from chalicelib.platform import wings
from chalicelib.platform.jobs import daily, worker
from chalicelib.platform.jobs.declarations import INSIDE, OUTSIDE
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import base

gc.disable()  # imports leave no rubbish; looking for some is a tenth of a cold start


#: Every wing, and what of the platform has rooms of a wing, from the ground up.
WINGS = (
    "platform.web", "platform.jobs", "ledger", "mall.settings", "mall.operators", "customers.members",
    "commerce.catalogue", "commerce.coupons", "commerce.pricing", "commerce.cart", "commerce.orders",
    "growth.groupbuy", "growth.distribution", "growth.payouts", "insight.reconciliation",
)  # fmt: skip
#: File names of what shoppers and other servers call, and of what operators call: no shopper waits for the latter.
SHOP_ROUTES = ("routes", "callbacks")
ADMIN_ROUTES = ("admin_routes",)


class Mall(Chalice):
    """The API. A call of a path that is not there yet opens the operators' routes."""

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request of API Gateway's."""
        if event.get("requestContext", {}).get("resourcePath") not in self.routes:
            self.open(*ADMIN_ROUTES)
        return super().__call__(event, context)

    def open(self, *rooms: str) -> None:
        """Import these rooms of every wing and serve what they declare; nothing more when they are open."""
        from chalicelib.platform.web import edge
        from chalicelib.platform.web.endpoint import ENDPOINTS

        wings.load(WINGS, *rooms)
        edge.register(self, _guard, ENDPOINTS)


def _guard() -> Any:
    """Make the guard that admits operators; no shopper waits for it to be imported."""
    from chalicelib.mall.operators.access.guard import OperatorGuard

    return OperatorGuard()


def _register_ports() -> None:
    """Give the wings what they ask of wings above them (their ports.py)."""
    from chalicelib.commerce.catalogue import ports as catalogue
    from chalicelib.commerce.orders import ports as orders
    from chalicelib.commerce.pricing.service import Templates
    from chalicelib.customers.members import ports as members
    from chalicelib.growth.distribution.bindings.service import Referrals
    from chalicelib.growth.groupbuy.seats.service import Seating

    catalogue.register_freight_templates(Templates())
    orders.register_groups(Seating())
    orders.register_referrers(Referrals())
    members.register_data_owners(
        lambda: [owner for room in wings.load(WINGS, "personal_data") for owner in room.DATA_OWNERS]
    )


app = Mall(app_name="yutang", configure_logs=False)
# Whatever a process runs, it knows every section of settings, every kind of job with its lane, and what hears an event.
wings.load(WINGS, "settings", "jobs")
_register_ports()
match settings().handler:
    case "":
        app.open(*SHOP_ROUTES)
        app.open(*ADMIN_ROUTES)
    case "app.app":
        app.open(*SHOP_ROUTES)
    case _:
        worker.load_handlers()
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
