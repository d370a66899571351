"""WeChat Pay's bills, written from the sandbox's books: as pay.weixin.qq.com documents them, or spoilt on demand.

By day in Beijing's time, ready from 09:00 of the next. The merchant pays 0.6 % of what comes in.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import secrets
import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import flask
import msgspec

from local.sandbox.world import BEIJING, Refused, World, settle

_TOKEN_SECONDS = 300
_READY_HOURS = 33
_KEPT_DAYS = 92
TRADE, FLOW = "trade", "fund_flow"
FEE = "扣除交易手续费"

TRADE_COLUMNS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FLOW_COLUMNS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,"
    "备注,业务凭证号"
)
FLOW_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"

Row = dict[str, Any]


def blueprint(world: World) -> flask.Blueprint:
    """The calls under /v3/bill, and the download; to be put under those of /v3."""
    bills = flask.Blueprint("bills", __name__)

    @bills.get("/bill/tradebill")
    def trade_bill() -> dict[str, str]:
        if flask.request.args.get("bill_type", "ALL") != "ALL":
            raise Refused(400, "PARAM_ERROR", "bill_type: 沙箱只提供ALL")
        return _apply(world, TRADE)

    @bills.get("/bill/fundflowbill")
    def fund_flow_bill() -> dict[str, str]:
        if flask.request.args.get("account_type", "BASIC") != "BASIC":
            raise Refused(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        return _apply(world, FLOW)

    @bills.get("/billdownload/file")
    def download() -> flask.Response:
        return _download(world, flask.request.args.get("token", ""))

    return bills


def _apply(world: World, bill: str) -> dict[str, str]:
    asked = flask.request.args
    try:
        day = msgspec.convert(asked.get("bill_date", ""), date)
    except msgspec.ValidationError:
        raise Refused(400, "PARAM_ERROR", "bill_date格式应为YYYY-MM-DD") from None
    if asked.get("tar_type") not in (None, "GZIP"):
        raise Refused(400, "PARAM_ERROR", "tar_type有误")
    with world.store.transaction() as db:
        now = settle(world, db)
        if not now - _KEPT_DAYS * 86400 <= _begin(day) <= now:
            raise Refused(400, "PARAM_ERROR", "仅支持三个月内的账单下载申请")
        spoilt = db.execute("SELECT * FROM bill_spoil WHERE day = ? AND bill = ?", (str(day), bill)).fetchall()
        kinds = {row["kind"] for row in spoilt}
        if now < _begin(day) + _READY_HOURS * 3600 or "creating" in kinds:
            raise Refused(400, "STATEMENT_CREATING", "账单生成中，请稍后再试")
        content = _content(world, db, bill, day, spoilt)
        if content is None:
            raise Refused(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        sent = gzip.compress(content, mtime=0) if asked.get("tar_type") else content
        token = secrets.token_urlsafe(32)
        db.execute("DELETE FROM bill_token WHERE made_at < ?", (now - _TOKEN_SECONDS,))
        db.execute(
            "INSERT INTO bill_token VALUES (?, ?, ?)",
            (token, sent[: len(sent) // 2] if "truncate" in kinds else sent, now),
        )
    digest = hashlib.sha1(content + b"x" if "hash" in kinds else content, usedforsecurity=False).hexdigest()
    url = f"{flask.request.host_url}v3/billdownload/file?token={token}"
    return {"hash_type": "SHA1", "hash_value": digest, "download_url": url}


def _download(world: World, token: str) -> flask.Response:
    with world.store.transaction() as db:
        row = db.execute("SELECT * FROM bill_token WHERE token = ?", (token,)).fetchone()
    if row is None or row["made_at"] < world.clock() - _TOKEN_SECONDS:
        raise Refused(400, "INVALID_REQUEST", "下载链接已失效")
    return flask.Response(row["content"], content_type="application/octet-stream")


def _content(world: World, db: sqlite3.Connection, bill: str, day: date, spoilt: list[sqlite3.Row]) -> bytes | None:
    """The file, unpacked; None when nothing happened on that day."""
    begin = _begin(day)
    end = begin + 86400
    rows = _trade_rows(db, begin, end) if bill == TRADE else _flow_rows(db, end)
    told = [row for row in rows if begin <= row["at"] < end]
    for spoil in spoilt:
        if (spoiler := _SPOILERS.get(spoil["kind"])) is not None:
            told = spoiler(told, spoil)
    if not told:
        return None
    broken = any(spoil["kind"] == "summary" for spoil in spoilt)
    lines = _trade_lines(world, told, broken) if bill == TRADE else _flow_lines(world, told, broken)
    return ("\ufeff" + "".join(line + "\r\n" for line in lines)).encode()


def _trade_rows(db: sqlite3.Connection, begin: float, end: float) -> list[Row]:
    """The payments of the day, and the refunds that were taken on, as far as they were at its end."""
    payments = db.execute(
        "SELECT paid_at AS at, transaction_id, out_trade_no, openid, total_fen AS amount_fen, 'SUCCESS' AS state,"
        " json_extract(body, '$.description') AS name FROM trade WHERE paid_at >= ? AND paid_at < ?",
        (begin, end),
    ).fetchall()
    refunds = db.execute(
        "SELECT made_at AS at, transaction_id, out_trade_no, openid, amount_fen, refund_id, out_refund_no,"
        " CASE WHEN done_at IS NULL OR done_at >= ? THEN 'PROCESSING' WHEN refund.state = 'SUCCESS' THEN 'SUCCESS'"
        "  WHEN refund.state = 'ABNORMAL' THEN 'CHANGE' ELSE 'FAIL' END AS state,"
        " json_extract(trade.body, '$.description') AS name FROM refund JOIN trade USING (out_trade_no)"
        " WHERE made_at >= ? AND made_at < ?",
        (end, begin, end),
    ).fetchall()
    return sorted((dict(row) for row in [*payments, *refunds]), key=lambda row: row["at"])


def _flow_rows(db: sqlite3.Connection, end: float) -> list[Row]:
    """Every movement of money before `end`, with what it left on the account."""
    moved: list[Row] = []

    def move(at: float, fen: int, about: str, name: str, kind: str, number: str, note: str = "") -> None:
        names = {"about": about, "name": name, "kind": kind, "number": number, "note": note}
        moved.append({"at": at, "amount_fen": fen, **names})

    for row in db.execute("SELECT * FROM trade WHERE paid_at < ?", (end,)):
        about, number = row["transaction_id"], row["out_trade_no"]
        move(row["paid_at"], row["total_fen"], about, "交易", "交易", number)
        if fee := fee_fen(row["total_fen"]):
            move(row["paid_at"], -fee, about, "交易", FEE, number)
    for row in db.execute("SELECT * FROM refund WHERE made_at < ? AND state != 'CLOSED'", (end,)):
        note = f"退款总金额{_yuan(row['amount_fen'])}元;含手续费0.00元"
        about, number = row["refund_id"], row["out_refund_no"]
        move(row["made_at"], -row["amount_fen"], about, "退款", "退款", number, note)
    for row in db.execute("SELECT * FROM transfer WHERE changed_at < ? AND state = 'SUCCESS'", (end,)):
        about, number = row["transfer_bill_no"], row["out_bill_no"]
        move(row["changed_at"], -row["amount_fen"], about, "商家转账", "转账", number, row["remark"])
    moved.sort(key=lambda one: float(one["at"]))
    balances = itertools.accumulate(one["amount_fen"] for one in moved)
    return [one | {"balance_fen": balance} for one, balance in zip(moved, balances, strict=True)]


def fee_fen(amount_fen: int) -> int:
    """What WeChat keeps of a payment: 0.6 %, rounded to the fen."""
    return (amount_fen * 6 + 500) // 1000


def _trade_lines(world: World, rows: list[Row], broken: bool) -> list[str]:
    def line(row: Row) -> str:
        refund = "out_refund_no" in row
        paid, back = (0, row["amount_fen"]) if refund else (row["amount_fen"], 0)
        fee = (paid - back) * 6  # a thousandth of a fen
        sign = "-" if fee < 0 else ""
        fields = (
            _time(row["at"]), world.keys.appid, world.keys.mchid, "0", "", row["transaction_id"], row["out_trade_no"],
            row["openid"], "JSAPI", "REFUND" if refund else row["state"], "OTHERS", "CNY", _yuan(paid), "0.00",
            row["refund_id"] if refund else "0", row["out_refund_no"] if refund else "0", _yuan(back), "0.00",
            "ORIGINAL" if refund else "", row["state"] if refund else "", row["name"], "",
            f"{sign}{abs(fee) // 100_000}.{abs(fee) % 100_000:05d}", "0.60%", _yuan(paid), _yuan(back), "",
        )  # fmt: skip
        return _line(fields)

    paid = sum(row["amount_fen"] for row in rows if "out_refund_no" not in row)
    back = sum(row["amount_fen"] for row in rows if "out_refund_no" in row)
    totals = (
        str(len(rows)), _yuan(paid + broken), _yuan(back), "0.00", _yuan(fee_fen(paid - back)), _yuan(paid + broken),
        _yuan(back),
    )  # fmt: skip
    return [TRADE_COLUMNS, *map(line, rows), TRADE_SUMMARY, _line(totals)]


def _flow_lines(world: World, rows: list[Row], broken: bool) -> list[str]:
    def line(row: Row) -> str:
        way = "收入" if row["amount_fen"] > 0 else "支出"
        amount, balance = _yuan(abs(row["amount_fen"])), _yuan(row["balance_fen"])
        ids = row["about"], row["about"], row["name"], row["kind"]
        return _line((_time(row["at"]), *ids, way, amount, balance, world.keys.mchid, row["note"], row["number"]))

    came = [row["amount_fen"] for row in rows if row["amount_fen"] > 0]
    went = [-row["amount_fen"] for row in rows if row["amount_fen"] <= 0]
    totals = str(len(rows) + broken), str(len(came)), _yuan(sum(came)), str(len(went)), _yuan(sum(went))
    return [FLOW_COLUMNS, *map(line, rows), FLOW_SUMMARY, _line(totals)]


def _number(row: Row) -> str:
    """What the merchant calls it; a fee has the payment's number too, and is never meant."""
    if row.get("kind") == FEE:
        return ""
    return str(row.get("out_refund_no") or row.get("out_trade_no") or row["number"])


