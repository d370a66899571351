"""What the vendor of SMS tells: what became of messages, and what people reply."""

from __future__ import annotations

import msgspec

from chalicelib.core import log
from chalicelib.platform.web.endpoint import CALLBACK, Call, Reply, endpoint
from chalicelib.platform.web.types import Answer


@endpoint("POST /v1/callbacks/sms/{vendor}", CALLBACK, errors=("conflict",))
def take_sms(call: Call, vendor: str) -> Answer | Reply:
    """Hear of receipts and replies, with the token that the vendor was given in the query of this address. The same
    again changes nothing; a vendor repeats what is not answered."""
    from chalicelib.gateways.sms import reports
    from chalicelib.gateways.sms.errors import SmsRejected
    from chalicelib.growth.messaging.hearing import service as hearing

    try:
        told = reports.read(vendor, call.sent.get("token", ""), call.raw_body)
    except SmsRejected as fault:
        log.warning("callback_rejected", reason=fault.reason)
        return Reply(msgspec.json.encode(Answer("FAIL", "not verified")), status=401)
    hearing.told(told)
    return Reply(reports.ANSWERS[vendor])
