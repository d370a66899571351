"""The audit: recompute what orders, journal, stock and WeChat's books say of each other, and name every difference.

Pure: its caller has read the tables (and, on one machine, asked the sandbox for its books). No formula of the rules is
used, here or in the checks of the subjects, so that what a rule gets wrong is not wrong here as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from chalicelib.commerce.coupons.checks import Use
from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.delivery.checks import overdue, state_faults
from chalicelib.commerce.orders.holding.checks import Kept, holding_faults
from chalicelib.commerce.orders.placement.checks import coupon_faults, price_faults, promotion_faults
from chalicelib.commerce.orders.refunds.checks import amount, refund_faults
from chalicelib.commerce.orders.rules import Order, OrderCoupon
from chalicelib.commerce.pricing.promotions.rules import Promotion
from chalicelib.core.difference import Difference
from chalicelib.ledger.checks import COMMISSIONS, FREIGHT, GOODS, REFUNDS_OWED, SURPLUS
from chalicelib.ledger.rules import Entry

#: Accounts that only entries about orders change.
_OF_ORDERS = frozenset({GOODS, FREIGHT, REFUNDS_OWED, SURPLUS, COMMISSIONS})


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What orders were placed under: coupons by id, promotions by id and version, and the highest floor that prices
    ever had, in basis points. `merged`: whom members were merged into; what was theirs is moved by and by."""

    coupons: Mapping[str, Held] = {}
    promotions: Mapping[tuple[str, int], Promotion] = {}
    floor_bp: int = 0
    merged: Mapping[str, str] = {}


class Stock(msgspec.Struct, frozen=True):
    """What is kept of one SKU's pieces; with a `pool`, of those that were set aside for it."""

    sku_id: str
    free: int
    taken: int
    supplied: int
    pool: str = ""


class Counted(msgspec.Struct, frozen=True):
    """What is counted of one member: the orders that wait for their payment, and which has a price for new customers
    ("": none); and what else is kept of them, where that is compared."""

    orders: int
    newcomer: str = ""
    kept: Kept | None = None


class Payment(msgspec.Struct, frozen=True):
    """A payment in WeChat's books; it was made, whatever of it has been refunded since."""

    out_trade_no: str
    transaction_id: str
    amount_fen: int


class PaidRefund(msgspec.Struct, frozen=True):
    """A refund in WeChat's books that has been paid out."""

    out_refund_no: str
    amount_fen: int


def audit(
    orders: Iterable[Order],
    entries: Iterable[Entry],
    stocks: Iterable[Stock] | None = None,
    payments: Iterable[Payment] | None = None,
    refunds: Iterable[PaidRefund] | None = None,
    unpaid: Mapping[str, Counted] | None = None,
    terms: Terms | None = None,
    now: datetime | None = None,
) -> list[Difference]:
    """List every difference; none, when all money and stock is accounted for, and nothing is overdue `now`.

    Stocks, WeChat's books, what is counted of members' orders, the terms of discounts and the time are left out when
    None.
    """
    by_id = {order.order_id: order for order in orders}
    by_order: dict[str, list[Entry]] = {order_id: [] for order_id in by_id}
    found: list[Difference] = []
    for entry in entries:
        if sum(posting.amount_fen for posting in entry.postings):
            found.append(Difference(entry.about, f"entry {entry.cause} does not sum to zero"))
        if entry.about in by_id:
            by_order[entry.about].append(entry)
        elif any(posting.account in _OF_ORDERS for posting in entry.postings):
            found.append(Difference(entry.about, f"entry {entry.cause} is of no order"))
    for order in by_id.values():
        found += differences_of_order(order, by_order[order.order_id])
        found += [Difference(order.order_id, what) for what in _document_faults(order, terms, now)]
    found += _newcomer_differences(by_id.values())
    if stocks is not None:
        found += _stock_differences(by_id.values(), stocks)
    if unpaid is not None:
        found += _unpaid_differences(by_id.values(), unpaid)
    if payments is not None:
        found += _payment_differences(by_id, {payment.out_trade_no: payment for payment in payments})
    if refunds is not None:
        found += _refund_differences(by_id, {refund.out_refund_no: refund for refund in refunds})
    return found


