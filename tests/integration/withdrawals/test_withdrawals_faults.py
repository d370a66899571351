"""Withdrawals while WeChat fails, forgets or is impersonated: nothing is paid twice, nothing false is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.withdrawals import (
    DAY,
    HOUR,
    PLENTY_FEN,
    at_wechat,
    balance,
    bill,
    differences,
    earner,
    end,
    fault,
    mine,
    queue,
    run_jobs,
    transfer_callback,
    withdraw,
)

# --- what is not to be believed --------------------------------------------------------------------


def errors(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [json.loads(record.message) for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(("outcome", "contrary"), [("fail", "SUCCESS"), ("confirm", "FAIL")])
def test_an_end_is_never_left_whatever_wechat_says_later(
    outcome: str, contrary: str, shopper: Shopper, wechat: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    number = at_wechat(shopper)
    end(wechat, number, outcome)
    shopper.send(*transfer_callback(wechat, number)).ok()
    before, had = mine(shopper, number), balance(shopper)
    shopper.send(*transfer_callback(wechat, number, state=contrary)).ok()
    (told,) = errors(caplog)
    assert (told["event"], told["withdrawal_id"], told["reason"]) == ("withdrawal_contradicted", number, contrary)
    assert (mine(shopper, number), balance(shopper)) == (before, had)


@pytest.mark.parametrize("defect", ["bad_signature", "old", "unknown_serial", "probe"])
def test_a_notice_that_cannot_be_believed_is_401(defect: str, shopper: Shopper, wechat: Sandbox) -> None:
    number = at_wechat(shopper)
    end(wechat, number, "confirm")
    answer = shopper.send(*transfer_callback(wechat, number, defect)).ok(401)
    assert answer["code"] == "FAIL"
    assert balance(shopper) == (90_000, 10_000, 0)
    shopper.send(*transfer_callback(wechat, number)).ok()


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"transfer_amount": 9_999}, 400), ({"out_bill_no": "wnobody"}, 400), ({"mch_id": "1"}, 401)],
)
def test_a_notice_of_something_else_changes_nothing(
    changed: dict[str, Any], status: int, shopper: Shopper, wechat: Sandbox
) -> None:
    number = at_wechat(shopper)
    end(wechat, number, "confirm")
    assert shopper.send(*transfer_callback(wechat, number, **changed)).ok(status)["code"] == "FAIL"
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    shopper.send(*transfer_callback(wechat, number)).ok()


# --- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["timeout_after_effect", "timeout"])
def test_unknown_for_two_hours_it_is_asked_under_the_same_number_and_paid_once(
    kind: str, shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, short_time_outs: None
) -> None:
    fault(wechat, kind, times=12)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    for _ in range(12):
        run_jobs(mall_clock, 601)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    (seen,) = queue(operator, shopper, "waiting")
    assert (seen["withdrawal_id"], seen["waits_for"]) == (number, "read_timeout")
    run_jobs(mall_clock, 601)
    waiting = mine(shopper, number)
    assert waiting["state"] == "awaiting_confirmation" and waiting["package_info"]
    assert queue(operator, shopper, "waiting") == []
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 2 * HOUR)
    assert balance(shopper) == (90_000, 0, 10_000)


def test_unknown_for_two_days_it_is_learned_that_the_time_to_confirm_was_over(
    shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, short_time_outs: None
) -> None:
    fault(wechat, "timeout_after_effect", times=1)
    fault(wechat, "error", times=8)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    for _ in range(9):
        run_jobs(mall_clock, 6 * HOUR)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    run_jobs(mall_clock, 601)
    assert mine(shopper, number)["reason"] == "OVERDUE_CLOSE"
    assert balance(shopper) == (100_000, 0, 0)


def test_while_the_merchant_s_balance_is_short_it_waits_and_operators_see_it(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    wechat.post("balance", {"available_fen": 9_999})
    fault(wechat, "not_enough", times=1)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    for reason in ("NOT_ENOUGH", "PROCESSING"):  # WeChat may refuse, or take it on and wait
        run_jobs(mall_clock, 601)
        (seen,) = queue(operator, shopper, "waiting")
        assert (seen["withdrawal_id"], seen["waits_for"], seen["state"]) == (number, reason, "processing")
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    run_jobs(mall_clock, HOUR)
    assert mine(shopper, number)["package_info"]
    (seen,) = queue(operator, shopper, "awaiting_confirmation")
    assert (seen["withdrawal_id"], "package_info" in seen) == (number, False)


def test_refused_for_good_and_never_heard_of_it_is_in_the_balance_again(
    operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    unlucky = earner(operator.send, wechat, 10_000, openid="o" * 65)  # which WeChat refuses as PARAM_ERROR
    number = withdraw(unlucky, 10_000)["withdrawal_id"]
    run_jobs()
    run_jobs(mall_clock, 11)
    assert (mine(unlucky, number)["state"], balance(unlucky)) == ("processing", (0, 10_000, 0))
    for _ in range(3):
        run_jobs(mall_clock, 60)
    assert (mine(unlucky, number)["state"], balance(unlucky)) == ("processing", (0, 10_000, 0))
    (seen,) = queue(operator, unlucky, "waiting")
    assert (seen["withdrawal_id"], seen["waits_for"]) == (number, "PARAM_ERROR")
    run_jobs(mall_clock, 601)
    over = mine(unlucky, number)
    assert (over["state"], over["reason"]) == ("failed", "PARAM_ERROR")
    assert balance(unlucky) == (10_000, 0, 0)
    assert bill(wechat, number) is None
    assert differences(wechat, unlucky) == []


def test_refused_but_known_there_it_ends_as_wechat_says(
    shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch, short_time_outs: None
) -> None:
    from chalicelib.growth.payouts.transfers import service as transfers_service

    fault(wechat, "timeout_after_effect", times=1)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    monkeypatch.setattr(transfers_service, "_REMARK", "an update of the mall says it in other words")
    end(wechat, number, "confirm")
    for _ in range(5):
        run_jobs(mall_clock, 60)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("succeeded", (90_000, 0, 10_000))


@pytest.mark.parametrize("paid", [True, False])
def test_once_wechat_has_forgotten_it_an_operator_says_how_it_ended(
    paid: bool, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, short_time_outs: None
) -> None:
    shopper = earner(operator.send, wechat, 10_000)
    if paid:
        fault(wechat, "timeout_after_effect", times=1)
    fault(wechat, "error", times=20)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    path, said = f"/v1/admin/withdrawals/{number}/conclude", {"paid": paid, "reason": "看过商户平台"}
    operator.post(path, said).refused(409, "withdrawal_state")
    if paid:
        end(wechat, number, "confirm")
    for _ in range(22):
        run_jobs(mall_clock, 31 * DAY / 20)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (0, 10_000, 0))
    (seen,) = queue(operator, shopper, "waiting")
    assert seen["waits_for"] == "FORGOTTEN"
    for _ in range(2):
        ended = operator.post(path, said).ok()
        assert ended["state"] == ("succeeded" if paid else "failed")
    operator.post(path, {"paid": not paid, "reason": "doch nicht"}).refused(409, "withdrawal_state")
    assert balance(shopper) == ((0, 0, 10_000) if paid else (10_000, 0, 0))
    run_jobs(mall_clock, DAY)
    assert differences(wechat, shopper) == []
