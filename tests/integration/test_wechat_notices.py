"""WeChat Pay's notices: which are believed, and how the sandbox sends them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib.core import settings
from chalicelib.gateways.wechat import api, transfers
from chalicelib.gateways.wechat import pay as wechat_pay
from chalicelib.gateways.wechat.errors import CallbackRejected
from local.client import poll
from local.keys import load_or_make, mall_environment, public_pem
from local.sandbox.crypto import Signer
from tests.wechat_fixtures import Wechat, refund_of


def test_the_merchant_is_told_of_a_payment_at_once_and_once(wechat: Wechat) -> None:
    body = wechat.paid("normal")
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    told = api.read_callback(headers, raw)
    assert told.event_type == "TRANSACTION.SUCCESS"
    assert wechat_pay.read_trade(told) == wechat_pay.query(body.out_trade_no)
    poll(wechat.sends)
    wechat.clock.advance(100_000)
    time.sleep(0.2)
    assert len(wechat.merchant.calls) == 1


def test_the_merchant_is_told_of_a_refund(wechat: Wechat) -> None:
    body = wechat.paid()
    wechat_pay.refund(refund_of(body))
    wechat.clock.advance(6)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    told = api.read_callback(headers, raw)
    assert told.event_type == "REFUND.SUCCESS"
    assert wechat_pay.read_refund(told) == wechat_pay.query_refund(refund_of(body).out_refund_no)
    with pytest.raises(CallbackRejected, match="malformed"):
        wechat_pay.read_trade(told)


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [("confirm", "SUCCESS", None), ("expire", "FAIL", "OVERDUE_CLOSE"), ("fail", "FAIL", "PAYEE_ACCOUNT_ABNORMAL")],
)
def test_the_merchant_is_told_how_a_transfer_ended(
    wechat: Wechat, outcome: str, state: str, reason: str | None
) -> None:
    request = wechat.transferred()
    assert wechat.merchant.calls == []
    wechat.end(request, outcome)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    told = api.read_callback(headers, raw)
    assert told.event_type == "MCHTRANSFER.BILL.FINISHED"
    resource = msgspec.json.decode(raw)["resource"]
    assert (resource["original_type"], resource["associated_data"]) == ("mch_payment", "mch_payment")
    result = transfers.read_transfer(told)
    assert (result.state, result.amount_fen, result.fail_reason) == (state, 300, reason)
    assert result == transfers.query_transfer(request.out_bill_no)
    for read in (wechat_pay.read_trade, wechat_pay.read_refund):
        with pytest.raises(CallbackRejected, match="malformed"):
            read(told)


def test_another_merchants_transfer_is_none_of_the_malls(wechat: Wechat) -> None:
    wechat.end(wechat.transferred(), "confirm")
    told = api.read_callback(*poll(lambda: wechat.merchant.calls)[0])
    plain = msgspec.json.decode(told.resource) | {"mch_id": "1900000000"}
    foreign = msgspec.structs.replace(told, resource=msgspec.json.encode(plain))
    with pytest.raises(CallbackRejected, match="foreign"):
        transfers.read_transfer(foreign)
    for changed in ({"mch_id": None}, {"state": "LOST"}, {"transfer_amount": "300"}):
        spoilt = msgspec.structs.replace(told, resource=msgspec.json.encode(plain | changed))
        with pytest.raises(CallbackRejected, match="malformed"):
            transfers.read_transfer(spoilt)


def test_a_transfers_news_is_held_back_or_spoilt_as_a_payments_is(wechat: Wechat) -> None:
    wechat.end(wechat.transferred(), "confirm", notify="none")
    late = wechat.transferred()
    wechat.end(late, "confirm", notify="delayed", delay_seconds=600)
    wechat.clock.advance(590)
    time.sleep(0.2)
    assert wechat.merchant.calls == []
    wechat.clock.advance(11)
    told = api.read_callback(*poll(lambda: wechat.merchant.calls)[0])
    assert transfers.read_transfer(told).out_bill_no == late.out_bill_no
    wechat.merchant.answers = [401]
    wechat.end(wechat.transferred(), "confirm", notify="bad_signature")
    poll(lambda: len(wechat.merchant.calls) == 2)
    with pytest.raises(CallbackRejected, match="signature"):
        api.read_callback(*wechat.merchant.calls[1])
    wechat.end(wechat.transferred(), "fail", notify="duplicate")
    poll(lambda: len(wechat.merchant.calls) == 4)
    assert len({api.read_callback(*call).id for call in wechat.merchant.calls[2:]}) == 1


def test_wechat_tells_of_a_transfer_sixty_four_times_more_and_then_no_more(wechat: Wechat) -> None:
    wechat.merchant.answers = [500] * 99
    wechat.end(wechat.transferred(), "confirm")
    for tries in range(1, 66):
        poll(lambda tries=tries: len(wechat.sends()) == tries)
        pause = 15 if tries <= 10 else 300 if tries <= 20 else 1800
        wechat.clock.advance(pause - 2)
        if tries in (1, 11, 21):
            time.sleep(0.15)
            assert len(wechat.sends()) == tries
        wechat.clock.advance(2.1)
    time.sleep(0.2)
    assert len(wechat.sends()) == 65
    assert wechat.control("notifications")["notifications"][0]["next_at"] is None


def test_wechat_tells_again_and_again_until_it_is_answered(wechat: Wechat) -> None:
    wechat.merchant.answers = [500, 401, 302, 200]
    wechat.paid("normal")
    for tries, pause in ((1, 15), (2, 15), (3, 30), (4, 180)):
        poll(lambda tries=tries: len(wechat.sends()) == tries)
        wechat.clock.advance(pause - 2)
        time.sleep(0.1)
        assert len(wechat.sends()) == tries
        wechat.clock.advance(2.1)
    assert [send["status"] for send in wechat.sends()] == [500, 401, 302, 200]
    assert [api.read_callback(*call).id for call in wechat.merchant.calls[-1:]]


def test_wechat_gives_up_after_fifteen_repeats(wechat: Wechat) -> None:
    wechat.merchant.answers = [500] * 99
    wechat.paid("normal")
    for tries in range(1, 17):
        poll(lambda tries=tries: len(wechat.sends()) == tries)
        wechat.clock.advance(21_601)
    time.sleep(0.2)
    assert len(wechat.sends()) == 16
    assert wechat.control("notifications")["notifications"][0]["next_at"] is None


def test_a_merchant_that_answers_too_slowly_has_not_answered(wechat: Wechat) -> None:
    wechat.merchant.wait_seconds = 5.4
    wechat.paid("normal")
    assert poll(wechat.sends)[0]["status"] is None
    wechat.merchant.wait_seconds = 0
    wechat.clock.advance(16)
    poll(lambda: [send["status"] for send in wechat.sends()] == [None, 204])


def test_none_is_never_told_and_delayed_is_told_late(wechat: Wechat) -> None:
    wechat.paid("none")
    body, prepay_id = wechat.prepaid()
    wechat.control("pay", {"prepay_id": prepay_id, "notify": "delayed", "delay_seconds": 600})
    wechat.clock.advance(590)
    time.sleep(0.2)
    assert wechat.merchant.calls == []
    wechat.clock.advance(11)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    assert wechat_pay.read_trade(api.read_callback(headers, raw)).out_trade_no == body.out_trade_no


def test_duplicates_come_at_the_same_time_with_the_same_id(wechat: Wechat) -> None:
    wechat.merchant.wait_seconds = 3
    wechat.paid("duplicate")
    poll(lambda: len(wechat.merchant.calls) == 2)
    assert wechat.sends() == []  # both are there before either is answered
    assert len({api.read_callback(*call).id for call in wechat.merchant.calls}) == 1


@pytest.mark.parametrize(
    ("notify", "reason"), [("bad_signature", "signature"), ("old", "time"), ("unknown_serial", "unknown_serial")]
)
def test_a_notification_that_is_not_provably_wechats_is_rejected(wechat: Wechat, notify: str, reason: str) -> None:
    wechat.merchant.answers = [401, 401]
    wechat.paid(notify)
    for tries in (1, 2):
        poll(lambda tries=tries: len(wechat.sends()) == tries)
        with pytest.raises(CallbackRejected, match=reason):
            api.read_callback(*wechat.merchant.calls[-1])
        wechat.clock.advance(16)


def test_a_probe_is_rejected_and_the_real_one_follows(wechat: Wechat) -> None:
    wechat.merchant.answers = [401]
    body = wechat.paid("probe")
    poll(wechat.sends)
    with pytest.raises(CallbackRejected, match="probe"):
        api.read_callback(*wechat.merchant.calls[0])
    wechat.clock.advance(16)
    poll(lambda: len(wechat.merchant.calls) == 2)
    assert wechat_pay.read_trade(api.read_callback(*wechat.merchant.calls[1])).out_trade_no == body.out_trade_no


def a_call(wechat: Wechat) -> tuple[dict[str, str], bytes]:
    wechat.paid("normal")
    return poll(lambda: wechat.merchant.calls)[0]  # type: ignore[no-any-return]


def test_headers_are_found_whatever_their_case(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    for spell in (str.lower, str.upper, str.title):
        assert api.read_callback({spell(name): value for name, value in headers.items()}, raw).id


def test_a_callback_is_fresh_for_five_minutes_either_way(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    poll(wechat.sends)
    wechat.clock.advance(295)
    assert api.read_callback(headers, raw)
    wechat.clock.advance(10)
    with pytest.raises(CallbackRejected, match="time"):
        api.read_callback(headers, raw)


def test_every_defect_of_a_callback_is_a_rejection(wechat: Wechat) -> None:
    headers, raw = a_call(wechat)
    for name in ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"):
        with pytest.raises(CallbackRejected, match="header_missing"):
            api.read_callback({key: value for key, value in headers.items() if key != name}, raw)
        for spoilt in ("", "x", "²", "密" * 9, "9" * 5000, headers[name] + "\n", "-1", "1e9"):
            with pytest.raises(CallbackRejected):
                api.read_callback({**headers, name: spoilt}, raw)
    for body in (b"", b"{}", raw[:-1], raw + b" ", raw.replace(b"TRANSACTION", b"transaction"), b"\xff" + raw):
        with pytest.raises(CallbackRejected, match="signature"):
            api.read_callback(headers, body)


def test_signed_nonsense_is_a_rejection_too(wechat: Wechat) -> None:
    signer = Signer(wechat.keys)
    good = signer.encrypted(b"{}", "transaction")

    def reason(body: bytes) -> str:
        with pytest.raises(CallbackRejected) as caught:
            api.read_callback(signer.headers(body, wechat.clock()), body)
        return caught.value.reason

    def envelope(**resource: Any) -> bytes:
        return msgspec.json.encode({"id": "1", "event_type": "X", "resource": good | resource})

    for body in (b"", b"\xff\xfe", b"[]", b"{", b'{"id":1}', b'{"id":"1","event_type":"X","resource":null}'):
        assert reason(body) == "malformed"
    for wrong in ({"ciphertext": "%%%"}, {"ciphertext": "密"}, {"algorithm": "none"}, {"nonce": None}):
        assert reason(envelope(**wrong)) == "malformed"
    for wrong in ({"ciphertext": "AAAA"}, {"nonce": ""}, {"nonce": "other-nonce!"}, {"associated_data": "else"}):
        assert reason(envelope(**wrong)) == "undecryptable"
    plain = api.read_callback(signer.headers(envelope(), wechat.clock()), envelope())
    for read in (wechat_pay.read_trade, wechat_pay.read_refund, transfers.read_transfer):
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
        assert api.read_callback(headers, raw)
        old = msgspec.structs.replace(other, wechat_key_id="7" * 40)
        assert api.read_callback(Signer(old).headers(raw, wechat.clock()), raw)
        assert wechat_pay.query("T00000000") is None  # the reply is asked for under the PUB_KEY_ID
    finally:
        settings.use(environment)


def test_what_is_on_its_way_at_a_reset_has_arrived_when_that_answers(wechat: Wechat) -> None:
    wechat.merchant.wait_seconds = 1.0
    wechat.merchant.answers = [204]
    wechat.paid("normal")
    poll(lambda: wechat.merchant.calls)
    wechat.control("reset", {})
    assert wechat.merchant.answers == []
    assert wechat.sends() == []
