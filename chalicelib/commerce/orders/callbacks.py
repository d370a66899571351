"""WeChat Pay's notices about orders.

The same notice again finds its work done. Everything they say can also be asked for, so that a lost one delays
nothing for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.commerce.orders.payment import service as payment_service
from chalicelib.commerce.orders.refunds import push
from chalicelib.platform.web.endpoint import CALLBACK, Call, Reply, endpoint
from chalicelib.platform.web.types import Answer

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.api import Notification


@endpoint("POST /v1/callbacks/wechat/payment", CALLBACK)
def payment(call: Call) -> Answer | Reply:
    """WeChat Pay says that an order was paid."""
    from chalicelib.gateways.wechat import notices

    return notices.take(call, "TRANSACTION.SUCCESS", _record_payment)


@endpoint("POST /v1/callbacks/wechat/refund", CALLBACK)
def refund(call: Call) -> Answer | Reply:
    """WeChat Pay says how a refund ended."""
    from chalicelib.gateways.wechat import notices

    return notices.take(call, "REFUND.", _settle_refund)


def _record_payment(notice: Notification) -> None:
    from chalicelib.gateways.wechat import pay as wechat

    payment_service.record(wechat.read_trade(notice))


def _settle_refund(notice: Notification) -> None:
    from chalicelib.gateways.wechat import pay as wechat

    result = wechat.read_refund(notice)
    push.settle_refund(result.out_refund_no, result.state, result.amount_fen)
