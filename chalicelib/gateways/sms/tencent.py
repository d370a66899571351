"""SMS by Tencent Cloud: SendSms, and what it tells of receipts and replies.

Source: cloud.tencent.com/document/api/382/55981 (SendSms 2021-01-11), /59177 (its errors), /5807 (receipts), /5809
(replies). A receipt names the SMS by SerialNo alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from chalicelib.core import clock
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.sms import http
from chalicelib.gateways.sms.errors import SmsError
from chalicelib.gateways.sms.signature import tc3

_URL = "https://sms.tencentcloudapi.com"
_JSON = "application/json; charset=utf-8"
#: Nothing was sent, and in a while it may be: all calls together are too many, or those to this phone.
_RETRYABLE = frozenset(
    {
        "LimitExceeded.DeliveryFrequencyLimit",
        "LimitExceeded.PhoneNumberThirtySecondLimit",
        "LimitExceeded.PhoneNumberOneHourLimit",
    }
)
_BUSY, _BROKEN = "RequestLimitExceeded", "InternalError"


class _Status(msgspec.Struct, rename="pascal"):
    code: str
    serial_no: str = ""


class _Fault(msgspec.Struct, rename="pascal"):
    code: str


class _Response(msgspec.Struct, rename="pascal"):
    error: _Fault | None = None
    send_status_set: list[_Status] = []


class _Answer(msgspec.Struct, rename="pascal"):
    response: _Response


def send(number: str, template_code: str, params: Mapping[str, str], message_id: str) -> str:
    """Send to a number with + and its country's code; Tencent's SerialNo. Raises SmsError."""
    mall = settings()
    told = {
        "PhoneNumberSet": [number],
        "SmsSdkAppId": mall.sms_app_id,
        "SignName": mall.sms_sign,
        "TemplateId": template_code,
        "TemplateParamSet": _in_order(params),
        "SessionContext": message_id,
    }
    body, url, now = msgspec.json.encode(told), mall.sms_url or _URL, clock.unix()
    signed = {"content-type": _JSON, "host": urlsplit(url).netloc}
    headers = {
        "Content-Type": _JSON,
        "Authorization": tc3(mall.sms_key_id, secret("sms_key"), "sms", signed, body, now),
        "X-TC-Action": "SendSms",
        "X-TC-Version": "2021-01-11",
        "X-TC-Timestamp": str(now),
        "X-TC-Region": mall.sms_region,
    }
    return _number(http.post(url, "", headers, body))


def _in_order(params: Mapping[str, str]) -> list[str]:
    names = sorted(params, key=int) if all(name.isdecimal() for name in params) else list(params)
    return [params[name] for name in names]


def _number(reply: http.Reply) -> str:
    try:
        response = msgspec.json.decode(reply.body, type=_Answer).response
    except msgspec.MsgspecError:
        raise SmsError("reply_malformed", http=reply.status, outcome_unknown=reply.status == 200) from None
    if response.error is not None:
        raise _refusal(response.error.code, reply.status)
    if len(response.send_status_set) != 1:
        raise SmsError("reply_malformed", http=reply.status, outcome_unknown=True)
    status = response.send_status_set[0]
    if status.code != "Ok":
        raise _refusal(status.code, reply.status)
    return status.serial_no


def _refusal(code: str, status: int) -> SmsError:
    family = code.partition(".")[0]
    retryable = code in _RETRYABLE or family == _BUSY
    return SmsError(code[:64], http=status, retryable=retryable, outcome_unknown=family == _BROKEN)
