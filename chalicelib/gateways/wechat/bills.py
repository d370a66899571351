"""WeChat Pay's bills of a day: the trade bill (payments and refunds) and the fund-flow bill (every movement of money).

Both are asked for, downloaded from where the answer says, and believed only when their SHA-1 and their own summary fit.
Ready from 09:00 of the next day, Asia/Shanghai; kept for three months. Amounts are fen.

All calls raise WechatError. STATEMENT_CREATING: not ready, ask later. Of ours: `bill_hash`, `bill_truncated` (a new
download may do), `bill_too_large`, `bill_malformed`, `bill_summary` (its rows do not add up to what it says of them).
Source: pay.weixin.qq.com, "trade bill", "fund-flow bill", "download a bill".
"""

from __future__ import annotations

import codecs
import functools
import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from chalicelib.gateways.wechat import api
from chalicelib.gateways.wechat.errors import WechatError

#: So many payments and refunds are read of a day, and so many movements of money: each payment has two, with its fee.
TRADES_MAX = 1_200_000
FLOW_MAX = 3_000_000

_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20
_LINE_MAX = 1 << 16
_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2})0*)?")
_COUNT = re.compile(r"[0-9]{1,9}")

_T = TypeVar("_T")


class TradeRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment, or a refund: then `out_refund_no` is not empty, and amount and state are the refund's.

    `state`: of a payment SUCCESS or REVOKED; of a refund SUCCESS, PROCESSING, FAIL or CHANGE (the shopper's account
    does not take it). `amount_fen` is what the order cost, and what of it was to go back: before WeChat's vouchers.
    """

    out_trade_no: str
    amount_fen: int
    state: str
    out_refund_no: str = ""


class FlowRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A movement of money on the merchant's account: `amount_fen` is below zero when it left.

    `name` and `kind` are WeChat's words for it; `number` is ours for what it was about.
    """

    number: str
    name: str
    kind: str
    amount_fen: int


def trade_bill(day: date) -> Iterator[TradeRow]:
    """Every payment and refund of the day; nothing when there was none. To be believed once it has come to its end."""
    return _bill(f"tradebill?bill_date={day.isoformat()}&bill_type=ALL&tar_type=GZIP", read_trade_bill)


def fund_flow_bill(day: date, account: Literal["BASIC", "OPERATION", "FEES"] = "BASIC") -> Iterator[FlowRow]:
    """Every movement of money of the day on that account, in the same way."""
    return _bill(f"fundflowbill?bill_date={day.isoformat()}&account_type={account}&tar_type=GZIP", read_fund_flow_bill)


def read_trade_bill(pieces: Iterable[bytes]) -> Iterator[TradeRow]:
    """The rows of a trade bill that comes in pieces. Raises WechatError `bill_malformed` and `bill_summary`, the latter
    after the last row.
    """
    sheet = _Sheet(pieces, TRADES_MAX, "总交易单数", "商品名称")
    state, refund_state, number, refund_number = sheet.columns("交易状态", "退款状态", "商户订单号", "商户退款单号")
    paid, back = sheet.columns("订单金额", "申请退款金额")
    summed = sheet.columns(*_TRADE_SUMS.values())
    sums = [0] * len(summed)
    count = 0
    for fields in sheet.rows():
        count += 1
        for place, column in enumerate(summed):
            sums[place] += _fen(fields[column])
        word = fields[state].strip()
        if word == "REFUND":
            yield TradeRow(
                out_trade_no=fields[number].strip(), amount_fen=_fen(fields[back]), state=fields[refund_state].strip(),
                out_refund_no=fields[refund_number].strip(),
            )  # fmt: skip
        else:
            yield TradeRow(out_trade_no=fields[number].strip(), amount_fen=_fen(fields[paid]), state=word)
    sheet.check({"总交易单数": count}, dict(zip(_TRADE_SUMS, sums, strict=True)))


def read_fund_flow_bill(pieces: Iterable[bytes]) -> Iterator[FlowRow]:
    """The rows of a fund-flow bill, in the same way."""
    sheet = _Sheet(pieces, FLOW_MAX, "资金流水总笔数", "备注")
    way, amount, number = sheet.columns("收支类型", "收支金额(元)", "业务凭证号")
    name, kind = sheet.columns("业务名称", "业务类型")
    counts, sums = {"收入": 0, "支出": 0}, {"收入": 0, "支出": 0}
    for fields in sheet.rows():
        word, fen = fields[way].strip(), _fen(fields[amount])
        if word not in counts:
            raise _fault("bill_malformed")
        counts[word] += 1
        sums[word] += fen
        yield FlowRow(
            number=fields[number].strip(), name=fields[name].strip(), kind=fields[kind].strip(),
            amount_fen=fen if word == "收入" else -fen,
        )  # fmt: skip
    sheet.check(
        {"资金流水总笔数": sum(counts.values()), "收入笔数": counts["收入"], "支出笔数": counts["支出"]},
        {"收入金额": sums["收入"], "支出金额": sums["支出"]},
    )


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


