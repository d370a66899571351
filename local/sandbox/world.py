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
#: So long after it was made a transfer that nobody took is over; so long one is only ACCEPTED that is to be (see the
#: faults); so long one takes to be called off.
TRANSFER_SECONDS = 86400
ACCEPTED_SECONDS = 5
CANCEL_SECONDS = 5
BEIJING = timezone(timedelta(hours=8))


class Refused(Exception):
    """An error reply of WeChat Pay: HTTP status, its code, and a text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class World:
    """One WeChat with one merchant. `clock` tells the mall's Unix seconds; `wake` stirs the notifier; `sending` are the
    notifications that are on their way at this moment."""

    keys: Keys
    store: Store
    clock: Callable[[], float]
    signer: Signer = field(init=False)
    wake: threading.Event = field(default_factory=threading.Event)
    sending: set[str] = field(default_factory=set)
    #: Where the mall hears messages; None where nobody has entered it in the console.
    messages_url: str | None = None
    #: Where it hears of SMS: before the vendor's name. None where nobody has entered it there.
    sms_url: str | None = None
    #: What else is forgotten with everything.
    resets: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.signer = Signer(self.keys)

    def forget(self) -> None:
        """Forget everything."""
        self.store.reset()
        for forget in self.resets:
            forget()


def settle(world: World, db: sqlite3.Connection) -> float:
    """Let time pass: payments and transfers expire, refunds end as scripted. Answers the time it is."""
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
    _settle_transfers(world, db, now)
    return now


def _settle_transfers(world: World, db: sqlite3.Connection, now: float) -> None:
    db.execute(
        "UPDATE transfer SET state = 'PROCESSING', changed_at = ? WHERE state = 'ACCEPTED' AND made_at <= ?",
        (now, now - ACCEPTED_SECONDS),
    )
    late = db.execute(
        "SELECT * FROM transfer WHERE state IN ('PROCESSING', 'WAIT_USER_CONFIRM') AND made_at <= ?",
        (now - TRANSFER_SECONDS,),
    ).fetchall()
    for bill in late:
        end_transfer(world, db, bill, "FAIL", bill["made_at"] + TRANSFER_SECONDS, fail_reason="OVERDUE_CLOSE")
    called_off = db.execute(
        "SELECT * FROM transfer WHERE state = 'CANCELING' AND changed_at <= ?", (now - CANCEL_SECONDS,)
    ).fetchall()
    for bill in called_off:
        end_transfer(world, db, bill, "CANCELLED", bill["changed_at"] + CANCEL_SECONDS)
    set_aside(db, now)


def set_aside(db: sqlite3.Connection, now: float) -> None:
    """The money of transfers, as far as the balance reaches; then they wait for who is to take it."""
    for bill in db.execute("SELECT * FROM transfer WHERE state = 'PROCESSING' ORDER BY made_at, rowid").fetchall():
        if bill["amount_fen"] <= balance_fen(db):
            db.execute(
                "UPDATE transfer SET state = 'WAIT_USER_CONFIRM', package_info = ?, changed_at = ?"
                " WHERE out_bill_no = ?",
                (secrets.token_urlsafe(48), now, bill["out_bill_no"]),
            )


def end_transfer(
    world: World, db: sqlite3.Connection, bill: sqlite3.Row, state: str, at: float, *, fail_reason: str | None = None,
    mode: str = "normal", delay_seconds: float = 0,
) -> None:  # fmt: skip
    """The transfer is in this state since `at`, mostly its last one, of which the merchant is told as `mode` says."""
    db.execute(
        "UPDATE transfer SET state = ?, fail_reason = ?, changed_at = ? WHERE out_bill_no = ?",
        (state, fail_reason, at, bill["out_bill_no"]),
    )
    if bill["notify_url"] is None or mode == "none":
        return
    plain = {
        "out_bill_no": bill["out_bill_no"],
        "transfer_bill_no": bill["transfer_bill_no"],
        "state": state,
        "mch_id": world.keys.mchid,
        "transfer_amount": bill["amount_fen"],
        "openid": bill["openid"],
        "create_time": rfc3339(bill["made_at"]),
        "update_time": rfc3339(at),
    }
    if fail_reason:
        plain["fail_reason"] = fail_reason
    notify(
        db, url=bill["notify_url"], event_type="MCHTRANSFER.BILL.FINISHED", number=bill["out_bill_no"], plain=plain,
        mode=mode, now=world.clock(), delay_seconds=delay_seconds,
    )  # fmt: skip


def balance_fen(db: sqlite3.Connection) -> int:
    """What the merchant can give: payments less refunds and what transfers took, as the control API corrected it."""
    row = db.execute(
        "SELECT (SELECT coalesce(sum(total_fen), 0) FROM trade WHERE transaction_id IS NOT NULL)"
        " - (SELECT coalesce(sum(amount_fen), 0) FROM refund WHERE state != 'CLOSED')"
        " - (SELECT coalesce(sum(amount_fen), 0) FROM transfer"
        "    WHERE package_info IS NOT NULL AND state NOT IN ('FAIL', 'CANCELLED'))"
        " + (SELECT coalesce(sum(correction_fen), 0) FROM balance) AS fen"
    ).fetchone()
    return int(row["fen"])


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
    return datetime.fromtimestamp(int(unix), BEIJING).isoformat()


def digits(count: int) -> str:
    """A random number of so many digits, as WeChat's own numbers end in."""
    return str(secrets.randbelow(10**count)).zfill(count)
