"""The one way an order changes (`platform.store.versioned`), and what its changes add to their transactions."""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec

from chalicelib.commerce.catalogue.stock.pools import return_stock
from chalicelib.commerce.orders.holding.rules import counted
from chalicelib.commerce.orders.holding.service import count_changed
from chalicelib.commerce.orders.jobs import STOCK_RETURNED
from chalicelib.commerce.orders.ports import CACHE, OBSERVED_MAX, observers
from chalicelib.commerce.orders.queries import find
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.commerce.orders.tables import Orders, item
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store import cache, versioned
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned

#: Makes the order after a change from the order before it, and adds to the transaction what goes with the change; gives
#: back the same order where there is nothing to change. It may be asked again: `versioned.change` says what it may do.
Decision = Callable[[Order, Transaction], Order]


def change(order_id: str, decide: Decision, job: Job | None = None, found: Versioned[Order] | None = None) -> Order:
    """Change the order in one transaction, which also ends `job`; give the order after it.

    Two changes at once are decided one after the other, so that the second sees what the first did. `found` is where
    the caller has just read the order: it saves the first read, and a stale one is read again.
    Raises `not_found`, `conflict`, what `decide` raises, and ConditionFailed(LeaseLost) when the job is another's.
    """
    return versioned.change(lambda: find(order_id), decide, functools.partial(write, job=job), found=found)


def write(tx: Transaction, before: Versioned[Order], after: Order, job: Job | None = None) -> None:
    """Add the changed order to `tx`, under the version that was read, with what is counted of its member, what its
    observers add, and the end of `job`."""
    tx.put(item(after, before.version + 1), Orders.version == before.version, Conflict)
    count_changed(tx, before.value, after)
    for each in observers():
        each.changed(tx, before.value, after)
    if job is not None:
        job.finish(tx)
    if after.group is not None:
        tx.after_commit(cache.forget, CACHE)


def actions_max(before: Order) -> int:
    """Count how many actions `write` adds at most to a change of this order, without the end of a job: the order, what
    its member holds and has bought of what is limited, and the observers'."""
    return 2 + len(counted(before)) + OBSERVED_MAX


def return_pieces(tx: Transaction, cause: str, order: Order, pieces: list[Pieces]) -> None:
    """Return pieces of the order to where they were taken from, as part of `tx`, and tell of it once for this cause."""
    pools = {line.sku_id: line.pool for line in order.lines}
    for part in pieces:
        return_stock(tx, part.sku_id, part.quantity, pools[part.sku_id])
    if pieces:
        lines = [[part.sku_id, part.quantity, pools[part.sku_id]] for part in pieces]
        emit(tx, STOCK_RETURNED, cause, lines=msgspec.json.encode(lines).decode())


def publish(tx: Transaction, event: Event, order: Order, cause: str = "") -> None:
    """Publish a change of the order's money to those who are paid for the order, as part of `tx`; nothing where nobody
    is.

    `cause` names the change where an order may have several of its kind, and begins with the order's id then.
    """
    if order.chain:
        emit(tx, event, cause or order.order_id)
