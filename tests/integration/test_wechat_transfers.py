"""Transfers to promoters: what the client promises, against the sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.gateways.wechat import api, transfers
from chalicelib.gateways.wechat import pay as wechat_pay
from local.client import poll
from tests.wechat_fixtures import TRANSFERS, Wechat, a_transfer, refund_of, refused

DAY = 86_400


def balance_fen(wechat: Wechat) -> int:
    """What payments, refunds and transfers have left the merchant with."""
    return int(wechat.control("balance", {"available_fen": None})["available_fen"])


def line(wechat: Wechat, request: transfers.TransferRequest) -> dict[str, Any]:
    """That transfer in WeChat's books."""
    (found,) = wechat.control(f"ledger?out_bill_no={request.out_bill_no}")["transfers"]
    return dict(found)


def test_a_transfer_waits_for_its_receiver_who_is_told_how_to_take_it(wechat: Wechat) -> None:
    wechat.paid()
    request = a_transfer()
    made = transfers.transfer(request)
    assert made.package_info
    assert made == transfers.TransferResult(
        out_bill_no=request.out_bill_no,
        transfer_bill_no=made.transfer_bill_no,
        state="WAIT_USER_CONFIRM",
        package_info=made.package_info,
    )
    asked = transfers.query_transfer(request.out_bill_no)
    assert asked == msgspec.structs.replace(made, amount_fen=300, package_info=None)
    told = line(wechat, request)
    assert (told["openid"], told["amount_fen"], told["state"]) == ("o-promoter", 300, "WAIT_USER_CONFIRM")
    assert (told["remark"], told["done_at"]) == ("十一月的佣金", None)


def test_a_repeat_is_the_same_transfer_and_the_way_to_its_package_info(wechat: Wechat) -> None:
    request = wechat.transferred()
    first = transfers.transfer(request)
    assert first.package_info and transfers.transfer(request) == first
    wechat.end(request, "confirm")
    again = transfers.transfer(request)
    assert (again.state, again.transfer_bill_no, again.package_info) == ("SUCCESS", first.transfer_bill_no, None)
    assert len(wechat.control("ledger")["transfers"]) == 1


@pytest.mark.parametrize("change", [{"amount_fen": 301}, {"openid": "o-else"}, {"remark": "别的"}])
def test_a_number_is_not_for_another_transfer(wechat: Wechat, change: dict[str, Any]) -> None:
    request = wechat.transferred()
    other = msgspec.structs.replace(request, **change)
    error = refused(lambda: transfers.transfer(other))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("INVALID_REQUEST", 400, False, False)
    assert line(wechat, request)["amount_fen"] == 300


def test_a_number_that_wechat_never_heard_of_is_none(wechat: Wechat) -> None:
    assert transfers.query_transfer("W00000000") is None
    assert transfers.query_transfer("W|0?0") is None


def test_wechat_tells_of_a_transfer_for_thirty_days(wechat: Wechat) -> None:
    request = wechat.transferred()
    wechat.end(request, "confirm", notify="none")
    wechat.clock.advance(30 * DAY - 60)
    assert transfers.query_transfer(request.out_bill_no) is not None
    wechat.clock.advance(61)
    assert transfers.query_transfer(request.out_bill_no) is None
    assert transfers.transfer(request).state == "SUCCESS"  # and still nobody is paid twice


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        ({"out_bill_no": "W" * 32}, True),
        ({"out_bill_no": "W" * 33}, False),
        ({"out_bill_no": "W-1"}, False),
        ({"out_bill_no": ""}, False),
        ({"amount_fen": 9}, False),
        ({"amount_fen": 10}, True),
        ({"amount_fen": 199_999}, True),
        ({"amount_fen": 200_000}, False),  # the mall does not know the receiver's name
        ({"openid": ""}, False),
        ({"remark": "茶" * 40}, True),  # cut
        ({"remark": ""}, False),
    ],
)
def test_wechat_takes_no_transfer_outside_its_documented_bounds(
    wechat: Wechat, change: dict[str, Any], taken: bool
) -> None:
    wechat.control("balance", {"available_fen": 1_000_000})
    request = a_transfer(**change)
    if taken:
        assert transfers.transfer(request).state == "WAIT_USER_CONFIRM"
        assert line(wechat, request)["remark"] == request.remark[:32]
    else:
        error = refused(lambda: transfers.transfer(request))
        assert (error.code, error.http, error.outcome_unknown) == ("PARAM_ERROR", 400, False)
        assert wechat.control("ledger")["transfers"] == []


