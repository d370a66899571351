"""The official account's server API: who follows it.

Source: developers.weixin.qq.com/doc/offiaccount, "获取用户基本信息(UnionID机制)", "getStableAccessToken".
"""

from __future__ import annotations

import msgspec

from chalicelib.core.settings import settings
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
