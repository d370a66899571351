"""Commission taken out: paid exactly once or in the balance again, whatever WeChat, the network and people do."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from local.client import Operator, Sandbox, Shopper, in_process
from local.clock import LocalClock
from tests.support.withdrawals import (
    DAY,
    PATH,
    at_wechat,
    balance,
    bill,
    differences,
    earner,
    end,
    fault,
    ids,
    mine,
    queue,
    run_jobs,
    set_rules,
    transfer_callback,
    withdraw,
)

# --- asking ----------------------------------------------------------------------------------------


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
    problem = shopper.post(PATH, {"amount_fen": 100_001}, key="k").refused(409, "balance_short")
    assert problem["detail"] == "可提现余额不足 1000.01 元，请减少提现金额"
    told = {name: problem["errors"][0][name] for name in ("field", "code", "amount_fen")}
    assert told == {"field": "amount_fen", "code": "withdrawal_above_balance", "amount_fen": 100_001}
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
    shopper.leave().refused(409, "account_open")
    end(wechat, number, "confirm")
    shopper.send(*transfer_callback(wechat, number)).ok()
    assert ids(shopper.get("/v1/me/export").ok()["sections"]["withdrawals"]) == [number]
    shopper.leave().ok(204)
    run_jobs()
    assert (load(number).openid, load(number).state, load(number).amount_fen) == ("", "succeeded", 100_000)


# --- how it ends -----------------------------------------------------------------------------------


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