# --- how it ends ----------------------------------------------------------------------------------


def test_who_confirms_has_the_money_and_the_merchant_less(wechat: Wechat) -> None:
    wechat.paid()
    request = a_transfer()
    transfers.transfer(request)
    assert balance_fen(wechat) == 700  # set aside
    wechat.end(request, "confirm")
    result = transfers.query_transfer(request.out_bill_no)
    assert result is not None and (result.state, result.fail_reason) == ("SUCCESS", None)
    assert balance_fen(wechat) == 700
    told = line(wechat, request)
    assert datetime.fromisoformat(told["made_at"]) <= datetime.fromisoformat(told["done_at"]) <= clock.now()


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ({"outcome": "fail"}, "PAYEE_ACCOUNT_ABNORMAL"),
        ({"outcome": "fail", "fail_reason": "REAL_NAME_CHECK_FAIL"}, "REAL_NAME_CHECK_FAIL"),
        ({"outcome": "expire"}, "OVERDUE_CLOSE"),
    ],
)
def test_the_merchant_has_the_money_again_when_a_transfer_fails(
    wechat: Wechat, ending: dict[str, str], reason: str
) -> None:
    wechat.paid()
    request = a_transfer()
    transfers.transfer(request)
    wechat.control(f"transfers/{request.out_bill_no}", ending)
    result = transfers.query_transfer(request.out_bill_no)
    assert result is not None and (result.state, result.fail_reason) == ("FAIL", reason)
    assert transfers.transfer(request).fail_reason == reason
    assert balance_fen(wechat) == 1000


def test_a_transfer_that_nobody_takes_is_over_after_a_day(wechat: Wechat) -> None:
    request = wechat.transferred()
    wechat.clock.advance(DAY - 60)
    waiting = transfers.query_transfer(request.out_bill_no)
    assert waiting is not None and waiting.state == "WAIT_USER_CONFIRM"
    wechat.clock.advance(61)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    told = transfers.read_transfer(api.read_callback(headers, raw))
    assert (told.state, told.fail_reason) == ("FAIL", "OVERDUE_CLOSE")
    assert told == transfers.query_transfer(request.out_bill_no)
    late = wechat.control(f"transfers/{request.out_bill_no}", {"outcome": "confirm"}, status=409)
    assert late == {"reason": "the transfer is FAIL"}


def test_what_is_over_stays_as_it_is(wechat: Wechat) -> None:
    request = wechat.transferred()
    wechat.end(request, "confirm")
    for outcome in ("confirm", "expire", "fail"):
        wechat.control(f"transfers/{request.out_bill_no}", {"outcome": outcome}, status=409)
    wechat.clock.advance(2 * DAY)
    assert line(wechat, request)["state"] == "SUCCESS"
    assert wechat.control("transfers/W00000000", {"outcome": "confirm"}, status=404)["reason"]


def test_called_off_before_it_is_taken_the_merchant_has_the_money_again(wechat: Wechat) -> None:
    request = wechat.transferred()
    before = balance_fen(wechat)
    for _ in range(2):
        told = transfers.cancel_transfer(request.out_bill_no)
        assert (told.out_bill_no, told.state, told.package_info) == (request.out_bill_no, "CANCELING", None)
    wechat.control(f"transfers/{request.out_bill_no}", {"outcome": "confirm"}, status=409)
    assert balance_fen(wechat) == before
    wechat.clock.advance(6)
    result = transfers.query_transfer(request.out_bill_no)
    assert result is not None and (result.state, result.fail_reason) == ("CANCELLED", None)
    assert balance_fen(wechat) == before + 300
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    assert transfers.read_transfer(api.read_callback(headers, raw)) == result


