"""The sandbox's state, in SQLite: what was committed survives a kill."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trade (
    out_trade_no TEXT PRIMARY KEY, body TEXT NOT NULL, total_fen INTEGER NOT NULL, openid TEXT NOT NULL,
    notify_url TEXT NOT NULL, time_expire REAL NOT NULL, state TEXT NOT NULL,
    transaction_id TEXT UNIQUE, paid_at REAL);
CREATE INDEX IF NOT EXISTS trade_open ON trade (time_expire) WHERE state = 'NOTPAY';
CREATE TABLE IF NOT EXISTS prepay (
    prepay_id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, made_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS refund (
    out_refund_no TEXT PRIMARY KEY, refund_id TEXT NOT NULL, out_trade_no TEXT NOT NULL, body TEXT NOT NULL,
    amount_fen INTEGER NOT NULL, notify_url TEXT, state TEXT NOT NULL, made_at REAL NOT NULL, done_at REAL);
CREATE INDEX IF NOT EXISTS refund_open ON refund (made_at) WHERE state = 'PROCESSING';
CREATE INDEX IF NOT EXISTS refund_of ON refund (out_trade_no);
CREATE TABLE IF NOT EXISTS refund_script (out_refund_no TEXT PRIMARY KEY, outcome TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS transfer (
    out_bill_no TEXT PRIMARY KEY, transfer_bill_no TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    amount_fen INTEGER NOT NULL, openid TEXT NOT NULL, remark TEXT NOT NULL, user_name TEXT, notify_url TEXT,
    state TEXT NOT NULL, package_info TEXT, fail_reason TEXT, made_at REAL NOT NULL, changed_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS transfer_by_state ON transfer (state, made_at);
CREATE INDEX IF NOT EXISTS trade_by_payment ON trade (paid_at) WHERE paid_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS bill_token (token TEXT PRIMARY KEY, content BLOB NOT NULL, made_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS bill_spoil (
    seq INTEGER PRIMARY KEY, day TEXT NOT NULL, bill TEXT NOT NULL, kind TEXT NOT NULL, number TEXT,
    amount_fen INTEGER, state TEXT, refund_of TEXT);
CREATE TABLE IF NOT EXISTS balance (correction_fen INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS code (
    code TEXT PRIMARY KEY, kind TEXT NOT NULL, openid TEXT NOT NULL, phone TEXT, made_at REAL NOT NULL,
    used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS unionid (openid TEXT PRIMARY KEY, unionid TEXT);
CREATE TABLE IF NOT EXISTS follower (openid TEXT PRIMARY KEY, follows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, ends_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS nonce_at ON nonce (at);
CREATE TABLE IF NOT EXISTS shipping (
    out_trade_no TEXT PRIMARY KEY, body TEXT NOT NULL, complete INTEGER NOT NULL, reshipped INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notification (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, event_type TEXT NOT NULL, number TEXT NOT NULL, plain TEXT NOT NULL,
    mode TEXT NOT NULL, made_at REAL NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, next_at REAL);
CREATE INDEX IF NOT EXISTS notification_due ON notification (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS send (
    seq INTEGER PRIMARY KEY, notification_id TEXT NOT NULL, at REAL NOT NULL, attempt INTEGER NOT NULL,
    defect TEXT, status INTEGER);
CREATE TABLE IF NOT EXISTS content_rule (text TEXT PRIMARY KEY, suggest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS media_check (
    trace_id TEXT PRIMARY KEY, openid TEXT NOT NULL, media_url TEXT NOT NULL, suggest TEXT NOT NULL,
    made_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS ad_action (
    seq INTEGER PRIMARY KEY, number TEXT NOT NULL, action_set TEXT NOT NULL, body TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 1, UNIQUE (action_set, number));
CREATE TABLE IF NOT EXISTS person (address TEXT PRIMARY KEY, appid TEXT NOT NULL, user TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS person_user ON person (user);
CREATE TABLE IF NOT EXISTS template (
    medium TEXT NOT NULL, template_id TEXT NOT NULL, content TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (medium, template_id));
CREATE TABLE IF NOT EXISTS allowance (
    openid TEXT NOT NULL, template_id TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (openid, template_id));
CREATE TABLE IF NOT EXISTS reply_window (
    openid TEXT NOT NULL, kind TEXT NOT NULL, ends_at REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (openid, kind));
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, medium TEXT NOT NULL, address TEXT NOT NULL, purpose TEXT NOT NULL,
    template_id TEXT NOT NULL, text TEXT NOT NULL, message_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS oa_message (
    openid TEXT NOT NULL, client_msg_id TEXT NOT NULL, msgid INTEGER NOT NULL, made_at REAL NOT NULL,
    PRIMARY KEY (openid, client_msg_id));
CREATE TABLE IF NOT EXISTS sms (
    ref TEXT PRIMARY KEY, vendor TEXT NOT NULL, message_id TEXT NOT NULL, phone TEXT NOT NULL, kind TEXT NOT NULL,
    text TEXT NOT NULL, made_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sms_phone ON sms (phone, made_at);
CREATE INDEX IF NOT EXISTS sms_message ON sms (message_id);
CREATE TABLE IF NOT EXISTS sms_network (phone TEXT PRIMARY KEY, delivered INTEGER, code TEXT);
CREATE TABLE IF NOT EXISTS push (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, number TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, next_at REAL);
CREATE INDEX IF NOT EXISTS push_due ON push (next_at) WHERE next_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS call_fault (
    seq INTEGER PRIMARY KEY, path TEXT NOT NULL, method TEXT, times INTEGER NOT NULL, kind TEXT NOT NULL,
    seconds REAL NOT NULL, status INTEGER, code TEXT);
"""

_TABLES = (
    "trade", "prepay", "refund", "refund_script", "transfer", "balance", "code", "token", "nonce", "shipping",
    "notification", "send", "call_fault", "bill_token", "bill_spoil",
    "content_rule", "media_check", "ad_action", "unionid", "follower",
    "person", "template", "allowance", "reply_window", "outbox", "oa_message", "sms", "sms_network", "push",
)  # fmt: skip


class Store:
    """One database, one writer at a time. In memory when `path` is None, for tests."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")  # with the next: safe from a kill, and no wait for the disk
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is done inside, or nothing of it when an exception leaves."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """End; whoever still sends a notification has its outcome forgotten, as by a kill."""
        with self._lock:
            self._db.close()

    def reset(self) -> None:
        """Forget everything."""
        with self.transaction() as db:
            for table in _TABLES:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
