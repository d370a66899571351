"""No withdrawal is given up while a request for it may still reach WeChat, whatever WeChat answered before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.gateways.patience import STRAY_REQUESTS
from chalicelib.gateways.wechat import transfers
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs.queue import due_at
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.jobs import counts, stored
from tests.support.withdrawals import (
    PLENTY_FEN,
    TRANSFERS,
    at_wechat,
    balance,
    bill,
    earner,
    end,
    mine,
    queue,
    run_jobs,
    withdraw,
)

TIME_OUT = WechatError("read_timeout", retryable=True, outcome_unknown=True)


def refusal(code: str, http: int = 400) -> WechatError:
    return WechatError(code, http=http)


@pytest.fixture
def nobody_dies() -> Iterator[None]:
    yield
    assert counts()[2] == 0


@pytest.mark.usefixtures("nobody_dies")
def test_a_request_that_arrives_late_is_paid_once(
    shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[transfers.TransferRequest] = []
    transfer = transfers.transfer

    def lost_then_refused(request: transfers.TransferRequest) -> transfers.TransferResult:
        requests.append(request)
        raise TIME_OUT if len(requests) == 1 else refusal("NO_AUTH", 403)

    monkeypatch.setattr(transfers, "transfer", lost_then_refused)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    for _ in range(4):
        run_jobs(mall_clock, 60)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    sent = len(requests)
    transfer(requests[0])  # which was on its way for four minutes
    monkeypatch.setattr(transfers, "transfer", transfer)
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 601)
    assert (mine(shopper, number)["state"], balance(shopper), len(requests)) == ("succeeded", (90_000, 0, 10_000), sent)


@pytest.mark.usefixtures("nobody_dies")
def test_a_cancellation_that_wechat_has_no_bill_for_any_more_is_no_end_before_its_time(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = at_wechat(shopper)
    query = transfers.query_transfer
    operator.post(f"/v1/admin/withdrawals/{number}/cancel", {"reason": "账户待核实"}).ok()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfers, "query_transfer", fails(TIME_OUT))
        run_jobs()
        mall_clock.advance(599)
    monkeypatch.setattr(transfers, "cancel_transfer", fails(TIME_OUT))
    run_jobs(mall_clock, 0)
    run_jobs(mall_clock, 11)
    monkeypatch.setattr(transfers, "query_transfer", lambda _: None)
    run_jobs(mall_clock, 60)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("awaiting_confirmation", (90_000, 10_000, 0))
    monkeypatch.setattr(transfers, "query_transfer", query)
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 601)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("succeeded", (90_000, 0, 10_000))


def fails(fault: WechatError) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise fault

    return call


@dataclass
class Answers:
    """WeChat, which never has the transfer, and answers as the script says: when it was sent what, and last asked."""

    script: list[str]
    sent: list[datetime] = field(default_factory=list)
    silence: datetime | None = None

    def transfer(self, _: object) -> transfers.TransferResult:
        self.sent.append(clock.now())
        raise self._fault() or refusal("PARAM_ERROR")

    def query(self, _: object) -> None:
        self.silence = None
        if (fault := self._fault()) is not None:
            raise fault
        self.silence = clock.now()

    def _fault(self) -> WechatError | None:
        word = self.script.pop(0) if self.script else "none"
        return None if word == "none" else TIME_OUT if word == "time out" else refusal(word, 403)


WORDS = st.lists(st.sampled_from(["time out", "none", "NO_AUTH", "SOME_NEW_WORD", "NOT_ENOUGH"]), max_size=14)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS, st.booleans())
@example(["time out"] + ["NO_AUTH"] * 6, False)
@example(["time out", "NO_AUTH", "SOME_NEW_WORD"] * 4, False)
@example(["SOME_NEW_WORD", "NO_AUTH"] * 15 + ["SOME_NEW_WORD"] * 9, False)
@example(["time out"] * 3, True)
def test_whatever_wechat_answers_none_is_given_up_within_ten_minutes_of_a_request(
    operator: Operator, wechat: Sandbox, mall_clock: LocalClock, words: list[str], called_off: bool
) -> None:
    forget_all()
    shopper, answers = earner(operator.send, wechat, 10_000), Answers(list(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfers, "transfer", answers.transfer)
        patch.setattr(transfers, "query_transfer", answers.query)
        number = withdraw(shopper, 10_000)["withdrawal_id"]
        run_jobs()
        if called_off:
            operator.post(f"/v1/admin/withdrawals/{number}/cancel", {"reason": "账户待核实"}).ok()
        for _ in range(120):
            if mine(shopper, number)["state"] == "failed":
                break
            assert counts()[2] == 0
            due = min(due_at(job.due) for job in stored())
            run_jobs(mall_clock, max(0.0, (due - clock.now()).total_seconds()) + 0.01)
    assert answers.silence is not None
    assert answers.silence >= max(answers.sent) + STRAY_REQUESTS
    assert answers.silence >= clock.now() - timedelta(seconds=60)
    assert (balance(shopper), bill(wechat, number), counts()[2]) == ((10_000, 0, 0), None, 0)


@pytest.mark.usefixtures("nobody_dies")
def test_while_every_call_is_refused_it_waits_and_then_ends_as_it_would_have(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    waiting, confirmed = withdraw(shopper, 10_000)["withdrawal_id"], at_wechat(shopper, 20_000)
    end(wechat, confirmed, "confirm")
    refused = withdraw(shopper, 30_000)["withdrawal_id"]
    wechat.post("faults", {"path": TRANSFERS, "kind": "error", "code": "SOME_NEW_WORD", "times": 1_000})
    for _ in range(40):
        run_jobs(mall_clock, 601)
    assert [mine(shopper, one)["state"] for one in (waiting, confirmed, refused)] == [
        "awaiting_confirmation", "awaiting_confirmation", "processing",
    ]  # fmt: skip
    assert [one["withdrawal_id"] for one in queue(operator, shopper, "waiting")]
    path = f"/v1/admin/withdrawals/{confirmed}/ask-wechat"
    operator.post(path).refused(503, "unavailable")
    wechat.post("faults/clear", {})
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    for _ in range(2):
        assert operator.post(path).ok()["state"] == "succeeded"
    assert operator.post(f"/v1/admin/withdrawals/{refused}/ask-wechat").ok()["state"] == "processing"
    operator.post("/v1/admin/withdrawals/nobody/ask-wechat").refused(404, "not_found")
    for _ in range(3):
        run_jobs(mall_clock, 601)
    assert (mine(shopper, refused)["state"], bill(wechat, refused) is None) in (
        ("awaiting_confirmation", False), ("failed", True),
    )  # fmt: skip
    assert mine(shopper, confirmed)["state"] == "succeeded"
