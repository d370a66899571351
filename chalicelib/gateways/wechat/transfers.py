"""Merchant transfers: commission paid out to a promoter, who confirms in WeChat that they take it. Amounts are fen.

Scene 1005 (commission), which the merchant must have been granted. A transfer is told by its out_bill_no, for ever:
whatever happened to a call, ask again under the same number, and take a new one only once the old one is FAIL or
CANCELLED; anything else pays twice. All calls raise WechatError; see there what `retryable` and `outcome_unknown`
promise.
Source: pay.weixin.qq.com, "merchant transfer" (/v3/fund-app/mch-transfer/transfer-bills).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib.core.settings import settings
from chalicelib.gateways.wechat import api
from chalicelib.gateways.wechat.api import Notification
from chalicelib.gateways.wechat.errors import CallbackRejected, WechatError

_PATH = "/v3/fund-app/mch-transfer/transfer-bills"
_SCENE = "1005"
#: What WeChat wants to be told of a transfer of this scene: exactly these two, and nobody is shown them. They are
#: part of what a repeat must say alike, so they change with a deployment at the most.
_REPORT = (("岗位类型", "推广员"), ("报酬说明", "推广商品的佣金"))
_REMARK_CHARACTERS = 32

#: FAIL, CANCELLED and SUCCESS are final. PROCESSING: the money is not set aside yet, which lasts while the balance is
#: short. WAIT_USER_CONFIRM: set aside, and the receiver has until a day after the transfer was made. TRANSFERING: they
#: have confirmed, and it is on its way. CANCELING: it is being called off.
TransferState = Literal[
    "ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM", "TRANSFERING", "SUCCESS", "FAIL", "CANCELING", "CANCELLED"
]


class TransferRequest(msgspec.Struct, frozen=True):
    """`amount_fen` (10 and more) for `openid`. The number is of digits and letters, at most 32, and no other.

    `remark` is what the receiver reads, cut to 32 characters; `notify_to` is where the mall is told of its end, as
    `api.notify_url` takes it.
    """

    out_bill_no: str
    openid: str
    amount_fen: int
    remark: str
    notify_to: str = ""


class TransferResult(msgspec.Struct, frozen=True):
    """How far a transfer is.

    `amount_fen` is None in the answer to `transfer`, which does not repeat it. `package_info` is what the receiver's
    wx.requestMerchantTransfer takes; only `transfer` answers it, and only in WAIT_USER_CONFIRM. `fail_reason` is
    WeChat's word for a FAIL (an open set: OVERDUE_CLOSE, PAYEE_ACCOUNT_ABNORMAL, ...).
    """

    out_bill_no: str
    transfer_bill_no: str
    state: TransferState
    amount_fen: int | None = None
    package_info: str | None = None
    fail_reason: str | None = None


def transfer(request: TransferRequest) -> TransferResult:
    """Ask for a transfer; asked again in the same words it answers how far the transfer is, and moves no more money.

    A repeat is also how a lost `package_info` is had again: a query does not tell it. Refusals to expect: NOT_ENOUGH
    (the balance is short, nothing was begun: the same number again later; WeChat may also take it on and leave it
    PROCESSING), PARAM_ERROR (below 10 fen, and from RMB 2000 upwards, where WeChat wants the receiver's name, which
    the mall does not have), ALREADY_EXISTS or INVALID_REQUEST (the number was used in other words), NO_AUTH (the
    scene was not granted).
    """
    reply = api.post(
        _PATH,
        {
            "appid": settings().wechat_appid,
            "out_bill_no": request.out_bill_no,
            "transfer_scene_id": _SCENE,
            "openid": request.openid,
            "transfer_amount": request.amount_fen,
            "transfer_remark": request.remark[:_REMARK_CHARACTERS],
            "notify_url": api.notify_url(request.notify_to, "transfer"),
            "transfer_scene_report_infos": [{"info_type": kind, "info_content": text} for kind, text in _REPORT],
        },
    )
    return api.decode(reply, _Bill).result()


def query_transfer(out_bill_no: str) -> TransferResult | None:
    """The transfer of that number, or None when WeChat has never heard of it; it tells the last 30 days' only."""
    try:
        reply = api.call("GET", f"{_PATH}/out-bill-no/{api.part(out_bill_no)}")
    except WechatError as error:
        if error.is_unknown_number:
            return None
        raise
    return api.decode(reply, _Bill).result()


def cancel_transfer(out_bill_no: str) -> TransferResult:
    """Have the transfer of that number called off, before its receiver confirms; again is no error.

    CANCELING is its answer and no end: ask how it ends. Refusals to expect: INVALID_REQUEST (the receiver has
    confirmed, or it is over), NOT_FOUND.
    """
    return api.decode(api.call("POST", f"{_PATH}/out-bill-no/{api.part(out_bill_no)}/cancel"), _Bill).result()


def read_transfer(notification: Notification) -> TransferResult:
    """The final state that a notification (MCHTRANSFER.BILL.FINISHED) tells of.

    Raises CallbackRejected when it tells of something else, or of another merchant's transfer.
    """
    told = api.read_resource(notification, _BillNotice)
    if told.mch_id != settings().wechat_mchid:
        raise CallbackRejected("foreign")
    return told.result()


class _Bill(msgspec.Struct, kw_only=True):
    """A transfer as the reply to a request and to a query write it."""

    out_bill_no: str
    transfer_bill_no: str
    state: TransferState
    transfer_amount: int | None = None
    package_info: str | None = None
    fail_reason: str | None = None

    def result(self) -> TransferResult:
        return TransferResult(
            out_bill_no=self.out_bill_no,
            transfer_bill_no=self.transfer_bill_no,
            state=self.state,
            amount_fen=self.transfer_amount,
            package_info=self.package_info or None,
            fail_reason=self.fail_reason or None,
        )


class _BillNotice(_Bill, kw_only=True):
    mch_id: str
