"""The mall's own books of a day: whatever money moved for at WeChat, held against its entries.

An order is held against its entries as it completes, too (`orders.deliver`): that is weeks later, and never where all
of it is refunded. A job takes a page of the day's entries and owes the next, so that no day is too long for a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from chalicelib.core import log, metrics
from chalicelib.core.audit import Difference
from chalicelib.core.metrics import Metric
from chalicelib.distribution.withdrawal_audit import audit_withdrawals
from chalicelib.distribution.withdrawal_tables import Withdrawals
from chalicelib.jobs.job import Job
from chalicelib.jobs.queue import schedule
from chalicelib.ledger import service as ledger
from chalicelib.ledger.audit import of_statement
from chalicelib.ledger.members import effect
from chalicelib.orders.audit import audit
from chalicelib.orders.tables import Orders
from chalicelib.reconciliation.jobs import CHECK_DAY
from chalicelib.store import read
from chalicelib.store.transaction import Transaction

#: Entries of a page: what they are about is looked up in two tables with one BatchGet.
_PAGE = read.BATCH_MAX // 2


def owe(tx: Transaction, day: date) -> None:
    """Owe the audit of that day as part of `tx`."""
    schedule(tx, CHECK_DAY, f"{day.isoformat()}|")


def audit_page(job: Job) -> None:
    """Audit what a page is about, count and log each difference, and owe the next page. Its key: day|place."""
    day, _, place = job.key.partition("|")
    page, place_after = ledger.page_of_day(date.fromisoformat(day), place, _PAGE)
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
    """What does not agree between these orders and withdrawals, their entries, and the balances of their members."""
    found = read.batch_get([(table, (number,)) for table in (Orders, Withdrawals) for number in numbers])
    orders = [one.order for one in found[: len(numbers)] if one is not None]
    withdrawals = [one.withdrawal for one in found[len(numbers) :] if one is not None]
    entries = [entry for number in numbers for entry in ledger.of(number, consistent=True)]
    differ = audit(orders, entries) + audit_withdrawals(withdrawals, entries)
    members = {told.member_id: entry.about for entry in entries if (told := effect(entry)) is not None}
    for member_id, about in sorted(members.items()):
        # Told of what concerned them: no log names a member.
        differ += [Difference(about, one.what) for one in of_statement(member_id, *ledger.statement(member_id))]
    return differ
