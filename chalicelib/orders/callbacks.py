"""WeChat Pay's notices. Believed only when their signature, time and key are right; answered 200 only when taken.

The same notice again finds its work done. Everything they say can also be asked for, so that a lost one delays
nothing for long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chalicelib.core import log
from chalicelib.core.errors import MallError
from chalicelib.orders import pay, refunds
from chalicelib.web.endpoint import CALLBACK, Call, Reply, endpoint

if TYPE_CHECKING:
    from chalicelib.wechat.pay import Notification


class Answer(msgspec.Struct):
    """What WeChat Pay wants to hear: SUCCESS, or FAIL and why."""

    code: str
    message: str


@endpoint("POST /v1/callbacks/wechat/payment", CALLBACK)
def payment(call: Call) -> Answer | Reply:
    """WeChat Pay says that an order was paid."""
    return _take(call, "TRANSACTION.SUCCESS", _record_payment)


@endpoint("POST /v1/callbacks/wechat/refund", CALLBACK)
def refund(call: Call) -> Answer | Reply:
    """WeChat Pay says how a refund ended."""
    return _take(call, "REFUND.", _settle_refund)


def _take(call: Call, kind: str, use: Callable[[Notification], None]) -> Reply:
    from chalicelib.wechat import pay as wechat
    from chalicelib.wechat.errors import CallbackRejected

    try:
        notice = wechat.read_callback(call.headers, call.raw_body)
        if not notice.event_type.startswith(kind):
            log.warning("callback_strange", event_type=notice.event_type)
            return _answer(400, "FAIL", "unexpected event")
        use(notice)
    except CallbackRejected as fault:
        log.warning("callback_rejected", reason=fault.reason)
        return _answer(401, "FAIL", "not verified")
    except pay.PaymentMismatch as fault:
        log.error("callback_mismatch", fault)
        return _answer(400, "FAIL", "not our payment")
    except (MallError, ValueError) as fault:
        if isinstance(fault, MallError) and fault.status >= 500:
            raise
        log.error("callback_refused", fault)
        return _answer(400, "FAIL", "refused")
    return _answer(200, "SUCCESS", "")


def _record_payment(notice: Notification) -> None:
    from chalicelib.wechat import pay as wechat

    pay.record(wechat.read_trade(notice))


def _settle_refund(notice: Notification) -> None:
    from chalicelib.wechat import pay as wechat

    result = wechat.read_refund(notice)
    refunds.settle(result.out_refund_no, result.state, result.amount_fen)


def _answer(status: int, code: str, message: str) -> Reply:
    return Reply(body=msgspec.json.encode(Answer(code, message)), status=status)
