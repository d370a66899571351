"""WeChat Pay: prepay, query, close, refund, and what its notifications say of them. Amounts are fen.

Every call may be repeated with the same numbers: WeChat tells a repeat by out_trade_no or out_refund_no.
All of them raise WechatError; see there what `retryable` and `outcome_unknown` promise.
Source: pay.weixin.qq.com, "JSAPI payment" and "refunds"; wechatpay-apiv3/wechatpay-skills.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.core import clock, ids, log
from chalicelib.core.settings import settings
from chalicelib.gateways.wechat import api, keys
from chalicelib.gateways.wechat.api import Notification
from chalicelib.gateways.wechat.errors import CallbackRejected, WechatError

_DESCRIPTION_BYTES = 127
_REASON_BYTES = 80

RefundState = Literal["SUCCESS", "CLOSED", "PROCESSING", "ABNORMAL"]


class Prepay(msgspec.Struct, frozen=True):
    """What is to be paid, by whom and until when. `time_expire` is cut to the second; `notify_to` is where the mall is
    told of it, as `api.notify_url` takes it."""

    out_trade_no: str
    description: str
    time_expire: datetime
    total_fen: int
    openid: str
    notify_to: str = ""


class PayParams(msgspec.Struct, frozen=True):
    """The arguments of wx.requestPayment, named as it names them."""

    timeStamp: str
    nonceStr: str
    package: str
    signType: str
    paySign: str


class Trade(msgspec.Struct, frozen=True):
    """A payment as WeChat sees it. `state`: NOTPAY, SUCCESS, REFUND (paid, and some of it refunded) or CLOSED.

    What is only known once it is paid is None before. Compare appid, mchid and total_fen before believing it.
    """

    out_trade_no: str
    state: str
    appid: str
    mchid: str
    transaction_id: str | None = None
    total_fen: int | None = None
    openid: str | None = None
    success_time: datetime | None = None


class RefundRequest(msgspec.Struct, frozen=True):
    """`refund_fen` of the `total_fen` that was paid under `out_trade_no`; the number makes a repeat harmless.

    `notify_to` is where the mall is told of its end, as `api.notify_url` takes it.
    """

    out_trade_no: str
    out_refund_no: str
    refund_fen: int
    total_fen: int
    reason: str
    notify_to: str = ""


class RefundResult(msgspec.Struct, frozen=True):
    """How far a refund is. PROCESSING was accepted but nobody has the money; ABNORMAL needs a person."""

    out_refund_no: str
    state: RefundState
    refund_id: str
    amount_fen: int
    success_time: datetime | None = None


def prepay(body: Prepay) -> str:
    """The prepay_id (valid for two hours) of this payment; a repeat must be of exactly the same `body`.

    Why it is refused (it is paid, it is closed, the number was used with another body) is asked for: `query`.
    """
    mall = settings()
    reply = api.post(
        "/v3/pay/transactions/jsapi",
        {
            "appid": mall.wechat_appid,
            "mchid": mall.wechat_mchid,
            "description": _cut(body.description, _DESCRIPTION_BYTES),
            "out_trade_no": body.out_trade_no,
            "time_expire": body.time_expire.astimezone(clock.SHANGHAI).isoformat(timespec="seconds"),
            "notify_url": api.notify_url(body.notify_to, "payment"),
            "amount": {"total": body.total_fen, "currency": "CNY"},
            "payer": {"openid": body.openid},
        },
    )
    return api.decode(reply, _Prepaid).prepay_id


def pay_params(prepay_id: str) -> PayParams:
    """What the mini-program hands to wx.requestPayment; signed afresh, without a call."""
    timestamp, nonce, package = str(clock.unix()), ids.new(""), f"prepay_id={prepay_id}"
    signed = keys.sign(f"{settings().wechat_appid}\n{timestamp}\n{nonce}\n{package}\n")
    return PayParams(timeStamp=timestamp, nonceStr=nonce, package=package, signType="RSA", paySign=signed)


def query(out_trade_no: str) -> Trade | None:
    """The payment of that number, or None when WeChat has never heard of it."""
    try:
        reply = api.call(
            "GET", f"/v3/pay/transactions/out-trade-no/{api.part(out_trade_no)}?mchid={settings().wechat_mchid}"
        )
    except WechatError as error:
        if error.is_unknown_number:
            return None
        raise
    return api.decode(reply, _Transaction).trade()


def close(out_trade_no: str) -> Literal["closed", "unknown_number", "refused"]:
    """Make it impossible to pay that number, for ever.

    "unknown_number": nothing was ever asked for under this number. "refused": it may be paid, closed before, or
    neither: ask (`query`) before the stock is released. Raises WechatError for what may pass.
    """
    try:
        api.post(
            f"/v3/pay/transactions/out-trade-no/{api.part(out_trade_no)}/close", {"mchid": settings().wechat_mchid}
        )
    except WechatError as error:
        if error.passing:
            raise
        if error.is_unknown_number:
            return "unknown_number"
        log.warning("close_refused", order_id=out_trade_no, reason=error.code)
        return "refused"
    return "closed"


def refund(request: RefundRequest) -> RefundResult:
    """Ask for a refund; asked again under the same number it answers how far the refund is.

    Refusals to expect: NOT_ENOUGH (the merchant's balance is short: ask again later, same number).
    """
    reply = api.post(
        "/v3/refund/domestic/refunds",
        {
            "out_trade_no": request.out_trade_no,
            "out_refund_no": request.out_refund_no,
            "reason": _cut(request.reason, _REASON_BYTES),
            "notify_url": api.notify_url(request.notify_to, "refund"),
            "amount": {"refund": request.refund_fen, "total": request.total_fen, "currency": "CNY"},
        },
    )
    told = api.decode(reply, _RefundReply)
    return told.result(told.status)


def query_refund(out_refund_no: str) -> RefundResult | None:
    """The refund of that number, or None when WeChat has never heard of it."""
    try:
        reply = api.call("GET", f"/v3/refund/domestic/refunds/{api.part(out_refund_no)}")
    except WechatError as error:
        if error.is_unknown_number:
            return None
        raise
    told = api.decode(reply, _RefundReply)
    return told.result(told.status)


def read_trade(notification: Notification) -> Trade:
    """The payment that a notification tells of. Raises CallbackRejected when it tells of something else."""
    return api.read_resource(notification, _Transaction).trade()


def read_refund(notification: Notification) -> RefundResult:
    """The refund that a notification tells of. Raises CallbackRejected when it tells of something else."""
    told = api.read_resource(notification, _RefundNotice)
    if told.mchid != settings().wechat_mchid:
        raise CallbackRejected("foreign")
    return told.result(told.refund_status)


class _Prepaid(msgspec.Struct):
    prepay_id: str


class _Payer(msgspec.Struct):
    openid: str | None = None


class _Total(msgspec.Struct):
    total: int | None = None
    currency: str = "CNY"

    @property
    def fen(self) -> int | None:
        return self.total if self.currency == "CNY" else None  # other money is never taken for ours


class _Transaction(msgspec.Struct):
    """A payment as query and TRANSACTION.SUCCESS write it."""

    appid: str
    mchid: str
    out_trade_no: str
    trade_state: str
    transaction_id: str | None = None
    success_time: datetime | None = None
    payer: _Payer | None = None
    amount: _Total | None = None

    def trade(self) -> Trade:
        return Trade(
            out_trade_no=self.out_trade_no,
            state=self.trade_state,
            appid=self.appid,
            mchid=self.mchid,
            transaction_id=self.transaction_id or None,
            total_fen=self.amount.fen if self.amount else None,
            openid=self.payer.openid if self.payer else None,
            success_time=self.success_time,
        )


class _RefundAmount(msgspec.Struct):
    refund: int


class _Refund(msgspec.Struct, kw_only=True):
    """What a reply and a notification say alike of a refund; each has its own name for the state."""

    out_refund_no: str
    refund_id: str
    amount: _RefundAmount
    success_time: datetime | None = None

    def result(self, state: RefundState) -> RefundResult:
        return RefundResult(
            out_refund_no=self.out_refund_no,
            state=state,
            refund_id=self.refund_id,
            amount_fen=self.amount.refund,
            success_time=self.success_time,
        )


class _RefundReply(_Refund, kw_only=True):
    status: RefundState


class _RefundNotice(_Refund, kw_only=True):
    refund_status: RefundState
    mchid: str


def _cut(text: str, size: int) -> str:
    """`text` cut to `size` bytes of UTF-8, between two characters."""
    return text.encode()[:size].decode(errors="ignore")
