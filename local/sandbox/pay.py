"""WeChat Pay, API v3: JSAPI prepay, query, close and refunds, as pay.weixin.qq.com documents them."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import timedelta
from typing import Any, NoReturn

import flask

from local.sandbox import bills, shapes, transfers
from local.sandbox.crypto import WINDOW_SECONDS, read_authorization
from local.sandbox.world import Refused, World, balance_fen, digits, rfc3339, settle

_EXPIRE_SECONDS_MIN = timedelta(minutes=1).total_seconds()
_EXPIRE_SECONDS_MAX = timedelta(days=90).total_seconds()
_EXPIRE_SECONDS_DEFAULT = timedelta(days=7).total_seconds()
_REFUND_SECONDS_MAX = timedelta(days=365).total_seconds()
_REFUNDS_MAX = 50
#: Between two refunds of one payment.
_REFUND_SECONDS_APART = 60
_STATE_TEXT = {"NOTPAY": "订单未支付", "SUCCESS": "支付成功", "REFUND": "转入退款", "CLOSED": "订单已关闭"}
_PAID = ("SUCCESS", "REFUND")


def blueprint(world: World) -> flask.Blueprint:
    """The calls under /v3, with those of transfers and bills."""
    pay = flask.Blueprint("pay", __name__, url_prefix="/v3")
    pay.before_request(lambda: _authorize(world))
    pay.register_error_handler(Refused, _refusal)
    pay.register_blueprint(transfers.blueprint(world))
    pay.register_blueprint(bills.blueprint(world))

    @pay.post("/pay/transactions/jsapi")
    def prepay() -> dict[str, str]:
        return {"prepay_id": _prepay(world, flask.request.get_data())}

    @pay.get("/pay/transactions/out-trade-no/<out_trade_no>")
    def query(out_trade_no: str) -> dict[str, Any]:
        return _query(world, "out_trade_no", out_trade_no)

    @pay.get("/pay/transactions/id/<transaction_id>")
    def query_by_id(transaction_id: str) -> dict[str, Any]:
        return _query(world, "transaction_id", transaction_id)

    @pay.post("/pay/transactions/out-trade-no/<out_trade_no>/close")
    def close(out_trade_no: str) -> tuple[str, int]:
        _close(world, out_trade_no, flask.request.get_data())
        return "", 204

    @pay.post("/refund/domestic/refunds")
    def refund() -> dict[str, Any]:
        return _refund(world, flask.request.get_data())

    @pay.get("/refund/domestic/refunds/<out_refund_no>")
    def query_refund(out_refund_no: str) -> dict[str, Any]:
        with world.store.transaction() as db:
            settle(world, db)
            return _refund_json(db, out_refund_no)

    @pay.get("/certificates")
    def certificates() -> NoReturn:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")

    return pay


def _authorize(world: World) -> None:
    """Who asks, signed as it came over the wire, and not twice."""
    request, now = flask.request, world.clock()
    header = request.headers.get("Authorization", "")
    path = request.environ["REQUEST_URI"]
    flaw = world.signer.flaw(header, request.method, path, request.get_data(), now)
    if flaw:
        raise Refused(401, "SIGN_ERROR", flaw)
    given = read_authorization(header)
    assert given is not None
    try:
        with world.store.transaction() as db:
            db.execute("DELETE FROM nonce WHERE at < ?", (now - 2 * WINDOW_SECONDS,))
            db.execute("INSERT INTO nonce VALUES (?, ?)", (given.nonce_str, now))
    except sqlite3.IntegrityError:
        raise Refused(401, "SIGN_ERROR", "nonce_str重复") from None


def _refusal(refused: Refused) -> tuple[dict[str, Any], int]:
    answer: dict[str, Any] = {"code": refused.code, "message": refused.message}
    if refused.code == "SIGN_ERROR":
        answer["detail"] = {"sign_information": {"method": flask.request.method}}
    return answer, refused.status


def _prepay(world: World, raw: bytes) -> str:
    body, canonical = shapes.read(raw, shapes.Prepay)
    if (body.appid, body.mchid) != (world.keys.appid, world.keys.mchid):
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    with world.store.transaction() as db:
        now = settle(world, db)
        trade = _trade(db, "out_trade_no", body.out_trade_no)
        if trade is None:
            expire = body.time_expire.timestamp() if body.time_expire else now + _EXPIRE_SECONDS_DEFAULT
            if not now + _EXPIRE_SECONDS_MIN <= expire <= now + _EXPIRE_SECONDS_MAX:
                raise Refused(400, "PARAM_ERROR", "time_expire须在1分钟之后、90天之内")
            db.execute(
                "INSERT INTO trade (out_trade_no, body, total_fen, openid, notify_url, time_expire, state)"
                " VALUES (?, ?, ?, ?, ?, ?, 'NOTPAY')",
                (body.out_trade_no, canonical, body.amount.total, body.payer.openid, body.notify_url, expire),
            )
        elif trade["state"] in _PAID:
            raise Refused(400, "ORDER_PAID", "订单已支付")
        elif trade["state"] == "CLOSED":
            raise Refused(400, "ORDER_CLOSED", "订单已关闭")
        elif trade["body"] != canonical:
            raise Refused(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致（重入参数不一致）")
        prepay_id = "wx" + secrets.token_hex(17)
        db.execute("INSERT INTO prepay VALUES (?, ?, ?)", (prepay_id, body.out_trade_no, now))
    return prepay_id


def _query(world: World, column: str, value: str) -> dict[str, Any]:
    if flask.request.args.get("mchid") != world.keys.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid有误")
    with world.store.transaction() as db:
        settle(world, db)
        trade = _trade(db, column, value)
    if trade is None:
        raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
    return trade_json(world, trade)


def trade_json(world: World, trade: sqlite3.Row) -> dict[str, Any]:
    """A payment as query and TRANSACTION.SUCCESS tell it; before it is paid little is known."""
    told = {
        "appid": world.keys.appid,
        "mchid": world.keys.mchid,
        "out_trade_no": trade["out_trade_no"],
        "trade_state": trade["state"],
        "trade_state_desc": _STATE_TEXT[trade["state"]],
        "promotion_detail": [],
    }
    if trade["transaction_id"]:
        total = trade["total_fen"]
        told |= {
            "transaction_id": trade["transaction_id"],
            "trade_type": "JSAPI",
            "bank_type": "OTHERS",
            "attach": "",
            "success_time": rfc3339(trade["paid_at"]),
            "payer": {"openid": trade["openid"]},
            "amount": {"total": total, "payer_total": total, "currency": "CNY", "payer_currency": "CNY"},
        }
    return told


def _close(world: World, out_trade_no: str, raw: bytes) -> None:
    body, _ = shapes.read(raw, shapes.Close)
    if body.mchid != world.keys.mchid:
        raise Refused(400, "PARAM_ERROR", "mchid有误")
    with world.store.transaction() as db:
        settle(world, db)
        trade = _trade(db, "out_trade_no", out_trade_no)
        if trade is None:
            raise Refused(404, "ORDER_NOT_EXIST", "订单不存在")
        if trade["state"] in _PAID:
            raise Refused(400, "ORDER_PAID", "订单已支付")
        db.execute("UPDATE trade SET state = 'CLOSED' WHERE out_trade_no = ?", (out_trade_no,))


def _refund(world: World, raw: bytes) -> dict[str, Any]:
    body, canonical = shapes.read(raw, shapes.Refund)
    with world.store.transaction() as db:
        now = settle(world, db)
        known = db.execute("SELECT body FROM refund WHERE out_refund_no = ?", (body.out_refund_no,)).fetchone()
        if known is not None:
            if known["body"] != canonical:
                raise Refused(400, "INVALID_REQUEST", "退款单号已存在，参数与首次请求时不一致")
            return _refund_json(db, body.out_refund_no)
        column = "out_trade_no" if body.out_trade_no else "transaction_id"
        trade = _check_refund(db, _trade(db, column, body.out_trade_no or body.transaction_id), body, now)
        db.execute(
            "INSERT INTO refund VALUES (?, ?, ?, ?, ?, ?, 'PROCESSING', ?, NULL)",
            (
                body.out_refund_no,
                "503" + digits(25),
                trade["out_trade_no"],
                canonical,
                body.amount.refund,
                body.notify_url,
                now,
            ),
        )
        db.execute("UPDATE trade SET state = 'REFUND' WHERE out_trade_no = ?", (trade["out_trade_no"],))
        return _refund_json(db, body.out_refund_no)


def _check_refund(db: sqlite3.Connection, trade: sqlite3.Row | None, body: shapes.Refund, now: float) -> sqlite3.Row:
    """The paid trade that a new refund may be taken from, or what WeChat says against it."""
    if trade is None:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    if trade["state"] not in _PAID:
        raise Refused(400, "INVALID_REQUEST", "订单未支付，不能退款")
    if trade["paid_at"] < now - _REFUND_SECONDS_MAX:
        raise Refused(400, "INVALID_REQUEST", "订单已超过可退款的最大期限")
    if body.amount.total != trade["total_fen"]:
        raise Refused(400, "PARAM_ERROR", "订单金额与原订单不一致")
    given = db.execute(
        "SELECT count(*) AS refunds, coalesce(sum(amount_fen), 0) AS fen, max(made_at) AS last_at FROM refund"
        " WHERE out_trade_no = ? AND state != 'CLOSED'",
        (trade["out_trade_no"],),
    ).fetchone()
    if given["refunds"] >= _REFUNDS_MAX:
        raise Refused(400, "INVALID_REQUEST", "部分退款次数已达上限")
    if given["refunds"] and now < given["last_at"] + _REFUND_SECONDS_APART:
        raise Refused(400, "INVALID_REQUEST", "同一笔订单两次退款需间隔1分钟")  # its name from memory
    if given["fen"] + body.amount.refund > trade["total_fen"]:
        raise Refused(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额")
    if body.amount.refund > balance_fen(db):
        raise Refused(403, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起")
    return trade


def _refund_json(db: sqlite3.Connection, out_refund_no: str) -> dict[str, Any]:
    refund = db.execute(
        "SELECT refund.*, transaction_id, total_fen FROM refund JOIN trade USING (out_trade_no)"
        " WHERE out_refund_no = ?",
        (out_refund_no,),
    ).fetchone()
    if refund is None:
        raise Refused(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    total, amount = refund["total_fen"], refund["amount_fen"]
    told = {
        "refund_id": refund["refund_id"],
        "out_refund_no": out_refund_no,
        "transaction_id": refund["transaction_id"],
        "out_trade_no": refund["out_trade_no"],
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund["made_at"]),
        "status": refund["state"],
        "funds_account": "AVAILABLE",
        "amount": {
            "total": total,
            "refund": amount,
            "payer_total": total,
            "payer_refund": amount,
            "settlement_total": total,
            "settlement_refund": amount,
            "discount_refund": 0,
            "currency": "CNY",
            "refund_fee": 0,
        },
        "promotion_detail": [],
    }
    if refund["state"] == "SUCCESS":
        told["success_time"] = rfc3339(refund["done_at"])
    return told


def new_transaction_id() -> str:
    """A transaction_id, 28 digits as WeChat's are."""
    return "4200" + digits(24)


def _trade(db: sqlite3.Connection, column: str, value: str | None) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM trade WHERE {column} = ?",  # noqa: S608 - the column is one of ours
        (value,),
    ).fetchone()
    return row
