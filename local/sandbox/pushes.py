"""What is told to the mall a moment after it happened: receipts of SMS, and what became of template messages.

It is told again while the mall does not answer 200, as often as who tells it does so.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from typing import Any

import requests

from local.sandbox import messages
from local.sandbox.world import World

#: After how many seconds of the mall's clock it is told first.
MOMENT_SECONDS = 1.0
#: Seconds between one try and the next: of a vendor of SMS, and of WeChat.
_SCHEDULES = {"sms": (60, 300, 600), "oa": (5, 5, 5)}


def owe(db: sqlite3.Connection, kind: str, number: str, url: str, body: Any, now: float) -> None:
    """Owe the mall this news of what has that number: the official account's event (`oa`), or a vendor's (`sms`)."""
    db.execute(
        "INSERT INTO push (id, kind, number, url, body, next_at) VALUES (?, ?, ?, ?, ?, ?)",
        (secrets.token_hex(16), kind, number, url, json.dumps(body), now + MOMENT_SECONDS),
    )


def due(world: World) -> list[sqlite3.Row]:
    """What is to be told now, and is not being told."""
    with world.store.transaction() as db:
        rows = db.execute("SELECT * FROM push WHERE next_at <= ? ORDER BY next_at", (world.clock(),)).fetchall()
        found = [row for row in rows if row["id"] not in world.sending]
        world.sending.update(row["id"] for row in found)
        return found


def attempt(world: World, row: sqlite3.Row) -> None:
    """Tell it once, and see what becomes of it."""
    try:
        answer = tell(world, row["kind"], row["url"], json.loads(row["body"]))
        schedule = _SCHEDULES[row["kind"]]
        over = (answer is not None and answer.status_code == 200) or row["attempt"] >= len(schedule)
        next_at = None if over else world.clock() + schedule[row["attempt"]]
        with world.store.transaction() as db:
            db.execute("UPDATE push SET attempt = attempt + 1, next_at = ? WHERE id = ?", (next_at, row["id"]))
    finally:
        world.sending.discard(row["id"])


def tell(world: World, kind: str, url: str, body: Any) -> requests.Response | None:
    """Tell the mall; what it answered, None where nothing."""
    try:
        if kind == "oa":
            return messages.tell(messages.of_oa(world.keys), url, body, world.clock())
        with requests.Session() as session:
            session.trust_env = False
            return session.post(url, json=body, timeout=messages.SECONDS, allow_redirects=False)
    except requests.RequestException:
        return None
