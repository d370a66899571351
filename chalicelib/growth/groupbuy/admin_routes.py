"""Operators: group-buy activities, their lobbies, and what they brought."""

from __future__ import annotations

from chalicelib.growth.groupbuy.activities import queries as activity_queries
from chalicelib.growth.groupbuy.activities import service as activities
from chalicelib.growth.groupbuy.inputs import ActivityInput
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.views import LobbyCard
from chalicelib.growth.groupbuy.report import queries as report
from chalicelib.growth.groupbuy.views import ActivityReport, AdminActivityView, admin_view
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery


@endpoint("GET /v1/admin/group-activities", OPERATOR, permission="groups.read", errors=("cursor_invalid",))
def list_all(query: PageQuery) -> Page[AdminActivityView]:
    """List all activities, those that end last at the top."""
    found, next_cursor = activity_queries.every(query.limit, query.cursor)
    return Page([admin_view(activity) for activity in found], next_cursor)


@endpoint(
    "POST /v1/admin/group-activities",
    OPERATOR,
    permission="groups.write",
    status=201,
    idempotent="optional",
    errors=("invalid", "stock_short", "activity_exists", "conflict"),
)
def create(call: Call, body: ActivityInput) -> AdminActivityView:
    """Make an activity. `stock` sets pieces aside for it; without, it sells from what everybody buys from.

    Without an Idempotency-Key the very same activity is refused while it is there and not over, and its `activity_id`
    told.
    """
    return admin_view(activities.create(body, call.caller, call.idempotency_key))


@endpoint("GET /v1/admin/group-activities/{activity_id}", OPERATOR, permission="groups.read")
def get(activity_id: str) -> AdminActivityView:
    """Read one activity, with all its variants."""
    return admin_view(activity_queries.load(activity_id))


@endpoint(
    "PUT /v1/admin/group-activities/{activity_id}",
    OPERATOR,
    permission="groups.write",
    errors=("activity_begun", "invalid", "conflict"),
)
def change(activity_id: str, body: ActivityInput) -> AdminActivityView:
    """Change an activity that has not begun: all fields again; `stock`, if named, must be what it was."""
    return admin_view(activities.change(activity_id, body))


@endpoint(
    "POST /v1/admin/group-activities/{activity_id}/end", OPERATOR, permission="groups.write", errors=("conflict",)
)
def end(activity_id: str) -> AdminActivityView:
    """End an activity early: no lobby is opened any more; those that are open live on until they are full or over."""
    return admin_view(activities.end(activity_id))


@endpoint(
    "GET /v1/admin/group-activities/{activity_id}/lobbies",
    OPERATOR,
    permission="groups.read",
    errors=("cursor_invalid",),
)
def list_all_lobbies(activity_id: str, query: PageQuery) -> Page[LobbyCard]:
    """List all lobbies of an activity: those that are just ending, then failed, open and succeeded ones."""
    cards, next_cursor = lobbies.lobbies_of_activity(activity_queries.load(activity_id), query.limit, query.cursor)
    return Page(cards, next_cursor)


@endpoint("GET /v1/admin/group-activities/{activity_id}/report", OPERATOR, permission="groups.read")
def tell(activity_id: str) -> ActivityReport:
    """Report by variant what an activity brought: opened, joined, succeeded, paid; success rate with 95 % interval."""
    return ActivityReport(activity_id=activity_id, variants=report.tallies_of(activity_queries.load(activity_id)))
