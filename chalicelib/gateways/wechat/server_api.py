"""The server API of api.weixin.qq.com: how a call is sent, what its answers say, and the token that calls carry.

The host answers 200 to everything and says what went wrong in `errcode`; its texts are not for comparing, and
its addresses carry the AppSecret or an access token, so neither is ever kept in an error.
Source: developers.weixin.qq.com/miniprogram, "getStableAccessToken".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
import requests

from chalicelib.core import clock
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.wechat import http
from chalicelib.gateways.wechat.errors import WechatError

_T = TypeVar("_T")

#: A stable token stays valid for five minutes after WeChat begins to hand out the next one.
_TOKEN_MARGIN_SECONDS = 300
_STALE_TOKEN = {40001, 42001}
TOO_OFTEN = 45011
#: Busy, too often, another message is just on its way to the same user, and "payment order not found", which a payment
#: is for a moment after it was made.
_RETRYABLE = {-1, TOO_OFTEN, 43108, 10060001, 10060012, 10060019}


class _Status(msgspec.Struct):
    errcode: int = 0


class _Issued(msgspec.Struct):
    access_token: str
    expires_in: int


class _Token(NamedTuple):
    value: str
    good_until: int  # Unix seconds


class Account:
    """An account at WeChat whose calls carry an access token, kept by this process until five minutes before it ends.

    `appid` gives its id, `secret_name` names its AppSecret among the secrets.
    """

    def __init__(self, appid: Callable[[], str], secret_name: str) -> None:
        self._appid, self._secret_name = appid, secret_name
        self._token: _Token | None = None

    def forget(self) -> None:
        """Forget the token: the next call asks for another."""
        self._token = None

    def keep(self, token: str, good_until: int) -> None:
        """Keep this token until then, in Unix seconds."""
        self._token = _Token(token, good_until)

    def access_token(self) -> str:
        """The token that the account's calls carry. Raises WechatError."""
        token = self._token  # another thread may throw it away meanwhile
        if token is None or token.good_until <= clock.unix():
            body = {"grant_type": "client_credential", "appid": self._appid(), "secret": secret(self._secret_name)}
            answer = send("POST", "/cgi-bin/stable_token", {}, body)
            refuse(answer)
            issued = decode(answer, _Issued)
            token = _Token(issued.access_token, clock.unix() + issued.expires_in - _TOKEN_MARGIN_SECONDS)
            self._token = token
        return token.value

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: dict[str, Any] | None = None,
        is_other: Callable[[bytes], bool] = lambda _: False,
    ) -> bytes:
        """Send with an access token; once more with a new one when WeChat says that this one is stale. What `is_other`
        is no JSON. Raises WechatError."""
        answer = send(method, path, {"access_token": self.access_token(), **query}, body)
        if not is_other(answer) and errcode(answer) in _STALE_TOKEN:
            self.forget()
            answer = send(method, path, {"access_token": self.access_token(), **query}, body)
        return answer

    def post_once(self, path: str, body: dict[str, Any]) -> bytes:
        """Post what must not be done twice; the answer. Raises WechatError, retryable only where nothing was done: a
        token that cannot be had is such, and a lost answer is not."""
        answer = self._posted(path, body)
        if errcode(answer) in _STALE_TOKEN:
            self.forget()
            answer = self._posted(path, body)
        refuse(answer)
        return answer

    def _posted(self, path: str, body: dict[str, Any]) -> bytes:
        try:
            token = self.access_token()
        except WechatError as error:
            error.outcome_unknown = False  # of the token nothing depends
            raise
        try:
            answer = send("POST", path, {"access_token": token}, body)
            errcode(answer)
        except WechatError as error:
            error.retryable = error.retryable and not error.outcome_unknown
            raise
        return answer


def send(method: str, path: str, query: dict[str, str], body: dict[str, Any] | None = None) -> bytes:
    """Send, and give the body of the answer. Raises WechatError where it is no 200."""
    base_url = settings().wechat_api_url
    data = None if body is None else msgspec.json.encode(body)
    request = requests.Request(method, base_url + path, params=query, data=data).prepare()
    request.headers["User-Agent"] = "yutang"
    if data is not None:
        request.headers["Content-Type"] = "application/json"
    reply = http.send(base_url, request)
    if reply.status != 200:
        broken = reply.status >= 500
        raise WechatError(f"http_{reply.status}", http=reply.status, retryable=broken, outcome_unknown=broken)
    return reply.body


def errcode(answer: bytes) -> int:
    """The answer's errcode; 0 where it has none. Raises WechatError for what is no JSON."""
    return decode(answer, _Status).errcode


def refuse(answer: bytes) -> None:
    """Raise WechatError when the answer has an errcode."""
    code = errcode(answer)
    if code:
        raise WechatError(str(code), http=200, retryable=code in _RETRYABLE)


def decode(answer: bytes, shape: type[_T]) -> _T:
    """Read an answer. Raises WechatError, the outcome unknown, when it has another shape."""
    try:
        return msgspec.json.decode(answer, type=shape)
    except msgspec.MsgspecError:
        raise WechatError("reply_malformed", http=200, retryable=True, outcome_unknown=True) from None
