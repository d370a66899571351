"""The one way an order changes: read it, decide, commit once under its version; again if somebody was faster."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from pynamodb.expressions.update import Action

from chalicelib.commerce.catalogue.stock.pools import return_stock
from chalicelib.commerce.orders.jobs import STOCK_RETURNED
from chalicelib.commerce.orders.ports import CACHE
from chalicelib.commerce.orders.queries import StoredOrder, find
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.commerce.orders.tables import Orders, UnpaidOrders, item
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job, LeaseLost
from chalicelib.platform.store import cache
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: Given the order as it is, adds to the transaction what goes with the change and returns the order after it;
#: the same order when there is nothing to change.
Decision = Callable[[Order, Transaction], Order]

_STALE = "the order has changed"


class _Again(Exception):
    """Somebody changed the order between the read and the write."""


def change(order_id: str, decide: Decision, job: Job | None = None, found: StoredOrder | None = None) -> Order:
    """Change the order in one transaction, which also ends `job`; the order after it.

    Two who change it at once decide one after the other, so that the second sees what the first did. `found` is
    where the caller has just read the order; it saves the first try's read, and a stale one is read again.
    Raises `not_found`, `conflict`, what `decide` raises, and ConditionFailed(LeaseLost) when the job is another's.
    """
    tries = iter([found] if found is not None else [])
    return retry_busy(lambda: _change_once(next(tries, None) or find(order_id), decide, job), _Again)


def _change_once(found: StoredOrder, decide: Decision, job: Job | None) -> Order:
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


def count_placed(tx: Transaction, order: Order, at_most: int, on_failure: object) -> None:
    """One more, as part of `tx`, which fails with `on_failure` when the member has so many; or has any, when the order
    has the price for new customers."""
    actions: list[Action] = [UnpaidOrders.orders.add(1)]
    room = UnpaidOrders.orders.does_not_exist() | (UnpaidOrders.orders < (1 if order.newcomer else at_most))
    if order.newcomer:
        actions.append(UnpaidOrders.newcomer.set(order.order_id))
        room &= UnpaidOrders.newcomer.does_not_exist()
    tx.update(UnpaidOrders, (order.member_id,), actions, room, on_failure)


def count_changed(tx: Transaction, before: Order, after: Order) -> None:
    """The order was paid, or closed, or neither, as part of `tx`."""
    actions: list[Action] = []
    if before.state == "awaiting_payment" != after.state:
        actions.append(UnpaidOrders.orders.add(-1))
    if before.state != "closed" == after.state and after.newcomer:
        actions.append(UnpaidOrders.newcomer.remove())
    if actions:
        tx.update(UnpaidOrders, (after.member_id,), actions)


def publish(tx: Transaction, event: Event, order: Order, cause: str = "") -> None:
    """Tell what happened to the money of an order that somebody is paid for, as part of `tx`.

    `cause` begins with the order's id, where the same may happen to it more than once.
    """
    if order.chain:
        emit(tx, event, cause or order.order_id)
