"""A day's reconciliation fits into a worker, however many payments the day had."""

from __future__ import annotations

import sys

import pytest

from bench.cost import quotas
from bench.cost.usage import memory_mb
from bench.load import reconciliation
from chalicelib.gateways.wechat.bills import TRADES_MAX


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process has in memory is read from the kernel")
def test_a_payment_takes_so_little_memory_that_the_longest_day_fits() -> None:
    few, many = reconciliation.measure(2_000), reconciliation.measure(42_000)
    each = (many.peak_mb - few.peak_mb) / (many.payments - few.payments)
    assert few.peak_mb + each * TRADES_MAX < memory_mb()["run-due-calls"]
    assert many.peak_mb < 120


def test_more_memory_takes_a_worker_further_until_it_may_read_no_more() -> None:
    found = [quotas.reconciled(memory) for memory in (128, 512, 1769, 10_240)]
    assert found == sorted(found)
    assert found[-1] == TRADES_MAX
