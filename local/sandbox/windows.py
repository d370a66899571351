"""Customer service's windows: for how long after a user did something an account may write to them, and how often."""

from __future__ import annotations

import sqlite3

from local.sandbox.mini import Failed

#: By what opens it: how many seconds it is open, and how many messages it takes.
_WINDOWS = {"message": (48 * 3600, 5), "follow": (60, 3)}
_CLOSED, _USED_UP = 45015, 45047


def open_window(db: sqlite3.Connection, openid: str, kind: str, now: float) -> None:
    """The user has written (`message`), or has begun to follow (`follow`): anew, whatever was used of it."""
    seconds, count = _WINDOWS[kind]
    db.execute("INSERT OR REPLACE INTO reply_window VALUES (?, ?, ?, ?)", (openid, kind, now + seconds, count))


def use_window(db: sqlite3.Connection, openid: str, now: float) -> None:
    """Take one message of the window that ends last. Raises Failed."""
    rows = db.execute(
        "SELECT kind, count FROM reply_window WHERE openid = ? AND ends_at > ? ORDER BY ends_at DESC", (openid, now)
    ).fetchall()
    if not rows:
        raise Failed(_CLOSED, "response out of time limit or subscription is canceled")
    kind = next((row["kind"] for row in rows if row["count"] > 0), None)
    if kind is None:
        raise Failed(_USED_UP, "out of response count limit")
    db.execute("UPDATE reply_window SET count = count - 1 WHERE openid = ? AND kind = ?", (openid, kind))