@pytest.mark.parametrize("outcome", ["transfering", "confirm", "expire", "cancel"])
def test_what_its_receiver_has_confirmed_or_is_over_is_not_called_off(wechat: Wechat, outcome: str) -> None:
    request = wechat.transferred()
    wechat.end(request, outcome)
    error = refused(lambda: transfers.cancel_transfer(request.out_bill_no))
    assert (error.code, error.passing) == ("INVALID_REQUEST", False)
    error = refused(lambda: transfers.cancel_transfer("W00000000"))
    assert (error.code, error.passing) == ("NOT_FOUND", False)


@pytest.mark.parametrize(("outcome", "state"), [("confirm", "SUCCESS"), ("fail", "FAIL")])
def test_the_money_may_be_on_its_way_for_a_while(wechat: Wechat, outcome: str, state: str) -> None:
    request = wechat.transferred()
    wechat.end(request, "transfering")
    wechat.clock.advance(2 * DAY)  # whoever has confirmed is not too late
    on_its_way = transfers.transfer(request)
    assert (on_its_way.state, on_its_way.package_info) == ("TRANSFERING", None)
    assert wechat.control("notifications")["notifications"] == []
    wechat.end(request, outcome)
    result = transfers.query_transfer(request.out_bill_no)
    assert result is not None and result.state == state


def test_wechat_may_take_a_transfer_on_before_it_looks_at_it(wechat: Wechat) -> None:
    wechat.paid()
    wechat.fault(TRANSFERS, "accepted")
    request = a_transfer()
    made = transfers.transfer(request)
    assert (made.state, made.package_info) == ("ACCEPTED", None)
    assert transfers.transfer(request) == made
    wechat.clock.advance(6)
    assert transfers.transfer(request).state == "WAIT_USER_CONFIRM"


# --- a short balance ------------------------------------------------------------------------------


def test_a_transfer_waits_for_the_balance_before_it_waits_for_its_receiver(wechat: Wechat) -> None:
    wechat.control("balance", {"available_fen": 299})
    request = a_transfer()
    short = transfers.transfer(request)
    assert (short.state, short.package_info) == ("PROCESSING", None)
    wechat.control(f"transfers/{request.out_bill_no}", {"outcome": "confirm"}, status=409)
    assert transfers.transfer(request) == short
    wechat.control("balance", {"available_fen": 300})
    ready = transfers.transfer(request)
    assert (ready.state, ready.transfer_bill_no) == ("WAIT_USER_CONFIRM", short.transfer_bill_no)
    assert ready.package_info


def test_a_balance_that_stays_short_ends_a_transfer_after_a_day(wechat: Wechat) -> None:
    request = a_transfer()
    assert transfers.transfer(request).state == "PROCESSING"
    wechat.clock.advance(DAY + 1)
    result = transfers.query_transfer(request.out_bill_no)
    assert result is not None and (result.state, result.fail_reason) == ("FAIL", "OVERDUE_CLOSE")


def test_what_is_set_aside_can_be_given_to_nobody_else(wechat: Wechat) -> None:
    body = wechat.paid()
    first, second = a_transfer(amount_fen=600), a_transfer(amount_fen=600)
    assert transfers.transfer(first).state == "WAIT_USER_CONFIRM"
    assert transfers.transfer(second).state == "PROCESSING"
    assert refused(lambda: wechat_pay.refund(refund_of(body, 401))).code == "NOT_ENOUGH"
    wechat.end(first, "fail")
    result = transfers.query_transfer(second.out_bill_no)
    assert result is not None and result.state == "WAIT_USER_CONFIRM"


