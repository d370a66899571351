"""How patient the mall is with WeChat Pay: what is parked, what is asked again, what is believed, what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.gateways.outbound import Policy, Step, ask_again_seconds, is_late, next_step
from chalicelib.gateways.patience import REFUNDS, SIGNATURE_SECONDS, STRAY_REQUESTS, TRANSFERS
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs.job import LEASE_SECONDS
from chalicelib.platform.jobs.worker import ATTEMPTS_MAX

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
POLICIES = {"refunds": REFUNDS, "transfers": TRANSFERS}
SHORT = WechatError("NOT_ENOUGH", http=403)
BUSY = WechatError("SOMETHING_NEW", http=429, retryable=True)
DOWN = WechatError("read_timeout", retryable=True, outcome_unknown=True)
REFUSED = WechatError("PARAM_ERROR", http=400)

PARK, SHOWN, RETRY, BELIEVED = (
    Step("park", is_shown=True), Step("retry", is_shown=True), Step("retry", is_shown=False),
    Step("refused", is_shown=False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "fault", "attempts", "last_code", "step"),
    [
        ("refunds", SHORT, 0, "", PARK),
        ("transfers", SHORT, 23, "NOT_ENOUGH", PARK),
        ("refunds", BUSY, 0, "", PARK),
        ("transfers", BUSY, 0, "", PARK),
        ("refunds", DOWN, 6, "", RETRY),
        ("refunds", DOWN, 7, "", SHOWN),
        ("transfers", DOWN, 6, "", RETRY),
        ("transfers", DOWN, 7, "", SHOWN),
        ("refunds", REFUSED, 2, "", RETRY),
        ("refunds", REFUSED, 3, "", BELIEVED),
        ("transfers", REFUSED, 0, "", SHOWN),
        ("transfers", REFUSED, 2, "PARAM_ERROR", SHOWN),
        ("transfers", REFUSED, 3, "NO_AUTH", SHOWN),
        ("transfers", REFUSED, 3, "PARAM_ERROR", BELIEVED),
        ("transfers", REFUSED, 6, "NO_AUTH", SHOWN),
        ("transfers", REFUSED, 7, "NO_AUTH", PARK),
    ],
)
def test_what_becomes_of_a_call_that_failed(
    policy: str, fault: WechatError, attempts: int, last_code: str, step: Step
) -> None:
    assert next_step(POLICIES[policy], fault, attempts, last_code) == step


@given(
    st.sampled_from([REFUNDS, TRANSFERS]),
    st.sampled_from([SHORT, BUSY, DOWN]),
    st.integers(0, 100),
    st.sampled_from(["", "NOT_ENOUGH", "read_timeout"]),
)
def test_nothing_that_may_pass_is_taken_for_a_refusal(
    policy: Policy, fault: WechatError, attempts: int, last_code: str
) -> None:
    assert next_step(policy, fault, attempts, last_code).action != "refused"


@pytest.mark.parametrize(
    ("allowed", "attempts", "last_code", "step"),
    [
        ({}, 0, "", RETRY),
        ({"shows_refusals": True}, 0, "", SHOWN),
        ({"shown_after": 1}, 0, "PARAM_ERROR", RETRY),
        ({"shown_after": 1}, 1, "PARAM_ERROR", PARK),  # shown before it is believed
        ({"shown_after": 1, "believed_after": 1}, 1, "", BELIEVED),
        ({"believed_after": 0}, 0, "NO_AUTH", BELIEVED),
        ({"believed_after": 0, "refusals_alike": True}, 0, "NO_AUTH", RETRY),
        ({"believed_after": 0, "refusals_alike": True}, 0, "PARAM_ERROR", BELIEVED),
        ({"believed_after": 0, "parked_codes": frozenset({"PARAM_ERROR"})}, 9, "PARAM_ERROR", PARK),
    ],
)
def test_a_refusal_is_shown_and_believed_as_the_policy_says(
    allowed: dict[str, Any], attempts: int, last_code: str, step: Step
) -> None:
    patient = Policy(
        parked_codes=frozenset(), park_seconds=1, believed_after=5, shown_after=9, ask_seconds_min=1, ask_seconds_max=1
    )
    assert next_step(msgspec.structs.replace(patient, **allowed), REFUSED, attempts, last_code) == step


@pytest.mark.parametrize(
    ("lasted", "decided", "wait"),
    [
        (0, None, 10), (10, None, 10), (10.5, None, 10.5), (60, None, 60), (61, None, 60),
        (0, 9, 9), (0, 10, 10), (0, 11, 10), (20, 39, 19), (20, 40, 20), (20, 41, 20),
        (99, 99.5, 0.5), (100, 100, 60), (100, 99, 60), (9, 9, 10), (9, 8.5, 10),
    ],
)  # fmt: skip
def test_it_asks_again_after_as_long_as_it_has_lasted_and_when_it_must_be_decided(
    lasted: float, decided: float | None, wait: float
) -> None:
    within = None if decided is None else timedelta(seconds=decided)
    asks = msgspec.structs.replace(REFUNDS, ask_seconds_min=10, ask_seconds_max=60, decided_within=within)
    assert ask_again_seconds(asks, NOON, NOON + timedelta(seconds=lasted)) == wait


def test_a_refund_asks_every_half_minute() -> None:
    for seconds in (0, 29, 31, 86_400):
        assert ask_again_seconds(REFUNDS, NOON, NOON + timedelta(seconds=seconds)) == 30


def test_a_transfer_asks_ever_more_rarely_and_when_the_time_to_confirm_ends() -> None:
    at, asked = NOON, []
    while at < NOON + timedelta(hours=30):
        asked.append(at)
        at += timedelta(seconds=ask_again_seconds(TRANSFERS, NOON, at))
    waits = [(after - before).total_seconds() for before, after in pairwise(asked)]
    assert waits[:4] == [10, 10, 20, 40]
    assert max(waits) == 3600
    assert asked[33] == NOON + timedelta(days=1, seconds=30)


def test_a_refund_is_late_after_an_hour_and_a_transfer_is_its_receiver_s_matter() -> None:
    assert not is_late(REFUNDS, NOON, NOON + timedelta(minutes=59))
    assert is_late(REFUNDS, NOON, NOON + timedelta(hours=1))
    assert is_late(REFUNDS, NOON, NOON + timedelta(hours=1, seconds=1))
    assert not is_late(TRANSFERS, NOON, NOON + timedelta(days=3))


@given(st.sampled_from([REFUNDS, TRANSFERS]), st.integers(0, 100), st.sampled_from(["", "NO_AUTH", "PARAM_ERROR"]))
def test_no_job_dies_of_refusals(policy: Policy, attempts: int, last_code: str) -> None:
    assert next_step(policy, REFUSED, attempts, last_code).action != "retry" or attempts < ATTEMPTS_MAX - 1


def test_no_request_arrives_once_it_is_said_that_none_does() -> None:
    assert STRAY_REQUESTS.total_seconds() > LEASE_SECONDS + SIGNATURE_SECONDS
