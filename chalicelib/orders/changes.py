"""The one way an order changes: read it, decide, commit once under its version; again if somebody was faster."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.catalogue.tables import return_stock
from chalicelib.core.errors import MallError
from chalicelib.jobs.events import emit
from chalicelib.jobs.job import Job, LeaseLost
from chalicelib.orders.groups import CACHE
from chalicelib.orders.jobs import STOCK_RETURNED
from chalicelib.orders.rules import Order, Pieces
from chalicelib.orders.tables import Orders, count_changed, item
from chalicelib.store import cache, read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ConditionFailed, Transaction

#: Given the order as it is, adds to the transaction what goes with the change and returns the order after it;
#: the same order when there is nothing to change.
Decision = Callable[[Order, Transaction], Order]

_STALE = "the order has changed"


class _Again(Exception):
    """Somebody changed the order between the read and the write."""


class Found(msgspec.Struct, frozen=True):
    """An order as it was read; `version` guards what is decided from it."""

    order: Order
    version: int


def find(order_id: str) -> Found:
    """The order as it is now. Raises `not_found`."""
    found = read.get(Orders, order_id)
    if found is None:
        raise MallError("not_found")
    return Found(found.order, int(found.version))


def find_owned(order_id: str, member_id: str) -> Found:
    """The member's own order as it is now. Raises `not_found`, also for another's."""
    found = find(order_id)
    if found.order.member_id != member_id:
        raise MallError("not_found")
    return found


def load(order_id: str) -> Order:
    """The order. Raises `not_found`."""
    return find(order_id).order


def owned(order_id: str, member_id: str) -> Order:
    """The member's own order. Raises `not_found`, also for another's."""
    return find_owned(order_id, member_id).order


def change(order_id: str, decide: Decision, job: Job | None = None, found: Found | None = None) -> Order:
    """Change the order in one transaction, which also ends `job`; the order after it.

    Two who change it at once decide one after the other, so that the second sees what the first did. `found` is
    where the caller has just read the order; it saves the first try's read, and a stale one is read again.
    Raises `not_found`, `conflict`, what `decide` raises, and ConditionFailed(LeaseLost) when the job is another's.
    """
    tries = iter([found] if found is not None else [])
    return retry_busy(lambda: _change_once(next(tries, None) or find(order_id), decide, job), _Again)


def _change_once(found: Found, decide: Decision, job: Job | None) -> Order:
    tx = Transaction()
    after = decide(found.order, tx)
    if after is found.order:
        return after
    tx.put(item(after, found.version + 1), Orders.version == found.version, _STALE)
    count_changed(tx, found.order, after)
    if job is not None:
        job.finish(tx)
    try:
        tx.commit()
    except ConditionFailed as fault:
        if job is not None:
            job.finished = False
        if LeaseLost in fault.failed:
            raise
        # A stale order, or an entry posted by the one who changed it: look again.
        raise _Again from fault
    if after.group is not None:
        cache.forget(CACHE)
    return after


def give_back(tx: Transaction, cause: str, order: Order, pieces: list[Pieces]) -> None:
    """Give pieces of the order back to where they came from, and tell of it once for this cause, as part of `tx`."""
    pools = {line.sku_id: line.pool for line in order.lines}
    for part in pieces:
        return_stock(tx, part.sku_id, part.quantity, pools[part.sku_id])
    if pieces:
        lines = [[part.sku_id, part.quantity, pools[part.sku_id]] for part in pieces]
        emit(tx, STOCK_RETURNED, cause, lines=msgspec.json.encode(lines).decode())
