"""WeChat's messages: what shoppers take back in WeChat's own settings, what it found of their pictures, and who follows
the official account. What concerns messages to them is told to the wing above (ports.py: Correspondence).

Other events are answered, and let go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.settings import settings
from chalicelib.customers.members.consents import service
from chalicelib.customers.members.content import service as content
from chalicelib.customers.members.content.rules import verdict_of
from chalicelib.customers.members.ports import correspondence
from chalicelib.platform.web.endpoint import CALLBACK, Call, Reply, endpoint
from chalicelib.platform.web.types import Answer

_TEXT = "text/plain; charset=utf-8"


@endpoint("GET /v1/callbacks/wechat/messages", CALLBACK, media=_TEXT)
def prove_messages(call: Call) -> str | Reply:
    """Prove to WeChat that this address is the mall's, when it is entered in the console of the mini-program."""
    from chalicelib.gateways.wechat import messages
    from chalicelib.gateways.wechat.errors import CallbackRejected

    try:
        return Reply(messages.signed_echo(call.sent).encode(), content_type=_TEXT)
    except CallbackRejected as fault:
        return _rejected(fault.reason)


@endpoint("POST /v1/callbacks/wechat/messages", CALLBACK, media=_TEXT)
def take_message(call: Call) -> str | Reply:
    """Hear WeChat's event. The same event again finds its work done; WeChat repeats what is not answered in 5 s."""
    from chalicelib.gateways.wechat import messages
    from chalicelib.gateways.wechat.errors import CallbackRejected

    try:
        message = messages.read_message(call.sent, call.raw_body)
    except CallbackRejected as fault:
        return _rejected(fault.reason)
    is_of_account = message.appid == settings().wechat_oa_appid
    heard = _HEARD_OF_FOLLOWERS if is_of_account else _HEARD
    hear = heard.get(str(message.fields.get("Event")))
    at = _sent_at(message.fields)
    if hear is not None:
        hear(message.fields, at)
    is_heard = correspondence().heard("oa" if is_of_account else "mini", _openid(message.fields), message.fields, at)
    if hear is None and not is_heard:
        log.info("message_let_go", what=str(message.fields.get("Event") or message.fields.get("MsgType"))[:64])
    return Reply(b"success", content_type=_TEXT)


def _rejected(reason: str) -> Reply:
    log.warning("callback_rejected", reason=reason)
    return Reply(msgspec.json.encode(Answer("FAIL", "not verified")), status=401)


def _openid(message: dict[str, Any]) -> str:
    return str(message.get("OpenID") or message.get("FromUserName") or "")


def _sent_at(message: dict[str, Any]) -> datetime:
    """When WeChat says that it happened; now, where it does not say it sensibly."""
    try:
        return clock.from_ms(int(message["CreateTime"]) * 1000)
    except (KeyError, ValueError, TypeError, OverflowError):
        return clock.now()


def _revoked(message: dict[str, Any], at: datetime) -> None:
    service.revoked(_openid(message), str(message.get("RevokeInfo", "")), at)


def _cancelled(message: dict[str, Any], at: datetime) -> None:
    service.cancelled(_openid(message), at)


def _checked(message: dict[str, Any], _at: datetime) -> None:
    content.take_verdict(str(message.get("trace_id") or ""), verdict_of(message))


def _hear_of_follower(openid: str, at: datetime, *, follows: bool, scene: str = "") -> None:
    from chalicelib.customers.members.followers import service as followers  # no shopper waits for it

    followers.hear(openid, at, follows=follows, scene=scene)


def _followed(message: dict[str, Any], at: datetime) -> None:
    _hear_of_follower(_openid(message), at, follows=True, scene=str(message.get("EventKey") or ""))


def _unfollowed(message: dict[str, Any], at: datetime) -> None:
    _hear_of_follower(_openid(message), at, follows=False)


#: What is done about an event of the official account's.
_HEARD_OF_FOLLOWERS: dict[str, Callable[[dict[str, Any], datetime], None]] = {
    "subscribe": _followed,
    "unsubscribe": _unfollowed,
}
#: What is done about an event of the mini-program's.
_HEARD: dict[str, Callable[[dict[str, Any], datetime], None]] = {
    "user_authorization_revoke": _revoked,
    "user_authorization_cancellation": _cancelled,
    "wxa_media_check": _checked,
}
