"""The official account's server API: who follows it, messages to followers.

Source: developers.weixin.qq.com/doc/offiaccount, "获取用户基本信息(UnionID机制)", "getStableAccessToken",
"模板消息接口", "客服接口-发消息".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.core.settings import settings
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.gateways.wechat.server_api import Account, decode, refuse

account = Account(lambda: settings().wechat_oa_appid, "wechat_oa_secret")


class Follower(msgspec.Struct, frozen=True):
    """Who follows the account; the unionid is there where the account is bound to one at WeChat's open platform, and
    they follow still."""

    subscribe: int = 0
    unionid: str | None = None


def follower(openid: str) -> Follower:
    """Ask who follows the account under this openid. Raises WechatError."""
    answer = account.call("GET", "/cgi-bin/user/info", {"openid": openid, "lang": "zh_CN"})
    refuse(answer)
    return decode(answer, Follower)


class _Taken(msgspec.Struct):
    msgid: int | str


def send_template(openid: str, template_id: str, data: Mapping[str, str], page: str, client_msg_id: str) -> str:
    """Send a template message to a follower, under our own number of at most 32 characters; WeChat's number of it,
    which its event TEMPLATESENDJOBFINISH names. It opens `page` of the mini-program, "" none.

    Raises WechatError: 43004 they do not follow, 40037 the account has no such template. WeChat takes the same number
    again for the same message for ten minutes only, so after a lost answer `outcome_unknown`, and it is not retryable.
    """
    body: dict[str, Any] = {
        "touser": openid,
        "template_id": template_id,
        "data": {name: {"value": value} for name, value in data.items()},
        "client_msg_id": client_msg_id,
    }
    if page:
        body["miniprogram"] = {"appid": settings().wechat_appid, "pagepath": page}
    answer = account.post_once("/cgi-bin/message/template/send", body)
    try:
        return str(decode(answer, _Taken).msgid)
    except WechatError as error:
        error.retryable = False  # it may have been sent
        raise


def send_text(openid: str, text: str) -> None:
    """Send a text as customer service does, to a follower who has done something within the last 48 hours.

    Raises WechatError: 45015 they have not, 45047 they have had all that it allows. After a lost answer as
    `send_template`.
    """
    account.post_once("/cgi-bin/message/custom/send", {"touser": openid, "msgtype": "text", "text": {"content": text}})
