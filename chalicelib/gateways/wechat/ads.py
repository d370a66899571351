"""Tencent's advertisements: telling them what a click has brought, so that they show them to whom they help.

The host answers 200 to everything and says in `code` what went wrong; its address carries the access token, so it is
never kept in an error. A conversion that is told again, under the same number, is the same one.
Source: developers.e.qq.com, "user_actions/add" v3.0; datanexus.qq.com, "MiniProgram conversions".
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import requests

from chalicelib.core import clock, ids
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.wechat import http
from chalicelib.gateways.wechat.errors import WechatError

_PATH = "/v3.0/user_actions/add"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What a click has brought: under our number, of which type, when, by which user, worth so many fen."""

    number: str
    kind: str
    at: datetime
    openid: str
    click_id: str
    value_fen: int | None = None


class _Answer(msgspec.Struct):
    code: int


def add(account_id: int, action_set_id: int, action: Action) -> None:
    """Tell of one action in this set of the merchant's account. Raises WechatError."""
    worth = {} if action.value_fen is None else {"action_param": {"value": action.value_fen}}
    told = {
        "outer_action_id": action.number,
        "action_time": int(action.at.timestamp()),
        "user_id": {"wechat_app_id": settings().wechat_appid, "wechat_openid": action.openid},
        "action_type": action.kind,
        "trace": {"click_id": action.click_id},
        **worth,
    }
    body = {"account_id": account_id, "user_action_set_id": action_set_id, "actions": [told]}
    query = {"access_token": secret("ads_token"), "timestamp": str(clock.unix()), "nonce": ids.new("n")}
    base_url = settings().ads_api_url
    request = requests.Request("POST", base_url + _PATH, params=query, data=msgspec.json.encode(body)).prepare()
    request.headers["User-Agent"] = "yutang"
    request.headers["Content-Type"] = "application/json"
    reply = http.send(base_url, request)
    if reply.status != 200:
        broken = reply.status >= 500
        raise WechatError(f"http_{reply.status}", http=reply.status, retryable=broken, outcome_unknown=broken)
    try:
        code = msgspec.json.decode(reply.body, type=_Answer).code
    except msgspec.MsgspecError:
        raise WechatError("reply_malformed", http=200, retryable=True, outcome_unknown=True) from None
    if code:
        raise WechatError(str(code), http=200)