def test_wechat_may_also_say_at_once_that_the_balance_is_short(wechat: Wechat) -> None:
    wechat.fault(TRANSFERS, "not_enough")
    request = a_transfer()
    short = refused(lambda: transfers.transfer(request))
    assert (short.code, short.http, short.outcome_unknown) == ("NOT_ENOUGH", 403, False)
    assert transfers.query_transfer(request.out_bill_no) is None
    wechat.control("balance", {"available_fen": 300})
    assert transfers.transfer(request).state == "WAIT_USER_CONFIRM"


# --- the network, and many at once ----------------------------------------------------------------


@pytest.mark.parametrize(("kind", "effect"), [("timeout", False), ("timeout_after_effect", True)])
def test_after_a_time_out_the_same_number_again_pays_once(
    wechat: Wechat, short_time_outs: None, kind: str, effect: bool
) -> None:
    wechat.paid()
    request = a_transfer()
    wechat.fault(TRANSFERS, kind, seconds=1.5)
    error = refused(lambda: transfers.transfer(request))
    assert (error.code, error.retryable, error.outcome_unknown) == ("read_timeout", True, True)
    assert (transfers.query_transfer(request.out_bill_no) is not None) is effect
    assert transfers.transfer(request).package_info
    assert [told["amount_fen"] for told in wechat.control("ledger")["transfers"]] == [300]
    assert balance_fen(wechat) == 700


def test_a_transfer_whose_answer_is_not_to_be_believed_was_made_all_the_same(wechat: Wechat) -> None:
    wechat.control("balance", {"available_fen": 300})
    request = a_transfer()
    wechat.fault(TRANSFERS, "bad_signature")
    error = refused(lambda: transfers.transfer(request))
    assert (error.code, error.outcome_unknown) == ("reply_unverifiable", True)
    wechat.fault(TRANSFERS, "error")
    error = refused(lambda: transfers.transfer(request))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("SYSTEM_ERROR", 500, True, True)
    wechat.fault(TRANSFERS, "slow", seconds=0.2)
    assert transfers.transfer(request).package_info
    wechat.fault(TRANSFERS, "error")
    assert refused(lambda: transfers.query_transfer(request.out_bill_no)).retryable


def test_the_same_number_at_once_is_one_transfer_and_many_are_right_to_the_fen(wechat: Wechat) -> None:
    wechat.control("balance", {"available_fen": 10_000})
    requests = [a_transfer(amount_fen=100 + turn) for turn in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(transfers.transfer, requests * 3))
    assert len({result.transfer_bill_no for result in made}) == 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda request: wechat.end(request, "confirm", notify="none"), requests))
    ledger = wechat.control("ledger")
    assert sum(told["amount_fen"] for told in ledger["transfers"]) == sum(range(100, 108))
    assert {told["state"] for told in ledger["transfers"]} == {"SUCCESS"}


def test_the_ledger_tells_what_is_asked_for(wechat: Wechat) -> None:
    paid, request = wechat.paid(), a_transfer()
    wechat.paid()
    transfers.transfer(request)
    transfers.transfer(a_transfer())

    def numbers(query: str) -> tuple[list[str], list[str]]:
        ledger = wechat.control(f"ledger?{query}")
        payments = [told["out_trade_no"] for told in ledger["payments"]]
        return payments, [told["out_bill_no"] for told in ledger["transfers"]]

    assert numbers(f"out_trade_no={paid.out_trade_no}") == ([paid.out_trade_no], [])
    assert numbers(f"out_bill_no={request.out_bill_no}") == ([], [request.out_bill_no])
    both = f"out_trade_no={paid.out_trade_no}&out_bill_no={request.out_bill_no}"
    assert numbers(both) == ([paid.out_trade_no], [request.out_bill_no])
    assert [len(part) for part in numbers("")] == [2, 2]
    wechat.control("reset", {})
    assert numbers("") == ([], [])
