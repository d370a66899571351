"""What the mall counts, for alarms and the dashboard (infra/alarms.py).

    with metrics.gather():
        ...
        metrics.add(Metric.ORDERS_PAID)

Counting is adding to a dictionary. It is told once, when the request or the invocation ends, as lines of the log that
CloudWatch reads metrics from: its embedded metric format, so that nothing is sent and nobody waits.
Source: docs.aws.amazon.com/AmazonCloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from chalicelib.core import clock, log
from chalicelib.core.settings import settings

NAMESPACE = "Yutang"


class Metric(StrEnum):
    """Everything that is counted."""

    ORDERS_PLACED = "OrdersPlaced"
    ORDERS_PAID = "OrdersPaid"
    PAID_FEN = "PaidFen"
    LOBBIES_SUCCEEDED = "LobbiesSucceeded"
    LOBBIES_FAILED = "LobbiesFailed"
    #: Each look at an activity that waits to be wound up an hour after it could be, for a lobby that does not end.
    ACTIVITIES_STUCK = "ActivitiesStuck"
    #: By Reason: the code of the problem that was answered, by the shop and to an operator.
    REFUSED = "Refused"
    OPERATORS_REFUSED = "OperatorsRefused"
    #: By Lane: seconds that the oldest due job has waited, the most that the worker met.
    JOB_LAG = "JobLag"
    JOBS_FAILED = "JobsFailed"
    JOBS_DEAD = "JobsDead"
    #: By Kind: jobs put back because something outside is not ready.
    JOBS_WAITING = "JobsWaiting"
    #: Each try to pay out a refund that was granted an hour ago or longer; and refunds that WeChat has refused.
    REFUNDS_STUCK = "RefundsStuck"
    DYNAMODB_BUSY = "DynamoDBBusy"
    #: Orders, withdrawals and balances that the journal tells otherwise.
    BOOKS_DIFFER = "BooksDiffer"
    #: Differences between a day's bills of WeChat and the journal that stand open after it was compared.
    BILLS_DIFFER = "BillsDiffer"

    #: Messages of which nobody knows whether they were sent, and those that their platform refuses for a fault of ours.
    MESSAGES_UNKNOWN = "MessagesUnknown"
    MESSAGES_FAILED = "MessagesFailed"
    #: Definitions of segments and tags that a process cannot read: once of each state of what is defined.
    DEFINITIONS_UNREADABLE = "DefinitionsUnreadable"
    #: Logins by a unionid that another member has, who cannot be the same without anybody's act.
    IDENTITY_CONFLICTS = "IdentityConflicts"


_UNITS = {Metric.PAID_FEN: "None", Metric.JOB_LAG: "Seconds"}

#: By dimension (its name and value, or nothing) the metrics and their values.
_Counts = dict[tuple[str, str] | None, dict[Metric, float]]
_counts: contextvars.ContextVar[_Counts | None] = contextvars.ContextVar("counts", default=None)


def add(metric: Metric, value: float = 1, **dimension: str) -> None:
    """Count `value` more of it, with at most one dimension. Outside of `gather` nobody counts."""
    _put(metric, dimension, lambda before: before + value)


def maximum(metric: Metric, value: float, **dimension: str) -> None:
    """Keep the largest value that was met."""
    _put(metric, dimension, lambda before: max(before, value))


def _put(metric: Metric, dimension: dict[str, str], change: Any) -> None:
    counts = _counts.get()
    if counts is not None:
        values = counts.setdefault(next(iter(dimension.items()), None), {})
        values[metric] = change(values.get(metric, 0))


@contextmanager
def gather() -> Iterator[None]:
    """Gather what is counted inside, and tell it in the end, however it ends."""
    counts: _Counts = {}
    marker = _counts.set(counts)
    try:
        yield
    finally:
        _counts.reset(marker)
        for dimension, values in counts.items():
            _tell(dimension, values)


def _tell(dimension: tuple[str, str] | None, values: dict[Metric, float]) -> None:
    dimensions = {"Stage": settings().stage} | dict([dimension] if dimension else [])
    metrics = [{"Name": metric, "Unit": _UNITS.get(metric, "Count")} for metric in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    about = {"Timestamp": int(clock.now().timestamp() * 1000), "CloudWatchMetrics": [directive]}
    log.info("counted", _aws=about, **dimensions, **values)
