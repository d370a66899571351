"""The mini-program's server API: login, phone number, shipping reports, codes to scan, what others may be shown,
messages.

Source: developers.weixin.qq.com/miniprogram, "code2Session", "getPhoneNumber", "uploadShippingInfo",
"getUnlimitedQRCode", "msgSecCheck", "mediaCheckAsync", "sendMessage" (of subscribe messages), "sendCustomMessage".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.gateways.wechat.server_api import TOO_OFTEN, Account, decode, errcode, refuse, send

#: Nothing new in it: WeChat knows all that it is to know.
_NOTHING_NEW = 10060023
#: Shipped before, or shipped again before: WeChat takes no more of the order.
_SHIPPED_BEFORE = {10060002, 10060003}
_ITEM_DESC_CHARACTERS = 120
_CODE_PIXELS = 430
#: An image is told from an error by how it begins: both come with a 200.
_IMAGES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
#: Of what is checked before others see it: the scene and the kind; who asks was not there of late; risky, as an older
#: version of the call says it.
_PROFILE, _PICTURE, _INACTIVE, _RISKY = 1, 2, 61010, 87014
Suggest = Literal["pass", "review", "risky"]
_MALL_CODES = {40029: "wechat_code_invalid", 40163: "wechat_code_used", 40226: "wechat_user_blocked"}


class Session(msgspec.Struct, frozen=True):
    """Who logged in. WeChat's session_key is dropped: nothing here needs it."""

    openid: str
    unionid: str | None = None


class Parcel(msgspec.Struct, frozen=True):
    """One parcel: WeChat's id of the carrier and the number to track it by.

    `contact` is the receiver's masked phone (189****1234), which SF Express parcels need.
    """

    carrier: str
    tracking_no: str
    contact: str | None = None


account = Account(lambda: settings().wechat_appid, "wechat_secret")


def code2session(code: str) -> Session:
    """Who the shopper with this wx.login code is.

    A code works once, so this is never repeated: after a lost reply the mini-program must log in anew. Raises
    MallError wechat_code_invalid, wechat_code_used, wechat_user_blocked or too_many_requests, else WechatError.
    """
    query = {
        "appid": settings().wechat_appid,
        "secret": secret("wechat_secret"),
        "js_code": code,
        "grant_type": "authorization_code",
    }
    try:
        answer = send("GET", "/sns/jscode2session", query)
    except WechatError as error:
        # a code that may have been used up is no good for a second try
        error.retryable = error.retryable and not error.outcome_unknown
        raise
    _refuse_code(answer)
    return decode(answer, Session)


def phone_number(code: str, openid: str) -> str:
    """The phone number that the shopper `openid` agreed to give; a code works once, and WeChat charges for it.

    Raises MallError wechat_code_invalid (also for another shopper's code) or wechat_code_used, else WechatError.
    """
    answer = _call("/wxa/business/getuserphonenumber", {"code": code, "openid": openid})
    _refuse_code(answer)
    return decode(answer, _Phone).phone_info.phone_number


def report_shipping(
    out_trade_no: str,
    openid: str,
    item_desc: str,
    parcels: Sequence[Parcel],
    all_delivered: bool,
    at: datetime,
    corrected: bool = False,
) -> None:
    """Tell WeChat that a paid order was sent off, which it demands within 48 hours before it pays out.

    `parcels` are all of the order's so far (at most 15); `all_delivered` when no more will follow; `at` must grow
    from report to report; `corrected` when one of them is told anew. A repeat does no harm. Raises WechatError,
    retryable while WeChat does not see the payment yet, which happens just after it was paid; and for good where it
    takes no more of the order, and a correction would be lost.
    """
    split = len(parcels) > 1 or not all_delivered
    body = {
        "order_key": {"order_number_type": 1, "mchid": settings().wechat_mchid, "out_trade_no": out_trade_no},
        "logistics_type": 1,
        "delivery_mode": 2 if split else 1,
        "shipping_list": [_shipping(parcel, item_desc[:_ITEM_DESC_CHARACTERS]) for parcel in parcels],
        "upload_time": at.astimezone(clock.SHANGHAI).isoformat(timespec="milliseconds"),
        "payer": {"openid": openid},
    }
    if split:
        body["is_all_delivered"] = all_delivered
    answer = _call("/wxa/sec/order/upload_shipping_info", body)
    code = errcode(answer)
    if code != _NOTHING_NEW and (corrected or code not in _SHIPPED_BEFORE):
        refuse(answer)


