"""What the mall's WeChat clients promise, against the sandbox."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.core import clock, settings
from chalicelib.core.errors import MallError
from chalicelib.wechat import http, mini, pay, signature
from chalicelib.wechat.errors import CallbackRejected, WechatError
from local.clock import LocalClock
from local.keys import load_or_make, mall_environment, public_pem
from local.processes import free_port
from local.sandbox.crypto import Signer
from tests import wechat_fixtures
from tests.wechat_fixtures import Wechat, an_order, until

JSAPI = "/v3/pay/transactions/jsapi"
REFUNDS = "/v3/refund/domestic/refunds"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    with wechat_fixtures.wechat(tmp_path_factory.mktemp("wechat")) as started:
        yield started


@pytest.fixture
def wechat(running: Wechat) -> Wechat:
    running.forget()
    mini._token = None
    return running


def refund_of(body: pay.Prepay, fen: int = 1000, number: str = "") -> pay.RefundRequest:
    return pay.RefundRequest(body.out_trade_no, number or f"R{body.out_trade_no}", fen, body.total_fen, "不想要了")


def refused(call: Callable[[], Any]) -> WechatError:
    with pytest.raises(WechatError) as caught:
        call()
    return caught.value


# --- login ----------------------------------------------------------------------------------------


def test_the_same_user_is_the_same_openid_and_others_are_others(wechat: Wechat) -> None:
    assert wechat.openid("anna") == wechat.openid("anna") != wechat.openid("bert")


def test_a_login_code_works_once(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    mini.code2session(code)
    with pytest.raises(MallError, match="wechat_code_used"):
        mini.code2session(code)


def test_a_login_code_lives_for_five_minutes(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.clock.advance(301)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session(code)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session("made up & odd?")


def test_a_login_whose_reply_is_lost_is_not_tried_again(wechat: Wechat, short_time_outs: None) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.fault("/sns/jscode2session", "timeout_after_effect", seconds=0.6)
    lost = refused(lambda: mini.code2session(code))
    assert (lost.code, lost.outcome_unknown, lost.retryable) == ("read_timeout", True, False)
    with pytest.raises(MallError, match="wechat_code_used"):
        mini.code2session(code)


def test_a_busy_wechat_may_be_asked_again(wechat: Wechat) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    wechat.fault("/sns/", "error")
    assert refused(lambda: mini.code2session(code)).retryable
    assert mini.code2session(code).openid


def test_a_wrong_secret_or_appid_is_told_apart_from_a_wrong_code(wechat: Wechat) -> None:
    ask = f"{wechat.url}/sns/jscode2session?js_code=x&grant_type=authorization_code"
    right, secret = wechat.keys.appid, wechat.keys.app_secret
    assert requests.get(f"{ask}&appid=wx0&secret={secret}", timeout=5).json()["errcode"] == 40013
    assert requests.get(f"{ask}&appid={right}&secret=no", timeout=5).json()["errcode"] == 40125


# --- access token, phone, shipping ----------------------------------------------------------------


def test_a_token_is_kept_until_five_minutes_before_its_end(wechat: Wechat) -> None:
    first = mini.access_token()
    wechat.fault("/cgi-bin/stable_token", "error")  # would be met if it asked
    assert mini.access_token() == first
    wechat.clock.advance(7200 - 299)
    assert refused(mini.access_token).code == "-1"
    assert mini.access_token() != first


def test_a_token_that_wechat_forgot_is_fetched_again_once(wechat: Wechat) -> None:
    stale = mini.access_token()
    wechat.control("reset", {})
    code = wechat.control("phone", {"user": "anna", "phone": "13912345678"})["code"]
    assert mini.phone_number(code, wechat.openid("anna")) == "13912345678"
    assert mini.access_token() != stale


def test_a_phone_code_is_for_its_shopper_and_no_login_code(wechat: Wechat) -> None:
    anna, bert = wechat.openid("anna"), wechat.openid("bert")
    for code in (
        wechat.control("phone", {"user": "bert"})["code"],
        wechat.control("login", {"user": "anna"})["code"],
    ):
        with pytest.raises(MallError, match="wechat_code_invalid"):
            mini.phone_number(code, anna)
    with pytest.raises(MallError, match="wechat_code_invalid"):
        mini.code2session(wechat.control("phone", {"user": "bert"})["code"])
    assert mini.phone_number(wechat.control("phone", {"user": "bert"})["code"], bert).startswith("138")


def test_shipping_is_reported_once_however_often_it_is_told(wechat: Wechat) -> None:
    body = wechat.paid()
    parcel = mini.Parcel("ZTO", "776655")

    def report(*parcels: mini.Parcel, done: bool = True) -> None:
        mini.report_shipping(body.out_trade_no, body.openid, "茶" * 200, parcels, done, clock.now())

    report(parcel, done=False)
    report(parcel, mini.Parcel("SF", "SF1", "138****0000"))
    for _ in range(2):
        report(parcel, mini.Parcel("SF", "SF1", "138****0000"))  # nothing new
    report(parcel)  # shipped again, which WeChat allows once
    report(mini.Parcel("STO", "1"))  # and once more: nothing is left to tell


def test_shipping_of_a_payment_that_wechat_does_not_see_is_tried_again(wechat: Wechat) -> None:
    body, _ = wechat.prepaid()
    unseen = refused(
        lambda: mini.report_shipping(body.out_trade_no, body.openid, "茶", [mini.Parcel("ZTO", "1")], True, clock.now())
    )
    assert (unseen.code, unseen.retryable) == ("10060001", True)


def test_shipping_to_another_openid_is_an_error_for_a_person(wechat: Wechat) -> None:
    body = wechat.paid()
    wrong = refused(
        lambda: mini.report_shipping(body.out_trade_no, "o-else", "茶", [mini.Parcel("ZTO", "1")], True, clock.now())
    )
    assert (wrong.code, wrong.retryable) == ("10060031", False)


# --- prepay ---------------------------------------------------------------------------------------


def test_the_pay_parameters_are_signed_over_the_four_lines(wechat: Wechat) -> None:
    params = pay.pay_params("wx123")
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
    assert pay.prepay(body) != first


@pytest.mark.parametrize("change", [{"total_fen": 999}, {"description": "x"}, {"openid": "o-else"}])
def test_the_same_number_with_another_body_is_refused(wechat: Wechat, change: dict[str, Any]) -> None:
    body, _ = wechat.prepaid()
    other = msgspec.structs.replace(body, **change)
    error = refused(lambda: pay.prepay(other))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("INVALID_REQUEST", 400, False, False)


def test_a_long_description_is_cut_between_characters(wechat: Wechat) -> None:
    assert wechat.prepaid(description="茶" * 300)[1]
    assert pay._cut("茶" * 300, 127) == "茶" * 42


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
    assert pay.close(closed.out_trade_no) == "closed"
    assert refused(lambda: pay.prepay(paid)).code == "ORDER_PAID"
    assert refused(lambda: pay.prepay(closed)).code == "ORDER_CLOSED"
    wechat.clock.advance(3601)
    assert refused(lambda: pay.prepay(expired)).code == "ORDER_CLOSED"


# --- the shopper pays, query, close ---------------------------------------------------------------


def test_a_payment_is_seen_by_asking(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid()
    before = pay.query(body.out_trade_no)
    assert before is not None
    assert (before.state, before.transaction_id, before.total_fen, before.success_time) == ("NOTPAY", None, None, None)
    answer = wechat.control("pay", {"prepay_id": prepay_id, "notify": "none"})
    assert answer["out_trade_no"] == body.out_trade_no
    trade = pay.query(body.out_trade_no)
    assert trade is not None and trade.success_time is not None
    assert abs(trade.success_time - clock.now()) < timedelta(seconds=3)
    assert trade == pay.Trade(
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
    assert pay.query("T00000000") is None
    assert pay.query_refund("R|*@0") is None
    assert pay.close("T0000|*0") == "unknown_number"


def test_closing_may_be_repeated_and_ends_every_chance_to_pay(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid(out_trade_no="T-12|45*_7")
    assert [pay.close(body.out_trade_no) for _ in range(2)] == ["closed", "closed"]
    assert wechat.control("pay", {"prepay_id": prepay_id}, status=409) == {"reason": "closed"}
    trade = pay.query(body.out_trade_no)
    assert trade is not None and trade.state == "CLOSED"


def test_closing_what_was_paid_says_so(wechat: Wechat) -> None:
    assert pay.close(wechat.paid().out_trade_no) == "paid"


def test_nobody_pays_twice_or_too_late(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid()
    again = pay.prepay(body)
    late_body, late = wechat.prepaid()
    wechat.control("pay", {"prepay_id": prepay_id, "notify": "none"})
    assert wechat.control("pay", {"prepay_id": again}, status=409) == {"reason": "already paid"}
    wechat.clock.advance(3600)
    assert wechat.control("pay", {"prepay_id": late}, status=409) == {"reason": "expired"}
    trade = pay.query(late_body.out_trade_no)
    assert trade is not None and trade.state == "CLOSED"


def test_a_prepay_id_is_good_for_two_hours(wechat: Wechat) -> None:
    body, prepay_id = wechat.prepaid(time_expire=clock.now() + timedelta(hours=9))
    wechat.clock.advance(7201)
    assert wechat.control("pay", {"prepay_id": prepay_id}, status=409) == {"reason": "expired"}
    wechat.control("pay", {"prepay_id": pay.prepay(body), "notify": "none"})


# --- refunds --------------------------------------------------------------------------------------


def test_a_refund_arrives_after_a_while_and_a_repeat_is_the_same_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    first = pay.refund(refund_of(body, 300))
    assert (first.state, first.amount_fen, first.success_time) == ("PROCESSING", 300, None)
    wechat.clock.advance(6)
    again = pay.refund(refund_of(body, 300))
    assert (again.state, again.refund_id) == ("SUCCESS", first.refund_id)
    assert pay.query_refund(first.out_refund_no) == again
    trade = pay.query(body.out_trade_no)
    assert trade is not None and trade.state == "REFUND"
    (line,) = wechat.control("ledger")["refunds"]
    assert (line["out_refund_no"], line["amount_fen"], line["state"]) == (first.out_refund_no, 300, "SUCCESS")
    (told,) = wechat.control(f"trades?out_trade_no={body.out_trade_no}")["trades"]
    assert told["state"] == "REFUND"
    assert datetime.fromisoformat(told["paid_at"]) < datetime.fromisoformat(line["done_at"]) <= clock.now()


def test_a_refund_number_is_not_for_another_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    pay.refund(refund_of(body, 300))
    assert refused(lambda: pay.refund(refund_of(body, 301))).code == "INVALID_REQUEST"


def test_no_more_is_refunded_than_was_paid(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.paid()  # so that the balance is not what stops it
    pay.refund(refund_of(body, 600, "R1"))
    assert refused(lambda: pay.refund(refund_of(body, 401, "R2"))).code == "INVALID_REQUEST"
    pay.refund(refund_of(body, 400, "R3"))
    wrong_total = pay.RefundRequest(body.out_trade_no, "R4", 1, 999, "")
    assert refused(lambda: pay.refund(wrong_total)).code == "PARAM_ERROR"


def test_at_most_fifty_refunds_of_a_payment(wechat: Wechat) -> None:
    body = wechat.paid()
    for turn in range(50):
        pay.refund(refund_of(body, 1, f"R{turn}"))
    assert refused(lambda: pay.refund(refund_of(body, 1, "R50"))).code == "INVALID_REQUEST"


def test_a_payment_that_was_not_made_has_nothing_to_refund(wechat: Wechat) -> None:
    body, _ = wechat.prepaid()
    assert refused(lambda: pay.refund(refund_of(body))).code == "INVALID_REQUEST"
    assert refused(lambda: pay.refund(refund_of(an_order()))).code == "RESOURCE_NOT_EXISTS"


def test_a_short_balance_is_told_and_the_same_refund_works_later(wechat: Wechat) -> None:
    body = wechat.paid()
    assert wechat.control("balance", {"available_fen": 999}) == {"available_fen": 999}
    short = refused(lambda: pay.refund(refund_of(body)))
    assert (short.code, short.http, short.outcome_unknown) == ("NOT_ENOUGH", 403, False)
    assert pay.query_refund(refund_of(body).out_refund_no) is None
    wechat.control("balance", {"available_fen": None})
    assert pay.refund(refund_of(body)).state == "PROCESSING"


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
def test_a_refund_may_fail_in_the_end(wechat: Wechat, outcome: str) -> None:
    body = wechat.paid()
    request = refund_of(body)
    pay.refund(request)
    wechat.control(f"refunds/{request.out_refund_no}", {"outcome": outcome})
    wechat.clock.advance(6)
    headers, raw = until(lambda: wechat.merchant.calls)[0]
    told = pay.read_refund(pay.read_callback(headers, raw))
    assert (told.state, told.amount_fen, told.success_time) == (outcome, 1000, None)
    assert told == pay.query_refund(request.out_refund_no)
    wechat.control(f"refunds/{request.out_refund_no}", {"outcome": "SUCCESS"}, status=409)


# --- notifications --------------------------------------------------------------------------------


def test_the_merchant_is_told_of_a_payment_at_once_and_once(wechat: Wechat) -> None:
    body = wechat.paid("normal")
    headers, raw = until(lambda: wechat.merchant.calls, 0.5)[0]
    told = pay.read_callback(headers, raw)
    assert told.event_type == "TRANSACTION.SUCCESS"
    assert pay.read_trade(told) == pay.query(body.out_trade_no)
    until(wechat.sends)
    wechat.clock.advance(100_000)
    time.sleep(0.2)
    assert len(wechat.merchant.calls) == 1


def test_the_merchant_is_told_of_a_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    pay.refund(refund_of(body))
    wechat.clock.advance(6)
    headers, raw = until(lambda: wechat.merchant.calls)[0]
    told = pay.read_callback(headers, raw)
    assert told.event_type == "REFUND.SUCCESS"
    assert pay.read_refund(told) == pay.query_refund(refund_of(body).out_refund_no)
    with pytest.raises(CallbackRejected, match="malformed"):
        pay.read_trade(told)


def test_wechat_tells_again_and_again_until_it_is_answered(wechat: Wechat) -> None:
    wechat.merchant.answers = [500, 401, 302, 200]
    wechat.paid("normal")
    for tries, pause in ((1, 15), (2, 15), (3, 30), (4, 180)):
        until(lambda tries=tries: len(wechat.sends()) == tries)
        wechat.clock.advance(pause - 2)
        time.sleep(0.1)
        assert len(wechat.sends()) == tries
        wechat.clock.advance(2.1)
    assert [send["status"] for send in wechat.sends()] == [500, 401, 302, 200]
    assert [pay.read_callback(*call).id for call in wechat.merchant.calls[-1:]]


def test_wechat_gives_up_after_fifteen_repeats(wechat: Wechat) -> None:
    wechat.merchant.answers = [500] * 99
    wechat.paid("normal")
    for tries in range(1, 17):
        until(lambda tries=tries: len(wechat.sends()) == tries)
        wechat.clock.advance(21_601)
    time.sleep(0.2)
    assert len(wechat.sends()) == 16
    assert wechat.control("notifications")["notifications"][0]["next_at"] is None


def test_a_merchant_that_answers_too_slowly_has_not_answered(wechat: Wechat) -> None:
    wechat.merchant.wait_seconds = 5.4
    wechat.paid("normal")
    assert until(wechat.sends, 8)[0]["status"] is None
    wechat.merchant.wait_seconds = 0
    wechat.clock.advance(16)
    until(lambda: [send["status"] for send in wechat.sends()] == [None, 204])


def test_none_is_never_told_and_delayed_is_told_late(wechat: Wechat) -> None:
    wechat.paid("none")
    body, prepay_id = wechat.prepaid()
    wechat.control("pay", {"prepay_id": prepay_id, "notify": "delayed", "delay_seconds": 600})
    wechat.clock.advance(590)
    time.sleep(0.2)
    assert wechat.merchant.calls == []
    wechat.clock.advance(11)
    headers, raw = until(lambda: wechat.merchant.calls)[0]
    assert pay.read_trade(pay.read_callback(headers, raw)).out_trade_no == body.out_trade_no


def test_duplicates_come_at_the_same_time_with_the_same_id(wechat: Wechat) -> None:
    wechat.merchant.wait_seconds = 0.3
    started = time.monotonic()
    wechat.paid("duplicate")
    until(lambda: len(wechat.merchant.calls) == 2)
    assert time.monotonic() - started < 0.3
    assert len({pay.read_callback(*call).id for call in wechat.merchant.calls}) == 1


@pytest.mark.parametrize(
    ("notify", "reason"), [("bad_signature", "signature"), ("old", "time"), ("unknown_serial", "unknown_serial")]
)
def test_a_notification_that_is_not_provably_wechats_is_rejected(wechat: Wechat, notify: str, reason: str) -> None:
    wechat.merchant.answers = [401, 401]
    wechat.paid(notify)
    for tries in (1, 2):
        until(lambda tries=tries: len(wechat.sends()) == tries)
        with pytest.raises(CallbackRejected, match=reason):
            pay.read_callback(*wechat.merchant.calls[-1])
        wechat.clock.advance(16)


def test_a_probe_is_rejected_and_the_real_one_follows(wechat: Wechat) -> None:
    wechat.merchant.answers = [401]
    body = wechat.paid("probe")
    until(wechat.sends)
    with pytest.raises(CallbackRejected, match="probe"):
        pay.read_callback(*wechat.merchant.calls[0])
    wechat.clock.advance(16)
    until(lambda: len(wechat.merchant.calls) == 2)
    assert pay.read_trade(pay.read_callback(*wechat.merchant.calls[1])).out_trade_no == body.out_trade_no


def a_call(wechat: Wechat) -> tuple[dict[str, str], bytes]:
    wechat.paid("normal")
    return until(lambda: wechat.merchant.calls)[0]  # type: ignore[no-any-return]


def test_headers_are_found_whatever_their_case(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    for spell in (str.lower, str.upper, str.title):
        assert pay.read_callback({spell(name): value for name, value in headers.items()}, raw).id


def test_a_callback_is_fresh_for_five_minutes_either_way(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    until(wechat.sends)
    wechat.clock.advance(295)
    assert pay.read_callback(headers, raw)
    wechat.clock.advance(10)
    with pytest.raises(CallbackRejected, match="time"):
        pay.read_callback(headers, raw)


def test_every_defect_of_a_callback_is_a_rejection(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    for name in ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"):
        with pytest.raises(CallbackRejected, match="header_missing"):
            pay.read_callback({key: value for key, value in headers.items() if key != name}, raw)
        for spoilt in ("", "x", "²", "密" * 9, "9" * 5000, headers[name] + "\n", "-1", "1e9"):
            with pytest.raises(CallbackRejected):
                pay.read_callback({**headers, name: spoilt}, raw)
    for body in (b"", b"{}", raw[:-1], raw + b" ", raw.replace(b"TRANSACTION", b"transaction"), b"\xff" + raw):
        with pytest.raises(CallbackRejected, match="signature"):
            pay.read_callback(headers, body)


def test_signed_nonsense_is_a_rejection_too(wechat: Wechat) -> None:
    signer = Signer(wechat.keys)
    good = signer.encrypted(b"{}", "transaction")

    def reason(body: bytes) -> str:
        with pytest.raises(CallbackRejected) as caught:
            pay.read_callback(signer.headers(body, wechat.clock()), body)
        return caught.value.reason

    def envelope(**resource: Any) -> bytes:
        return msgspec.json.encode({"id": "1", "event_type": "X", "resource": good | resource})

    for body in (b"", b"\xff\xfe", b"[]", b"{", b'{"id":1}', b'{"id":"1","event_type":"X","resource":null}'):
        assert reason(body) == "malformed"
    for wrong in ({"ciphertext": "%%%"}, {"ciphertext": "密"}, {"algorithm": "none"}, {"nonce": None}):
        assert reason(envelope(**wrong)) == "malformed"
    for wrong in ({"ciphertext": "AAAA"}, {"nonce": ""}, {"nonce": "other-nonce!"}, {"associated_data": "else"}):
        assert reason(envelope(**wrong)) == "undecryptable"
    plain = pay.read_callback(signer.headers(envelope(), wechat.clock()), envelope())
    for read in (pay.read_trade, pay.read_refund):
        with pytest.raises(CallbackRejected, match="malformed"):
            read(plain)


def test_a_key_in_the_ring_beside_the_first_is_trusted_during_a_change(wechat: Wechat, tmp_path: Path) -> None:
    headers, raw = a_call(wechat)
    other = load_or_make(tmp_path)
    environment = mall_environment(wechat.keys, wechat.url, wechat.merchant.url)
    ring = msgspec.json.decode(environment["YUTANG_WECHAT_PAY_KEYS"])
    both = msgspec.json.encode({"7" * 40: public_pem(other.wechat_key)} | ring).decode()
    settings.use(environment | {"YUTANG_WECHAT_PAY_KEYS": both})
    try:
        assert pay.read_callback(headers, raw)
        old = msgspec.structs.replace(other, wechat_key_id="7" * 40)
        assert pay.read_callback(Signer(old).headers(raw, wechat.clock()), raw)
        assert pay.query("T00000000") is None  # the reply is asked for under the PUB_KEY_ID
    finally:
        settings.use(environment)


# --- faults ---------------------------------------------------------------------------------------


@pytest.fixture
def short_time_outs(wechat: Wechat) -> Iterator[None]:
    """The mall waits 0.3 seconds for a reply instead of five."""
    environment = mall_environment(wechat.keys, wechat.url, wechat.merchant.url)
    settings.use(environment | {"YUTANG_WECHAT_READ_SECONDS": "0.3"})
    yield
    settings.use(environment)


def test_a_system_error_had_no_effect_but_the_mall_cannot_know(wechat: Wechat) -> None:
    body = an_order()
    wechat.fault(JSAPI, "error")
    error = refused(lambda: pay.prepay(body))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("SYSTEM_ERROR", 500, True, True)
    assert error.request_id
    assert pay.query(body.out_trade_no) is None
    assert pay.prepay(body)


@pytest.mark.parametrize(("kind", "effect"), [("timeout", False), ("timeout_after_effect", True)])
def test_after_a_time_out_only_a_query_tells_what_happened(
    wechat: Wechat, short_time_outs: None, kind: str, effect: bool
) -> None:
    body = wechat.paid()
    request = refund_of(body)
    wechat.fault(REFUNDS, kind, seconds=0.6)
    error = refused(lambda: pay.refund(request))
    assert (error.code, error.retryable, error.outcome_unknown) == ("read_timeout", True, True)
    assert (pay.query_refund(request.out_refund_no) is not None) is effect
    assert pay.refund(request).amount_fen == 1000
    assert len(wechat.control("ledger")["refunds"]) == 1


def test_a_reply_that_wechat_did_not_sign_is_not_believed_though_it_took_effect(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.fault(REFUNDS, "bad_signature")
    error = refused(lambda: pay.refund(refund_of(body)))
    assert (error.code, error.outcome_unknown) == ("reply_unverifiable", True)
    assert pay.query_refund(refund_of(body).out_refund_no) is not None
    wechat.fault("/close", "bad_signature")
    assert refused(lambda: pay.close(wechat.prepaid()[0].out_trade_no)).outcome_unknown


@pytest.mark.parametrize("defect", ["old", "unknown_serial", "probe", "bad_signature", "unsigned"])
def test_a_reply_that_anybody_could_have_sent_is_not_believed(
    wechat: Wechat, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    body = b'{"prepay_id":"wx1"}'
    headers = {} if defect == "unsigned" else Signer(wechat.keys).headers(body, wechat.clock(), defect)
    monkeypatch.setattr(http, "send", lambda *_: http.Reply(200, headers, body))
    error = refused(lambda: pay.prepay(an_order()))
    assert (error.code, error.http, error.outcome_unknown) == ("reply_unverifiable", 200, True)


def test_a_reply_of_another_shape_leaves_the_outcome_unknown(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (b"", b"[]", b"<html>", b'{"prepay_id":1}'):
        headers = Signer(wechat.keys).headers(body, wechat.clock())
        reply = http.Reply(200, headers, body)
        monkeypatch.setattr(http, "send", lambda *_, reply=reply: reply)
        error = refused(lambda: pay.prepay(an_order()))
        assert (error.code, error.outcome_unknown) == ("reply_malformed", True)


def test_a_gateways_page_is_an_error_like_any_other(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    for status, retryable in ((502, True), (429, True), (302, False), (413, False)):
        monkeypatch.setattr(http, "send", lambda *_, status=status: http.Reply(status, {}, b"<html>"))
        error = refused(lambda: pay.prepay(an_order()))
        assert (error.code, error.retryable, error.outcome_unknown) == (f"http_{status}", retryable, status >= 500)


def test_wechats_clock_is_the_malls(wechat: Wechat) -> None:
    ahead = wechat.clock() + 301
    clock.use(lambda: ahead)
    try:
        assert refused(lambda: pay.query("T00000000")).code == "SIGN_ERROR"
    finally:
        clock.use(wechat.clock)


def test_a_slow_reply_is_a_reply(wechat: Wechat) -> None:
    wechat.fault(JSAPI, "slow", seconds=0.2)
    started = time.monotonic()
    assert wechat.prepaid()
    assert time.monotonic() - started >= 0.2


def test_not_enough_can_be_had_on_demand(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.fault(REFUNDS, "not_enough")
    assert refused(lambda: pay.refund(refund_of(body))).code == "NOT_ENOUGH"
    assert pay.refund(refund_of(body))


def test_a_fault_lasts_for_as_many_calls_as_it_says(wechat: Wechat) -> None:
    wechat.fault("/v3/pay", "error", times=2)
    for _ in range(2):
        assert refused(lambda: pay.query("T00000000")).code == "SYSTEM_ERROR"
    assert pay.query("T00000000") is None


def test_nobody_at_home_means_that_nothing_was_sent(wechat: Wechat) -> None:
    environment = mall_environment(wechat.keys, "http://127.0.0.1:9", wechat.merchant.url)
    settings.use(environment)
    try:
        for call in (lambda: pay.query("T00000000"), lambda: mini.code2session("c")):
            error = refused(call)
            assert (error.code, error.http, error.retryable, error.outcome_unknown) == (
                "connect_failed", None, True, False,
            )  # fmt: skip
    finally:
        settings.use(mall_environment(wechat.keys, wechat.url, wechat.merchant.url))


# --- requests that WeChat does not take -----------------------------------------------------------


def test_wechat_takes_a_signed_request_once_and_only_as_it_was_signed(wechat: Wechat) -> None:
    body, path = b'{"mchid":"' + wechat.keys.mchid.encode() + b'"}', "/v3/pay/transactions/out-trade-no/T0000000/close"

    def status(header: str, at: str = path, sent: bytes = body) -> tuple[int, str]:
        answer = requests.post(wechat.url + at, data=sent, headers={"Authorization": header}, timeout=5)
        return answer.status_code, answer.json()["code"]

    good = signature.authorization("POST", path, body)
    assert status(good) == (404, "ORDER_NOT_EXIST")
    assert status(good) == (401, "SIGN_ERROR")  # its nonce was used
    fresh = lambda: signature.authorization("POST", path, body)  # noqa: E731
    for answer in (
        status(""),
        status("WECHATPAY2-SHA256-RSA2048 x"),
        status(fresh(), sent=body + b" "),
        status(fresh(), at=path.replace("T0000000", "T0000001")),
        status(fresh(), at=path + "?a=1"),
        status(fresh().replace(wechat.keys.merchant_serial, "0" * 40)),
        status(fresh().replace(wechat.keys.mchid, "1900000000")),
    ):
        assert answer == (401, "SIGN_ERROR")


def test_there_are_no_certificates_in_public_key_mode(wechat: Wechat) -> None:
    error = refused(lambda: pay._decode(pay._call("GET", "/v3/certificates"), dict))
    assert (error.http, error.code) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login", {}),
        ("login", {"user": ""}),
        ("login", {"user": 1}),
        ("pay", {"prepay_id": "nobody's"}),
        ("pay", {"prepay_id": "x", "notify": "maybe"}),
        ("faults", {"path": "/v3", "kind": "flood", "times": 1}),
        ("faults", {"path": "/v3", "kind": "error", "times": 0}),
        ("balance", {}),
        ("refunds/R1", {"outcome": "LOST"}),
    ],
)
def test_the_control_says_why_it_does_not_understand(wechat: Wechat, path: str, body: dict[str, Any]) -> None:
    assert wechat.control(path, body, status=400)["reason"]


# --- redaction, state -----------------------------------------------------------------------------


def test_no_secret_is_in_any_text_of_a_failure(wechat: Wechat, short_time_outs: None) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    order = an_order(openid="o-very-private")
    mini.access_token()
    secrets = [wechat.keys.app_secret, wechat.keys.apiv3_key, code, order.openid, mini.access_token(), wechat.url[-5:]]
    texts = []

    def fails(call: Callable[[], Any]) -> None:
        with pytest.raises((WechatError, MallError, CallbackRejected)) as caught:
            call()
        texts.append("".join(traceback.format_exception_only(caught.value)) + repr(caught.value.args))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    for kind in ("error", "timeout"):
        wechat.fault("/", kind, seconds=0.5)
        fails(lambda: mini.code2session(code))
        wechat.fault("/", kind, seconds=0.5)
        fails(lambda: pay.prepay(order))
        wechat.fault("/", kind, seconds=0.5)
        fails(lambda: mini.phone_number(code, order.openid))
    fails(lambda: mini.phone_number(code, order.openid))
    mini.code2session(code)
    fails(lambda: mini.code2session(code))
    settings.use(mall_environment(wechat.keys, "http://127.0.0.1:9", "http://127.0.0.1:9"))
    fails(lambda: mini.code2session(code))
    fails(lambda: mini.phone_number(code, order.openid))
    fails(lambda: pay.prepay(order))
    assert not [(secret, text) for secret in secrets for text in texts if secret in text]


@contextmanager
def a_process(port: int, folder: Path) -> Iterator[str]:
    """The sandbox as `make run` starts it, and killed without a word."""
    command = [sys.executable, "-m", "local.sandbox", "--port", str(port), "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url), 15)
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/_control/ledger", timeout=2).ok
    except requests.ConnectionError:
        return False


def test_the_sandbox_goes_on_where_it_was_killed(wechat: Wechat, tmp_path: Path) -> None:
    keys = load_or_make(tmp_path)
    mall_clock, port = LocalClock(tmp_path / "clock"), free_port()
    clock.use(mall_clock)
    settings.use(mall_environment(keys, f"http://127.0.0.1:{port}", wechat.merchant.url))
    try:
        with a_process(port, tmp_path) as url:
            here = Wechat(url, keys, mall_clock, wechat.merchant)
            wechat.merchant.answers = [500]
            body = here.paid("normal")
            until(here.sends)
        mall_clock.advance(20)
        with a_process(port, tmp_path):
            until(lambda: len(wechat.merchant.calls) == 2)  # what the merchant was owed
            trade = pay.query(body.out_trade_no)
            assert trade is not None and trade.state == "SUCCESS"
    finally:
        clock.use(wechat.clock)
        settings.use(mall_environment(wechat.keys, wechat.url, wechat.merchant.url))


def test_many_at_once_pay_and_are_refunded_to_the_fen(wechat: Wechat) -> None:
    def one(_: int) -> None:
        body = wechat.paid()
        pay.refund(refund_of(body, 400))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    ledger = wechat.control("ledger")
    assert sum(line["amount_fen"] for line in ledger["payments"]) == 24_000
    assert sum(line["amount_fen"] for line in ledger["refunds"]) == 9_600
    assert ledger["transfers"] == []


def test_the_keys_of_a_mall_are_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(load_or_make, [tmp_path / "keys"] * 4))
    assert all(keys == made[0] for keys in made)
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
