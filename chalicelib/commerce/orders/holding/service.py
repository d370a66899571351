"""What an order's transaction changes of what is kept of its member: when it is placed, paid, closed and refunded."""

from __future__ import annotations

from collections.abc import Mapping

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.commerce.orders.holding import rules
from chalicelib.commerce.orders.holding.rules import OverLimit, Standing
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
from chalicelib.platform.store.transaction import Transaction, write
from chalicelib.platform.store.versioned import Conflict


def count_placed(tx: Transaction, order: Order, standing: Standing, at_most: int) -> None:
    """Count the new order for its member, as part of `tx`: what it holds, beside what they were seen to hold.

    `tx` fails with Conflict when another order was placed meanwhile, when the member has left or has `at_most` unpaid
    orders, and, with the price for new customers, when they have any unpaid order or another one with that price.
    """
    item = UnpaidOrders
    same = _as_read(standing) & item.gone.does_not_exist()
    # The same, counted as older versions do, which run beside this one during a deployment.
    same &= item.orders.does_not_exist() | (item.orders < (1 if order.newcomer else at_most))
    actions: list[Action] = [item.orders.add(1), item.version.add(1), item.held.add({rules.hold_of(order)})]
    if order.newcomer:
        actions.append(item.newcomer.set(order.order_id))
        same &= item.newcomer.does_not_exist()
    if old := rules.outdated(standing, order.created_at):
        actions.append(item.let_go.delete(old))
    if surplus := rules.surplus(standing):
        actions += [item.bought.delete(surplus), item.regular.set(True)]
    tx.update(item, (order.member_id,), actions, same, Conflict)


def count_gone(tx: Transaction, member_id: str, standing: Standing) -> None:
    """Let no order of the member come to stand any more, as part of `tx`; it fails with Conflict where one has since
    `standing` was read, which holds none."""
    item = UnpaidOrders
    none = _as_read(standing) & (item.orders.does_not_exist() | (item.orders == 0))
    # The version tells those that run beside this one during a deployment, and do not know `gone`.
    tx.update(item, (member_id,), [item.gone.set(True), item.orders.set(0), item.version.add(1)], none, Conflict)


def forget_all_but_gone(member_id: str) -> None:
    """Forget what was kept of a member who has left: only that they have stays."""
    item = UnpaidOrders
    forgotten = (item.newcomer, item.version, item.held, item.let_go, item.bought, item.regular)
    actions = [item.gone.set(True), item.orders.set(0), *(each.remove() for each in forgotten)]
    write(item, (member_id,), actions)


def _as_read(standing: Standing) -> Condition:
    version = UnpaidOrders.version
    return version == standing.version if standing.version else version.does_not_exist()


def forget_stale(member_id: str, stale: frozenset[str]) -> None:
    """Take out what orders held that wait no longer: for ever, since no order waits for its payment again."""
    write(UnpaidOrders, (member_id,), [UnpaidOrders.held.delete(stale)])


def count_changed(tx: Transaction, before: Order, after: Order) -> None:
    """Count what a change of the order means for its member, as part of `tx`: it holds nothing any more, was let go, or
    paid; or its pieces count no longer against a product's limit. `tx` fails with Conflict where it is to stand again
    and its member has left."""
    item = UnpaidOrders
    actions: list[Action] = []
    if before.state == "awaiting_payment" != after.state:
        actions += [item.orders.add(-1), item.held.delete({rules.hold_of(before)})]
    condition = None
    if before.state == "closed" != after.state:
        actions.append(item.version.add(1))
        condition = item.gone.does_not_exist()
    if before.state != "closed" == after.state and after.newcomer:
        actions.append(item.newcomer.remove())
    let_go, was_let_go = rules.let_go_of(after), rules.let_go_of(before)
    if let_go != was_let_go:
        actions.append(item.let_go.add({let_go}) if let_go else item.let_go.delete({was_let_go}))
    bought = rules.bought_of(after)
    if bought and before.paid_at is None:
        actions.append(item.bought.add({bought}))
    if actions:
        tx.update(item, (after.member_id,), actions, condition, Conflict)
    counted = rules.counted(after)
    for product_id, pieces in rules.counted(before).items():
        if pieces > counted[product_id]:
            tx.update(Purchases, (after.member_id, product_id), [Purchases.pieces.add(counted[product_id] - pieces)])


def count_pieces(tx: Transaction, order: Order, limits: Mapping[str, int | None], look_again: bool = False) -> None:
    """Count the pieces that the order has of products with a limit, as part of `tx`, under these limits (None: without
    one). `tx` fails with OverLimit of a product, or Conflict to `look_again`, where they would be too many."""
    for product_id, pieces in rules.counted(order).items():
        limit = limits[product_id]
        fits = None
        if limit is not None:
            fits = Purchases.pieces.does_not_exist() | (Purchases.pieces <= limit - pieces)
        failure = Conflict if look_again else OverLimit(product_id)
        tx.update(Purchases, (order.member_id, product_id), [Purchases.pieces.add(pieces)], fits, failure)
