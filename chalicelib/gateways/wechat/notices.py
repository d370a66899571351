"""WeChat Pay's notices: believed only when their signature, time and key are right; answered 200 only when taken."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.core import log
from chalicelib.core.errors import MallError, Mismatch
from chalicelib.gateways.wechat import api
from chalicelib.gateways.wechat.api import Notification
from chalicelib.gateways.wechat.errors import CallbackRejected
from chalicelib.platform.web.endpoint import Call, Reply
from chalicelib.platform.web.types import Answer


def take(call: Call, kind: str, use: Callable[[Notification], None]) -> Reply:
    """The answer to a notice whose event begins with `kind`, which `use` takes durably: 200 once it has.

    401 when it cannot be believed. 400 when `use` refuses what it says, by a MallError, a Mismatch or a ValueError:
    then somebody has to look, and WeChat comes again. When the mall itself is down, that is the answer: `unavailable`.
    """
    try:
        notice = api.read_callback(call.headers, call.raw_body)
        if not notice.event_type.startswith(kind):
            log.warning("callback_strange", event_type=notice.event_type)
            return _answer(400, "FAIL", "unexpected event")
        use(notice)
    except CallbackRejected as fault:
        log.warning("callback_rejected", reason=fault.reason)
        return _answer(401, "FAIL", "not verified")
    except (MallError, Mismatch, ValueError) as fault:
        if isinstance(fault, MallError) and fault.status >= 500:
            raise
        log.error("callback_refused", fault)
        return _answer(400, "FAIL", "refused")
    return _answer(200, "SUCCESS", "")


def _answer(status: int, code: str, message: str) -> Reply:
    return Reply(body=msgspec.json.encode(Answer(code, message)), status=status)
