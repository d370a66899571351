"""The control API, which WeChat does not have: people's hands, the merchant's balance, faults, a look inside.

Bad input is a 400, a number that nothing has a 404, and what the world's state does not allow a 409, each with a
`reason`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from datetime import date
from typing import Annotated, Any, Literal

import flask
import msgspec
import requests
from msgspec import Meta

from local.sandbox import faults, messages
from local.sandbox.asked import Denied, Name, denial, read, shown
from local.sandbox.pay import new_transaction_id, trade_json
from local.sandbox.people import OWN, give, international, know, openid_of, phone_of
from local.sandbox.transfers import bill_of
from local.sandbox.world import World, balance_fen, end_transfer, notify, settle

_PREPAY_SECONDS = 7200
_Seconds = Annotated[float, Meta(ge=0, le=86400 * 30)]


class _Login(msgspec.Struct, forbid_unknown_fields=True):
    """Who logs in, and which unionid WeChat gives of them from then on (null: none)."""

    user: Name
    unionid: str | None = OWN


class _Phone(msgspec.Struct, forbid_unknown_fields=True):
    user: Name
    phone: Annotated[str, Meta(pattern=r"\A\+?[0-9]{5,17}\Z")] | None = None


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    """An event of that user's for the mini-program's server, sent once to `url`, with these fields beside the usual."""

    url: Annotated[str, Meta(pattern=r"\Ahttps?://")]
    user: Name
    event: Name
    fields: dict[str, Any] = {}


class _Notice(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the merchant is told of it."""

    notify: Literal["normal", "none", "duplicate", "delayed", "bad_signature", "old", "unknown_serial", "probe"] = (
        "normal"
    )
    delay_seconds: _Seconds = 1800

    @property
    def after_seconds(self) -> float:
        return self.delay_seconds if self.notify == "delayed" else 0


class _Pay(_Notice, kw_only=True):
    prepay_id: str


class _Transfer(_Notice, kw_only=True):
    outcome: Literal["transfering", "confirm", "expire", "fail", "cancel"]
    fail_reason: Annotated[str, Meta(pattern=r"\A[A-Z0-9_]{1,64}\Z")] | None = None

    def __post_init__(self) -> None:
        if self.fail_reason and self.outcome != "fail":
            raise ValueError("fail_reason: only of a transfer that fails")


_WAITING = ("ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM")
#: Of what may become of a transfer: in which states it can, the state after it, and WeChat's reason.
_OUTCOMES: dict[str, tuple[tuple[str, ...], str, str | None]] = {
    "transfering": (("WAIT_USER_CONFIRM",), "TRANSFERING", None),
    "confirm": (("WAIT_USER_CONFIRM", "TRANSFERING"), "SUCCESS", None),
    "expire": (_WAITING, "FAIL", "OVERDUE_CLOSE"),
    "fail": ((*_WAITING, "TRANSFERING"), "FAIL", "PAYEE_ACCOUNT_ABNORMAL"),
    "cancel": (_WAITING, "CANCELLED", None),
}


class _Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of the next calls of a path, or of one method of it. An `error` is WeChat's system error, or a
    refusal with this `code` and `status` (400), which WeChat itself may never have used; of calls that are always
    answered 200, an errcode or a vendor's word."""

    path: Annotated[str, Meta(min_length=1)]
    kind: Literal["error", "timeout", "timeout_after_effect", "bad_signature", "slow", "not_enough", "accepted"]
    times: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    seconds: Annotated[float, Meta(ge=0, le=60)] | None = None
    method: Literal["GET", "POST"] | None = None
    code: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.]{1,64}\Z")] | None = None
    status: Annotated[int, Meta(ge=400, le=599)] | None = None

    def __post_init__(self) -> None:
        if self.code is not None and self.kind != "error":
            raise ValueError("code: only of an error")
        if self.status is not None and self.code is None:
            raise ValueError("status: only with a code")


class _Balance(msgspec.Struct, forbid_unknown_fields=True):
    available_fen: Annotated[int, Meta(ge=0)] | None


