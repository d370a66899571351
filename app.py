"""Yutang's Lambda entry points: the HTTP API, and of each lane of jobs its schedule and its stream. Nothing else."""

from __future__ import annotations

from typing import Any

from chalice.app import Chalice, Rate

from chalicelib.cart import routes as cart
from chalicelib.catalogue import routes as catalogue
from chalicelib.core import log
from chalicelib.core.entry import entry
from chalicelib.coupons import routes as coupons
from chalicelib.distribution import routes as distribution
from chalicelib.groupbuy import routes as groupbuy
from chalicelib.jobs import daily
from chalicelib.jobs import routes as dead_jobs
from chalicelib.jobs import service as jobs
from chalicelib.jobs.service import INSIDE, OUTSIDE
from chalicelib.jobs.tables import Jobs
from chalicelib.members import routes as members
from chalicelib.operators import routes as operators
from chalicelib.operators.guard import OperatorGuard
from chalicelib.orders import routes as orders
from chalicelib.pricing import routes as pricing
from chalicelib.reconciliation import routes as reconciliation
from chalicelib.shop import routes as shop
from chalicelib.web import edge, openapi

#: Every module that declares endpoints; importing it has declared them, and its wing's jobs with them.
DOORS = (
    members, catalogue, coupons, cart, orders, groupbuy, distribution, reconciliation, operators, pricing, shop,
    dead_jobs, openapi,
)  # fmt: skip

app = Chalice(app_name="yutang", configure_logs=False)
edge.register(app, OperatorGuard())


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-jobs")
def run_due_jobs(event: Any) -> None:
    """Every minute, for a minute: run the jobs inside at their second, also those that nobody was woken for.

    And owe those of every day.
    """
    with entry("run-due-jobs", event.context) as left:
        daily.owe()
        ran = jobs.run_due(left(), [INSIDE], ahead=True)
        log.info("jobs_ran", jobs=ran)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-calls")
def run_due_calls(event: Any) -> None:
    """Every minute: run the jobs that call WeChat and are due, also those that nobody was woken for."""
    with entry("run-due-calls", event.context) as left:
        ran = jobs.run_due(left(), [OUTSIDE])
        log.info("jobs_ran", jobs=ran)


# The stream is named by infra/, which knows the table; what is said here is replaced when the mall is packaged.
@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-jobs")
def run_owed_jobs(event: Any) -> None:
    """As they are written: run the jobs inside that are owed at once."""
    _run_owed("run-owed-jobs", event)


@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-calls")
def run_owed_calls(event: Any) -> None:
    """As they are written: run the jobs that are owed at once and call WeChat."""
    _run_owed("run-owed-calls", event)


def _run_owed(name: str, event: Any) -> None:
    """Run the jobs of these records (each stream handler's filter lets only those of its lane through)."""
    with entry(name, event.context) as left:
        for record in event:
            if left() < 0:
                break  # the schedule runs the rest
            if record.new_image and record.event_name == "INSERT":
                jobs.run_one(Jobs.from_raw_data(record.new_image))
