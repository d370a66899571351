"""Makes WeChat Pay's notices, in a process that has the sandbox's keys: genuine ones, or with something wrong."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from chalicelib.core import clock
from local.client import Sandbox
from local.keys import load_or_make
from local.sandbox.crypto import Signer
from local.sandbox.messages import of_mini, of_oa, push

PAYMENT = "/v1/callbacks/wechat/payment"
MESSAGES = "/v1/callbacks/wechat/messages"


def signer() -> Signer:
    """WeChat's side of this process's keys."""
    return _signer(os.environ["YUTANG_TEST_KEYS"])


@functools.cache
def _signer(keys: str) -> Signer:
    return Signer(load_or_make(Path(keys)))  # to read and check RSA keys takes longer than many a call


def notice(event_type: str, plain: dict[str, Any], defect: str | None = None) -> tuple[dict[str, str], bytes]:
    """Headers and body of a notice about `plain`, signed now."""
    subject = {"TRANSACTION": "transaction", "REFUND": "refund", "MCHTRANSFER": "mch_payment"}[
        event_type.partition(".")[0]
    ]
    sign = signer()
    envelope = {
        "id": "test", "create_time": "2026-11-21T10:00:00+08:00", "resource_type": "encrypt-resource",
        "event_type": event_type, "summary": "", "resource": sign.encrypted(json.dumps(plain).encode(), subject),
    }  # fmt: skip
    body = json.dumps(envelope).encode()
    headers = sign.headers(body, clock.now().timestamp(), defect)
    return headers | {"Content-Type": "application/json"}, body


def transaction(sandbox: Sandbox, order_id: str, **changed: Any) -> dict[str, Any]:
    """The payment of this order as WeChat tells it; `changed` falsifies it."""
    from chalicelib.core.settings import settings

    payment = sandbox.trade(order_id)
    assert payment is not None
    assert payment["transaction_id"], "nobody has paid"
    total = changed.pop("total", payment["total_fen"])
    return {
        "appid": settings().wechat_appid, "mchid": settings().wechat_mchid, "out_trade_no": order_id,
        "transaction_id": payment["transaction_id"], "trade_state": "SUCCESS", "trade_state_desc": "支付成功",
        "success_time": "2026-11-21T10:00:00+08:00", "payer": {"openid": payment["openid"]},
        "amount": {"total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY"},
    } | changed  # fmt: skip


def payment_callback(
    sandbox: Sandbox, order_id: str, defect: str | None = None, **changed: Any
) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which WeChat tells of this order's payment, as a transport takes it."""
    headers, body = notice("TRANSACTION.SUCCESS", transaction(sandbox, order_id, **changed), defect)
    return "POST", PAYMENT, headers, body


def message(openid: str, event: str, seconds_ago: float = 0, **fields: Any) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which WeChat tells an event of this shopper's, as a transport takes it."""
    keys = load_or_make(Path(os.environ["YUTANG_TEST_KEYS"]))
    told = {"FromUserName": openid, "OpenID": openid, "AppID": keys.appid, **fields, "Event": event}
    query, body = push(of_mini(keys), told, clock.now().timestamp() - seconds_ago)
    return "POST", f"{MESSAGES}?{query}", {"Content-Type": "application/json"}, body


def follower_message(
    openid: str, event: str, seconds_ago: float = 0, **fields: Any
) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which WeChat tells an event of a follower of the official account, as a transport takes it."""
    keys = load_or_make(Path(os.environ["YUTANG_TEST_KEYS"]))
    told = {"FromUserName": openid, **fields, "Event": event}
    query, body = push(of_oa(keys), told, clock.now().timestamp() - seconds_ago)
    return "POST", f"{MESSAGES}?{query}", {"Content-Type": "application/json"}, body


def sms_callback(vendor: str, body: Any, token: str | None = None) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which a vendor of SMS tells of this, which the sandbox's control answers, as a transport takes
    it; with another token than the mall's where one is given."""
    keys = load_or_make(Path(os.environ["YUTANG_TEST_KEYS"]))
    path = f"/v1/callbacks/sms/{vendor}?token={keys.sms_callback_token if token is None else token}"
    return "POST", path, {"Content-Type": "application/json"}, json.dumps(body).encode()


def oa_text(openid: str, text: str, **fields: Any) -> tuple[str, str, dict[str, str], bytes]:
    """The request with which WeChat tells what a follower wrote to the official account, as a transport takes it."""
    keys = load_or_make(Path(os.environ["YUTANG_TEST_KEYS"]))
    told = {"FromUserName": openid, "MsgType": "text", "Content": text, "MsgId": 1, **fields}
    query, body = push(of_oa(keys), told, clock.now().timestamp())
    return "POST", f"{MESSAGES}?{query}", {"Content-Type": "application/json"}, body
