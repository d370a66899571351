"""What every part of the sandbox shares, and what passes by itself as the clock moves."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from local.keys import Keys
from local.sandbox.crypto import Signer
from local.sandbox.store import Store

#: A refund is on its way for so long, by the mall's clock.
REFUND_SECONDS = 5
_BEIJING = timezone(timedelta(hours=8))


class Refused(Exception):
    """An error reply of WeChat Pay: HTTP status, its code, and a text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class World:
    """One WeChat with one merchant. `clock` tells the mall's Unix seconds; `wake` stirs the notifier."""

    keys: Keys
    store: Store
    clock: Callable[[], float]
    signer: Signer = field(init=False)
    wake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.signer = Signer(self.keys)


def settle(world: World, db: sqlite3.Connection) -> float:
    """Let time pass: payments expire, refunds end as scripted. Answers the time it is."""
    now = world.clock()
    db.execute("UPDATE trade SET state = 'CLOSED' WHERE state = 'NOTPAY' AND time_expire <= ?", (now,))
    due = db.execute(
        "SELECT refund.*, coalesce(outcome, 'SUCCESS') AS outcome FROM refund LEFT JOIN refund_script"
        " USING (out_refund_no) WHERE state = 'PROCESSING' AND made_at <= ?",
        (now - REFUND_SECONDS,),
    ).fetchall()
    for refund in due:
        done_at = refund["made_at"] + REFUND_SECONDS
        db.execute(
            "UPDATE refund SET state = ?, done_at = ? WHERE out_refund_no = ?",
            (refund["outcome"], done_at, refund["out_refund_no"]),
        )
        if refund["notify_url"]:
            _notify_refund(world, db, refund["out_refund_no"], now)
    return now


def notify(
    db: sqlite3.Connection, *, url: str, event_type: str, number: str, plain: dict[str, Any], mode: str, now: float,
    delay_seconds: float = 0,
) -> None:  # fmt: skip
    """Owe the merchant a notification, first sent after `delay_seconds`."""
    db.execute(
        "INSERT INTO notification (id, url, event_type, number, plain, mode, made_at, next_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (secrets.token_hex(16), url, event_type, number, json.dumps(plain), mode, now, now + delay_seconds),
    )


def _notify_refund(world: World, db: sqlite3.Connection, out_refund_no: str, now: float) -> None:
    refund = db.execute(
        "SELECT refund.*, transaction_id, total_fen FROM refund JOIN trade USING (out_trade_no)"
        " WHERE out_refund_no = ?",
        (out_refund_no,),
    ).fetchone()
    state = refund["state"]
    plain = {
        "mchid": world.keys.mchid,
        "transaction_id": refund["transaction_id"],
        "out_trade_no": refund["out_trade_no"],
        "refund_id": refund["refund_id"],
        "out_refund_no": out_refund_no,
        "refund_status": state,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": refund["total_fen"],
            "refund": refund["amount_fen"],
            "payer_total": refund["total_fen"],
            "payer_refund": refund["amount_fen"],
        },
    }
    if state == "SUCCESS":
        plain["success_time"] = rfc3339(refund["done_at"])
    notify(
        db, url=refund["notify_url"], event_type=f"REFUND.{state}", number=out_refund_no, plain=plain, mode="normal",
        now=now,
    )  # fmt: skip


def rfc3339(unix: float) -> str:
    """The instant as WeChat writes it: Beijing's time, to the second."""
    return datetime.fromtimestamp(int(unix), _BEIJING).isoformat()
