"""WeChat's users: under which openid each account knows them, and whether WeChat says that they are one person."""

from __future__ import annotations

import base64
import hashlib
import sqlite3

from local.sandbox.world import World

#: What stands for "as WeChat does by itself": the user's own unionid.
OWN = "own"


def openid_of(appid: str, user: str) -> str:
    """Give the openid under which the account of that appid knows the user."""
    return "o" + _digest(f"{appid} {user}")


def unionid_of(world: World, user: str) -> str:
    """Give the unionid of the user at the merchant's open platform."""
    return "u" + _digest(f"{world.keys.open_platform} {user}")


def give(world: World, db: sqlite3.Connection, openid: str, user: str, unionid: str | None) -> None:
    """Have WeChat give this unionid of them from now on: OWN is the user's, None is none."""
    given = unionid_of(world, user) if unionid == OWN else unionid
    db.execute("INSERT OR REPLACE INTO unionid VALUES (?, ?)", (openid, given))


def given(db: sqlite3.Connection, openid: str) -> dict[str, str]:
    """What WeChat says of the unionid under this openid, as part of an answer; nothing where it gives none."""
    row = db.execute("SELECT unionid FROM unionid WHERE openid = ?", (openid,)).fetchone()
    return {} if row is None or row["unionid"] is None else {"unionid": row["unionid"]}


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:27].decode()