def _drop(rows: list[Row], spoil: sqlite3.Row) -> list[Row]:
    return [row for row in rows if _number(row) != spoil["number"]]


def _change(rows: list[Row], spoil: sqlite3.Row) -> list[Row]:
    def changed(row: Row) -> Row:
        if _number(row) != spoil["number"]:
            return row
        if spoil["kind"] == "state":
            return row | {"state": spoil["state"]}
        return row | {"amount_fen": spoil["amount_fen"] * (-1 if row["amount_fen"] < 0 else 1)}

    return [changed(row) for row in rows]


def _add(rows: list[Row], spoil: sqlite3.Row) -> list[Row]:
    at = _begin(date.fromisoformat(spoil["day"])) + 12 * 3600
    if spoil["bill"] == FLOW:
        new: Row = {
            "at": at, "about": "1330", "name": "商家转账", "kind": "转账", "note": "", "balance_fen": 0,
            "amount_fen": -spoil["amount_fen"], "number": spoil["number"],
        }  # fmt: skip
    else:
        new = {
            "at": at, "transaction_id": "4200", "out_trade_no": spoil["refund_of"] or spoil["number"], "openid": "o",
            "amount_fen": spoil["amount_fen"], "state": spoil["state"] or "SUCCESS", "name": "",
        }  # fmt: skip
        if spoil["refund_of"]:
            new |= {"refund_id": "5030", "out_refund_no": spoil["number"]}
    return [*rows, new]


_SPOILERS: dict[str, Callable[[list[Row], sqlite3.Row], list[Row]]] = {
    "drop": _drop,
    "add": _add,
    "amount": _change,
    "state": _change,
}


def _line(fields: tuple[str, ...]) -> str:
    return ",".join("`" + field.replace("\n", " ") for field in fields)


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _time(unix: float) -> str:
    return datetime.fromtimestamp(int(unix), BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _begin(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp()