def _bill(path: str, read: Callable[[Iterable[bytes]], Iterator[_T]]) -> Iterator[_T]:
    try:
        ready = api.decode(api.call("GET", f"/v3/bill/{path}"), _Ready)
    except WechatError as error:
        if error.code == "NO_STATEMENT_EXIST":
            return
        if error.code == "STATEMENT_CREATING":
            raise _fault(error.code, passing=True) from None
        raise
    where = urlsplit(ready.download_url)  # good for five minutes
    with api.download(f"{where.path}?{where.query}") as packed:
        pieces = _hashed(_unpacked(packed), ready.hash_value.lower())
        try:
            yield from read(pieces)
        except WechatError as error:
            if error.code == "bill_malformed":
                for _ in pieces:  # whether it is what WeChat wrote comes before whether that can be read
                    pass
            raise


def _hashed(pieces: Iterable[bytes], sha1: str) -> Iterator[bytes]:
    digest = hashlib.sha1(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha1:
        raise _fault("bill_hash", passing=True)


def _unpacked(packed: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    while len(head) < len(_GZIP) and (piece := next(packed, b"")):
        head += piece
    if not head.startswith(_GZIP):  # somebody on the way has unpacked it; the hash will tell
        yield head
        yield from packed
        return
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for piece in itertools.chain((head,), packed):
            left = piece
            while True:
                content = unpacker.decompress(left, _PIECE_BYTES)
                yield content
                left = unpacker.unconsumed_tail
                if not left and len(content) < _PIECE_BYTES:
                    break
    except zlib.error:
        raise _fault("bill_truncated", passing=True) from None
    if not unpacker.eof:
        raise _fault("bill_truncated", passing=True)


def _lines(pieces: Iterable[bytes], lines_max: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    left, count = "", 0
    try:
        for piece in pieces:
            lines = (left + decoder.decode(piece)).split("\n")
            left = lines.pop()
            count += len(lines)
            if count > lines_max:
                raise _fault("bill_too_large")
            if len(left) > _LINE_MAX:
                raise _fault("bill_malformed")
            yield from (line.removesuffix("\r") for line in lines if line != "\r" and line)
        left += decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise _fault("bill_malformed") from None
    if left:
        yield left


class _Sheet:
    """A bill as it comes: the names of its columns, its rows, then the names and values of its summary.

    Fields begin with a backtick and end before ",`"; only what `free_text` says may contain that too.
    """

    def __init__(self, pieces: Iterable[bytes], lines_max: int, summary: str, free_text: str) -> None:
        self._lines = _lines(pieces, lines_max)
        self._names = _names(next(self._lines, ""))
        self._summary = summary
        (self._free,) = self.columns(free_text)
        self._totals: dict[str, str] = {}

    def columns(self, *names: str) -> list[int]:
        """Where these stand in each row. Raises WechatError `bill_malformed`."""
        if not set(names) <= set(self._names):
            raise _fault("bill_malformed")
        return [self._names.index(name) for name in names]

    def rows(self) -> Iterator[list[str]]:
        """The fields of each row."""
        width = len(self._names)
        for line in self._lines:
            if not line.startswith("`"):
                self._sum_up(line)
                return
            fields = line[1:].split(",`")
            surplus = len(fields) - width
            if surplus < 0:
                raise _fault("bill_malformed")
            if surplus:
                free = slice(self._free, self._free + surplus + 1)
                fields[free] = [",`".join(fields[free])]
            yield fields
        raise _fault("bill_malformed")

    def _sum_up(self, line: str) -> None:
        names, values = _names(line), next(self._lines, "").removeprefix("`").split(",`")
        if names[0] != self._summary or len(values) < len(names) or next(self._lines, None) is not None:
            raise _fault("bill_malformed")
        self._totals = dict(zip(names, values, strict=False))

    def check(self, counts: Mapping[str, int], sums_fen: Mapping[str, int]) -> None:
        """Raise WechatError `bill_summary` when the summary says something else, `bill_malformed` when nothing."""
        if not counts.keys() | sums_fen.keys() <= self._totals.keys():
            raise _fault("bill_malformed")
        for name, count in counts.items():
            told = self._totals[name].strip()
            if not _COUNT.fullmatch(told) or int(told) != count:
                raise _fault("bill_summary")
        for name, fen in sums_fen.items():
            if _fen(self._totals[name]) != fen:
                raise _fault("bill_summary")


def _names(line: str) -> list[str]:
    return [name.strip().removeprefix("`") for name in line.split(",")]


def fen_of(yuan: str) -> int:
    """Yuan as a bill writes them ("12.34", "0.5", "-1"), in fen, exactly. Raises ValueError for anything finer."""
    found = _YUAN.fullmatch(yuan)
    if found is None:
        raise ValueError("not an amount in yuan")
    sign, whole, cents = found.groups()
    fen = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


@functools.lru_cache(maxsize=4096)  # most of a bill's amounts are 0.00
def _fen(field: str) -> int:
    try:
        return fen_of(field.strip())
    except ValueError:
        raise _fault("bill_malformed") from None


def _fault(code: str, passing: bool = False) -> WechatError:
    return WechatError(code, http=200, retryable=passing)
