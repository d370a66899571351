"""The sandbox speaks WeChat Pay's language: a library that others wrote for the real one works on it unmodified.

`wechatpayv3` in public-key mode; only its address is turned to the sandbox. It reads the machine's clock, so
that here the mall's is never moved by much.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib.gateways.wechat import api, transfers
from chalicelib.gateways.wechat import pay as wechat_pay
from chalicelib.gateways.wechat.errors import CallbackRejected
from local.client import poll
from tests.support.library import client_of
from tests.wechat_fixtures import Wechat


@pytest.fixture
def library(wechat: Wechat) -> Any:
    return client_of(wechat)


def told(answer: tuple[int, Any]) -> tuple[int, Any]:
    status, text = answer
    return status, json.loads(text) if text else None


def prepaid(library: Any, number: str, **more: Any) -> str:
    status, answer = told(
        library.pay(
            description="龙井茶", out_trade_no=number, amount={"total": 1000, "currency": "CNY"},
            payer={"openid": "o-somebody"}, **more,
        )
    )  # fmt: skip
    assert status == 200
    return str(answer["prepay_id"])


def test_it_pays_and_asks(wechat: Wechat, library: Any) -> None:
    expire = (datetime.now(timezone(timedelta(hours=8))) + timedelta(hours=1)).isoformat(timespec="seconds")
    prepay_id = prepaid(
        library, "C000001", time_expire=expire, attach="a", scene_info={"payer_client_ip": "14.23.150.211"}
    )
    assert told(library.query(out_trade_no="C000001"))[1]["trade_state"] == "NOTPAY"
    paid = wechat.control("pay", {"prepay_id": prepay_id, "notify": "none"})
    status, by_number = told(library.query(out_trade_no="C000001"))
    assert (status, by_number["trade_state"], by_number["amount"]["total"]) == (200, "SUCCESS", 1000)
    assert told(library.query(transaction_id=paid["transaction_id"])) == (200, by_number)
    assert told(library.query(out_trade_no="C999999"))[1]["code"] == "ORDER_NOT_EXIST"
    assert told(library.query(transaction_id="42000"))[0] == 404


def test_it_closes(wechat: Wechat, library: Any) -> None:
    prepaid(library, "C000002")
    for _ in range(2):
        assert library.close("C000002") == (204, b"")
    assert told(library.query(out_trade_no="C000002"))[1]["trade_state"] == "CLOSED"
    assert told(library.close("C999999"))[1]["code"] == "ORDER_NOT_EXIST"


def test_it_refunds(wechat: Wechat, library: Any) -> None:
    paid = wechat.control("pay", {"prepay_id": prepaid(library, "C000003"), "notify": "none"})
    amount = {"refund": 400, "total": 1000, "currency": "CNY"}
    status, by_number = told(library.refund(out_refund_no="RC1", amount=amount, out_trade_no="C000003"))
    assert (status, by_number["status"], by_number["amount"]["refund"]) == (200, "PROCESSING", 400)
    assert told(library.query_refund("RC1")) == (200, by_number)
    wechat.clock.advance(61)
    by_id = told(library.refund(out_refund_no="RC2", amount=amount, transaction_id=paid["transaction_id"]))
    assert by_id[0] == 200
    assert told(library.query_refund("RC9"))[1]["code"] == "RESOURCE_NOT_EXISTS"
    too_much = told(library.refund(out_refund_no="RC3", amount=amount, out_trade_no="C000003"))
    assert (too_much[0], too_much[1]["code"]) == (400, "INVALID_REQUEST")


def test_it_reads_the_sandboxs_callbacks_as_the_mall_does(wechat: Wechat, library: Any) -> None:
    paid = wechat.control("pay", {"prepay_id": prepaid(library, "C000004"), "notify": "normal"})
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    theirs, ours = library.callback(headers, raw), api.read_callback(headers, raw)
    assert (theirs["id"], theirs["event_type"]) == (ours.id, ours.event_type)
    assert theirs["resource"] == json.loads(ours.resource)
    assert theirs["resource"]["transaction_id"] == wechat_pay.read_trade(ours).transaction_id == paid["transaction_id"]


def test_it_reads_the_callback_of_a_refund_as_the_mall_does(wechat: Wechat, library: Any) -> None:
    wechat.control("pay", {"prepay_id": prepaid(library, "C000005"), "notify": "none"})
    library.refund(
        out_refund_no="RC5", amount={"refund": 1, "total": 1000, "currency": "CNY"}, out_trade_no="C000005",
        notify_url=wechat.merchant.url + "/v1/callbacks/wechat/refund",
    )  # fmt: skip
    wechat.clock.advance(6)
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    theirs, ours = library.callback(headers, raw), api.read_callback(headers, raw)
    assert theirs["event_type"] == ours.event_type == "REFUND.SUCCESS"
    assert theirs["resource"]["refund_status"] == wechat_pay.read_refund(ours).state == "SUCCESS"


REPORT = [
    {"info_type": "岗位类型", "info_content": "推广员"},
    {"info_type": "报酬说明", "info_content": "推广商品的佣金"},
]


def transferred(library: Any, number: str, **changes: Any) -> tuple[int, Any]:
    fields = {
        "out_bill_no": number, "transfer_scene_id": "1005", "openid": "o-promoter", "transfer_amount": 300,
        "transfer_remark": "十一月的佣金", "transfer_scene_report_infos": REPORT,
        "notify_url": library._notify_url.replace("payment", "transfer"),
    }  # fmt: skip
    return told(library.mch_transfer_bills(**(fields | changes)))


def test_it_transfers_and_asks(wechat: Wechat, library: Any) -> None:
    wechat.control("balance", {"available_fen": 300_000})
    status, made = transferred(library, "CW1")
    assert (status, made["state"]) == (200, "WAIT_USER_CONFIRM")
    assert set(made) == {"out_bill_no", "transfer_bill_no", "create_time", "state", "package_info"}
    assert transferred(library, "CW1") == (200, made)
    status, asked = told(library.mch_transfer_bills_query(out_bill_no="CW1"))
    assert (status, asked["state"], asked["transfer_amount"]) == (200, "WAIT_USER_CONFIRM", 300)
    assert set(asked) == {
        "mch_id", "out_bill_no", "transfer_bill_no", "appid", "state", "transfer_amount", "transfer_remark", "openid",
        "create_time", "update_time",
    }  # fmt: skip
    by_id = told(library.mch_transfer_bills_query(transfer_bill_no=made["transfer_bill_no"]))
    assert by_id == (200, asked)
    unknown = told(library.mch_transfer_bills_query(out_bill_no="CW9"))
    assert (unknown[0], unknown[1]["code"]) == (404, "NOT_FOUND")


def test_it_calls_a_transfer_off(wechat: Wechat, library: Any) -> None:
    wechat.control("balance", {"available_fen": 300})
    transferred(library, "CW2")
    for _ in range(2):
        status, answer = told(library.mch_transfer_bills_cancel("CW2"))
        assert (status, answer["state"]) == (200, "CANCELING")
        ours = transfers.cancel_transfer("CW2")
        assert (ours.out_bill_no, ours.transfer_bill_no, ours.state) == tuple(
            answer[name] for name in ("out_bill_no", "transfer_bill_no", "state")
        )
    wechat.clock.advance(6)
    assert told(library.mch_transfer_bills_query(out_bill_no="CW2"))[1]["state"] == "CANCELLED"
    assert told(library.mch_transfer_bills_cancel("CW2"))[1]["code"] == "INVALID_REQUEST"
    assert told(library.mch_transfer_bills_cancel("CW9"))[1]["code"] == "NOT_FOUND"
    notice = api.read_callback(*poll(lambda: wechat.merchant.calls)[0])
    assert transfers.read_transfer(notice).state == "CANCELLED"
    assert transferred(library, "CW3")[1]["state"] == "WAIT_USER_CONFIRM"  # the money is there again


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"out_bill_no": "CW_4"}, 400, "PARAM_ERROR"),
        ({"transfer_scene_id": "1000"}, 403, "NO_AUTH"),
        ({"appid": "wx0"}, 400, "APPID_MCHID_NOT_MATCH"),
        ({"transfer_scene_report_infos": REPORT[:1]}, 400, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": [*REPORT, REPORT[0]]}, 400, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": [REPORT[0] | {"info_type": "活动名称"}, REPORT[1]]}, 400, "PARAM_ERROR"),
        ({"transfer_remark": "茶" * 33}, 400, "PARAM_ERROR"),
        ({"notify_url": "http://a.example/?b=1"}, 400, "PARAM_ERROR"),
    ],
)
def test_the_sandbox_refuses_transfers_that_wechat_refuses(
    wechat: Wechat, library: Any, change: dict[str, Any], status: int, code: str
) -> None:
    answer = transferred(library, "CW4", **change)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert wechat.control("ledger")["transfers"] == []


def test_a_transfer_of_two_thousand_yuan_names_its_receiver(wechat: Wechat, library: Any) -> None:
    wechat.control("balance", {"available_fen": 900_000})
    for _ in range(2):  # the name is encrypted anew, and yet it is the same transfer
        status, made = transferred(library, "CW5", transfer_amount=200_000, user_name="林小鱼")
        assert (status, made["state"]) == (200, "WAIT_USER_CONFIRM")
    assert "user_name" in told(library.mch_transfer_bills_query(out_bill_no="CW5"))[1]
    assert len(wechat.control("ledger")["transfers"]) == 1


def test_it_reads_the_callback_of_a_transfer_as_the_mall_does(wechat: Wechat, library: Any) -> None:
    request = wechat.transferred()
    wechat.end(request, "fail", fail_reason="NAME_NOT_CORRECT")
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    theirs, ours = library.callback(headers, raw), api.read_callback(headers, raw)
    assert theirs["event_type"] == ours.event_type == "MCHTRANSFER.BILL.FINISHED"
    assert theirs["resource"] == json.loads(ours.resource)
    assert theirs["resource"]["fail_reason"] == transfers.read_transfer(ours).fail_reason == "NAME_NOT_CORRECT"
    assert set(theirs["resource"]) == {
        "out_bill_no", "transfer_bill_no", "state", "mch_id", "transfer_amount", "openid", "fail_reason",
        "create_time", "update_time",
    }  # fmt: skip


def test_both_clients_ask_for_the_same_transfer_in_the_same_words(wechat: Wechat, library: Any) -> None:
    ours = wechat.transferred()
    status, answer = transferred(library, ours.out_bill_no)
    assert (status, answer["state"]) == (200, "WAIT_USER_CONFIRM")
    status, answer = transferred(library, ours.out_bill_no, transfer_remark="别的")
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize("notify", ["bad_signature", "probe"])
def test_neither_believes_a_forged_callback(wechat: Wechat, library: Any, notify: str) -> None:
    wechat.merchant.answers = [401]
    number = f"C_{notify}"
    wechat.control("pay", {"prepay_id": prepaid(library, number), "notify": notify})
    headers, raw = poll(lambda: wechat.merchant.calls)[0]
    assert library.callback(headers, raw) is None
    with pytest.raises(CallbackRejected):
        api.read_callback(headers, raw)


def test_both_clients_ask_for_the_same_payment_in_the_same_words(wechat: Wechat, library: Any) -> None:
    """What the mall prepaid, the library can re-enter with the same parameters, and not with others."""
    body, _ = wechat.prepaid()
    expire = body.time_expire.astimezone(timezone(timedelta(hours=8))).isoformat(timespec="seconds")
    same = {
        "description": body.description, "out_trade_no": body.out_trade_no, "time_expire": expire,
        "amount": {"total": body.total_fen, "currency": "CNY"}, "payer": {"openid": body.openid},
    }  # fmt: skip
    assert told(library.pay(**same))[0] == 200
    status, answer = told(library.pay(**same, attach="more"))
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")
    assert "重入参数不一致" in answer["message"]


def test_the_library_meets_the_faults_too(wechat: Wechat, library: Any) -> None:
    wechat.fault("/v3/pay", "error")
    assert told(library.query(out_trade_no="C000001"))[1]["code"] == "SYSTEM_ERROR"
    prepaid(library, "C000006")
    wechat.fault("/v3/pay", "bad_signature")
    with pytest.raises(Exception, match="failed to verify the signature"):
        library.query(out_trade_no="C000006")
    assert time.time() <= wechat.clock()
