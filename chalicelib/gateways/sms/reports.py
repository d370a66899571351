"""What a vendor of SMS tells of by itself: receipts, and what people reply.

Neither vendor signs it: the mall gives it addresses with a token in their query, over https. One request may tell of
many, and the same again when it was not answered.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from chalicelib.core import clock, log
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.sms.errors import SmsRejected
from chalicelib.gateways.sms.phones import kept

_T = TypeVar("_T", bound=msgspec.Struct)

#: What each vendor wants to read when the mall has taken what it told.
ANSWERS = {"tencent": b'{"result":0,"errmsg":"OK"}', "aliyun": b'{"code":0,"msg":"OK"}'}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an SMS: `ref` is the number that `service.send` gave, `code` the network's word for it.

    `message_id` is ours, or "" from a vendor that does not say it (Tencent). `phone` as the mall keeps phones.
    """

    message_id: str
    ref: str
    phone: str
    delivered: bool
    code: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote back, from this phone as the mall keeps phones."""

    phone: str
    text: str
    at: datetime


class _TencentReceipt(msgspec.Struct):
    mobile: str
    sid: str
    report_status: str
    nationcode: str = ""
    errmsg: str = ""


class _TencentReply(msgspec.Struct):
    mobile: str
    text: str
    time: int
    nationcode: str = ""


class _AliyunReceipt(msgspec.Struct):
    phone_number: str
    success: bool
    biz_id: str
    out_id: str = ""
    err_code: str = ""


class _AliyunReply(msgspec.Struct):
    phone_number: str
    content: str
    send_time: str


def read(vendor: str, token: str, body: bytes) -> list[Receipt | Reply]:
    """Read what this vendor tells with this token. One item that cannot be read does not keep the others from being
    heard, among which may be somebody's no; where none can be, nothing is believed. Raises SmsRejected."""
    if not vendor or vendor != settings().sms_vendor:
        raise SmsRejected("vendor")
    if not hmac.compare_digest(token.encode(), secret("sms_callback_token").encode()):
        raise SmsRejected("token")
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SmsRejected("malformed") from None
    items = told if isinstance(told, list) else [told]
    found = [one for one in (_read_one(vendor, item) for item in items) if one is not None]
    if items and not found:
        raise SmsRejected("malformed")
    if len(found) < len(items):
        log.warning("sms_report_unread", count=len(items) - len(found))
    return found


def _read_one(vendor: str, item: object) -> Receipt | Reply | None:
    try:
        return _READERS[vendor](item)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None


def _of_tencent(told: object) -> Receipt | Reply:
    if isinstance(told, dict) and "report_status" in told:
        receipt = _as(told, _TencentReceipt)
        return Receipt(
            message_id="",
            ref=receipt.sid,
            phone=kept(receipt.mobile, receipt.nationcode),
            delivered=receipt.report_status == "SUCCESS",
            code=receipt.errmsg,
        )
    reply = _as(told, _TencentReply)
    return Reply(phone=kept(reply.mobile, reply.nationcode), text=reply.text, at=clock.from_ms(reply.time * 1000))


def _of_aliyun(told: object) -> Receipt | Reply:
    if isinstance(told, dict) and "success" in told:
        receipt = _as(told, _AliyunReceipt)
        return Receipt(
            message_id=receipt.out_id,
            ref=receipt.biz_id,
            phone=kept(receipt.phone_number),
            delivered=receipt.success,
            code=receipt.err_code,
        )
    reply = _as(told, _AliyunReply)
    at = datetime.strptime(reply.send_time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=clock.SHANGHAI)
    return Reply(phone=kept(reply.phone_number), text=reply.content, at=clock.from_ms(int(at.timestamp()) * 1000))


def _as(told: object, shape: type[_T]) -> _T:
    return msgspec.convert(told, shape, strict=False)


_READERS: dict[str, Callable[[object], Receipt | Reply]] = {"tencent": _of_tencent, "aliyun": _of_aliyun}
