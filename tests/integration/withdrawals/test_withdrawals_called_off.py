"""Withdrawals that an operator calls off: in the balance again, or paid where the receiver was quicker."""

from __future__ import annotations

import pytest

from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from tests.support.withdrawals import (
    HOUR,
    PLENTY_FEN,
    at_wechat,
    balance,
    bill,
    call_off,
    end,
    fault,
    mine,
    queue,
    run_jobs,
    transfer_callback,
    withdraw,
)


def test_called_off_before_it_is_confirmed_it_is_in_the_balance_again(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    number = at_wechat(shopper)
    for _ in range(2):
        seen = call_off(operator, number)
        assert (seen["state"], "called_off_at" in seen) == ("awaiting_confirmation", True)
    assert "package_info" not in mine(shopper, number)  # nobody is to confirm it any more
    run_jobs()
    assert bill(wechat, number)["state"] == "CANCELING"
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    run_jobs(mall_clock, 11)
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "账户待核实")
    assert balance(shopper) == (100_000, 0, 0)
    assert call_off(operator, number)["state"] == "failed"
    shopper.send(*transfer_callback(wechat, number)).ok()
    assert at_wechat(shopper) != number


def test_who_confirms_before_wechat_calls_it_off_is_paid(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    number = at_wechat(shopper)
    call_off(operator, number)
    end(wechat, number, "transfering")
    run_jobs(mall_clock, 11)
    assert (mine(shopper, number)["state"], bill(wechat, number)["state"]) == ("processing", "TRANSFERING")
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 30)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("succeeded", (90_000, 0, 10_000))
    assert call_off(operator, number)["state"] == "succeeded"


def test_who_confirms_as_it_is_called_off_is_paid(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.gateways.wechat import transfers

    number = at_wechat(shopper)
    call_off(operator, number)
    cancel = transfers.cancel_transfer

    def confirmed_first(out_bill_no: str) -> transfers.TransferResult:
        end(wechat, number, "confirm")
        return cancel(out_bill_no)

    monkeypatch.setattr(transfers, "cancel_transfer", confirmed_first)
    run_jobs()
    (seen,) = queue(operator, shopper, "waiting")
    assert (seen["withdrawal_id"], seen["waits_for"]) == (number, "INVALID_REQUEST")
    run_jobs(mall_clock, 11)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("succeeded", (90_000, 0, 10_000))


@pytest.mark.parametrize("known", [True, False], ids=["taken on by WeChat", "refused"])
def test_called_off_while_the_merchant_s_balance_is_short_nothing_is_paid_once_it_is_filled(
    known: bool, shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    wechat.post("balance", {"available_fen": 9_999})
    if not known:
        fault(wechat, "not_enough", times=1)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    assert (bill(wechat, number) is not None) is known
    call_off(operator, number)
    assert queue(operator, shopper, "waiting") == []
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    run_jobs()
    assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    run_jobs(mall_clock, 605)
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "账户待核实")
    assert balance(shopper) == (100_000, 0, 0)
    run_jobs(mall_clock, HOUR)
    assert (bill(wechat, number) or {"state": None})["state"] == ("CANCELLED" if known else None)


def test_called_off_with_the_answer_unknown_only_wechat_s_word_ends_it(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, short_time_outs: None
) -> None:
    fault(wechat, "timeout_after_effect", times=1)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    fault(wechat, "error", times=6)
    call_off(operator, number)
    for _ in range(6):
        run_jobs(mall_clock, 601)
        assert (mine(shopper, number)["state"], balance(shopper)) == ("processing", (90_000, 10_000, 0))
    run_jobs(mall_clock, 601)
    assert bill(wechat, number)["state"] == "CANCELING"
    run_jobs(mall_clock, 2 * HOUR)
    assert (mine(shopper, number)["state"], balance(shopper)) == ("failed", (100_000, 0, 0))


def test_a_request_that_was_on_its_way_as_it_was_called_off_is_called_off_there(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.gateways.wechat import transfers

    transfer = transfers.transfer

    def slowly(request: transfers.TransferRequest) -> transfers.TransferResult:
        call_off(operator, number)
        run_jobs()  # another worker asks WeChat, which has not heard of it
        assert (bill(wechat, number), mine(shopper, number)["state"]) == (None, "processing")
        return transfer(request)

    monkeypatch.setattr(transfers, "transfer", slowly)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    assert bill(wechat, number)["state"] == "WAIT_USER_CONFIRM"
    assert "package_info" not in mine(shopper, number)
    run_jobs(mall_clock, 601)
    run_jobs(mall_clock, HOUR)
    assert (bill(wechat, number)["state"], balance(shopper)) == ("CANCELLED", (100_000, 0, 0))


def test_what_is_to_be_decided_is_on_its_way_or_over_is_not_called_off(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    def refused(number: str) -> None:
        path = f"/v1/admin/withdrawals/{number}/cancel"
        operator.post(path, {"reason": "账户待核实"}).refused(409, "withdrawal_state")

    refused(withdraw(shopper, 50_000)["withdrawal_id"])
    number = at_wechat(shopper)
    end(wechat, number, "transfering")
    run_jobs(mall_clock, 11)
    refused(number)
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 30)
    refused(number)
    operator.post("/v1/admin/withdrawals/nobody/cancel", {"reason": "x"}).refused(404, "not_found")
