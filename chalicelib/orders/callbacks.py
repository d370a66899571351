"""WeChat Pay's notices about orders.

The same notice again finds its work done. Everything they say can also be asked for, so that a lost one delays
nothing for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.orders import pay, refunds
from chalicelib.web.endpoint import CALLBACK, Call, Reply, endpoint
from chalicelib.web.types import Answer

if TYPE_CHECKING:
    from chalicelib.wechat.api import Notification


@endpoint("POST /v1/callbacks/wechat/payment", CALLBACK)
def payment(call: Call) -> Answer | Reply:
    """WeChat Pay says that an order was paid."""
    from chalicelib.wechat import notices

    return notices.take(call, "TRANSACTION.SUCCESS", _record_payment)


@endpoint("POST /v1/callbacks/wechat/refund", CALLBACK)
def refund(call: Call) -> Answer | Reply:
    """WeChat Pay says how a refund ended."""
    from chalicelib.wechat import notices

    return notices.take(call, "REFUND.", _settle_refund)


def _record_payment(notice: Notification) -> None:
    from chalicelib.wechat import pay as wechat

    pay.record(wechat.read_trade(notice))


def _settle_refund(notice: Notification) -> None:
    from chalicelib.wechat import pay as wechat

    result = wechat.read_refund(notice)
    refunds.settle(result.out_refund_no, result.state, result.amount_fen)
