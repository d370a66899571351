"""WeChat Pay's notices of how transfers ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.growth.payouts.transfers import service as transfers
from chalicelib.platform.web.endpoint import CALLBACK, Call, Reply, endpoint
from chalicelib.platform.web.types import Answer

if TYPE_CHECKING:
    from chalicelib.gateways.wechat.api import Notification


@endpoint("POST /v1/callbacks/wechat/transfer", CALLBACK)
def transfer_ended(call: Call) -> Answer | Reply:
    """WeChat Pay says how a transfer ended."""
    from chalicelib.gateways.wechat import notices

    return notices.take(call, "MCHTRANSFER.BILL.FINISHED", _settle)


def _settle(notice: Notification) -> None:
    from chalicelib.gateways.wechat import transfers as wechat

    transfers.settle_transfer(wechat.read_transfer(notice))
