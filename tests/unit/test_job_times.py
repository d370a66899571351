"""What waits for what, in seconds: time-outs, windows, the lease and the naps of the job workers go together."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app
from chalicelib.core import entry
from chalicelib.core.settings import Settings
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.job import LEASE_SECONDS
from local.processes import ROOT

CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text())
RULE_SECONDS = 60
JITTER_SECONDS = 5


@pytest.fixture(params=list(CONFIG["stages"]))
def time_outs(request: pytest.FixtureRequest) -> dict[str, int]:
    """Seconds that each job worker of a stage may live."""
    functions: dict[str, Any] = CONFIG["stages"][request.param]["lambda_functions"]
    return {name: function["lambda_timeout"] for name, function in functions.items() if name != "operators"}


def test_every_worker_has_a_time_out_of_its_own(time_outs: dict[str, int]) -> None:
    assert set(time_outs) == {source.name for source in app.app.event_sources}


def test_no_worker_outlives_its_lease(time_outs: dict[str, int]) -> None:
    assert max(time_outs.values()) + 2 == LEASE_SECONDS


def test_the_windows_of_two_minutes_overlap(time_outs: dict[str, int]) -> None:
    for name in ("run-due-jobs", "run-due-calls", "run-due-many", "run-due-sends"):
        assert time_outs[name] - entry._MARGIN_SECONDS >= RULE_SECONDS + JITTER_SECONDS


def test_the_margin_is_enough_for_two_calls_to_wechat_and_the_commit() -> None:
    settings = Settings()
    assert 2 * (settings.wechat_connect_seconds + settings.wechat_read_seconds) + 4 <= entry._MARGIN_SECONDS


def test_a_nap_is_shorter_than_the_shortest_wait_after_a_failure() -> None:
    assert worker._NAP_SECONDS < worker.BACKOFF_SECONDS / 2
