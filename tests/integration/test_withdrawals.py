"""Commission taken out: paid exactly once or in the balance again, whatever WeChat, the network and people do."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from local.jobs import forget_all
from tests.support.operators import owner_token
from tests.support.sweep import dead_jobs
from tests.support.withdrawals import (
    PLENTY_FEN,
    balance,
    bill,
    differences,
    earner,
    end,
    mine,
    set_rules,
    transfer_callback,
    withdraw,
)

HOUR, DAY = 3600, 86400
PATH = "/v1/distributor/withdrawals"
TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"


@pytest.fixture
def wechat(sandbox: str) -> Iterator[Sandbox]:
    wechat = Sandbox(sandbox)
    wechat.post("balance", {"available_fen": PLENTY_FEN})
    yield wechat
    wechat.post("balance", {"available_fen": PLENTY_FEN})  # no payment stands behind what was sent here


@pytest.fixture
def operator(dynamodb: str, wechat: Sandbox, mall_clock: LocalClock) -> Iterator[Operator]:
    forget_all()
    operator = Operator(in_process(), owner_token())
    set_rules(operator)
    yield operator
    operator.put("/v1/admin/settings/withdrawals", {}).ok()


@pytest.fixture
def shopper(operator: Operator, wechat: Sandbox) -> Iterator[Shopper]:
    """A distributor with 1,000 yuan; whatever a test does, the books agree in the end and no job has died."""
    shopper = earner(operator.send, wechat, 100_000)
    yield shopper
    assert differences(wechat, shopper) == []
    assert dead_jobs() == []


def run_jobs(clock: LocalClock | None = None, seconds: float = 0) -> None:
    from chalicelib.platform.jobs import worker

    if clock is not None:
        clock.advance(seconds)
    worker.run_due()


def at_wechat(shopper: Shopper, fen: int = 10_000) -> str:
    """A withdrawal that waits for its distributor to confirm it."""
    number: str = withdraw(shopper, fen)["withdrawal_id"]
    run_jobs()
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    return number


# --- asking ---------------------------------------------------------------------------------------


def test_it_leaves_the_balance_at_once_and_waits_to_be_confirmed(shopper: Shopper, wechat: Sandbox) -> None:
    asked = withdraw(shopper, 10_000)
    assert asked == {
        "withdrawal_id": asked["withdrawal_id"], "state": "processing", "amount_fen": 10_000, "tax_fen": 0,
        "fee_fen": 0, "net_fen": 10_000, "created_at": asked["created_at"],
    }  # fmt: skip
    assert balance(shopper) == (90_000, 10_000, 0)
    run_jobs()
    waiting = mine(shopper, asked["withdrawal_id"])
    assert waiting.pop("package_info")
    assert waiting == asked | {"state": "awaiting_confirmation"}
    told = bill(wechat, asked["withdrawal_id"])
    assert (told["amount_fen"], told["state"]) == (10_000, "WAIT_USER_CONFIRM")


def test_the_same_key_is_the_same_withdrawal_whatever_became_of_it(shopper: Shopper, wechat: Sandbox) -> None:
    first = withdraw(shopper, 10_000, "k1")
    assert withdraw(shopper, 10_000, "k1") == first
    shopper.post(PATH, {"amount_fen": 10_001}, key="k1").refused(422, "idempotency_key_reused")
    run_jobs()
    end(wechat, first["withdrawal_id"], "confirm")
    shopper.send(*transfer_callback(wechat, first["withdrawal_id"])).ok()
    assert withdraw(shopper, 10_000, "k1") == first
    assert balance(shopper)[0] == 90_000
    shopper.post(PATH, {"amount_fen": 10_000}).refused(400, "idempotency_key_missing")


def test_of_fifty_at_once_against_a_balance_for_one_exactly_one_is_made(
    operator: Operator, shopper: Shopper, wechat: Sandbox
) -> None:
    rich = earner(operator.send, wechat, 10_000)
    set_rules(operator, per_day=100)
    answers: list[Any] = []
    barrier = threading.Barrier(50)

    def press(number: int) -> None:
        one = Shopper(in_process(), wechat, token=rich.token)
        barrier.wait()
        answers.append(one.post(PATH, {"amount_fen": 10_000}, key=f"k{number}"))

    threads = [threading.Thread(target=press, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [answer.json for answer in answers if answer.status == 201]
    assert len(made) == 1
    refused = {(answer.status, answer.json["code"]) for answer in answers if answer.status != 201}
    assert refused <= {(409, "balance_short"), (503, "unavailable")}, refused
    assert (409, "balance_short") in refused
    assert balance(rich) == (0, 10_000, 0)
    run_jobs()
    end(wechat, made[0]["withdrawal_id"], "confirm")
    rich.send(*transfer_callback(wechat, made[0]["withdrawal_id"])).ok()
    assert balance(rich) == (0, 0, 10_000)
    assert len(rich.get(PATH).ok()["items"]) == 1
    assert differences(wechat, rich) == []


def test_one_fen_more_than_there_is_is_refused(operator: Operator, shopper: Shopper, wechat: Sandbox) -> None:
    shopper.post(PATH, {"amount_fen": 100_001}, key="k").refused(409, "balance_short")
    poor = earner(operator.send, wechat, 0)
    poor.post(PATH, {"amount_fen": 100}, key="k").refused(409, "balance_short")
    assert (balance(shopper)[0], balance(poor)) == (100_000, (0, 0, 0))
    assert shopper.get(PATH).ok()["items"] == []


def test_limits_are_named_and_a_new_day_begins_with_nothing(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    set_rules(operator, min_fen=200, max_fen=30_000, per_day=2, per_day_fen=40_000)
    for fen, limit in ((199, "min_fen"), (30_001, "max_fen")):
        problem = shopper.post(PATH, {"amount_fen": fen}, key="a").refused(422, "withdrawal_limit")
        assert (problem["limit"], problem["errors"][0]["field"]) == (limit, "amount_fen")
    withdraw(shopper, 30_000)
    refused = shopper.post(PATH, {"amount_fen": 10_001}, key="b").refused(422, "withdrawal_limit")
    assert refused["limit"] == "per_day_fen"
    withdraw(shopper, 10_000)
    refused = shopper.post(PATH, {"amount_fen": 200}, key="c").refused(422, "withdrawal_limit")
    assert refused["limit"] == "per_day"
    assert balance(shopper) == (60_000, 40_000, 0)
    mall_clock.advance(DAY)
    assert withdraw(shopper, 30_000)["state"] == "processing"


def test_what_failed_counts_for_no_limit(operator: Operator, shopper: Shopper, wechat: Sandbox) -> None:
    set_rules(operator, per_day=1)
    number = at_wechat(shopper)
    shopper.post(PATH, {"amount_fen": 100}, key="a").refused(422, "withdrawal_limit")
    end(wechat, number, "fail")
    shopper.send(*transfer_callback(wechat, number)).ok()
    assert withdraw(shopper, 100)["state"] == "processing"


def test_only_distributors_withdraw_and_suspended_ones_by_review(
    operator: Operator, shopper: Shopper, wechat: Sandbox
) -> None:
    waits = earner(operator.send, wechat, 10_000, state="pending")
    waits.post(PATH, {"amount_fen": 100}, key="a").refused(409, "distributor_state")
    Shopper.arrive(operator.send, wechat).post(PATH, {"amount_fen": 100}, key="a").refused(404, "not_found")
    operator.post(f"/v1/admin/distributors/{shopper.member_id}/suspend").ok()
    assert withdraw(shopper, 100)["state"] == "reviewing"


def test_with_distribution_switched_off_withdrawals_go_on(operator: Operator, shopper: Shopper) -> None:
    from chalicelib.growth.distribution.settings import DISTRIBUTION

    assert not DISTRIBUTION.fresh().enabled
    at_wechat(shopper)


def test_nobody_sees_another_s(operator: Operator, shopper: Shopper, wechat: Sandbox) -> None:
    number = at_wechat(shopper)
    other = earner(operator.send, wechat, 0)
    other.get(f"{PATH}/{number}").refused(404, "not_found")
    assert other.get(PATH).ok()["items"] == []
    shopper.get(f"{PATH}/allowance").refused(404, "not_found")


def test_a_member_is_shown_their_withdrawals_and_is_in_none_once_they_are_gone(
    operator: Operator, shopper: Shopper, wechat: Sandbox
) -> None:
    from chalicelib.growth.payouts.queries import load

    set_rules(operator, review_from_fen=None)
    number = at_wechat(shopper, 100_000)
    shopper.delete("/v1/me").refused(409, "account_open")
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    assert ids(shopper.get("/v1/me/export").ok()["sections"]["withdrawals"]) == [number]
    shopper.delete("/v1/me").ok(204)
    run_jobs()
    assert (load(number).openid, load(number).state, load(number).amount_fen) == ("", "succeeded", 100_000)


# --- how it ends ----------------------------------------------------------------------------------


def test_confirmed_it_is_paid_and_the_month_s_statement_says_so(
    shopper: Shopper, operator: Operator, wechat: Sandbox
) -> None:
    from chalicelib.core import clock
    from chalicelib.ledger import queries as ledger_queries

    number = at_wechat(shopper)
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    done = mine(shopper, number)
    assert (done["state"], "package_info" in done, "finished_at" in done) == ("succeeded", False, True)
    assert balance(shopper) == (90_000, 0, 10_000)
    entries = operator.get(f"/v1/admin/withdrawals/{number}/ledger").ok()["entries"]
    assert [entry["cause"] for entry in entries] == ["begun", "paid"]
    (month,) = ledger_queries.months(shopper.member_id, clock.day(clock.now()))
    assert (month.turnover.earned, month.turnover.withdrawn) == (100_000, 10_000)


def test_a_lost_notice_is_asked_for(shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock) -> None:
    number = at_wechat(shopper)
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 11)
    assert mine(shopper, number)["state"] == "succeeded"
    assert balance(shopper) == (90_000, 0, 10_000)


def test_a_notice_that_comes_twice_or_late_changes_nothing_more(
    shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    number = at_wechat(shopper)
    end(wechat, number, "confirm")
    run_jobs(mall_clock, 11)
    before = mine(shopper, number)
    for _ in range(2):
        assert shopper.send(*transfer_callback(wechat, number)).ok() == {"code": "SUCCESS", "message": ""}
    assert (mine(shopper, number), balance(shopper)) == (before, (90_000, 0, 10_000))


def test_not_confirmed_within_a_day_it_is_in_the_balance_again(
    shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    number = at_wechat(shopper)
    run_jobs(mall_clock, DAY - 60)
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    run_jobs(mall_clock, 120)
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "OVERDUE_CLOSE")
    assert balance(shopper) == (100_000, 0, 0)
    assert at_wechat(shopper) != number  # a new number only now


def test_failed_at_wechat_it_is_in_the_balance_again(shopper: Shopper, wechat: Sandbox) -> None:
    number = at_wechat(shopper)
    end(wechat, number, "fail", fail_reason="REAL_NAME_CHECK_FAIL")
    shopper.send(*transfer_callback(wechat, number)).ok()
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "REAL_NAME_CHECK_FAIL")
    assert balance(shopper) == (100_000, 0, 0)


#: What WeChat can make of a transfer that waits for its receiver, and how the withdrawal is then.
ENDS = {
    "confirmed": (["confirm"], "succeeded", None),
    "confirmed, and on its way for a while": (["transfering", "confirm"], "succeeded", None),
    "failed": (["fail"], "failed", "PAYEE_ACCOUNT_ABNORMAL"),
    "failed on its way": (["transfering", "fail"], "failed", "PAYEE_ACCOUNT_ABNORMAL"),
    "too late": (["expire"], "failed", "OVERDUE_CLOSE"),
    "called off in the merchant's console": (["cancel"], "failed", "CANCELLED"),
}


@pytest.mark.parametrize("learned", ["told", "asked"])
@pytest.mark.parametrize(("steps", "state", "reason"), ENDS.values(), ids=ENDS)
def test_however_it_ends_it_is_paid_once_or_in_the_balance_again(
    steps: list[str], state: str, reason: str | None, learned: str, shopper: Shopper, wechat: Sandbox,
    mall_clock: LocalClock,
) -> None:  # fmt: skip
    number = at_wechat(shopper)
    *between, last = steps
    for step in between:
        end(wechat, number, step)
        run_jobs(mall_clock, 11)
        seen = mine(shopper, number)
        assert (seen["state"], "package_info" in seen, balance(shopper)) == ("processing", False, (90_000, 10_000, 0))
    end(wechat, number, last)
    if learned == "told":
        shopper.send(*transfer_callback(wechat, number)).ok()
    else:
        run_jobs(mall_clock, 61)
    over = mine(shopper, number)
    assert (over["state"], over.get("reason")) == (state, reason)
    assert balance(shopper) == ((90_000, 0, 10_000) if state == "succeeded" else (100_000, 0, 0))


def test_one_that_wechat_has_only_accepted_goes_on_by_itself(
    shopper: Shopper, operator: Operator, wechat: Sandbox, mall_clock: LocalClock
) -> None:
    fault(wechat, "accepted", times=1)
    number = withdraw(shopper, 10_000)["withdrawal_id"]
    run_jobs()
    assert bill(wechat, number)["state"] == "ACCEPTED"
    (seen,) = queue(operator, shopper, "processing")
    assert (seen["withdrawal_id"], seen.get("waits_for")) == (number, None)
    run_jobs(mall_clock, 11)
    assert mine(shopper, number)["package_info"]


# --- called off -----------------------------------------------------------------------------------


def call_off(operator: Operator, number: str) -> Any:
    return operator.post(f"/v1/admin/withdrawals/{number}/cancel", {"reason": "账户待核实"}).ok()


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


# --- what is not to be believed -------------------------------------------------------------------


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


# --- faults ---------------------------------------------------------------------------------------


def fault(wechat: Sandbox, kind: str, times: int, path: str = TRANSFERS) -> None:
    wechat.post("faults", {"path": path, "kind": kind, "times": times, "seconds": 1.5})


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


# --- review ---------------------------------------------------------------------------------------


def test_from_the_threshold_on_it_is_sent_only_once_an_operator_approves(
    shopper: Shopper, operator: Operator, wechat: Sandbox
) -> None:
    assert withdraw(shopper, 49_999)["state"] == "processing"
    number = withdraw(shopper, 50_000, "k")["withdrawal_id"]
    assert mine(shopper, number)["state"] == "reviewing"
    run_jobs()
    assert bill(wechat, number) is None
    assert balance(shopper) == (1, 99_999, 0)
    (seen,) = queue(operator, shopper, "reviewing")
    assert (seen["withdrawal_id"], seen["member_id"]) == (number, shopper.member_id)
    for _ in range(2):
        assert operator.post(f"/v1/admin/withdrawals/{number}/approve").ok()["state"] == "processing"
    run_jobs()
    assert mine(shopper, number)["state"] == "awaiting_confirmation"
    assert withdraw(shopper, 50_000, "k")["state"] == "reviewing"  # what was answered then
    operator.post(f"/v1/admin/withdrawals/{number}/reject", {"reason": "zu spät"}).refused(409, "withdrawal_state")


def test_rejected_it_is_in_the_balance_again_with_the_reason(shopper: Shopper, operator: Operator) -> None:
    number = withdraw(shopper, 50_000)["withdrawal_id"]
    for _ in range(2):
        operator.post(f"/v1/admin/withdrawals/{number}/reject", {"reason": "请先完成实名"}).ok()
    over = mine(shopper, number)
    assert (over["state"], over["reason"]) == ("failed", "请先完成实名")
    assert balance(shopper) == (100_000, 0, 0)
    operator.post(f"/v1/admin/withdrawals/{number}/approve").refused(409, "withdrawal_state")
    entries = operator.get(f"/v1/admin/withdrawals/{number}/ledger").ok()["entries"]
    assert [entry["cause"] for entry in entries] == ["begun", "failed"]
    assert queue(operator, shopper, "reviewing") == []


# --- lists ----------------------------------------------------------------------------------------


def test_lists_are_paged_newest_first_for_members_and_oldest_first_in_queues(
    shopper: Shopper, operator: Operator, mall_clock: LocalClock
) -> None:
    set_rules(operator, review_from_fen=0)
    made = []
    for fen in (100, 200, 300):
        made.append(withdraw(shopper, fen)["withdrawal_id"])
        mall_clock.advance(1)
    admin = f"/v1/admin/withdrawals?member_id={shopper.member_id}"
    assert ids(paged(shopper, PATH + "?limit=2")) == made[::-1]
    assert ids(paged(operator, admin + "&limit=2")) == made[::-1]
    for query in ("?limit=2", "?queue=reviewing&limit=1"):
        everybodys = paged(operator, "/v1/admin/withdrawals" + query)
        assert ids(one for one in everybodys if one["member_id"] == shopper.member_id) == made
    operator.get(admin + "&queue=reviewing").refused(422, "invalid")
    operator.get("/v1/admin/withdrawals?cursor=x").refused(400, "cursor_invalid")


def ids(withdrawals: Any) -> list[str]:
    return [one["withdrawal_id"] for one in withdrawals]


def queue(operator: Operator, shopper: Shopper, name: str) -> list[Any]:
    """This member's withdrawals in an operators' queue."""
    found = paged(operator, f"/v1/admin/withdrawals?queue={name}")
    return [one for one in found if one["member_id"] == shopper.member_id]


def paged(client: Any, path: str) -> list[Any]:
    """What is on all pages."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = client.get(path + cursor).ok()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


