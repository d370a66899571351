"""Commissions: made when an order is paid, taken back as it is refunded, released when it was received long enough ago.

All of it is one use case, `settle`: hold the commissions of an order against the order, and make the first change that
is due, until none is. Whatever happened, however often it is told and in whatever sequence, it ends the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.tables import product_key
from chalicelib.commerce.orders.refunds.issue import order_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.tables import Orders
from chalicelib.core import clock
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.distribution.distributors.queries import followed
from chalicelib.growth.distribution.jobs import RAISE_TIER, RELEASE_COMMISSIONS
from chalicelib.growth.distribution.rules import LEVELS_MAX, Commission, Payee, commissions, reduced
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    BINDING,
    Commissions,
    Distributors,
    binding_key,
    board,
    commission_item,
    commission_key,
    customer_item,
    distributor_key,
    month_key,
)
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned, commit, retry

#: How long a commission waits for a refund that is still to be decided, in seconds.
_OPEN_REFUND_SECONDS = 3600.0


def hold_commissions(job: Job) -> None:
    """Make the commissions of an order that somebody is paid for, once it counts as sold."""
    settle(job.key, paid_now=True)


def take_back_commissions(job: Job) -> None:
    """Take back the part of the commissions that a refund gave back, or release what a refused refund had held."""
    settle(order_of(job.key))


def date_release(job: Job) -> None:
    """Date the release of commissions: from the receipt of their order on the days run."""
    settle(job.key)


def count_for_tier(job: Job) -> None:
    """Count an order that is completed for its distributor's tier."""
    settle(job.key)


def release_commissions(job: Job) -> None:
    """Release the commissions of an order when their days are over; again after an hour while a refund is undecided."""
    settle(job.key)
    waits = [one for one in _of_order(job.key) if one.state == "pending" and one.available_at is not None]
    if waits:
        raise RetryLater(_OPEN_REFUND_SECONDS)


def settle(order_id: str, paid_now: bool = False) -> None:
    """Bring the commissions of an order in line with the order. New ones are made only where it was `paid_now`: what
    was paid while distribution was off pays nobody afterwards. Raises `conflict`, `unavailable`."""
    while retry(lambda: _settle_once(order_id, paid_now)):
        pass


def _settle_once(order_id: str, paid_now: bool) -> bool:
    """Make the first change that is due; False when there is none."""
    keys = [commission_key(order_id, level) for level in range(1, LEVELS_MAX + 1)]
    order_item, *found = read.batch_get([(Orders, (order_id,)), *keys])
    if order_item is None:
        return False
    tx = Transaction()
    known = [Versioned(item.commission, int(item.version)) for item in found if item is not None]
    if not known and paid_now:
        _make(tx, Versioned(order_item.order, int(order_item.version)))
    for before in known:
        if _change(tx, before, [one.value for one in known], order_item.order):
            break
    if not len(tx):
        return False
    commit(tx)
    return True


def _make(tx: Transaction, found: Versioned[Order]) -> None:
    """Make commissions for the active distributors of the order's chain; add nothing to `tx` when there is none."""
    order = found.value
    section = DISTRIBUTION.versioned()
    rules, version = section.value, section.version
    if not rules.runs_in(order.address.region_code):
        return
    chain = order.chain[: rules.levels]
    bound, *people = read.batch_get(
        [binding_key(order.placed_by), *(distributor_key(member_id) for member_id in chain)]
    )
    payees = _payees(people)
    if not payees:
        return
    now = clock.now()
    bound = bound or _bound_later(order)
    if bound is not None and bound.member_id == order.placed_as:
        order = msgspec.structs.replace(order, member_id=bound.member_id)  # the tie is not moved yet
    inviter, buyer = (
        ("", "") if bound is None or not _counts(bound, order.member_id) else (bound.inviter, bound.member_id)
    )
    made = [
        msgspec.structs.replace(one, own_customer=True, on_board=rules.leaderboard)
        if inviter and inviter in (one.member_id, one.earned_as)
        else one
        for one in commissions(order, payees, _product_rates(order), rules, version, now)
    ]
    if not made[0].base_fen:  # all of it was given back before
        return
    # What happens to the order from now on is told to commissions that are there; before, it is in what was read.
    tx.check(Orders, (order.order_id,), Orders.version == found.version, Conflict)
    for commission in made:
        tx.create(commission_item(commission, 1), Conflict)
        if commission.amount_fen:
            about = order.order_id, commission.level, commission.member_id, now
            ledger.post(tx, entries.earned(*about, commission.amount_fen))
        if commission.own_customer:
            counts = [Distributors.orders.add(1), Distributors.paid_fen.add(commission.base_fen)]
            tx.update(*binding_key(buyer), counts, Distributors.inviter == inviter, Conflict)
            _count_on_board(tx, commission, commission.base_fen)


def _payees(people: Sequence[Any]) -> list[Payee]:
    """List whom an order pays, by who is found of its chain: who turned out to be another is paid as that one, and
    nobody on two levels."""
    payees: list[Payee] = []
    for level, named in enumerate(people, 1):
        item = followed(named)
        if item is None or item.distributor.state != "active":
            continue
        if all(one.member_id != item.member_id for one in payees):
            earned_as = "" if item.member_id == named.member_id else named.member_id
            payees.append(Payee(level, item.member_id, item.distributor.tier, earned_as))
    return payees


def _bound_later(order: Order) -> Distributors | None:
    """Read what the member of an order is bound by, where who placed it is not bound: the order may be moved to who
    they turned out to be before the tie, or after it."""
    moved = read.get(Distributors, *binding_key(order.member_id)[1]) if order.placed_as else None
    return moved or _bound_now(order.member_id)


