"""What is counted is told once, in a line that CloudWatch makes metrics of."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core import log, metrics
from chalicelib.core.metrics import Metric


def counted(line: dict[str, Any]) -> dict[tuple[str, ...], float]:
    """What CloudWatch reads from the line: dimensions and their values, and the metric, with its value."""
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Yutang"
    (dimensions,) = directive["Dimensions"]
    values = tuple(line[name] for name in dimensions)
    return {(*dimensions, *values, metric["Name"]): line[metric["Name"]] for metric in directive["Metrics"]}


def test_what_was_counted_is_told_at_the_end(log_lines: list[dict[str, Any]]) -> None:
    with metrics.gather():
        metrics.add(Metric.ORDERS_PAID)
        metrics.add(Metric.ORDERS_PAID)
        metrics.add(Metric.PAID_FEN, 1990)
        metrics.maximum(Metric.JOB_LAG, 3.5, Lane="INSIDE")
        metrics.maximum(Metric.JOB_LAG, 1.0, Lane="INSIDE")
        metrics.add(Metric.REFUSED, Reason="out_of_stock")
        assert log_lines == []
    found: dict[tuple[str, ...], float] = {}
    for line in log_lines:
        found |= counted(line)
    assert found == {
        ("Stage", "test", "OrdersPaid"): 2,
        ("Stage", "test", "PaidFen"): 1990,
        ("Stage", "Lane", "test", "INSIDE", "JobLag"): 3.5,
        ("Stage", "Reason", "test", "out_of_stock", "Refused"): 1,
    }
    assert all(line["_aws"]["Timestamp"] > 1_700_000_000_000 for line in log_lines)


def test_what_failed_is_told_too(log_lines: list[dict[str, Any]]) -> None:
    with pytest.raises(LookupError), metrics.gather():
        metrics.add(Metric.JOBS_DEAD)
        raise LookupError
    assert counted(log_lines[0]) == {("Stage", "test", "JobsDead"): 1}


def test_nothing_is_told_of_nothing_and_nobody_counts_outside(log_lines: list[dict[str, Any]]) -> None:
    metrics.add(Metric.JOBS_DEAD)
    with metrics.gather():
        pass
    assert log_lines == []


def test_a_line_of_a_request_says_whom_and_what_it_is_about(log_lines: list[dict[str, Any]]) -> None:
    with log.request("r-1"):
        log.about(caller="member:abc", order_id="o1")
        log.info("answered")
    log.info("other")
    assert {name: log_lines[0][name] for name in ("request_id", "caller", "order_id")} == {
        "request_id": "r-1", "caller": "member:abc", "order_id": "o1",
    }  # fmt: skip
    assert "order_id" not in log_lines[1]
