"""Sends what the merchant is owed: encrypted, signed afresh each time, again and again until it is answered."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec
import requests

from local.sandbox import pushes
from local.sandbox.world import World, rfc3339, settle

#: Seconds of the mall's clock between one try and the next: 15 repeats within 24 hours and 4 minutes.
SCHEDULE = (
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
)  # fmt: skip
#: The same for transfers: 64 repeats within 24 hours.
TRANSFER_SCHEDULE = (15,) * 10 + (300,) * 10 + (1800,) * 44
_TIMEOUT_SECONDS = 5  # real ones, as the merchant's server feels them
_TICK_SECONDS = 0.05  # the mall's clock may be moved by another process at any time
_AT_ONCE = 8


class _Kind(NamedTuple):
    """What notifications of one subject have alike: their original_type, their summary, and when they are repeated."""

    original_type: str
    summary: str
    schedule: tuple[int, ...] = SCHEDULE


_KINDS = {
    "TRANSACTION": _Kind("transaction", "支付成功"),
    "REFUND": _Kind("refund", "退款通知"),
    "MCHTRANSFER": _Kind("mch_payment", "商家转账单据终态通知", TRANSFER_SCHEDULE),
}


class Notifier:
    """A thread that looks for due notifications, and a few more that send them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopping = threading.Event()
        self._senders = ThreadPoolExecutor(_AT_ONCE, "send")
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    def start(self) -> None:
        """Begin; what was owed when the last process ended is sent first."""
        self._thread.start()

    def stop(self) -> None:
        """End, without waiting for answers."""
        self._stopping.set()
        self._world.wake.set()
        self._thread.join()
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for row in self._due():
                self._senders.submit(self._attempt, row)
            for row in pushes.due(self._world):
                self._senders.submit(pushes.attempt, self._world, row)
            self._world.wake.wait(_TICK_SECONDS)
            self._world.wake.clear()

    def _due(self) -> list[sqlite3.Row]:
        with self._world.store.transaction() as db:
            now = settle(self._world, db)
            rows = db.execute("SELECT * FROM notification WHERE next_at <= ? ORDER BY next_at", (now,)).fetchall()
            # inside, where no try can end between the two looks and be made again, and no reset come between
            due = [row for row in rows if row["id"] not in self._world.sending]
            self._world.sending.update(row["id"] for row in due)
            return due

    def _attempt(self, row: sqlite3.Row) -> None:
        """One try, and what becomes of the notification after it."""
        try:
            defect = _defect(row["mode"], row["attempt"])
            copies = 2 if row["mode"] == "duplicate" and row["attempt"] == 0 else 1
            with ThreadPoolExecutor(copies) as both:
                statuses = list(both.map(lambda _: self._send(row, defect), range(copies)))
            answered = defect != "probe" and any(status in (200, 204) for status in statuses)
            schedule = _kind(row).schedule
            over = answered or row["attempt"] >= len(schedule)
            now = self._world.clock()
            with self._world.store.transaction() as db:
                known = db.execute(
                    "UPDATE notification SET attempt = attempt + 1, next_at = ? WHERE id = ?",
                    (None if over else now + schedule[row["attempt"]], row["id"]),
                ).rowcount
                db.executemany(
                    "INSERT INTO send (notification_id, at, attempt, defect, status) VALUES (?, ?, ?, ?, ?)",
                    [(row["id"], now, row["attempt"], defect, status) for status in statuses if known],
                )
        finally:
            self._world.sending.discard(row["id"])

    def _send(self, row: sqlite3.Row, defect: str | None) -> int | None:
        """The status answered, or None when there was no answer in time."""
        kind = _kind(row)
        envelope = {
            "id": row["id"],
            "create_time": rfc3339(row["made_at"]),
            "resource_type": "encrypt-resource",
            "event_type": row["event_type"],
            "summary": kind.summary,
            "resource": self._world.signer.encrypted(row["plain"].encode(), kind.original_type),
        }
        body = msgspec.json.encode(envelope)
        headers = self._world.signer.headers(body, self._world.clock(), defect)
        headers |= {"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"}
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    row["url"], data=body, headers=headers, timeout=_TIMEOUT_SECONDS, allow_redirects=False
                )
        except requests.RequestException:
            return None
        return answer.status_code


def _kind(row: sqlite3.Row) -> _Kind:
    return _KINDS[row["event_type"].partition(".")[0]]


def _defect(mode: str, attempt: int) -> str | None:
    """What is wrong with this try: a probe comes once, the other defects stay with their notification."""
    if mode == "probe":
        return "probe" if attempt == 0 else None
    return mode if mode in ("bad_signature", "old", "unknown_serial") else None
