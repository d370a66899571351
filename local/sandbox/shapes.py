"""What WeChat Pay accepts: the bodies of its calls, with the documented lengths and characters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from local.sandbox.world import Refused

_T = TypeVar("_T")

_DESCRIPTION_BYTES = 127
_REASON_BYTES = 80
#: A transfer of so much must name its receiver, and one below so little must not.
_NAMED_FEN = 200_000
_UNNAMED_FEN = 30
OutTradeNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_\-|*]{6,32}\Z")]
OutRefundNo = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_\-|*@]{1,64}\Z")]
NotifyUrl = Annotated[str, Meta(max_length=255, pattern=r"\Ahttps?://[^?#\s]+\Z")]
Fen = Annotated[int, Meta(ge=1, le=100_000_000_000)]
Text32 = Annotated[str, Meta(min_length=1, max_length=32)]
Text128 = Annotated[str, Meta(min_length=1, max_length=128)]


class Amount(msgspec.Struct):
    """What is to be paid, in fen."""

    total: Fen
    currency: Literal["CNY"] = "CNY"


class Payer(msgspec.Struct):
    """Who is to pay."""

    openid: Text128


class Prepay(msgspec.Struct):
    """The body of POST /v3/pay/transactions/jsapi."""

    appid: str
    mchid: str
    description: Annotated[str, Meta(min_length=1)]
    out_trade_no: OutTradeNo
    notify_url: NotifyUrl
    amount: Amount
    payer: Payer
    time_expire: Annotated[datetime, Meta(tz=True)] | None = None
    attach: Annotated[str, Meta(max_length=128)] | None = None

    def __post_init__(self) -> None:
        if len(self.description.encode()) > _DESCRIPTION_BYTES:
            raise ValueError("description")


class RefundAmount(msgspec.Struct):
    """What goes back of what was paid, in fen."""

    refund: Fen
    total: Fen
    currency: Literal["CNY"]


class Refund(msgspec.Struct):
    """The body of POST /v3/refund/domestic/refunds."""

    out_refund_no: OutRefundNo
    amount: RefundAmount
    out_trade_no: OutTradeNo | None = None
    transaction_id: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    reason: str | None = None
    notify_url: NotifyUrl | None = None

    def __post_init__(self) -> None:
        if (self.out_trade_no is None) == (self.transaction_id is None):
            raise ValueError("out_trade_no")
        if self.reason is not None and len(self.reason.encode()) > _REASON_BYTES:
            raise ValueError("reason")


class Close(msgspec.Struct):
    """The body of POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close."""

    mchid: str


class ReportInfo(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that WeChat wants to be told of a transfer of some scene."""

    info_type: Text32
    info_content: Text32


class Transfer(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /v3/fund-app/mch-transfer/transfer-bills; WeChat takes no field that it does not know."""

    appid: str
    out_bill_no: Annotated[str, Meta(pattern=r"\A[0-9A-Za-z]{1,32}\Z")]
    transfer_scene_id: Annotated[str, Meta(min_length=1, max_length=36)]
    openid: Annotated[str, Meta(min_length=1, max_length=64)]
    transfer_amount: Annotated[int, Meta(ge=10, le=100_000_000_000)]
    transfer_remark: Text32
    transfer_scene_report_infos: list[ReportInfo]
    user_name: str | None = None
    notify_url: NotifyUrl | None = None
    user_recv_perception: Text32 | None = None

    def __post_init__(self) -> None:
        if self.user_name is None and self.transfer_amount >= _NAMED_FEN:
            raise ValueError("user_name: 转账金额大于等于2000元时，收款用户姓名必填")
        if self.user_name is not None and self.transfer_amount < _UNNAMED_FEN:
            raise ValueError("user_name: 转账金额小于0.3元时，不支持传入收款用户姓名")


def read(body: bytes, shape: type[_T]) -> tuple[_T, str]:
    """The body as `shape`, and as a text that is the same for the same parameters. Refuses it as PARAM_ERROR."""
    try:
        whole: Any = msgspec.json.decode(body)
        return msgspec.convert(whole, shape), msgspec.json.encode(whole, order="sorted").decode()
    except msgspec.MsgspecError as error:
        raise Refused(400, "PARAM_ERROR", f"参数错误: {error}") from None
