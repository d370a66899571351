"""Sends an SMS by the vendor that is configured."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core.settings import settings
from chalicelib.gateways.sms.errors import SmsError
from chalicelib.gateways.sms.phones import international


def send(phone: str, template_code: str, params: Mapping[str, str], message_id: str) -> str:
    """Send an SMS of an approved template of the vendor's to a phone, as the mall keeps phones; the vendor's number of
    it, which its receipt names.

    `params` are the template's variables. Tencent's have no names but numbers: there they are "1", "2" ..., or are
    taken in their order. Raises SmsError, `outcome_unknown` after a lost answer: the same again would be another SMS.
    """
    vendor = settings().sms_vendor
    if not vendor:
        raise SmsError("no_vendor")
    number = international(phone)
    if number is None:
        raise SmsError("not_a_mobile")
    if vendor == "tencent":
        from chalicelib.gateways.sms import tencent

        return tencent.send(number, template_code, params, message_id)
    from chalicelib.gateways.sms import aliyun

    return aliyun.send(number, template_code, params, message_id)