def _document_faults(order: Order, terms: Terms | None, now: datetime | None) -> Iterator[str]:
    """What an order's document gets wrong by itself."""
    yield from price_faults(order)
    yield from refund_faults(order)
    yield from state_faults(order)
    if terms is not None:
        yield from coupon_faults(order, terms.coupons, terms.floor_bp, terms.merged)
        yield from promotion_faults(order, terms.promotions)
    if now is not None:
        yield from overdue(order, now)


def audit_coupons(orders: Iterable[Order], coupons: Iterable[Held]) -> list[Difference]:
    """Compare every coupon with the orders: locked by one that waits for its payment, used by one that was paid."""
    by_id = {one.coupon.coupon_id: one for one in coupons}
    found: list[Difference] = []
    wanted: dict[str, tuple[str, str]] = {}
    for order in orders:
        for used in order.coupons:
            held = by_id.get(used.coupon_id)
            if held is None:
                found.append(Difference(order.order_id, f"has a coupon that there is not: {used.coupon_id}"))
            elif (state := _takes(order, used, held)) is not None:
                if used.coupon_id in wanted:
                    both = f"{wanted[used.coupon_id][1]} and {order.order_id}"
                    found.append(Difference(used.coupon_id, f"is in two orders: {both}"))
                wanted[used.coupon_id] = (state, order.order_id)
    for coupon_id, held in by_id.items():
        state, order_id = wanted.get(coupon_id, ("unused", ""))
        if (held.state, held.order_id if held.state != "unused" else "") != (state, order_id):
            found.append(Difference(coupon_id, f"is {held.state} {held.order_id}, its orders say {state} {order_id}"))
    return found


def coupon_uses(orders: Iterable[Order], coupons: Iterable[Held]) -> dict[str, Use]:
    """Find what each used coupon took off, and what was paid for the order that it was used in; by the coupon's id."""
    by_id = {order.order_id: order for order in orders}
    return {
        used.coupon_id: Use(used.discount_fen, order.payable_fen)
        for one in coupons
        if one.state == "used" and (order := by_id.get(one.order_id)) is not None
        for used in order.coupons
        if used.coupon_id == one.coupon.coupon_id
    }


def _takes(order: Order, used: OrderCoupon, held: Held) -> str | None:
    """The state in which the order has its coupon; None where that is free, or may be.

    A coupon of an order that was refunded whole need not come back; one that came back before is the order's no more.
    """
    if used.came_back:
        return None
    is_its = held.state == "used" and held.order_id == order.order_id
    if order.state == "awaiting_payment":
        return "locked"
    if order.state == "closed":
        return "used" if is_its and not used.returns else None
    return "used"


def _stock_differences(orders: Iterable[Order], stocks: Iterable[Stock]) -> list[Difference]:
    """Compare the pieces taken with what orders hold and what pools were supplied; free + taken = supplied."""
    counted = list(stocks)
    held: Counter[tuple[str, str]] = Counter()
    for order in orders:
        for line in order.lines:
            held[line.sku_id, line.pool] += line.quantity - line.restocked
    for stock in counted:
        if stock.pool:
            held[stock.sku_id, ""] += stock.supplied
    found: list[Difference] = []
    for stock in counted:
        about = f"{stock.sku_id} {stock.pool}".rstrip()
        if stock.free < 0 or stock.free + stock.taken != stock.supplied:
            what = f"{stock.free} free + {stock.taken} taken is not {stock.supplied} supplied"
            found.append(Difference(about, what))
        holds = held.pop((stock.sku_id, stock.pool), 0)
        if stock.taken != holds:
            found.append(Difference(about, f"{stock.taken} taken, orders and pools hold {holds}"))
    return found + [
        Difference(sku_id, f"orders hold {count} of no stock") for (sku_id, _), count in held.items() if count
    ]


