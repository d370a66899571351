"""Faults on demand: what a network and a busy server do to a call, for the next so many calls of a path."""

from __future__ import annotations

import sqlite3
import time

import flask

from local.sandbox.world import World

#: Where a refusal is an errcode, with a 200.
_ERRCODES = ("/cgi-bin/", "/wxa/", "/sns/")
#: A little more than the mall waits for a reply.
TIMEOUT_SECONDS = 5.5
SLOW_SECONDS = 1.5


def before(world: World) -> tuple[dict[str, object], int] | None:
    """Take the fault that is set for this call, if any; the answer when the call must have no effect."""
    flask.g.fault = fault = _take(world, flask.request)
    if fault is None:
        return None
    if fault["kind"] == "slow":
        time.sleep(fault["seconds"])
    if fault["kind"] == "timeout":
        time.sleep(fault["seconds"])
        return _system_error()
    if fault["kind"] == "error":
        return _system_error() if fault["code"] is None else _refusal(fault["status"], fault["code"])
    if fault["kind"] == "not_enough":
        return {"code": "NOT_ENOUGH", "message": "基本账户余额不足，请充值后重新发起"}, 403
    return None


def after() -> str | None:
    """Once the call took effect: hold the reply back, or answer how its signature must be spoilt."""
    fault = flask.g.get("fault")
    if fault is not None and fault["kind"] == "timeout_after_effect":
        time.sleep(fault["seconds"])
    return "bad_signature" if fault is not None and fault["kind"] == "bad_signature" else None


def _take(world: World, request: flask.Request) -> sqlite3.Row | None:
    with world.store.transaction() as db:
        fault: sqlite3.Row | None = db.execute(
            "SELECT * FROM call_fault WHERE times > 0 AND instr(?, path) > 0 AND coalesce(method, ?2) = ?2"
            " ORDER BY seq",
            (request.path, request.method),
        ).fetchone()
        if fault is not None:
            db.execute("UPDATE call_fault SET times = times - 1 WHERE seq = ?", (fault["seq"],))
    return fault


def _refusal(status: int, code: str) -> tuple[dict[str, object], int]:
    """A refusal in words that the sandbox itself does not know."""
    path = flask.request.path
    if path.startswith("/sms/"):
        return vendor_fault(path, code), 200
    if path.startswith(_ERRCODES) and code.isdecimal():
        return {"errcode": int(code), "errmsg": "refused"}, 200
    return {"code": code, "message": "请求被拒绝"}, status


def vendor_fault(path: str, code: str) -> dict[str, object]:
    """How the vendor of SMS at this path says that it refuses."""
    if path.startswith("/sms/tencent"):
        return {"Response": {"Error": {"Code": code, "Message": "refused"}, "RequestId": "sandbox"}}
    return {"Code": code, "Message": "refused", "RequestId": "sandbox"}


def _system_error() -> tuple[dict[str, object], int]:
    if flask.request.path.startswith("/v3/"):
        return {"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}, 500
    if flask.request.path.startswith("/_files/"):
        return {"Code": "SlowDown"}, 503
    if flask.request.path.startswith("/sms/"):
        tencent = flask.request.path.startswith("/sms/tencent")
        return vendor_fault(flask.request.path, "RequestLimitExceeded" if tencent else "isp.SYSTEM_ERROR"), 200
    return {"errcode": -1, "errmsg": "system error"}, 200
