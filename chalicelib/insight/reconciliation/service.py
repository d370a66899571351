"""Comparing a day, every day; and closing what was found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

import msgspec

from chalicelib.commerce.orders.refunds.issue import order_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError, invalid, malformed
from chalicelib.core.metrics import Metric
from chalicelib.core.refusals import NOT_A_DAY
from chalicelib.insight.reconciliation.jobs import COMPARE_DAY
from chalicelib.insight.reconciliation.ledger_checks import service as ledger_checks
from chalicelib.insight.reconciliation.queries import days_with_open, load
from chalicelib.insight.reconciliation.refusals import CLOSED_BEFORE, CLOSED_BY_ITSELF, NO_BILL_OF_DAY
from chalicelib.insight.reconciliation.rules import (
    SECONDS_MAX,
    SYSTEM,
    BillDifference,
    ComparedDay,
    DaySums,
    Key,
    Known,
    Ours,
    closed,
    match,
    ours_of,
    settle,
    unread,
)
from chalicelib.insight.reconciliation.tables import RUN, Reconciliations, difference_item, run_item
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger.rules import Entry
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, change, commit, retry

#: How long bills that are not ready are waited for before they are asked for again.
_NOT_READY_SECONDS = 900.0
#: How far back a day without a run is made up for by itself.
_CATCH_UP_DAYS = 7
#: WeChat keeps bills for three months, and a comparison looks a week further back.
_DAYS_MAX = 80
#: How many differences one transaction writes.
_WRITES = 50


def owe_runs(job: Job) -> None:
    """Owe the comparison of yesterday, of days that were left out, and of those with open differences; and the check of
    the first two.
    """
    last = clock.day(clock.now()) - timedelta(days=1)
    recent = [last - timedelta(days=back) for back in range(_CATCH_UP_DAYS)]
    runs = read.batch_get([(Reconciliations, (day.isoformat(), RUN)) for day in recent])
    new = {day for day, run in zip(recent, runs, strict=True) if run is None}
    tx = Transaction()
    for day in sorted(new.union(days_with_open(last - timedelta(days=_DAYS_MAX - 1)))):
        schedule(tx, COMPARE_DAY, day.isoformat())
    for day in sorted(new):
        ledger_checks.owe(tx, day)
    job.finish(tx)
    tx.commit()


def compare_day(job: Job) -> None:
    """Compare WeChat's bills of a day with the journal; again after a quarter of an hour while they are not ready."""
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        compare(date.fromisoformat(job.key))
    except WechatError as fault:
        if fault.code == "STATEMENT_CREATING":
            raise RetryLater(_NOT_READY_SECONDS) from fault
        raise


def ask(day: str) -> date:
    """Have that day compared again, at once. Raises `malformed`, `invalid` for one that has no bill (any more)."""
    try:
        asked = msgspec.convert(day, date)
    except msgspec.ValidationError:
        raise malformed(NOT_A_DAY.at("day")) from None
    today = clock.day(clock.now())
    if not today - timedelta(days=_DAYS_MAX) <= asked < today:
        raise invalid(NO_BILL_OF_DAY.at("day", days=_DAYS_MAX))
    tx = Transaction()
    schedule(tx, COMPARE_DAY, asked.isoformat())
    tx.commit()
    return asked


def compare(day: date) -> ComparedDay:
    """Hold the bills of the day against the journal, and write what differs. Comparing again changes nothing.

    A day that is too long for a worker's memory or time has one difference, that nothing was compared.
    Raises WechatError when the bills cannot be had or believed, and `conflict`.
    """
    from chalicelib.gateways.wechat.errors import WechatError

    try:
        done, found = _compared(day)
    except WechatError as fault:
        if fault.code != "bill_too_large":
            raise
        log.error("bill_too_large", day=day.isoformat())
        now = clock.now()
        done = ComparedDay(day=day, ran_at=now, theirs=DaySums(), ours=DaySums(), fees_fen=0, differences=1)
        found = [unread(day, now)]
    run, open_differences = retry(lambda: _write(done, found))
    metrics.add(Metric.BILLS_DIFFER, open_differences)
    return run


def _compared(day: date) -> tuple[ComparedDay, list[BillDifference]]:
    from chalicelib.insight.reconciliation.statements import queries as statements

    end = clock.monotonic() + SECONDS_MAX
    statement = statements.read_day(day, end)
    sums, booked = statement.lines.agree(_ours(statements.until(end, ledger_queries.entries_of_day(day))))
    theirs = statement.lines.unmatched()
    again = _ours(ledger_queries.find(list(_entry_keys(theirs.keys() - booked.keys()))))
    ours = booked | {one.key: one for one in again}
    known = _known([one.key for one in theirs.values() if one.key not in ours or one.state == "failed"])
    unseen = statements.unseen(_asked(booked, booked.keys() - theirs.keys()), day, end)
    now = clock.now()
    found = match(day, now, theirs.values(), ours, known, unseen)
    done = ComparedDay(
        day=day, ran_at=now, theirs=statement.lines.sums, ours=sums, fees_fen=statement.fees_fen, differences=len(found)
    )
    return done, found


