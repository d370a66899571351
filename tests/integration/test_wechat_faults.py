"""When WeChat is slow, wrong or gone: what the clients then say, and that nothing secret is in it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from chalicelib.core import clock, settings
from chalicelib.core.errors import MallError
from chalicelib.gateways.wechat import api, http, mini, signature, transfers
from chalicelib.gateways.wechat import pay as wechat_pay
from chalicelib.gateways.wechat.errors import CallbackRejected, WechatError
from local.client import poll
from local.clock import LocalClock
from local.keys import load_or_make, mall_environment
from local.processes import free_port
from local.sandbox.crypto import Signer
from tests.wechat_fixtures import JSAPI, REFUNDS, Wechat, an_order, refund_of, refused


def test_a_system_error_had_no_effect_but_the_mall_cannot_know(wechat: Wechat) -> None:
    body = an_order()
    wechat.fault(JSAPI, "error")
    error = refused(lambda: wechat_pay.prepay(body))
    assert (error.code, error.http, error.retryable, error.outcome_unknown) == ("SYSTEM_ERROR", 500, True, True)
    assert error.request_id
    assert wechat_pay.query(body.out_trade_no) is None
    assert wechat_pay.prepay(body)


@pytest.mark.parametrize(("kind", "effect"), [("timeout", False), ("timeout_after_effect", True)])
def test_after_a_time_out_only_a_query_tells_what_happened(
    wechat: Wechat, short_time_outs: None, kind: str, effect: bool
) -> None:
    body = wechat.paid()
    request = refund_of(body)
    wechat.fault(REFUNDS, kind, seconds=1.5)
    error = refused(lambda: wechat_pay.refund(request))
    assert (error.code, error.retryable, error.outcome_unknown) == ("read_timeout", True, True)
    assert (wechat_pay.query_refund(request.out_refund_no) is not None) is effect
    assert wechat_pay.refund(request).amount_fen == 1000
    assert len(wechat.control("ledger")["refunds"]) == 1


def test_a_reply_that_wechat_did_not_sign_is_not_believed_though_it_took_effect(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.fault(REFUNDS, "bad_signature")
    error = refused(lambda: wechat_pay.refund(refund_of(body)))
    assert (error.code, error.outcome_unknown) == ("reply_unverifiable", True)
    assert wechat_pay.query_refund(refund_of(body).out_refund_no) is not None
    wechat.fault("/close", "bad_signature")
    assert refused(lambda: wechat_pay.close(wechat.prepaid()[0].out_trade_no)).outcome_unknown


@pytest.mark.parametrize("defect", ["old", "unknown_serial", "probe", "bad_signature", "unsigned"])
def test_a_reply_that_anybody_could_have_sent_is_not_believed(
    wechat: Wechat, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    body = b'{"prepay_id":"wx1"}'
    headers = {} if defect == "unsigned" else Signer(wechat.keys).headers(body, wechat.clock(), defect)
    monkeypatch.setattr(http, "send", lambda *_: http.Reply(200, headers, body))
    error = refused(lambda: wechat_pay.prepay(an_order()))
    assert (error.code, error.http, error.outcome_unknown) == ("reply_unverifiable", 200, True)


def test_a_reply_of_another_shape_leaves_the_outcome_unknown(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (b"", b"[]", b"<html>", b'{"prepay_id":1}'):
        headers = Signer(wechat.keys).headers(body, wechat.clock())
        reply = http.Reply(200, headers, body)
        monkeypatch.setattr(http, "send", lambda *_, reply=reply: reply)
        error = refused(lambda: wechat_pay.prepay(an_order()))
        assert (error.code, error.outcome_unknown) == ("reply_malformed", True)


def test_a_gateways_page_is_an_error_like_any_other(wechat: Wechat, monkeypatch: pytest.MonkeyPatch) -> None:
    for status, retryable in ((502, True), (429, True), (302, False), (413, False)):
        monkeypatch.setattr(http, "send", lambda *_, status=status: http.Reply(status, {}, b"<html>"))
        error = refused(lambda: wechat_pay.prepay(an_order()))
        assert (error.code, error.retryable, error.outcome_unknown) == (f"http_{status}", retryable, status >= 500)


def test_wechats_clock_is_the_malls(wechat: Wechat) -> None:
    ahead = wechat.clock() + 301
    clock.use(lambda: ahead)
    try:
        assert refused(lambda: wechat_pay.query("T00000000")).code == "SIGN_ERROR"
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
    assert refused(lambda: wechat_pay.refund(refund_of(body))).code == "NOT_ENOUGH"
    assert wechat_pay.refund(refund_of(body))


def test_a_fault_lasts_for_as_many_calls_as_it_says(wechat: Wechat) -> None:
    wechat.fault("/v3/pay", "error", times=2)
    for _ in range(2):
        assert refused(lambda: wechat_pay.query("T00000000")).code == "SYSTEM_ERROR"
    assert wechat_pay.query("T00000000") is None


@pytest.mark.parametrize("code", ["ORDER_NOT_EXIST", "ORDERNOTEXIST", "268512771", "RESOURCE_NOT_EXISTS", "NOT_FOUND"])
def test_a_number_that_is_unknown_there_is_told_by_its_status_however_it_is_spelt(wechat: Wechat, code: str) -> None:
    calls: tuple[Callable[[], Any], ...] = (
        lambda: wechat_pay.query("T00000000"),
        lambda: wechat_pay.query_refund("R00000000"),
        lambda: transfers.query_transfer("W00000000"),
    )
    for call in calls:
        wechat.fault("/v3/", "error", status=404, code=code)
        assert call() is None
        wechat.fault("/v3/", "error", status=400, code=code)
        error = refused(call)
        assert (error.code, error.http, error.passing) == (code, 400, False)
    wechat.fault("/close", "error", status=404, code=code)
    assert wechat_pay.close("T00000000") == "unknown_number"
    wechat.fault("/close", "error", status=400, code=code)
    assert wechat_pay.close("T00000000") == "refused"


def test_a_page_that_somebody_between_answers_says_nothing_of_numbers(
    wechat: Wechat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "send", lambda *_: http.Reply(404, {}, b"<html>"))
    assert refused(lambda: wechat_pay.query("T00000000")).code == "http_404"
    monkeypatch.setattr(http, "send", lambda *_: http.Reply(404, {}, b'{"code":"SYSTEM_ERROR"}'))
    assert refused(lambda: wechat_pay.query("T00000000")).passing


def test_a_fault_may_be_for_one_method_of_a_path(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat.fault(REFUNDS, "error", method="GET", code="NO_SUCH_WORD", status=403)
    assert wechat_pay.refund(refund_of(body))
    assert refused(lambda: wechat_pay.query_refund(refund_of(body).out_refund_no)).code == "NO_SUCH_WORD"


def test_nobody_at_home_means_that_nothing_was_sent(wechat: Wechat) -> None:
    environment = mall_environment(wechat.keys, "http://127.0.0.1:9", wechat.merchant.url)
    settings.use(environment)
    try:
        for call in (lambda: wechat_pay.query("T00000000"), lambda: mini.code2session("c")):
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
    error = refused(lambda: api.call("GET", "/v3/certificates"))
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
        ("faults", {"path": "/v3", "kind": "slow", "code": "BUSY"}),
        ("faults", {"path": "/v3", "kind": "error", "status": 404}),
        ("balance", {}),
        ("refunds/R1", {"outcome": "LOST"}),
        ("transfers/W1", {"outcome": "LOST"}),
        ("transfers/W1", {"outcome": "fail", "fail_reason": "broke"}),
        ("transfers/W1", {"outcome": "confirm", "fail_reason": "NAME_NOT_CORRECT"}),
        ("transfers/W1", {"outcome": "confirm", "notify": "maybe"}),
    ],
)
def test_the_control_says_why_it_does_not_understand(wechat: Wechat, path: str, body: dict[str, Any]) -> None:
    assert wechat.control(path, body, status=400)["reason"]


# --- redaction, state -----------------------------------------------------------------------------


def test_no_secret_is_in_any_text_of_a_failure(wechat: Wechat, short_time_outs: None) -> None:
    code = wechat.control("login", {"user": "anna"})["code"]
    order = an_order(openid="o-very-private")
    mini.account.access_token()
    secrets = [
        wechat.keys.app_secret,
        wechat.keys.apiv3_key,
        code,
        order.openid,
        mini.account.access_token(),
        wechat.url[-5:],
    ]
    texts = []

    def fails(call: Callable[[], Any]) -> None:
        with pytest.raises((WechatError, MallError, CallbackRejected)) as caught:
            call()
        texts.append("".join(traceback.format_exception_only(caught.value)) + repr(caught.value.args))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    for kind in ("error", "timeout"):
        wechat.fault("/", kind, seconds=1.5)
        fails(lambda: mini.code2session(code))
        wechat.fault("/", kind, seconds=1.5)
        fails(lambda: wechat_pay.prepay(order))
        wechat.fault("/", kind, seconds=1.5)
        fails(lambda: mini.phone_number(code, order.openid))
    fails(lambda: mini.phone_number(code, order.openid))
    mini.code2session(code)
    fails(lambda: mini.code2session(code))
    settings.use(mall_environment(wechat.keys, "http://127.0.0.1:9", "http://127.0.0.1:9"))
    fails(lambda: mini.code2session(code))
    fails(lambda: mini.phone_number(code, order.openid))
    fails(lambda: wechat_pay.prepay(order))
    assert not [(secret, text) for secret in secrets for text in texts if secret in text]


@contextmanager
def a_process(port: int, folder: Path) -> Iterator[str]:
    """The sandbox as `make run` starts it, and killed without a word."""
    command = [sys.executable, "-m", "local.sandbox", "--port", str(port), "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        poll(lambda: answers(url))
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
            poll(here.sends)
        mall_clock.advance(20)
        with a_process(port, tmp_path):
            poll(lambda: len(wechat.merchant.calls) == 2)  # what the merchant was owed
            trade = wechat_pay.query(body.out_trade_no)
            assert trade is not None and trade.state == "SUCCESS"
    finally:
        clock.use(wechat.clock)
        settings.use(mall_environment(wechat.keys, wechat.url, wechat.merchant.url))


def test_many_at_once_pay_and_are_refunded_to_the_fen(wechat: Wechat) -> None:
    def one(_: int) -> None:
        body = wechat.paid()
        wechat_pay.refund(refund_of(body, 400))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    ledger = wechat.control("ledger")
    assert sum(line["amount_fen"] for line in ledger["payments"]) == 24_000
    assert sum(line["amount_fen"] for line in ledger["refunds"]) == 9_600
    assert ledger["transfers"] == []
    numbers = [line["out_trade_no"] for line in ledger["payments"][:2]]
    named = wechat.control("ledger?" + "&".join(f"out_trade_no={number}" for number in numbers))
    for part in ("payments", "refunds"):
        assert sorted(line["out_trade_no"] for line in named[part]) == sorted(numbers)


def test_the_keys_of_a_mall_are_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(load_or_make, [tmp_path / "keys"] * 4))
    assert all(keys == made[0] for keys in made)
    (file,) = (tmp_path / "keys").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_mall_that_was_made_before_a_key_was_needed_gets_that_key_and_keeps_the_others(tmp_path: Path) -> None:
    before = load_or_make(tmp_path)
    file = tmp_path / "keys.json"
    known = json.loads(file.read_bytes())
    del known["message_key"]
    file.write_text(json.dumps(known))
    after = load_or_make(tmp_path)
    assert after.message_key
    assert msgspec.structs.replace(after, message_key=before.message_key) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_make(tmp_path) == after
