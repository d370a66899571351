"""SMS by Aliyun: SendSms of dysmsapi.

Source: help.aliyun.com, "SendSms" 2017-05-25, "API错误码", "SmsReport", "SmsUp".
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.settings import secret, settings
from chalicelib.gateways.sms import http
from chalicelib.gateways.sms.errors import SmsError
from chalicelib.gateways.sms.signature import acs3, encoded, hashed

_URL = "https://dysmsapi.aliyuncs.com"
_MAINLAND = "+86"
#: Nothing was sent, and in a while it may be: too many to this phone in a minute, an hour or a day (the code does not
#: say which), or a fault of theirs for which they want to be called again.
_RETRYABLE = frozenset({"isv.BUSINESS_LIMIT_CONTROL", "isp.SYSTEM_ERROR"})
_BUSY = "Throttling"


class _Answer(msgspec.Struct, rename="pascal"):
    code: str
    biz_id: str = ""


def send(number: str, template_code: str, params: Mapping[str, str], message_id: str) -> str:
    """Send to a number with + and its country's code; Aliyun's BizId. Raises SmsError."""
    mall = settings()
    query = {
        "PhoneNumbers": number.removeprefix(_MAINLAND).removeprefix("+"),
        "SignName": mall.sms_sign,
        "TemplateCode": template_code,
        "OutId": message_id,
    }
    if params:
        query["TemplateParam"] = msgspec.json.encode(dict(params)).decode()
    url = mall.sms_url or _URL
    headers = {
        "host": urlsplit(url).netloc,
        "x-acs-action": "SendSms",
        "x-acs-version": "2017-05-25",
        "x-acs-date": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": ids.new(""),
        "x-acs-content-sha256": hashed(b""),
    }
    authorization = acs3(mall.sms_key_id, secret("sms_key"), query, headers)
    return _number(http.post(url, encoded(query), headers | {"Authorization": authorization}, b""))


def _number(reply: http.Reply) -> str:
    try:
        answer = msgspec.json.decode(reply.body, type=_Answer)
    except msgspec.MsgspecError:
        raise SmsError("reply_malformed", http=reply.status, outcome_unknown=reply.status == 200) from None
    if answer.code == "OK":
        return answer.biz_id
    retryable = answer.code in _RETRYABLE or answer.code.partition(".")[0] == _BUSY
    raise SmsError(answer.code[:64], http=reply.status, retryable=retryable)