def _ours(entries: Iterable[Entry | None]) -> Iterator[Ours]:
    found = (ours_of(entry) for entry in entries if entry is not None)
    return (one for one in found if one is not None)


def _entry_keys(keys: Iterable[Key]) -> Iterator[tuple[str, str]]:
    """Name the entries that would book these: what each is about, and its cause."""
    for subject, number in keys:
        if subject == "refund":
            yield order_of(number), f"refunded:{number}"
        else:
            yield number, "paid"
        if subject == "payment":
            yield number, "paid-late"


def _known(keys: Sequence[Key]) -> dict[Key, Known]:
    """Find what these are here, apart from their entries; those that the mall never heard of are left out."""
    orders = _orders(keys)
    found: dict[Key, Known] = {}
    for key in keys:
        subject, number = key
        order = orders.get(_order_id(key))
        if subject == "payment" and order is not None:
            found[key] = Known(order.state, order.order_id)
        elif subject == "refund" and order is not None and (refund := order.refund(number)) is not None:
            found[key] = Known(refund.state, refund.number)
        elif subject == "transfer" and number and (entries := ledger_queries.entries_about(number)):
            found[key] = Known(entries[-1].cause, number)
    return found


def _asked(ours: dict[Key, Ours], keys: Iterable[Key]) -> dict[Key, date]:
    """Find the days on which these were asked for, so that no bill of an earlier one has them."""
    wanted = list(keys)
    orders = _orders(wanted)
    begun = [number for subject, number in wanted if subject == "transfer"]
    starts = dict(zip(begun, ledger_queries.find([(number, "begun") for number in begun]), strict=True))
    found: dict[Key, date] = {}
    for key in wanted:
        subject, number = key
        at, order, start = ours[key].at, orders.get(_order_id(key)), starts.get(number)
        if subject == "payment" and order is not None:
            at = order.created_at
        elif subject == "refund" and order is not None and (refund := order.refund(number)) is not None:
            at = refund.created_at
        elif start is not None:
            at = start.at
        found[key] = clock.day(at)
    return found


def _order_id(key: Key) -> str:
    subject, number = key
    return "" if subject == "transfer" else order_of(number) if subject == "refund" else number


def _orders(keys: Iterable[Key]) -> dict[str, Order]:
    wanted = {_order_id(key) for key in keys} - {""}
    found = read.batch_get([(Orders, (number,)) for number in sorted(wanted)])
    return {one.order_id: one.order for one in found if one is not None}


def _write(done: ComparedDay, found: list[BillDifference]) -> tuple[ComparedDay, int]:
    """Write what has changed on that day, and return its run and how many differences are open.

    The run is written last, so that a run that is there is whole; doing it again writes only what is not there yet.
    """
    items = {item.part: item for item in read.query_all(Reconciliations, done.day.isoformat(), consistent=True)}
    before = items.pop(RUN, None)
    known = {part: item.difference for part, item in items.items()}
    versions = {part: int(item.version) for part, item in items.items()}
    changed = settle(known, found, done.ran_at)
    for start in range(0, len(changed), _WRITES):
        tx = Transaction()
        for one in changed[start : start + _WRITES]:
            _put(tx, difference_item(one, versions.get(one.difference_id, 0) + 1))
        commit(tx)
    if before is not None and before.run == msgspec.structs.replace(done, ran_at=before.run.ran_at):
        done = before.run
    else:
        tx = Transaction()
        _put(tx, run_item(done, int(before.version) + 1 if before else 1))
        commit(tx)
    after = known | {one.difference_id: one for one in changed}
    return done, sum(one.state == "open" for one in after.values())


def _put(tx: Transaction, item: Reconciliations) -> None:
    if item.version == 1:
        tx.create(item, Conflict)
    else:
        tx.put(item, Reconciliations.version == item.version - 1, Conflict)


def close(difference_id: str, by: str, reason: str) -> BillDifference:
    """Close a difference that an operator has looked into. The same operator and reason again change nothing.

    Raises `not_found`, `difference_closed`, `conflict`.
    """

    def decide(before: BillDifference, _: Transaction) -> BillDifference:
        if before.state == "open":
            return closed(before, by, reason, clock.now())
        if (before.closed_by, before.reason) == (by, reason):
            return before
        if before.closed_by == SYSTEM:
            raise MallError("difference_closed", errors=(CLOSED_BY_ITSELF.at("difference_id"),))
        error = CLOSED_BEFORE.at("difference_id", because=before.reason)
        raise MallError("difference_closed", errors=(error,))

    return change(lambda: load(difference_id), decide, _write_difference)


def _write_difference(tx: Transaction, before: Versioned[BillDifference], after: BillDifference) -> None:
    _put(tx, difference_item(after, before.version + 1))
