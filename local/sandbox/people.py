"""WeChat's users: under which openid each account knows them, whether WeChat says that they are one person, and which
phones are theirs."""

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


def know(db: sqlite3.Connection, address: str, appid: str, user: str) -> None:
    """An openid of that account's, or a phone (then `appid` is ""), is this user's from now on."""
    db.execute("INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (address, appid, user))


def is_known(db: sqlite3.Connection, openid: str, appid: str) -> bool:
    """Whether the account has a user of this openid."""
    return db.execute("SELECT 1 FROM person WHERE address = ? AND appid = ?", (openid, appid)).fetchone() is not None


def name_of(db: sqlite3.Connection, address: str) -> str:
    """Whose openid or phone it is; itself, where nobody's."""
    row = db.execute("SELECT user FROM person WHERE address = ?", (address,)).fetchone()
    return address if row is None else str(row["user"])


def phone_of(user: str) -> str:
    """Give the mobile number that a user has by themselves."""
    return f"138{int.from_bytes(hashlib.sha256(user.encode()).digest()[:4], 'big') % 10**8:08d}"


def phone_now(db: sqlite3.Connection, user: str) -> str:
    """Give the phone that the mall was last told of the user, with + and its country's code; else their own."""
    row = db.execute(
        "SELECT address FROM person WHERE user = ? AND appid = '' ORDER BY rowid DESC LIMIT 1", (user,)
    ).fetchone()
    return international(phone_of(user)) if row is None else str(row["address"])


def international(phone: str) -> str:
    """The phone with + and its country's code; without one it is of the mainland."""
    return phone if phone.startswith("+") else f"+86{phone}"


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())[:27].decode()