def code_image(scene: str, page: str) -> tuple[bytes, str]:
    """A mini-program code that opens `page` with `scene`: the image and its content type. It is good for ever.

    `scene` is 1-32 of the digits, letters and !#$&'()*+,/:;=?@-._~; `page` has no slash before it and no query, and
    need not be published yet. Raises WechatError: 40169 and 40129 for the scene, 41030 for the page.
    """
    answer = _call("/wxa/getwxacodeunlimit", {"scene": scene, "page": page, "check_path": False, "width": _CODE_PIXELS})
    content_type = _image_type(answer)
    if content_type is None:
        refuse(answer)
        raise WechatError("reply_malformed", http=200, retryable=True)
    return answer, content_type


def check_text(text: str, openid: str) -> Suggest | None:
    """What WeChat finds of a text of the profile that the shopper `openid` wants to show others; None where it does not
    say, as they have not opened the mini-program in the last two hours. Raises WechatError."""
    body = {"content": text, "version": 2, "scene": _PROFILE, "openid": openid}
    answer = _call("/wxa/msg_sec_check", body)
    code = errcode(answer)
    if code == _INACTIVE:
        return None
    if code == _RISKY:
        return "risky"
    refuse(answer)
    return decode(answer, _Checked).result.suggest


def check_picture(url: str, openid: str) -> str | None:
    """Have WeChat look at a picture of the profile: the trace_id under which its event wxa_media_check tells what it
    found, within half an hour; None as `check_text`. Raises WechatError."""
    body = {"media_url": url, "media_type": _PICTURE, "version": 2, "scene": _PROFILE, "openid": openid}
    answer = _call("/wxa/media_check_async", body)
    if errcode(answer) == _INACTIVE:
        return None
    refuse(answer)
    return decode(answer, _Traced).trace_id


def send_subscribe(openid: str, template_id: str, data: Mapping[str, str], page: str) -> None:
    """Send a subscribe message, for which the user has agreed to one of this template; it opens `page`, "" none.

    Raises WechatError: 43101 nothing is left of what they agreed to, 43107 WeChat has taken the right to send away,
    47003 a field that its template does not take. After a lost answer `outcome_unknown`: nothing tells whether it was
    sent, and the same again would be another one.
    """
    body = {
        "touser": openid,
        "template_id": template_id,
        "data": {name: {"value": value} for name, value in data.items()},
        "miniprogram_state": "formal",
        "lang": "zh_CN",
    }
    account.post_once("/cgi-bin/message/subscribe/send", body | ({"page": page} if page else {}))


def send_text(openid: str, text: str) -> None:
    """Send a text as customer service does, to who has written within the last 48 hours.

    Raises WechatError: 45015 they have not, 45047 they have had all that one word of theirs allows. After a lost answer
    as `send_subscribe`.
    """
    account.post_once("/cgi-bin/message/custom/send", {"touser": openid, "msgtype": "text", "text": {"content": text}})


def _shipping(parcel: Parcel, item_desc: str) -> dict[str, Any]:
    line: dict[str, Any] = {
        "tracking_no": parcel.tracking_no,
        "express_company": parcel.carrier,
        "item_desc": item_desc,
    }
    if parcel.contact:
        line["contact"] = {"receiver_contact": parcel.contact}
    return line


class _Result(msgspec.Struct):
    suggest: Suggest


class _Checked(msgspec.Struct):
    result: _Result


class _Traced(msgspec.Struct):
    trace_id: str


class _PhoneInfo(msgspec.Struct, rename="camel"):
    phone_number: str


class _Phone(msgspec.Struct):
    phone_info: _PhoneInfo


def _call(path: str, body: dict[str, Any]) -> bytes:
    return account.call("POST", path, {}, body, is_other=lambda answer: _image_type(answer) is not None)


def _image_type(answer: bytes) -> str | None:
    return next((kind for start, kind in _IMAGES.items() if answer.startswith(start)), None)


def _refuse_code(answer: bytes) -> None:
    """The same, for calls with a shopper's code: what the shopper can mend is a MallError."""
    code = errcode(answer)
    if code in _MALL_CODES:
        raise MallError(_MALL_CODES[code])
    if code == TOO_OFTEN:
        raise MallError("too_many_requests", retry_after=60)  # WeChat counts by the minute
    refuse(answer)
