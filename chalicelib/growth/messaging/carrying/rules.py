"""What is handed to a platform, and what its refusals mean: one table of codes. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

#: In which form a message goes: a subscribe message, a template or a text of the official account, a text of the
#: mini-program's customer service, an SMS, a call that staff makes.
Way = Literal["subscribe", "template", "oa_text", "mini_text", "sms", "call"]
#: What becomes of a message whose call failed: this medium does not reach the member, now or ever; the allowance or the
#: window that it was to take is not there; its platform wants patience; the fault is the mall's; or nobody knows
#: whether it was sent.
Verdict = Literal["unreachable", "spent", "later", "ours", "unknown"]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its platform gets it: in which form, to whom, by which template of the platform's with which fields,
    and the whole text, for forms that are one."""

    message_id: str
    way: Way
    to: str
    template_id: str = ""
    fields: dict[str, str] = {}
    page: str = ""
    text: str = ""


#: By the platform's code. Sources: developers.weixin.qq.com ("发送订阅消息", "发送客服消息", "发送模板消息",
#: "全局返回码"); cloud.tencent.com/document/product/382 ("错误码"); help.aliyun.com ("SendSms 错误码").
VERDICTS: dict[str, Verdict] = {
    # the user let none through, or all are used up; the time to answer is over, or as often as may be was answered
    "43101": "spent",
    "45015": "spent",
    "45047": "spent",
    # nobody there, who does not follow, or has blocked the account
    "40003": "unreachable",
    "43004": "unreachable",
    "43019": "unreachable",
    "48002": "unreachable",
    # numbers that are none, are gone, or have said no to the vendor
    "not_a_mobile": "unreachable",
    "FailedOperation.PhoneNumberInBlacklist": "unreachable",
    "InvalidParameterValue.IncorrectPhoneNumber": "unreachable",
    "UnsupportedOperation.UnsupportedRegion": "unreachable",
    "isv.MOBILE_NUMBER_ILLEGAL": "unreachable",
    "isv.MOBILE_IN_BLACK": "unreachable",
    # not sent, and not now
    "-1": "later",
    "43108": "later",
    "45009": "later",
    "45011": "later",
    "LimitExceeded.PhoneNumberDailyLimit": "later",
    "LimitExceeded.PhoneNumberOneHourLimit": "later",
    "LimitExceeded.PhoneNumberSameContentDailyLimit": "later",
    "LimitExceeded.PhoneNumberThirtySecondLimit": "later",
    "LimitExceeded.DeliveryFrequencyLimit": "later",
    "RequestLimitExceeded": "later",
    "isv.BUSINESS_LIMIT_CONTROL": "later",
    "isv.DAY_LIMIT_CONTROL": "later",
    "isp.SYSTEM_ERROR": "later",
    # banned, unknown, or wrongly filled
    "43107": "ours",
    "40037": "ours",
    "45168": "ours",
    "47003": "ours",
    "no_vendor": "ours",
    "isv.BLACK_KEY_CONTROL_LIMIT": "ours",
    "isv.AMOUNT_NOT_ENOUGH": "ours",
    "isp.RAM_PERMISSION_DENY": "ours",
}


def verdict(code: str, passing: bool, outcome_unknown: bool) -> Verdict:
    """Tell what becomes of a message, by the code of its failure and what the client says of it: whether the call may
    have had its effect, and whether the fault may go away. What is refused with a code that nobody knows is ours to
    mend."""
    if outcome_unknown:
        return "unknown"
    return VERDICTS.get(code, "later" if passing else "ours")