# --- tax ------------------------------------------------------------------------------------------


def paid(shopper: Shopper, wechat: Sandbox, fen: int) -> Any:
    number = at_wechat(shopper, fen)
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    return mine(shopper, number)


def test_tax_is_withheld_by_the_month_and_reported_by_the_quarter(
    operator: Operator, shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.core import clock
    from chalicelib.growth.payouts import admin_routes
    from chalicelib.growth.payouts import queries as withdrawal_queries
    from chalicelib.growth.payouts.rules import quarter_of

    to_quarter(mall_clock)
    set_rules(operator, tax="labour", fee_bp=100, review_from_fen=None, per_day=10)
    other = earner(operator.send, wechat, 100_000)
    taxes = [paid(shopper, wechat, fen)["tax_fen"] for fen in (50_000, 40_000)]
    assert taxes == [0, 2_000]  # 900 yuan in the month: 100 above what is free
    failed = at_wechat(shopper, 10_000)
    assert mine(shopper, failed)["tax_fen"] == 2_000
    end(wechat, failed, "fail")
    shopper.send(*transfer_callback(wechat, failed)).ok()
    assert paid(other, wechat, 10_000)["tax_fen"] == 0
    last = paid(shopper, wechat, 10_000)
    assert (last["tax_fen"], last["fee_fen"], last["net_fen"]) == (2_000, 100, 7_900)
    assert balance(shopper) == (0, 0, 100_000)
    quarter = quarter_of(clock.now())
    assert report(operator, quarter) == {
        shopper.member_id: ["3", "100000", "4000", "1000", "95000"],
        other.member_id: ["1", "10000", "0", "100", "9900"],
    }
    monkeypatch.setattr(admin_routes, "tax_rows", lambda *asked: withdrawal_queries.tax_rows(*asked, limit=1))
    assert len(report(operator, quarter)) == 2
    assert report(operator, "2020-Q1") == {}
    operator.get("/v1/admin/tax-report?quarter=2026-Q5").refused(400, "malformed")
    assert differences(wechat, other) == []


def test_a_rule_of_the_merchant_s_withholds_by_the_year_so_far(
    operator: Operator, shopper: Shopper, wechat: Sandbox, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chalicelib.growth.payouts.rules import TAXES, Allowance

    def by_the_year(amount_fen: int, before: Allowance) -> int:
        taxable = max(0, before.year_fen + amount_fen - 10_000 * before.months)
        return max(0, taxable // 10 - before.year_tax_fen)

    monkeypatch.setitem(TAXES, "labour", by_the_year)  # type: ignore[arg-type]
    to_quarter(mall_clock)
    set_rules(operator, tax="labour", per_day=10)
    assert paid(shopper, wechat, 20_000)["tax_fen"] == 1_000  # 100 yuan of the first month are free
    waiting = at_wechat(shopper, 10_000)
    assert mine(shopper, waiting)["tax_fen"] == 1_000
    mall_clock.advance(29 * DAY)  # to the first days of the next month: what waited was too late
    run_jobs()
    assert mine(shopper, waiting)["state"] == "failed"
    # 200 and 300 yuan, of which 200 are free: 30 yuan, less the 10 of the first month
    assert paid(shopper, wechat, 30_000)["tax_fen"] == 2_000
    while month_now() != 1:
        mall_clock.advance(28 * DAY)
    assert paid(shopper, wechat, 15_000)["tax_fen"] == 500  # a new year begins with nothing


def month_now() -> int:
    from chalicelib.core import clock

    return clock.day(clock.now()).month


def to_quarter(mall_clock: LocalClock) -> None:
    """To the third day of the next quarter: what other tests paid lies before it."""
    from datetime import timedelta

    from chalicelib.core import clock

    day, days = clock.day(clock.now()), 1
    while (after := day + timedelta(days=days)).day != 3 or after.month not in (1, 4, 7, 10):
        days += 1
    mall_clock.advance(days * DAY)


def report(operator: Operator, quarter: str) -> dict[str, list[str]]:
    """The lines of the tax report on all its pages, by member."""
    found: dict[str, list[str]] = {}
    cursor = ""
    while True:
        page = operator.get(f"/v1/admin/tax-report?quarter={quarter}{cursor}")
        assert page.headers["content-type"] == "text/csv; charset=utf-8"
        header, *lines = csv.reader(io.StringIO(page.body.decode("utf-8-sig")))
        assert header == ["member_id", "withdrawals", "gross_fen", "tax_fen", "fee_fen", "net_fen"]
        for member_id, *rest in lines:
            assert member_id not in found
            found[member_id] = rest
        if "x-next-cursor" not in page.headers:
            return found
        cursor = f"&cursor={page.headers['x-next-cursor']}"