class _Spoil(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is wrong with the bill of a day: with one line of it, told by our number, or with all of it."""

    kind: Literal["drop", "add", "amount", "state", "summary", "hash", "truncate", "creating", "nothing"]
    bill: Literal["trade", "fund_flow"] = "trade"
    number: Name | None = None
    amount_fen: Annotated[int, Meta(ge=0, le=100_000_000_000)] | None = None
    state: Annotated[str, Meta(pattern=r"\A[A-Z]{1,32}\Z")] | None = None
    #: The payment's number, where the line to be added is a refund.
    refund_of: Name | None = None

    def __post_init__(self) -> None:
        wanted = {
            "drop": {"number"}, "add": {"number", "amount_fen"}, "amount": {"number", "amount_fen"},
            "state": {"number", "state"},
        }.get(self.kind, set())  # fmt: skip
        for name in ("number", "amount_fen", "state", "refund_of"):
            may = name in wanted or (self.kind, self.bill) == ("add", "trade")
            if (name in wanted and getattr(self, name) is None) or (not may and getattr(self, name) is not None):
                raise ValueError(f"{name}: {'needed' if name in wanted else 'not'} with {self.kind}")
        if (self.kind, self.bill) == ("state", "fund_flow"):
            raise ValueError("state: a line of the fund-flow bill has none")


class _Outcome(msgspec.Struct, forbid_unknown_fields=True):
    outcome: Literal["SUCCESS", "ABNORMAL", "CLOSED"]


def blueprint(world: World) -> flask.Blueprint:
    """The calls under /_control."""
    control = flask.Blueprint("control", __name__, url_prefix="/_control")
    control.register_error_handler(Denied, denial)

    @control.post("/login")
    def login() -> dict[str, str]:
        body = read(_Login)
        openid = openid_of(world.keys.appid, body.user)
        with world.store.transaction() as db:
            give(world, db, openid, body.user, body.unionid)
            know(db, openid, world.keys.appid, body.user)
        return {"code": _new_code(world, "login", body.user, None)}

    @control.post("/phone")
    def phone() -> dict[str, str]:
        body = read(_Phone)
        number = body.phone or phone_of(body.user)
        with world.store.transaction() as db:
            know(db, international(number), "", body.user)
        return {"code": _new_code(world, "phone", body.user, number)}

    control.add_url_rule("/messages", "messages", lambda: _tell(world, read(_Message)), methods=["POST"])

    @control.post("/pay")
    def pay() -> dict[str, str]:
        return _pay(world, read(_Pay))

    @control.post("/faults")
    def fault() -> dict[str, Any]:
        body = read(_Fault)
        seconds = faults.SLOW_SECONDS if body.kind == "slow" else faults.TIMEOUT_SECONDS
        with world.store.transaction() as db:
            db.execute(
                "INSERT INTO call_fault (path, method, times, kind, seconds, status, code)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    body.path,
                    body.method,
                    body.times,
                    body.kind,
                    seconds if body.seconds is None else body.seconds,
                    body.status or 400,
                    body.code,
                ),
            )
        return {}

    @control.post("/faults/clear")
    def clear_faults() -> dict[str, Any]:
        with world.store.transaction() as db:
            db.execute("DELETE FROM call_fault")
        return {}

    @control.post("/balance")
    def balance() -> dict[str, int]:
        return {"available_fen": _set_balance(world, read(_Balance).available_fen)}

    @control.post("/refunds/<out_refund_no>")
    def script_refund(out_refund_no: str) -> dict[str, Any]:
        _script_refund(world, out_refund_no, read(_Outcome).outcome)
        return {}

    @control.post("/transfers/<out_bill_no>")
    def end_a_transfer(out_bill_no: str) -> dict[str, Any]:
        _end_transfer(world, out_bill_no, read(_Transfer))
        return {}

    @control.post("/bills/<day>")
    def spoil_bill(day: str) -> dict[str, Any]:
        _spoil_bill(world, day, read(_Spoil))
        return {}

    @control.post("/reset")
    def reset() -> dict[str, Any]:
        """Forget everything; what is on its way to the merchant has arrived when this answers."""
        world.forget()
        while world.sending:
            time.sleep(0.01)
        return {}

    _add_views(control, world)
    return control


def _add_views(control: flask.Blueprint, world: World) -> None:
    @control.get("/ledger")
    def ledger() -> dict[str, Any]:
        """All of it, or what concerns the payments and transfers that are named."""
        numbers, bills = (flask.request.args.getlist(name) for name in ("out_trade_no", "out_bill_no"))
        everything = not numbers and not bills
        named = (everything, json.dumps(numbers))
        with world.store.transaction() as db:
            settle(world, db)
            payments = db.execute(
                "SELECT out_trade_no, transaction_id, total_fen AS amount_fen, state, paid_at FROM trade"
                " WHERE transaction_id IS NOT NULL AND (? OR out_trade_no IN (SELECT value FROM json_each(?)))"
                " ORDER BY paid_at",
                named,
            ).fetchall()
            refunds = db.execute(
                "SELECT out_refund_no, out_trade_no, refund_id, amount_fen, state, made_at, done_at FROM refund"
                " WHERE ? OR out_trade_no IN (SELECT value FROM json_each(?)) ORDER BY made_at",
                named,
            ).fetchall()
            transfers = db.execute(
                "SELECT out_bill_no, transfer_bill_no, openid, amount_fen, remark, state, fail_reason, made_at,"
                " CASE WHEN state IN ('SUCCESS', 'FAIL', 'CANCELLED') THEN changed_at END AS done_at FROM transfer"
                " WHERE ? OR out_bill_no IN (SELECT value FROM json_each(?)) ORDER BY made_at",
                (everything, json.dumps(bills)),
            ).fetchall()
        return {
            "payments": [shown(row) for row in payments],
            "refunds": [shown(row) for row in refunds],
            "transfers": [shown(row) for row in transfers],
        }

    @control.get("/trades")
    def trades() -> dict[str, Any]:
        number = flask.request.args.get("out_trade_no")
        with world.store.transaction() as db:
            settle(world, db)
            rows = db.execute(
                "SELECT out_trade_no, state, total_fen, openid, transaction_id, time_expire AS expires_at, paid_at"
                " FROM trade WHERE ? IS NULL OR out_trade_no = ? ORDER BY rowid",
                (number, number),
            ).fetchall()
        return {"trades": [shown(row) for row in rows]}

    control.add_url_rule("/shipping", "shipping", lambda: {"parcels": _parcels(world)})

    @control.get("/notifications")
    def notifications() -> dict[str, Any]:
        with world.store.transaction() as db:
            rows = db.execute(
                "SELECT id, event_type, number, mode, url, attempt AS attempts, next_at FROM notification"
                " ORDER BY rowid"
            ).fetchall()
            sends = db.execute(
                "SELECT notification_id, at AS sent_at, attempt, defect, status FROM send ORDER BY seq"
            ).fetchall()
        told: dict[str, dict[str, Any]] = {row["id"]: {**shown(row), "sends": []} for row in rows}
        for row in sends:
            send = shown(row)
            number = send.pop("notification_id")
            if number in told:
                told[number]["sends"].append(send)
        return {"notifications": list(told.values())}


def _tell(world: World, asked: _Message) -> dict[str, Any]:
    """Send the event once; what the mall answered."""
    openid = openid_of(world.keys.appid, asked.user)
    told = {"FromUserName": openid, "OpenID": openid, "AppID": world.keys.appid, **asked.fields, "Event": asked.event}
    try:
        answer = messages.tell(messages.of_mini(world.keys), asked.url, told, world.clock())
    except requests.RequestException as fault:
        raise Denied(409, f"the mall did not answer: {type(fault).__name__}") from None
    return {"status": answer.status_code, "answer": answer.text}


def _parcels(world: World) -> Any:
    number = flask.request.args.get("out_trade_no")
    with world.store.transaction() as db:
        row = db.execute("SELECT body FROM shipping WHERE out_trade_no = ?", (number,)).fetchone()
    return [] if row is None else json.loads(row["body"])[2]


def _new_code(world: World, kind: str, user: str, phone: str | None) -> str:
    code = "0" + secrets.token_hex(15)
    with world.store.transaction() as db:
        db.execute(
            "INSERT INTO code (code, kind, openid, phone, made_at) VALUES (?, ?, ?, ?, ?)",
            (code, kind, openid_of(world.keys.appid, user), phone, world.clock()),
        )
    return code


def _pay(world: World, body: _Pay) -> dict[str, str]:
    """The shopper pays, and WeChat owes the merchant the news of it."""
    with world.store.transaction() as db:
        now = settle(world, db)
        row = db.execute(
            "SELECT trade.*, made_at FROM prepay JOIN trade USING (out_trade_no) WHERE prepay_id = ?",
            (body.prepay_id,),
        ).fetchone()
        _check_payable(row, now)
        transaction_id, out_trade_no = new_transaction_id(), row["out_trade_no"]
        db.execute(
            "UPDATE trade SET state = 'SUCCESS', transaction_id = ?, paid_at = ? WHERE out_trade_no = ?",
            (transaction_id, now, out_trade_no),
        )
        if body.notify != "none":
            paid = db.execute("SELECT * FROM trade WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
            notify(
                db, url=paid["notify_url"], event_type="TRANSACTION.SUCCESS", number=out_trade_no,
                plain=trade_json(world, paid), mode=body.notify, now=now,
                delay_seconds=body.after_seconds,
            )  # fmt: skip
    world.wake.set()
    return {"transaction_id": transaction_id, "out_trade_no": out_trade_no}


def _check_payable(row: sqlite3.Row | None, now: float) -> None:
    if row is None:
        raise Denied(400, "no such prepay_id")
    if row["transaction_id"] is not None:
        raise Denied(409, "already paid")
    if row["time_expire"] <= now or row["made_at"] + _PREPAY_SECONDS <= now:
        raise Denied(409, "expired")
    if row["state"] == "CLOSED":
        raise Denied(409, "closed")


def _set_balance(world: World, available_fen: int | None) -> int:
    """Make it `available_fen` now, for payments, refunds and transfers to move from there; None: as they made it."""
    with world.store.transaction() as db:
        db.execute("DELETE FROM balance")
        if available_fen is not None:
            db.execute("INSERT INTO balance VALUES (?)", (available_fen - balance_fen(db),))
        return balance_fen(db)


def _script_refund(world: World, out_refund_no: str, outcome: str) -> None:
    with world.store.transaction() as db:
        settle(world, db)
        row = db.execute("SELECT state FROM refund WHERE out_refund_no = ?", (out_refund_no,)).fetchone()
        if row is not None and row["state"] != "PROCESSING":
            raise Denied(409, f"the refund is over: {row['state']}")
        db.execute("INSERT OR REPLACE INTO refund_script VALUES (?, ?)", (out_refund_no, outcome))


def _spoil_bill(world: World, day: str, body: _Spoil) -> None:
    """From now on the bill of that day is asked for in vain, or is wrong; `nothing`: as the books say again."""
    try:
        told = date.fromisoformat(day).isoformat()
    except ValueError:
        raise Denied(400, "the day is written 2026-11-21") from None
    with world.store.transaction() as db:
        if body.kind == "nothing":
            db.execute("DELETE FROM bill_spoil WHERE day = ? AND bill = ?", (told, body.bill))
            return
        db.execute(
            "INSERT INTO bill_spoil (day, bill, kind, number, amount_fen, state, refund_of)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (told, body.bill, body.kind, body.number, body.amount_fen, body.state, body.refund_of),
        )


def _end_transfer(world: World, out_bill_no: str, body: _Transfer) -> None:
    """The receiver takes it, at once or with the money on its way for a while; lets the day pass; WeChat does not let
    them have it; or the merchant calls it off in WeChat's console."""
    with world.store.transaction() as db:
        now = settle(world, db)
        bill = bill_of(db, "out_bill_no", out_bill_no)
        if bill is None:
            raise Denied(404, "no such out_bill_no")
        may_be, state, reason = _OUTCOMES[body.outcome]
        if bill["state"] not in may_be:
            raise Denied(409, f"the transfer is {bill['state']}")
        mode = "none" if state == "TRANSFERING" else body.notify  # WeChat tells of ends only
        reason = body.fail_reason or reason
        end_transfer(world, db, bill, state, now, fail_reason=reason, mode=mode, delay_seconds=body.after_seconds)
    world.wake.set()
