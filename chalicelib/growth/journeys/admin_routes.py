"""Operators: journeys, those who are in them, and what became of them."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.definitions import queries
from chalicelib.growth.journeys.definitions import service as defining
from chalicelib.growth.journeys.enrolling import queries as enrolments
from chalicelib.growth.journeys.enrolling import service as enrolling
from chalicelib.growth.journeys.enrolling.rules import Enrolled
from chalicelib.growth.journeys.inputs import (
    BODY_MAX,
    EndInput,
    EnterInput,
    JourneyInput,
    MigrateInput,
    ReportQuery,
)
from chalicelib.growth.journeys.playbook.rules import BUILT_IN
from chalicelib.growth.journeys.report import queries as reports
from chalicelib.growth.journeys.taking_over import service as taking_over
from chalicelib.growth.journeys.views import (
    BuiltInView,
    JourneyCard,
    JourneyView,
    MigrationView,
    PublishedView,
    ReportView,
    RunView,
    built_in_view,
)
from chalicelib.growth.journeys.watching import queries as watching
from chalicelib.growth.journeys.watching import service as ending
from chalicelib.platform.web import limits
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page

READ, WRITE, PERSONS = "journeys.read", "journeys.write", "members.read"
ONE = "/v1/admin/journeys/{journey_id}"
#: How many members an operator may let come in within a minute, by requests.
ENTRIES_PER_MINUTE = 120


@endpoint("GET /v1/admin/journeys", OPERATOR, permission=READ)
def list_journeys() -> Page[JourneyCard]:
    """All journeys, the newest first."""
    return Page(queries.journeys())


@endpoint("POST /v1/admin/journeys", OPERATOR, permission=WRITE, status=201, errors=("invalid", "conflict"))
def create_journey(call: Call, body: JourneyInput) -> JourneyView:
    """Draft a journey, or one that the mall brings with it (`built_in`). What publishing it would refuse still is told
    as `problems`."""
    return queries.journey(defining.create(body, call.language).journey_id, call.language)


@endpoint("GET /v1/admin/journeys/built-in", OPERATOR, permission=READ)
def list_built_in() -> Page[BuiltInView]:
    """The journeys that the mall brings with it, each with what is to be chosen before it can be published."""
    return Page([built_in_view(one) for one in BUILT_IN.values()])


@endpoint(f"GET {ONE}", OPERATOR, permission=READ)
def get_journey(call: Call, journey_id: str) -> JourneyView:
    """One journey: its draft with what is wrong with that, the version that holds, all versions, and walks through
    those who are in it."""
    return queries.journey(journey_id, call.language)


@endpoint(f"PUT {ONE}/draft", OPERATOR, permission=WRITE, errors=("invalid", "not_running", "conflict"))
def change_draft(call: Call, journey_id: str, body: JourneyInput) -> JourneyView:
    """Write the draft anew. What is published stays as it is, and so does who is in it."""
    defining.change_draft(journey_id, body, call.language)
    return queries.journey(journey_id, call.language)


@endpoint(f"DELETE {ONE}/draft", OPERATOR, permission=WRITE, status=204, errors=("conflict",))
def delete_draft(journey_id: str) -> None:
    """Throw the draft away; a journey that was never published with it."""
    defining.delete(journey_id)


@endpoint(
    f"POST {ONE}/publish",
    OPERATOR,
    permission=WRITE,
    errors=("nothing_to_publish", "journey_invalid", "medium_off", "not_running", "conflict"),
)
def publish(call: Call, journey_id: str) -> PublishedView:
    """Publish the draft as the next version, by which members come in from now on; who is in the journey keeps theirs.
    `journey_invalid` names each step and why; `medium_off`, where media alone are what is wrong."""
    return queries.published(defining.publish(journey_id, call.caller))


@endpoint(f"POST {ONE}/pause", OPERATOR, permission=WRITE, errors=("not_running", "conflict"))
def pause(call: Call, journey_id: str) -> JourneyView:
    """Let a journey rest: nobody comes in, waits run on, and who would go on stands still."""
    defining.pause(journey_id)
    return queries.journey(journey_id, call.language)


@endpoint(f"POST {ONE}/resume", OPERATOR, permission=WRITE, errors=("not_running", "conflict"))
def resume(call: Call, journey_id: str) -> JourneyView:
    """Take a journey up again; who stood still goes on, step by step."""
    defining.resume(journey_id, call.caller)
    return queries.journey(journey_id, call.language)


@endpoint(f"POST {ONE}/end", OPERATOR, permission=WRITE, errors=("not_running", "conflict"))
def end(call: Call, journey_id: str, body: EndInput) -> JourneyView:
    """End a journey: nobody comes in any more; who is in it goes on to its end (`finish`), or leaves (`exit`), and of
    its messages none goes out any more that waits."""
    defining.end(journey_id, body.runs, call.caller)
    return queries.journey(journey_id, call.language)


@endpoint(f"POST {ONE}/migrate", OPERATOR, permission=WRITE, errors=("invalid", "not_running", "conflict"))
def migrate(call: Call, journey_id: str, body: MigrateInput) -> MigrationView:
    """Take those who came in by an earlier version over into the one that holds. With `dry_run` nothing is done, and it
    is said how many would do what; else how far it is stands in the journey."""
    if body.dry_run:
        return taking_over.dry_run(journey_id, body)
    return taking_over.migrate(journey_id, body, call.caller)


@endpoint(
    f"POST {ONE}/enter",
    OPERATOR,
    permission=WRITE,
    idempotent=True,
    body_max=BODY_MAX,
    errors=("invalid", "not_running", "conflict"),
    per_minute=ENTRIES_PER_MINUTE,
)
def enter(call: Call, journey_id: str, body: EnterInput) -> Enrolled:
    """Let members come in: up to 1,000 who are named, at once; or those of an audience, which goes on as `running`. Who
    does not come in is counted by reason: active, re_entry, excluded, control, gone, paused."""
    assert call.idempotency_key is not None
    return enrolling.enrol(journey_id, call.caller, call.idempotency_key, body)


@endpoint(f"GET {ONE}/enter/{{enrolment_id}}", OPERATOR, permission=READ)
def get_enrolment(journey_id: str, enrolment_id: str) -> Enrolled:
    """How many of those who were let in have come in by now, and how many have not, by reason."""
    return enrolments.progress(journey_id, enrolment_id)


@endpoint(f"GET {ONE}/report", OPERATOR, permission=READ, errors=("invalid",))
def get_report(journey_id: str, query: ReportQuery) -> ReportView:
    """What became of those who came in: by step, by arm, how they ended, and whether the journey helped. Of one version
    or of all. Counts may be a second old."""
    return reports.report(journey_id, query.version)


@endpoint("GET /v1/admin/members/{member_id}/runs", OPERATOR, permission=PERSONS, per_minute=limits.PERSONS_PER_MINUTE)
def list_runs_of(call: Call, member_id: str) -> Page[RunView]:
    """The runs of a member, the latest first: those who read them may read members and journeys."""
    _check_may_read(call)
    return Page(watching.of_member(member_id))


@endpoint("GET /v1/admin/runs/{run_id}", OPERATOR, permission=PERSONS, per_minute=limits.PERSONS_PER_MINUTE)
def get_run(call: Call, run_id: str) -> RunView:
    """One run with every step of it: when, why, and what was done there."""
    _check_may_read(call)
    return watching.one(run_id)


@endpoint(
    "POST /v1/admin/runs/{run_id}/exit",
    OPERATOR,
    permission=WRITE,
    errors=("not_running", "conflict"),
    per_minute=limits.PERSONS_PER_MINUTE,
)
def exit_run(call: Call, run_id: str) -> RunView:
    """Let a member leave a journey; the reason is `by_operator`. Those who do it may read members, too, as the run is
    shown."""
    if PERSONS not in call.permissions:
        raise MallError("forbidden")
    return ending.leave(run_id)


def _check_may_read(call: Call) -> None:
    if READ not in call.permissions:
        raise MallError("forbidden")
