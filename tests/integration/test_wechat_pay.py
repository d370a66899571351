"""Prepay, query, close and refunds: what the payment client promises, against the sandbox."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.core import clock
from chalicelib.gateways.wechat import api
from chalicelib.gateways.wechat import pay as wechat_pay
from local.client import poll
from tests.wechat_fixtures import Wechat, an_order, refund_of, refused


def test_the_pay_parameters_are_signed_over_the_four_lines(wechat: Wechat) -> None:
    params = wechat_pay.pay_params("wx123")
    message = f"{wechat.keys.appid}\n{params.timeStamp}\n{params.nonceStr}\nprepay_id=wx123\n"
    merchant = load_pem_private_key(wechat.keys.merchant_key.encode(), password=None).public_key()
    merchant.verify(base64.b64decode(params.paySign), message.encode(), PKCS1v15(), SHA256())  # type: ignore[union-attr,call-arg]
    assert msgspec.json.decode(msgspec.json.encode(params)) == {
        "timeStamp": params.timeStamp,
        "nonceStr": params.nonceStr,
        "package": "prepay_id=wx123",
        "signType": "RSA",
        "paySign": params.paySign,
    }


def test_a_repeated_prepay_of_the_same_body_is_given_a_fresh_id(wechat: Wechat) -> None:
    body, first = wechat.prepaid()
    wechat.clock.advance(3)
    assert wechat_pay.prepay(body) != first


@pytest.mark.parametrize("change", [{"total_fen": 999}, {"description": "x"}, {"openid": "o-else"}])
def test_the_same_number_with_another_body_is_refused(wechat: Wechat, change: dict[str, Any]) -> None:
    body, _ = wechat.prepaid()
    other = msgspec.structs.replace(body, **change)
    error = refused(lambda: wechat_pay.prepay(other))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("INVALID_REQUEST", 400, False, False)


def test_a_long_description_is_cut_between_characters(wechat: Wechat) -> None:
    assert wechat.prepaid(description="茶" * 300)[1]
    assert wechat_pay._cut("茶" * 300, 127) == "茶" * 42


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "short"},
        {"out_trade_no": "T" * 33},
        {"out_trade_no": "T12345 7"},
        {"out_trade_no": "T1234567\n"},
        {"total_fen": 0},
        {"description": ""},
        {"openid": ""},
        {"time_expire": datetime(2020, 1, 1, tzinfo=UTC)},
    ],
)
def test_wechat_takes_nothing_outside_its_documented_bounds(wechat: Wechat, change: dict[str, Any]) -> None:
    assert refused(lambda: wechat.prepaid(**change)).code == "PARAM_ERROR"


def test_there_must_be_a_minute_to_pay(wechat: Wechat) -> None:
    assert refused(lambda: wechat.prepaid(time_expire=clock.now() + timedelta(seconds=50))).code == "PARAM_ERROR"
    assert wechat.prepaid(time_expire=clock.now() + timedelta(seconds=62))


def test_what_is_paid_closed_or_expired_cannot_be_prepaid_again(wechat: Wechat) -> None:
    paid, (closed, _), (expired, _) = wechat.paid(), wechat.prepaid(), wechat.prepaid()
    assert wechat_pay.close(closed.out_trade_no) == "closed"
    assert refused(lambda: wechat_pay.prepay(paid)).code == "ORDER_PAID"
    assert refused(lambda: wechat_pay.prepay(closed)).code == "ORDER_CLOSED"
    wechat.clock.advance(3601)
    assert refused(lambda: wechat_pay.prepay(expired)).code == "ORDER_CLOSED"


# --- the shopper pays, query, close ---------------------------------------------------------------


def test_a_payment_is_seen_by_asking(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid()
    before = wechat_pay.query(body.out_trade_no)
    assert before is not None
    assert (before.state, before.transaction_id, before.total_fen, before.success_time) == ("NOTPAY", None, None, None)
    answer = wechat.control("pay", {"prepay_id": prepay_id, "notify": "none"})
    assert answer["out_trade_no"] == body.out_trade_no
    trade = wechat_pay.query(body.out_trade_no)
    assert trade is not None and trade.success_time is not None
    assert abs(trade.success_time - clock.now()) < timedelta(seconds=3)
    assert trade == wechat_pay.Trade(
        out_trade_no=body.out_trade_no,
        state="SUCCESS",
        appid=wechat.keys.appid,
        mchid=wechat.keys.mchid,
        transaction_id=answer["transaction_id"],
        total_fen=1000,
        openid="o-somebody",
        success_time=trade.success_time,
    )


def test_a_number_that_wechat_never_heard_of_is_none(wechat: Wechat) -> None:
    assert wechat_pay.query("T00000000") is None
    assert wechat_pay.query_refund("R|*@0") is None
    assert wechat_pay.close("T0000|*0") == "unknown_number"


def test_closing_may_be_repeated_and_ends_every_chance_to_pay(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid(out_trade_no="T-12|45*_7")
    assert [wechat_pay.close(body.out_trade_no) for _ in range(2)] == ["closed", "closed"]
    assert wechat.control("pay", {"prepay_id": prepay_id}, status=409) == {"reason": "closed"}
    trade = wechat_pay.query(body.out_trade_no)
    assert trade is not None and trade.state == "CLOSED"


def test_closing_what_was_paid_is_refused_and_a_query_says_why(wechat: Wechat) -> None:
    number = wechat.paid().out_trade_no
    assert wechat_pay.close(number) == "refused"
    trade = wechat_pay.query(number)
    assert trade is not None and trade.state == "SUCCESS"


def test_nobody_pays_twice_or_too_late(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid()
    again = wechat_pay.prepay(body)
    late_body, late = wechat.prepaid()
    wechat.control("pay", {"prepay_id": prepay_id, "notify": "none"})
    assert wechat.control("pay", {"prepay_id": again}, status=409) == {"reason": "already paid"}
    wechat.clock.advance(3600)
    assert wechat.control("pay", {"prepay_id": late}, status=409) == {"reason": "expired"}
    trade = wechat_pay.query(late_body.out_trade_no)
    assert trade is not None and trade.state == "CLOSED"


def test_a_prepay_id_is_good_for_two_hours(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid(time_expire=clock.now() + timedelta(hours=9))
    wechat.clock.advance(7201)
    assert wechat.control("pay", {"prepay_id": prepay_id}, status=409) == {"reason": "expired"}
    wechat.control("pay", {"prepay_id": wechat_pay.prepay(body), "notify": "none"})


# --- refunds --------------------------------------------------------------------------------------


def test_a_refund_arrives_after_a_while_and_a_repeat_is_the_same_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    first = wechat_pay.refund(refund_of(body, 300))
    assert (first.state, first.amount_fen, first.success_time) == ("PROCESSING", 300, None)
    wechat.clock.advance(6)
    again = wechat_pay.refund(refund_of(body, 300))
    assert (again.state, again.refund_id) == ("SUCCESS", first.refund_id)
    assert wechat_pay.query_refund(first.out_refund_no) == again
    trade = wechat_pay.query(body.out_trade_no)
    assert trade is not None and trade.state == "REFUND"
    (line,) = wechat.control("ledger")["refunds"]
    assert (line["out_refund_no"], line["amount_fen"], line["state"]) == (first.out_refund_no, 300, "SUCCESS")
    (told,) = wechat.control(f"trades?out_trade_no={body.out_trade_no}")["trades"]
    assert told["state"] == "REFUND"
    assert datetime.fromisoformat(told["paid_at"]) < datetime.fromisoformat(line["done_at"]) <= clock.now()


def test_a_refund_number_is_not_for_another_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat_pay.refund(refund_of(body, 300))
    assert refused(lambda: wechat_pay.refund(refund_of(body, 301))).code == "INVALID_REQUEST"


def test_no_more_is_refunded_than_was_paid(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.paid()  # so that the balance is not what stops it
    wechat_pay.refund(refund_of(body, 600, "R1"))
    wechat.clock.advance(61)
    assert refused(lambda: wechat_pay.refund(refund_of(body, 401, "R2"))).code == "INVALID_REQUEST"
    wechat_pay.refund(refund_of(body, 400, "R3"))
    wrong_total = wechat_pay.RefundRequest(body.out_trade_no, "R4", 1, 999, "")
    assert refused(lambda: wechat_pay.refund(wrong_total)).code == "PARAM_ERROR"


def test_at_most_fifty_refunds_of_a_payment(wechat: Wechat) -> None:
    body = wechat.paid()
    for turn in range(50):
        wechat_pay.refund(refund_of(body, 1, f"R{turn}"))
        wechat.clock.advance(61)
    assert refused(lambda: wechat_pay.refund(refund_of(body, 1, "R50"))).code == "INVALID_REQUEST"


def test_there_is_a_minute_between_two_refunds_of_a_payment(wechat: Wechat) -> None:
    body, other = wechat.paid(), wechat.paid()
    wechat_pay.refund(refund_of(body, 1, "RM1"))
    wechat.clock.advance(50)
    assert refused(lambda: wechat_pay.refund(refund_of(body, 1, "RM2"))).code == "INVALID_REQUEST"
    assert wechat_pay.refund(refund_of(body, 1, "RM1")) and wechat_pay.refund(refund_of(other))
    wechat.clock.advance(11)
    assert wechat_pay.refund(refund_of(body, 1, "RM2")).state == "PROCESSING"


def test_a_payment_that_was_not_made_has_nothing_to_refund(wechat: Wechat) -> None:
    body, _ = wechat.prepaid()
    assert refused(lambda: wechat_pay.refund(refund_of(body))).code == "INVALID_REQUEST"
    assert refused(lambda: wechat_pay.refund(refund_of(an_order()))).code == "RESOURCE_NOT_EXISTS"


def test_a_short_balance_is_told_and_the_same_refund_works_later(wechat: Wechat) -> None:
    body = wechat.paid()
    assert wechat.control("balance", {"available_fen": 999}) == {"available_fen": 999}
    short = refused(lambda: wechat_pay.refund(refund_of(body)))
    assert (short.code, short.http, short.outcome_unknown) == ("NOT_ENOUGH", 403, False)
    assert wechat_pay.query_refund(refund_of(body).out_refund_no) is None
    wechat.control("balance", {"available_fen": None})
    assert wechat_pay.refund(refund_of(body)).state == "PROCESSING"


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
def test_a_refund_may_fail_in_the_end(wechat: Wechat, outcome: str) -> None:
    body = wechat.paid()
    request = refund_of(body)
    wechat_pay.refund(request)
    wechat.control(f"refunds/{request.out_refund_no}", {"outcome": outcome})
    wechat.clock.advance(6)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    told = wechat_pay.read_refund(api.read_callback(headers, raw))
    assert (told.state, told.amount_fen, told.success_time) == (outcome, 1000, None)
    assert told == wechat_pay.query_refund(request.out_refund_no)
    wechat.control(f"refunds/{request.out_refund_no}", {"outcome": "SUCCESS"}, status=409)
