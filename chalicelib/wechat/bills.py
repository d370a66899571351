"""WeChat Pay's bills of a day: the trade bill (payments and refunds) and the fund-flow bill (every movement of money).

Both are asked for, downloaded from where the answer says, and believed only when their SHA-1 and their own summary fit.
Ready from 09:00 of the next day, Asia/Shanghai; kept for three months. Amounts are fen.

All calls raise WechatError. STATEMENT_CREATING: not ready, ask later. Of ours: `bill_hash`, `bill_truncated` (a new
download may do), `bill_too_large`, `bill_malformed`, `bill_summary` (its rows do not add up to what it says of them).
Source: pay.weixin.qq.com, "trade bill", "fund-flow bill", "download a bill".
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from chalicelib.core import clock
from chalicelib.wechat import api
from chalicelib.wechat.errors import WechatError

#: Of a bill as it is downloaded, and as it is then unpacked: some 150,000 lines, which take 500 MB in memory.
PACKED_BYTES_MAX = 16 * 1024 * 1024
BYTES_MAX = 40 * 1024 * 1024

_GZIP = b"\x1f\x8b"
_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")
_COUNT = re.compile(r"[0-9]{1,9}")

_T = TypeVar("_T")


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, or a refund: then `out_refund_no` is not empty, and amount and state are the refund's.

    `state`: of a payment SUCCESS or REVOKED; of a refund SUCCESS, PROCESSING, FAIL or CHANGE (the shopper's account
    does not take it). `amount_fen` is what the order cost, and what of it was to go back: before WeChat's vouchers.
    """

    at: datetime
    out_trade_no: str
    transaction_id: str
    amount_fen: int
    state: str
    out_refund_no: str = ""


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of money on the merchant's account: `amount_fen` is below zero when it left.

    `name` and `kind` are WeChat's words for it; `number` is ours for what it was about.
    """

    at: datetime
    number: str
    name: str
    kind: str
    amount_fen: int


def trade_bill(day: date) -> list[TradeRow]:
    """Every payment and refund of the day; empty when there was none."""
    return _bill(f"tradebill?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP", read_trade_bill)


def fund_flow_bill(day: date, account: Literal["BASIC", "OPERATION", "FEES"] = "BASIC") -> list[FlowRow]:
    """Every movement of money of the day on that account; empty when there was none."""
    return _bill(f"fundflowbill?bill_date={day.isoformat()}&account_type={account}&tar_type=GZIP", read_fund_flow_bill)


def read_trade_bill(content: bytes) -> list[TradeRow]:
    """The rows of a trade bill. Raises WechatError `bill_malformed` and `bill_summary`."""
    lines, summary = _read(content, "总交易单数", "商品名称")
    rows: list[TradeRow] = []
    sums = dict.fromkeys(_TRADE_SUMS, 0)
    for line in lines:
        for total, column in _TRADE_SUMS.items():
            sums[total] += _fen(line, column)
        rows.append(_trade_row(line))
    _check(summary, {"总交易单数": len(rows)}, sums)
    return rows


def read_fund_flow_bill(content: bytes) -> list[FlowRow]:
    """The rows of a fund-flow bill. Raises WechatError `bill_malformed` and `bill_summary`."""
    lines, summary = _read(content, "资金流水总笔数", "备注")
    rows = [_flow_row(line) for line in lines]
    came = [row.amount_fen for row, line in zip(rows, lines, strict=True) if line["收支类型"] == "收入"]
    went = [-row.amount_fen for row, line in zip(rows, lines, strict=True) if line["收支类型"] == "支出"]
    counts = {"资金流水总笔数": len(rows), "收入笔数": len(came), "支出笔数": len(went)}
    _check(summary, counts, {"收入金额": sum(came), "支出金额": sum(went)})
    return rows


#: What the trade bill's summary says in yuan, and of which column it is the sum. Fees are left out: the rows have them
#: to a thousandth of a fen, and how WeChat rounds their sum is written nowhere.
_TRADE_SUMS = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}


class _Ready(msgspec.Struct):
    hash_type: Literal["SHA1"]
    hash_value: str
    download_url: str


def _bill(path: str, read: Callable[[bytes], list[_T]]) -> list[_T]:
    try:
        ready = api.decode(api.call("GET", f"/v3/bill/{path}"), _Ready)
    except WechatError as error:
        if error.code == "NO_STATEMENT_EXIST":
            return []
        if error.code == "STATEMENT_CREATING":
            raise _fault(error.code, passing=True) from None
        raise
    where = urlsplit(ready.download_url)  # good for five minutes
    packed = api.download(f"{where.path}?{where.query}", PACKED_BYTES_MAX)
    content = _unpacked(packed)
    if hashlib.sha1(content, usedforsecurity=False).hexdigest() != ready.hash_value.lower():
        raise _fault("bill_hash", passing=True)
    return read(content)


def _unpacked(packed: bytes) -> bytes:
    if not packed.startswith(_GZIP):
        return packed  # somebody on the way has unpacked it; the hash will tell
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpacker.decompress(packed, BYTES_MAX + 1)
    except zlib.error:
        raise _fault("bill_truncated", passing=True) from None
    if len(content) > BYTES_MAX:
        raise _fault("bill_too_large")
    if not unpacker.eof:
        raise _fault("bill_truncated", passing=True)
    return content


def _read(content: bytes, summary: str, free_text: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """The rows and the summary of a bill, by the names of their columns.

    Fields begin with a backtick and end before ",`"; only what `free_text` says may contain that too.
    """
    try:
        lines = [line for line in content.decode("utf-8-sig").replace("\r\n", "\n").split("\n") if line]
    except UnicodeDecodeError:
        raise _fault("bill_malformed") from None
    if len(lines) < 3 or _names(lines[-2])[0] != summary:
        raise _fault("bill_malformed")
    names, totals = _names(lines[0]), _names(lines[-2])
    rows = [_row(line, names, free_text) for line in lines[1:-2]]
    return rows, _row(lines[-1], totals, summary)


def _names(line: str) -> list[str]:
    return [name.strip().removeprefix("`") for name in line.split(",")]


def _row(line: str, names: list[str], free_text: str) -> dict[str, str]:
    fields = line.removeprefix("`").split(",`")
    surplus = len(fields) - len(names)
    if surplus < 0 or free_text not in names:
        raise _fault("bill_malformed")
    at = names.index(free_text)
    fields[at : at + surplus + 1] = [",`".join(fields[at : at + surplus + 1])]
    return dict(zip(names, fields, strict=True))


def _trade_row(line: Mapping[str, str]) -> TradeRow:
    refund = _text(line, "交易状态") == "REFUND"
    return TradeRow(
        at=_instant(line, "交易时间"),
        out_trade_no=_text(line, "商户订单号"),
        transaction_id=_text(line, "微信订单号"),
        out_refund_no=_text(line, "商户退款单号") if refund else "",
        amount_fen=_fen(line, "申请退款金额" if refund else "订单金额"),
        state=_text(line, "退款状态" if refund else "交易状态"),
    )


def _flow_row(line: Mapping[str, str]) -> FlowRow:
    sign = {"收入": 1, "支出": -1}.get(_text(line, "收支类型"))
    if sign is None:
        raise _fault("bill_malformed")
    return FlowRow(
        at=_instant(line, "记账时间"),
        number=_text(line, "业务凭证号"),
        name=_text(line, "业务名称"),
        kind=_text(line, "业务类型"),
        amount_fen=sign * _fen(line, "收支金额(元)"),
    )


def _check(summary: Mapping[str, str], counts: Mapping[str, int], sums_fen: Mapping[str, int]) -> None:
    for name, count in counts.items():
        if not _COUNT.fullmatch(_text(summary, name)) or int(summary[name]) != count:
            raise _fault("bill_summary")
    for name, fen in sums_fen.items():
        if _fen(summary, name) != fen:
            raise _fault("bill_summary")


def fen_of(yuan: str) -> int:
    """Yuan as a bill writes them ("12.34", "0.5", "-1"), in fen, exactly. Raises ValueError for anything finer."""
    found = _YUAN.fullmatch(yuan)
    if found is None:
        raise ValueError("not an amount in yuan")
    sign, whole, cents = found.groups()
    fen = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


def _fen(line: Mapping[str, str], column: str) -> int:
    try:
        return fen_of(_text(line, column))
    except ValueError:
        raise _fault("bill_malformed") from None


def _instant(line: Mapping[str, str], column: str) -> datetime:
    try:
        return datetime.strptime(_text(line, column), "%Y-%m-%d %H:%M:%S").replace(tzinfo=clock.SHANGHAI)
    except ValueError:
        raise _fault("bill_malformed") from None


def _text(line: Mapping[str, str], column: str) -> str:
    if column not in line:
        raise _fault("bill_malformed")
    return line[column].strip()


def _fault(code: str, passing: bool = False) -> WechatError:
    return WechatError(code, http=200, retryable=passing)
