"""Yutang's Lambda entry points: the shop's API, the operators', and of each lane of jobs its schedule and its stream.

WINGS is the one list of wings: what a wing serves, runs and keeps follows from its file names. A function imports what
it runs: the shop's API the shop's routes, the operators' function theirs, a worker the handlers of jobs. Wherever
Lambda has not said which function this is (packaging, the local mall, tests), everything is imported.
"""

from __future__ import annotations

import functools
import gc
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice, Rate

from chalicelib.core import log
from chalicelib.core.entry import entry
from chalicelib.core.settings import settings
from chalicelib.platform import wings
from chalicelib.platform.jobs import daily, worker
from chalicelib.platform.jobs.declarations import INSIDE, MANY, OUTSIDE, SENDS
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import base

if TYPE_CHECKING:
    from chalicelib.platform.web.operators_edge import OperatorsEdge

gc.disable()  # imports leave no rubbish; looking for some is a tenth of a cold start


#: Every wing, and what of the platform has rooms of a wing, from the ground up.
WINGS = (
    "platform.web", "platform.jobs", "ledger", "mall.settings", "mall.operators", "mall.files",
    "customers.members", "customers.events", "customers.channels",
    "commerce.catalogue", "commerce.coupons", "commerce.pricing", "commerce.cart", "commerce.orders",
    "growth.groupbuy", "growth.distribution", "growth.payouts", "growth.segments", "growth.messaging",
    "growth.journeys",
    "insight.reconciliation", "insight.portraits",
)  # fmt: skip
#: File names of what shoppers and other servers call, and of what operators call: no shopper waits for the latter.
SHOP_ROUTES = ("routes", "callbacks")
ADMIN_ROUTES = ("admin_routes",)


def open_shop() -> None:
    """Import what shoppers and other servers call of every wing, and serve it."""
    from chalicelib.platform.web import edge
    from chalicelib.platform.web.endpoint import ENDPOINTS
    from chalicelib.platform.web.paths import is_operators

    wings.load(WINGS, *SHOP_ROUTES)
    edge.register(app, _guard, [endpoint for endpoint in ENDPOINTS if not is_operators(endpoint.path)])


@functools.cache
def office() -> OperatorsEdge:
    """Import what operators call of every wing, and the shop's too: the OpenAPI document tells of both."""
    from chalicelib.platform.web.endpoint import ENDPOINTS
    from chalicelib.platform.web.operators_edge import OperatorsEdge

    wings.load(WINGS, *SHOP_ROUTES, *ADMIN_ROUTES)
    return OperatorsEdge(_guard, ENDPOINTS)


def _guard() -> Any:
    """Make the guard that admits operators; no shopper waits for it to be imported."""
    from chalicelib.mall.operators.access.guard import OperatorGuard

    return OperatorGuard()


def _register_ports() -> None:
    """Give the wings what they ask of wings above them (their ports.py)."""
    from chalicelib.commerce.catalogue import ports as catalogue
    from chalicelib.commerce.coupons import ports as coupons
    from chalicelib.commerce.orders import ports as orders
    from chalicelib.commerce.orders.holding import queries as buyers
    from chalicelib.commerce.pricing.service import Templates
    from chalicelib.customers.channels import ports as channels
    from chalicelib.customers.channels.ads import service as ads
    from chalicelib.customers.channels.touches import service as touches
    from chalicelib.customers.events import ports as events
    from chalicelib.customers.members import ports as members
    from chalicelib.customers.members.sessions import queries as sessions
    from chalicelib.growth.distribution import ports as distribution
    from chalicelib.growth.distribution.bindings.service import Referrals
    from chalicelib.growth.distribution.links import queries as links
    from chalicelib.growth.groupbuy import ports as groupbuy
    from chalicelib.growth.groupbuy.seats.service import Seating
    from chalicelib.growth.journeys.observing import service as journeys
    from chalicelib.growth.messaging import ports as messaging
    from chalicelib.growth.messaging.observing import service as noticing
    from chalicelib.growth.segments import ports as segments
    from chalicelib.growth.segments.asking import service as asking
    from chalicelib.growth.segments.observing import service as observing
    from chalicelib.platform.web import ports as web

    catalogue.register_freight_templates(Templates())
    web.register_gate(sessions.admit)
    orders.register_groups(Seating())
    orders.register_referrers(Referrals())
    orders.register_observers(observing.Orders(), noticing.Orders(), journeys.Orders())
    orders.register_placement_observers(journeys.Orders())
    channels.register_ad_report(ads.Tencent())
    channels.register_links(links.is_known)
    channels.register_buyers(buyers.has_bought_before)
    members.register_visitors(touches.Visitors())
    events.register_arrivals(touches.Arrivals())
    members.register_observers(observing.Members(), journeys.Members())
    members.register_segments(asking.Shown())
    members.register_correspondence(noticing.Correspondence())
    events.register_observers(observing.Events(), journeys.Events())
    coupons.register_observers(observing.Coupons(), noticing.Coupons(), journeys.Coupons())
    coupons.register_segments(asking.Segments())
    coupons.register_audience_lists(asking.AudienceLists())
    distribution.register_observers(observing.Distributors())
    segments.register_observers(journeys.Lists())
    segments.register_users(journeys.users_of)
    groupbuy.register_observers(noticing.Lobbies(), journeys.Lobbies())
    messaging.register_source("send", noticing.Sends())
    messaging.register_source("journey", journeys.Messages())
    messaging.register_results(journeys.Results())
    members.register_data_owners(
        lambda: [owner for room in wings.load(WINGS, "personal_data") for owner in room.DATA_OWNERS]
    )


