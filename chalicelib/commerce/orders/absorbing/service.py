"""A member's orders become those of another, who is the same person, with all that is kept of them: what they hold
unpaid, what was let go and bought, pieces of products with a limit, and the coupons that they have.

Some orders at once, in one transaction with all of it, each under its version: so at every moment what is kept of a
member is what their orders say. Each step moves what is left; done again, it finds nothing.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pynamodb.expressions.update import Action

from chalicelib.commerce.coupons.absorbing import service as coupons
from chalicelib.commerce.coupons.tables import Coupons, coupon_key
from chalicelib.commerce.orders.absorbing import rules
from chalicelib.commerce.orders.holding.queries import standing_now
from chalicelib.commerce.orders.holding.rules import Standing, counted
from chalicelib.commerce.orders.ports import CACHE, OBSERVED_MAX, observers
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders, Purchases, UnpaidOrders, item
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction, write
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: So many orders are looked at in a step, and moved in a transaction at most; of so many bytes together, of four MB.
_PAGE = 20
_TOGETHER = 20
_BYTES = 1 << 20


def absorb(former: str, member_id: str, position: str | None) -> str | None:
    """Move some of the former member's orders, the newest first. First of all none can come to stand with them any
    more, so that those which no index shows yet are found by what is kept of them. Raises `conflict`, `unavailable`."""
    newest: list[str] = []
    after: read.Raw | None = None
    if position is None:
        write(UnpaidOrders, (former,), [UnpaidOrders.gone.set(True), UnpaidOrders.orders.add(0)])
        kept = standing_now(former)
        newest = [*kept.order_ids, *(mark.partition("|")[2] for mark in kept.let_go)]
    else:
        place = {"order_id": position.partition("|")[2], "member_id": former, "placed": position}
        after = {name: {"S": value} for name, value in place.items()}
    page, rest = read.query(Orders, former, index=Orders.by_member, forward=False, limit=_PAGE, after=after)
    left = list(dict.fromkeys([*newest, *(raw["order_id"]["S"] for raw in page)]))
    while left:
        left = retry(functools.partial(_move_some, former, member_id, left))
    if rest is not None:
        return str(rest["placed"]["S"])
    place_of_coupon: str | None = None
    while (place_of_coupon := coupons.absorb(former, member_id, place_of_coupon)) is not None:
        pass  # what orders gave back meanwhile, and empty counts of what went with them
    return None


def _move_some(former: str, member_id: str, order_ids: list[str]) -> list[str]:
    """Move the first of these orders, as many as one transaction takes; which are left."""
    found = read.batch_get([(Orders, (order_id,)) for order_id in order_ids])
    theirs = [one for one in found if one is not None and one.order.member_id == former]
    if not theirs:
        return []
    orders: list[Order] = [one.order for one in theirs[:_TOGETHER]]
    fits = rules.fitting(orders, ACTIONS_MAX - 2 - OBSERVED_MAX, _BYTES)
    standing = standing_now(former)
    # One that an order has let go may be with another of them.
    coupon_ids = dict.fromkeys(one.coupon_id for order in orders[:fits] for one in order.coupons)
    used = read.batch_get([coupon_key(former, coupon_id) for coupon_id in coupon_ids])
    tx = Transaction()
    _move(tx, theirs[:fits], member_id, standing, used)
    commit(tx)
    return [one.order_id for one in theirs[fits:]]


def _move(
    tx: Transaction, found: Sequence[Orders], member_id: str, standing: Standing, used: Sequence[Coupons | None]
) -> None:
    """Move these orders as part of `tx`: they were read before the coupons that they have, which go with them."""
    orders: list[Order] = [one.order for one in found]
    for one in found:
        after = rules.moved(one.order, member_id)
        version = int(one.version)
        tx.put(item(after, version + 1), Orders.version == version, Conflict)
        for each in observers():
            each.changed(tx, one.order, after)
    former = orders[0].member_id
    _count_moved(tx, former, member_id, orders, rules.kept_of(standing, orders))
    pieces: Counter[str] = Counter()
    for order in orders:
        pieces.update(counted(order))
    for product_id, count in pieces.items():
        if count:
            tx.update(Purchases, (former, product_id), [Purchases.pieces.add(-count)])
            tx.update(Purchases, (member_id, product_id), [Purchases.pieces.add(count)])
    order_ids = {order.order_id for order in orders}
    theirs = [one for one in used if one is not None and one.state != "unused" and one.order_id in order_ids]
    coupons.move(tx, theirs, member_id)
    if any(order.group is not None for order in orders):
        tx.after_commit(cache.forget, CACHE)


def _count_moved(tx: Transaction, former: str, member_id: str, orders: Sequence[Order], kept: Standing) -> None:
    """Move what is `kept` of these orders. They come to stand with the member, as if placed: who is placing one for
    them looks again."""
    unpaid = UnpaidOrders
    taken: list[Action] = []
    added: list[Action] = []
    if kept.orders:
        taken.append(unpaid.orders.add(-kept.orders))
    if kept.newcomer:
        taken.append(unpaid.newcomer.remove())
        added.append(unpaid.newcomer.set(unpaid.newcomer | kept.newcomer))
    for attribute, marks in ((unpaid.held, kept.held), (unpaid.let_go, kept.let_go), (unpaid.bought, kept.bought)):
        if marks:
            taken.append(attribute.delete(marks))
            added.append(attribute.add(marks))
    if taken:
        tx.update(unpaid, (former,), taken)
    if added or any(order.state != "closed" for order in orders):
        # An item has its number of orders, also where it is zero.
        more = [unpaid.orders.add(kept.orders), unpaid.version.add(1), *added]
        tx.update(unpaid, (member_id,), more)


def absorb_regular(former: str, member_id: str, _position: str | None) -> None:
    """Have the member be a regular customer where the former one was. What else is kept of orders goes with them; that
    none comes to stand with the former member any more stays. Raises `conflict`, `unavailable`."""

    def once() -> None:
        if not standing_now(former).regular:
            return
        tx = Transaction()
        tx.update(UnpaidOrders, (former,), [UnpaidOrders.regular.remove()], UnpaidOrders.regular.exists(), Conflict)
        counts: list[Any] = [UnpaidOrders.orders.add(0), UnpaidOrders.version.add(1), UnpaidOrders.regular.set(True)]
        tx.update(UnpaidOrders, (member_id,), counts)
        commit(tx)

    retry(once)


def absorb_limited(former: str, member_id: str, _position: str | None) -> None:
    """Have pieces that the former member bought before they returned count on for the member, and forget what counts no
    order any more: the pieces of orders go with them. Raises `conflict`, `unavailable`."""
    for found in read.query_all(Purchases, former, consistent=True):
        retry(functools.partial(_absorb_product, former, member_id, found.product_id))


def _absorb_product(former: str, member_id: str, product_id: str) -> None:
    found = read.get(Purchases, former, product_id)
    if found is None:
        return
    pieces, carried = int(found.pieces), int(found.carried or 0)
    if pieces != carried and not carried:
        return  # of orders that are still to be moved
    tx = Transaction()
    key, as_read = (former, product_id), Purchases.pieces == pieces
    if pieces == carried:
        tx.delete(Purchases, key, as_read, Conflict)
    else:
        tx.update(Purchases, key, [Purchases.pieces.add(-carried), Purchases.carried.remove()], as_read, Conflict)
    if carried:
        tx.update(Purchases, (member_id, product_id), [Purchases.pieces.add(carried), Purchases.carried.add(carried)])
    commit(tx)