def _payment_differences(orders: Mapping[str, Order], payments: Mapping[str, Payment]) -> list[Difference]:
    found: list[Difference] = []
    for number, payment in payments.items():
        order = orders.get(number)
        if order is None or not order.transaction_id:
            found.append(Difference(number, f"WeChat has a payment of {payment.amount_fen} fen that we do not have"))
        elif (order.transaction_id, order.paid_fen) != (payment.transaction_id, payment.amount_fen):
            found.append(Difference(number, f"we have {order.paid_fen} fen, WeChat has {payment.amount_fen}"))
    return found + [
        Difference(order.order_id, "we have a payment that WeChat does not have")
        for order in orders.values()
        if order.transaction_id and order.order_id not in payments
    ]


def _refund_differences(orders: Mapping[str, Order], refunds: Mapping[str, PaidRefund]) -> list[Difference]:
    ours = {
        refund.refund_id if not refund.closed else f"{refund.refund_id}-{refund.closed + 1}": amount(refund)
        for order in orders.values()
        for refund in order.refunds
        if refund.state == "succeeded" and amount(refund)
    }
    theirs = {refund.out_refund_no: refund.amount_fen for refund in refunds.values()}
    return [
        Difference(number, f"refunded: we say {ours.get(number)}, WeChat says {theirs.get(number)} fen")
        for number in sorted(ours.keys() | theirs.keys())
        if ours.get(number) != theirs.get(number)
    ]


def _has_newcomer_price(order: Order) -> bool:
    return any(off.kind == "new_customer_price" for off in order.discounts)


def _newcomer_differences(orders: Iterable[Order]) -> list[Difference]:
    """Find prices for new customers of members who had bought something: with such a price, or before. Who turned out
    to be one person later may each have had it."""
    by_member: dict[str, list[Order]] = {}
    for order in orders:
        if order.state != "closed":
            by_member.setdefault(order.placed_as or order.member_id, []).append(order)
    found: list[Difference] = []
    for its in by_member.values():
        newcomers = [order for order in its if _has_newcomer_price(order)]
        last = newcomers[-1] if newcomers else None
        for order in newcomers:
            earlier = [one for one in its if one.paid_at is not None and one.paid_at < order.created_at]
            if last is not None and order is not last:
                found.append(Difference(order.order_id, f"has the price for new customers, as {last.order_id} has"))
            elif earlier:
                what = f"has the price for new customers, and its member had bought {earlier[0].order_id}"
                found.append(Difference(order.order_id, what))
    return found


def _right_newcomers(orders: Sequence[Order]) -> list[str]:
    """List which order may be kept as a member's with the price for new customers, of all that have or had it: the one
    that stands; of several, as who were merged had one each, any that stands, or none since one of them was closed."""
    standing = [order.order_id for order in orders if order.state != "closed"]
    if standing and any(order.placed_as for order in orders):
        return ["", *standing]
    return standing[-1:] or [""]


def _unpaid_differences(orders: Iterable[Order], unpaid: Mapping[str, Counted]) -> list[Difference]:
    """Compare what is counted of each member's orders with those there are; nothing is counted of who has left."""
    placed = list(orders)
    left = {order.member_id for order in placed if not order.openid}
    by_member: dict[str, list[Order]] = {}
    for order in placed:
        by_member.setdefault(order.member_id, []).append(order)
    there = Counter(order.member_id for order in placed if order.state == "awaiting_payment")
    newcomers: dict[str, list[Order]] = {}
    for order in placed:
        if _has_newcomer_price(order):
            newcomers.setdefault(order.member_id, []).append(order)
    found: list[Difference] = []
    for member_id in sorted((there.keys() | unpaid.keys() | newcomers.keys()) - left):
        counted = unpaid.get(member_id, Counted(0))
        if counted.orders != there[member_id]:
            what = f"{counted.orders} unpaid orders are counted, there are {there[member_id]}"
            found.append(Difference(member_id, what))
        if counted.newcomer not in (right := _right_newcomers(newcomers.get(member_id, []))):
            what = f"{counted.newcomer} is kept as a new customer's, orders say {right[-1]}"
            found.append(Difference(member_id, what))
        if counted.kept is not None:
            told = holding_faults(counted.kept, by_member.get(member_id, []))
            found += [Difference(member_id, what) for what in told]
    return found