app = Chalice(app_name="yutang", configure_logs=False)
# Whatever a process runs, it knows every section of settings, every kind of job with its lane, and what hears an event.
wings.load(WINGS, "settings", "jobs")
_register_ports()
match settings().handler:
    case "":
        open_shop()
        office()
    case "app.app":
        open_shop()
    case "app.operators":
        office()
    case _:
        worker.load_handlers()
if settings().handler:
    base.client()  # while Lambda still gives a start its full CPU
gc.freeze()
gc.enable()


# API Gateway's, by resources that infra/ makes: Chalice knows no second function behind an API.
@app.lambda_function(name="operators")
def operators(event: Any, context: Any) -> dict[str, Any]:
    """Answer a request of an operator's, whichever of their endpoints it is for."""
    return office()(event, context)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-jobs")
def run_due_jobs(event: Any) -> None:
    """Every minute, for a minute: run the jobs inside at their second, also those that nobody was woken for.

    And owe those of every day.
    """
    with entry("run-due-jobs", event.context) as left:
        daily.owe()
        ran = worker.run_due(left(), [INSIDE], ahead=True, part=event.detail.get("part", 0), streamed=True)
        log.info("jobs_ran", jobs=ran)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-calls")
def run_due_calls(event: Any) -> None:
    """Every minute: run the jobs that call WeChat and are due, also those that nobody was woken for."""
    with entry("run-due-calls", event.context) as left:
        ran = worker.run_due(left(), [OUTSIDE], part=event.detail.get("part", 0), streamed=True)
        log.info("jobs_ran", jobs=ran)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-many")
def run_due_many(event: Any) -> None:
    """Every minute, for a minute: run what is owed to very many members at its second.

    Also what nobody was woken for.
    """
    with entry("run-due-many", event.context) as left:
        ran = worker.run_due(left(), [MANY], ahead=True, part=event.detail.get("part", 0), streamed=True)
        log.info("jobs_ran", jobs=ran)


@app.schedule(Rate(1, unit=Rate.MINUTES), name="run-due-sends")
def run_due_sends(event: Any) -> None:
    """Every minute, for a minute: hand what is to be sent to very many members to the stream's readers at its second.

    A few it sends itself, and what nobody was woken for.
    """
    with entry("run-due-sends", event.context) as left:
        ran = worker.run_due(left(), [SENDS], ahead=True, part=event.detail.get("part", 0), streamed=True)
        log.info("jobs_ran", jobs=ran)


# A stream is named by infra/, which knows the tables; what is said here is replaced when the mall is packaged.
@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-jobs")
def run_owed_jobs(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs inside that are owed at once."""
    return _run_owed("run-owed-jobs", event)


@app.on_dynamodb_record(stream_arn="jobs-table-stream", batch_size=25, name="run-owed-calls")
def run_owed_calls(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs that are owed at once and call WeChat."""
    return _run_owed("run-owed-calls", event)


@app.on_dynamodb_record(stream_arn="jobs-of-many-table-stream", batch_size=25, name="run-owed-many")
def run_owed_many(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs that are owed at once and to very many members."""
    return _run_owed("run-owed-many", event)


# Of a few at a time: all of them can be tried in the time that there is, though each call be as slow as it may.
@app.on_dynamodb_record(stream_arn="jobs-of-many-table-stream", batch_size=5, name="run-owed-sends")
def run_owed_sends(event: Any) -> dict[str, Any]:
    """As they are written: run the jobs that are owed at once and send very many members something."""
    return _run_owed("run-owed-sends", event)


def _run_owed(name: str, event: Any) -> dict[str, Any]:
    """Run the jobs of these records (each stream handler's filter lets only those of its lane through).

    Answers which records could not be tried: Lambda brings the first of them again and all after it, not those before.
    What of these is done is not done twice. A job that was tried and failed is not among them: it has put itself back.
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
