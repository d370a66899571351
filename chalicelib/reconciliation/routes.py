"""Operators: the days that were compared with WeChat's bills, and the differences to look into."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from chalicelib.reconciliation import service
from chalicelib.reconciliation.rules import BillDifference, ComparedDay, DifferenceState
from chalicelib.web.endpoint import OPERATOR, Call, endpoint
from chalicelib.web.types import LongLine, Page, PageQuery


class DifferencesQuery(PageQuery, kw_only=True):
    """Which differences: those to be looked into, or those that were closed."""

    state: DifferenceState = "open"


class DifferenceClosing(msgspec.Struct, forbid_unknown_fields=True):
    """What the difference came from, and what was done about it."""

    reason: Annotated[LongLine, Meta(min_length=1)]


class ComparisonOwed(msgspec.Struct):
    """A day that is being compared; `GET /v1/admin/reconciliation/days` tells when that is done."""

    day: date


@endpoint("GET /v1/admin/reconciliation/days", OPERATOR, permission="reconciliation.read", errors=("cursor_invalid",))
def list_days(query: PageQuery) -> Page[ComparedDay]:
    """The days that were compared with WeChat's bills, newest first, with what both sides have of them."""
    return Page(*service.days(query.limit, query.cursor))


@endpoint(
    "GET /v1/admin/reconciliation/differences", OPERATOR, permission="reconciliation.read", errors=("cursor_invalid",)
)
def list_differences(query: DifferencesQuery) -> Page[BillDifference]:
    """The differences: open ones from the oldest day on, closed ones from the newest."""
    return Page(*service.differences(query.state, query.limit, query.cursor))


@endpoint(
    "POST /v1/admin/reconciliation/differences/{difference_id}/close",
    OPERATOR,
    permission="reconciliation.close",
    errors=("difference_closed", "conflict"),
)
def close_difference(call: Call, difference_id: str, body: DifferenceClosing) -> BillDifference:
    """Close a difference with what it came from; no later run opens it again. The same again changes nothing."""
    return service.close(difference_id, f"operator:{call.caller}", body.reason)


@endpoint(
    "POST /v1/admin/reconciliation/days/{day}/run",
    OPERATOR,
    permission="reconciliation.close",
    status=202,
    errors=("malformed", "invalid"),
)
def run_day(day: str) -> ComparisonOwed:
    """Compare a day again, one of the last 80. Differences that are gone are closed by themselves."""
    return ComparisonOwed(service.ask(day))
