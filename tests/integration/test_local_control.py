"""What the control of a local mall tells of members whom time may have changed."""

from __future__ import annotations

import pytest

from chalicelib.gateways.wechat import mini
from local.clock import LocalClock
from local.worker import Worker, control
from tests.support.segment_world import join, run_jobs

pytestmark = pytest.mark.usefixtures("own_tables", "no_jobs")

_DAYS = 30 * 86_400


def test_the_status_counts_who_waits_to_be_looked_at(mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "code2session", lambda code: mini.Session(openid=code, unionid=None))
    asked = control(Worker(), mall_clock).test_client()
    joined = join()
    assert joined.get("/v1/me").ok()["segment"] == "new"
    assert asked.get("/status").get_json()["segments"] == {"due": 0}
    assert asked.post("/clock/advance", json={"seconds": _DAYS}).get_json()["segments"] == {"due": 1}
    mall_clock.advance(16)  # the look is rounded up to a quarter of a minute
    run_jobs()
    assert asked.get("/status").get_json()["segments"] == {"due": 0}