def _bound_now(member_id: str) -> Distributors | None:
    """Read what a member is bound by who is not bound themselves: as who they turned out to be."""
    now = resolved(member_id)
    return None if now == member_id else read.get(Distributors, *binding_key(now)[1])


def _product_rates(order: Order) -> dict[str, int | None]:
    """Read the products' own rates, in basis points; a product that was deleted has none."""
    products = list(dict.fromkeys(line.product_id for line in order.lines))
    items = read.batch_get([product_key(product_id) for product_id in products])
    return {
        product_id: None if item is None else item.product.commission_bp
        for product_id, item in zip(products, items, strict=True)
    }


def _change(tx: Transaction, before: Versioned[Commission], all_levels: list[Commission], order: Order) -> bool:
    """Add the first change that is due to `tx`: what refunds took, the day of release, the release, the count for a
    tier. False when none is due. `all_levels`: the order's commissions, whose rates and lines never change."""
    commission = before.value
    now = clock.now()
    after = reduced(commission, all_levels, order)
    if after is not commission:
        _take_back(tx, before, after)
    elif order.received_at is not None and commission.available_at is None:
        at = order.received_at + timedelta(days=commission.freeze_days)
        after = msgspec.structs.replace(commission, available_at=at)
        schedule(tx, RELEASE_COMMISSIONS, order.order_id, max(at, now))
    elif _due(commission, order):
        counts = order.state == "completed"
        after = msgspec.structs.replace(commission, state="available", uncounted=commission.own_customer and not counts)
        _release(tx, after)
        if counts:
            _count_for_tier(tx, after, order.member_id)
    elif commission.uncounted and order.state == "completed":
        after = msgspec.structs.replace(commission, uncounted=False)
        _count_for_tier(tx, after, order.member_id)
    else:
        return False
    tx.put(commission_item(after, before.version + 1), Commissions.version == before.version, Conflict)
    return True


def _due(commission: Commission, order: Order) -> bool:
    """Tell whether the commission is to be released now."""
    if commission.state != "pending" or commission.available_at is None or clock.now() < commission.available_at:
        return False
    return not _undecided(order)


def _undecided(order: Order) -> bool:
    return any(refund.state == "requested" for refund in order.refunds)


def _take_back(tx: Transaction, found: Versioned[Commission], after: Commission) -> None:
    """Take back the part of a refund: from where the commission stands in the account, whatever is there."""
    before = found.value
    fen, base = before.amount_fen - after.amount_fen, before.base_fen - after.base_fen
    if fen:
        about = after.order_id, after.level, after.member_id, clock.now()
        kind = "available" if before.state == "available" else "pending"
        ledger.post(tx, entries.reversed_to(*about, fen, after.amount_fen, kind, found.version))
    if before.own_customer:
        if before.state == "available" and not before.uncounted:
            tx.update(*distributor_key(after.member_id), [Distributors.sales_fen.add(-base)])
        _count_for_binding(tx, before, -base)
        _count_on_board(tx, after, -base)


def _release(tx: Transaction, commission: Commission) -> None:
    """Let what remains be withdrawn."""
    if commission.amount_fen:
        about = commission.order_id, commission.level, commission.member_id, clock.now()
        ledger.post(tx, entries.released(*about, commission.amount_fen))


def _count_for_tier(tx: Transaction, commission: Commission, buyer_id: str) -> None:
    """Count an order that its member cannot give back any more for the distributor's tier: under whom they placed it
    as; who they turned out to be (`buyer_id`) is not counted once more."""
    if not commission.own_customer or not commission.base_fen:
        return
    counts = [Distributors.sales_fen.add(commission.base_fen), Distributors.orders.add(1)]
    customers = [customer_item(commission.member_id, one) for one in dict.fromkeys((commission.buyer_id, buyer_id))]
    known = read.batch_get([(Distributors, (one.member_id, one.part)) for one in customers])
    if not any(known):  # once, however often they are bound
        for number, customer in enumerate(customers):
            customer.carried = True if number else None
            tx.create(customer, Conflict)
        counts.append(Distributors.customers.add(1))
    tx.update(*distributor_key(commission.member_id), counts)
    if DISTRIBUTION.current().tiers:
        schedule(tx, RAISE_TIER, commission.member_id)


def _count_for_binding(tx: Transaction, commission: Commission, base_fen: int) -> None:
    """Count what the buyer has paid for their inviter, unless they were bound to another since."""
    bound = read.get(Distributors, commission.buyer_id, BINDING) or _bound_now(commission.buyer_id)
    if bound is None or not _counts(bound, commission.buyer_id) or bound.binding.bound_at > commission.created_at:
        return
    if bound.inviter and bound.inviter in (commission.member_id, commission.earned_as):
        counts = [Distributors.paid_fen.add(base_fen)]
        tx.update(*binding_key(bound.member_id), counts, Distributors.inviter == bound.inviter, Conflict)


def _counts(bound: Distributors, buyer_id: str) -> bool:
    """Tell whether it counts on the tie what was bought by that member, who may be another by now."""
    return buyer_id == bound.member_id or buyer_id in bound.binding.also


def _count_on_board(tx: Transaction, commission: Commission, base_fen: int) -> None:
    """Count the sale for the leaderboard of the month in which it was made."""
    if commission.on_board and base_fen:
        month = entries.month(commission.created_at)
        counts: list[Any] = [Distributors.sales_fen.add(base_fen)]
        counts.append(Distributors.board.set(board(month, commission.member_id)))
        tx.update(*month_key(commission.member_id, month), counts)


def _of_order(order_id: str) -> list[Commission]:
    items = read.batch_get([commission_key(order_id, level) for level in range(1, LEVELS_MAX + 1)])
    return [item.commission for item in items if item is not None]
