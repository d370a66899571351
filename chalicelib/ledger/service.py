"""Posting to the journal, and reading what was posted."""

from __future__ import annotations

from chalicelib.ledger.rules import Entry, check
from chalicelib.ledger.tables import Journal
from chalicelib.store import read
from chalicelib.store.transaction import Transaction

#: What a transaction is told when the entry is there already: somebody else did the same work.
POSTED = "posted before"


def post(tx: Transaction, entry: Entry) -> None:
    """Post the entry as part of `tx`, which fails with POSTED when its cause was posted before."""
    check(entry)
    tx.create(Journal(entry.order_id, entry.cause, entry=entry), POSTED)


def of_order(order_id: str) -> list[Entry]:
    """Every entry of the order, in the order of time."""
    entries = (item.entry for item in read.query_all(Journal, order_id))
    return sorted(entries, key=lambda entry: (entry.at, not entry.cause.startswith("paid")))
