"""The mall's own books of a day: whatever money moved for at WeChat, held against its entries.

An order is held against its entries as it completes, too (orders/delivery): that is weeks later, and never where all
of it is refunded. A job takes a page of the day's entries and owes the next, so that no day is too long for a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from chalicelib.commerce.orders.checks import audit
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import log, metrics
from chalicelib.core.difference import Difference
from chalicelib.core.metrics import Metric
from chalicelib.growth.payouts.checks import audit_withdrawals
from chalicelib.growth.payouts.tables import Withdrawals
from chalicelib.insight.reconciliation.jobs import CHECK_DAY
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger.checks import of_statement
from chalicelib.ledger.rules import change_of
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction

#: Entries of a page: what they are about is looked up in two tables with one BatchGet.
_PAGE = read.BATCH_MAX // 2


def owe(tx: Transaction, day: date) -> None:
    """Owe the audit of that day as part of `tx`."""
    schedule(tx, CHECK_DAY, f"{day.isoformat()}|")


def check_day(job: Job) -> None:
    """Check a page of a day's entries against what they are about, log each difference, and owe the next page."""
    day, _, place = job.key.partition("|")
    page, place_after = ledger_queries.page_of_day(date.fromisoformat(day), place, _PAGE)
    numbers = sorted({entry.about for entry in page})
    if found := differences(numbers):
        again = differences(numbers)  # what was changed between two reads agrees now
        for one in found:
            if one in again:
                metrics.add(Metric.BOOKS_DIFFER)
                log.error("books_differ", about=one.about, what=one.what)
    if place_after is not None:
        tx = Transaction()
        schedule(tx, CHECK_DAY, f"{day}|{place_after}")
        job.finish(tx)
        tx.commit()


def differences(numbers: Sequence[str]) -> list[Difference]:
    """Find what does not agree between these orders and withdrawals, their entries, and their members' balances."""
    found = read.batch_get([(table, (number,)) for table in (Orders, Withdrawals) for number in numbers])
    orders = [one.order for one in found[: len(numbers)] if one is not None]
    withdrawals = [one.withdrawal for one in found[len(numbers) :] if one is not None]
    entries = [entry for number in numbers for entry in ledger_queries.entries_about(number, consistent=True)]
    differ = audit(orders, entries) + audit_withdrawals(withdrawals, entries)
    members = {change.member_id: entry.about for entry in entries if (change := change_of(entry)) is not None}
    for member_id, about in sorted(members.items()):
        # Named by what concerned them: no log names a member.
        differ += [Difference(about, one.what) for one in of_statement(member_id, *ledger_queries.statement(member_id))]
    return differ
