"""WeChat Pay, API v3: merchant transfers that the receiver confirms, as pay.weixin.qq.com documents them.

This merchant was granted scene 1005, commission, and no other.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import flask
import msgspec

from local.sandbox import shapes
from local.sandbox.world import Refused, World, digits, rfc3339, set_aside, settle

_SCENE = "1005"
_REPORT = {"岗位类型", "报酬说明"}
_TOLD_SECONDS = 30 * 86400
#: Until its receiver has confirmed, a transfer can be called off.
_CANCELLABLE = ("ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM")


def blueprint(world: World) -> flask.Blueprint:
    """The calls under /v3/fund-app/mch-transfer/transfer-bills; to be put under those of /v3."""
    transfers = flask.Blueprint("transfers", __name__, url_prefix="/fund-app/mch-transfer/transfer-bills")

    @transfers.post("")
    def create() -> dict[str, Any]:
        return _create(world, flask.request.get_data())

    @transfers.get("/out-bill-no/<out_bill_no>")
    def query(out_bill_no: str) -> dict[str, Any]:
        return _query(world, "out_bill_no", out_bill_no)

    @transfers.get("/transfer-bill-no/<transfer_bill_no>")
    def query_by_wechats_number(transfer_bill_no: str) -> dict[str, Any]:
        return _query(world, "transfer_bill_no", transfer_bill_no)

    @transfers.post("/out-bill-no/<out_bill_no>/cancel")
    def cancel(out_bill_no: str) -> dict[str, Any]:
        return _cancel(world, out_bill_no)

    return transfers


def _create(world: World, raw: bytes) -> dict[str, Any]:
    body, _ = shapes.read(raw, shapes.Transfer)
    if body.appid != world.keys.appid:
        raise Refused(400, "APPID_MCHID_NOT_MATCH", "商户号和appid没有绑定关系")
    if body.transfer_scene_id != _SCENE:
        raise Refused(403, "NO_AUTH", "商户号未获得该转账场景的权限")
    infos = [info.info_type for info in body.transfer_scene_report_infos]
    if set(infos) != _REPORT or len(infos) != len(_REPORT):
        raise Refused(400, "PARAM_ERROR", "需传入转账场景报备信息")
    # the name is encrypted afresh each time, and so never the same again
    nameless = msgspec.structs.replace(body, user_name=None if body.user_name is None else "")
    same = msgspec.json.encode(nameless).decode()
    with world.store.transaction() as db:
        now = settle(world, db)
        known = bill_of(db, "out_bill_no", body.out_bill_no)
        if known is not None:
            if known["body"] != same:
                raise Refused(400, "INVALID_REQUEST", "商户单号已存在，参数与首次请求时不一致")
        else:
            db.execute(
                "INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
                (
                    body.out_bill_no,
                    "133" + digits(37),
                    same,
                    body.transfer_amount,
                    body.openid,
                    body.transfer_remark,
                    body.user_name,
                    body.notify_url,
                    "ACCEPTED" if flask.g.fault and flask.g.fault["kind"] == "accepted" else "PROCESSING",
                    now,
                    now,
                ),
            )
            set_aside(db, now)
        bill = bill_of(db, "out_bill_no", body.out_bill_no)
    assert bill is not None
    return _answer(bill)


def _answer(bill: sqlite3.Row) -> dict[str, Any]:
    """What a request for a transfer is answered; only then, and only while it waits, with its package_info."""
    told = {
        "out_bill_no": bill["out_bill_no"],
        "transfer_bill_no": bill["transfer_bill_no"],
        "create_time": rfc3339(bill["made_at"]),
        "state": bill["state"],
    }
    if bill["state"] == "WAIT_USER_CONFIRM":
        told["package_info"] = bill["package_info"]
    return told | _reason(bill)


def _query(world: World, column: str, number: str) -> dict[str, Any]:
    with world.store.transaction() as db:
        now = settle(world, db)
        bill = bill_of(db, column, number)
    if bill is None or bill["made_at"] < now - _TOLD_SECONDS:
        raise Refused(404, "NOT_FOUND", "记录不存在")
    told = {
        "mch_id": world.keys.mchid,
        "out_bill_no": bill["out_bill_no"],
        "transfer_bill_no": bill["transfer_bill_no"],
        "appid": world.keys.appid,
        "state": bill["state"],
        "transfer_amount": bill["amount_fen"],
        "transfer_remark": bill["remark"],
        "openid": bill["openid"],
        "create_time": rfc3339(bill["made_at"]),
        "update_time": rfc3339(bill["changed_at"]),
    }
    if bill["user_name"] is not None:
        told["user_name"] = bill["user_name"]
    return told | _reason(bill)


def _cancel(world: World, out_bill_no: str) -> dict[str, Any]:
    with world.store.transaction() as db:
        now = settle(world, db)
        bill = bill_of(db, "out_bill_no", out_bill_no)
        if bill is None:
            raise Refused(404, "NOT_FOUND", "记录不存在")
        if bill["state"] not in (*_CANCELLABLE, "CANCELING"):
            raise Refused(400, "INVALID_REQUEST", "当前单据状态不支持撤销")
        if bill["state"] != "CANCELING":
            db.execute(
                "UPDATE transfer SET state = 'CANCELING', changed_at = ? WHERE out_bill_no = ?", (now, out_bill_no)
            )
            bill = bill_of(db, "out_bill_no", out_bill_no)
    assert bill is not None
    return {
        "out_bill_no": out_bill_no,
        "transfer_bill_no": bill["transfer_bill_no"],
        "state": bill["state"],
        "update_time": rfc3339(bill["changed_at"]),
    }


def bill_of(db: sqlite3.Connection, column: str, number: str) -> sqlite3.Row | None:
    """The transfer of that number, the merchant's (out_bill_no) or WeChat's (transfer_bill_no)."""
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM transfer WHERE {column} = ?",  # noqa: S608 - the column is one of ours
        (number,),
    ).fetchone()
    return row


def _reason(bill: sqlite3.Row) -> dict[str, str]:
    return {"fail_reason": bill["fail_reason"]} if bill["fail_reason"] else {}
