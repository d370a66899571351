"""Operators: the days that were compared with WeChat's bills, and the differences to look into."""

from __future__ import annotations

from chalicelib.insight.reconciliation import queries as reconciliation_queries
from chalicelib.insight.reconciliation import service
from chalicelib.insight.reconciliation.inputs import DifferenceClosingInput, DifferencesQuery
from chalicelib.insight.reconciliation.rules import BillDifference, ComparedDay
from chalicelib.insight.reconciliation.views import ComparisonOwed
from chalicelib.platform.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery


@endpoint("GET /v1/admin/reconciliation/days", OPERATOR, permission="reconciliation.read", errors=("cursor_invalid",))
def list_days(query: PageQuery) -> Page[ComparedDay]:
    """The days that were compared with WeChat's bills, newest first, with what both sides have of them."""
    return Page(*reconciliation_queries.days(query.limit, query.cursor))


@endpoint(
    "GET /v1/admin/reconciliation/differences", OPERATOR, permission="reconciliation.read", errors=("cursor_invalid",)
)
def list_differences(query: DifferencesQuery) -> Page[BillDifference]:
    """The differences: open ones from the oldest day on, closed ones from the newest."""
    return Page(*reconciliation_queries.differences(query.state, query.limit, query.cursor))


@endpoint(
    "POST /v1/admin/reconciliation/differences/{difference_id}/close",
    OPERATOR,
    permission="reconciliation.close",
    errors=("difference_closed", "conflict"),
)
def close_difference(call: Call, difference_id: str, body: DifferenceClosingInput) -> BillDifference:
    """Close a difference with what it came from; no later run opens it again. Pressing twice is once."""
    return service.close(difference_id, f"operator:{call.caller}", body.reason)


@endpoint(
    "POST /v1/admin/reconciliation/days/{day}/run",
    OPERATOR,
    permission="reconciliation.close",
    status=202,
    errors=("malformed", "invalid"),
)
def run_day(day: str) -> ComparisonOwed:
    """Compare a day again, one of the last 80. Differences that are not found again are closed by themselves."""
    return ComparisonOwed(service.ask(day))
