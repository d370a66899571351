"""Quoting and placing an order: gather what it is decided from, decide, and reserve all of it in one transaction."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chalicelib.commerce.cart import service as carts
from chalicelib.commerce.catalogue.offers.rules import Offer
from chalicelib.commerce.catalogue.stock import pools, shards
from chalicelib.commerce.catalogue.stock.pools import take_stock
from chalicelib.commerce.catalogue.stock.rules import OWN, SCATTERED
from chalicelib.commerce.catalogue.tables import shards_of
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.holding.queries import bought_pieces
from chalicelib.commerce.orders.holding.rules import OverLimit, over_limit
from chalicelib.commerce.orders.holding.service import count_pieces, count_placed, forget_stale
from chalicelib.commerce.orders.inputs import OrderInput, QuoteInput
from chalicelib.commerce.orders.jobs import CLOSE_UNPAID
from chalicelib.commerce.orders.placement import queries, rules
from chalicelib.commerce.orders.placement.rules import Checkout, Selection
from chalicelib.commerce.orders.ports import CACHE, groups, placement_observers, referrers
from chalicelib.commerce.orders.quotes.views import QuoteView, price_changed, quote_view
from chalicelib.commerce.orders.redemption import service as redemption
from chalicelib.commerce.orders.rules import Order, OrderLine
from chalicelib.commerce.orders.tables import Orders, item
from chalicelib.core import ids, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.customers.members.queries import is_theirs
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from chalicelib.platform.store.versioned import Conflict, Created, commit, create_once
from chalicelib.platform.web.tokens import Token

#: When an order that is not paid yet is first looked after; from then on ever more rarely, until its deadline.
WATCH_SECONDS = 60

#: How often placing begins anew. Each try may meet conflicts of its own; all of them together stay within the time that
#: API Gateway waits.
TRIES = 5


def quote(member_id: str, asked: QuoteInput, token: Token | None = None) -> QuoteView:
    """Reckon what this would cost now, and tell which lines cannot be bought. Raises `unauthenticated` for a `token`
    that is good no more, `invalid`, `cart_empty`, `not_found` for an address or a coupon, `region_not_served`,
    `coupon_unusable`, and what the deal of a group raises."""
    gathered = queries.gather_quote(member_id, asked, token)
    purchase, price = rules.estimate(gathered, asked.address_id is not None)
    return quote_view(purchase, price, asked.from_cart)


def place(member_id: str, key: str, asked: OrderInput, token: Token | None = None, subject: str = "") -> Order:
    """Place the order that this member's Idempotency-Key stands for; a repetition finds it placed. The member is
    admitted by what is read for it, where they called with a `token`. The `subject` is whom the session's token was
    made for, where that is one who was merged into the member since: the key is theirs.

    Stock is reserved, the cart's lines are taken out, the seat is held, the deadline is set: one transaction, at the
    price that the shopper saw. Raises `idempotency_key_reused`, `cart_empty`, `not_found`, `product_unavailable`,
    `out_of_stock`, `region_not_served`, `price_changed` (with the new quote), `coupon_unusable`, `coupon_taken`,
    `too_many_unpaid`, `purchase_limit`, `conflict`, `member_blocked`, `unauthenticated` for a member who is gone or a
    token that was called in, and what the deal of a group raises.
    """
    subject = subject or member_id
    order_id = _order_id(subject, key)
    digest = ids.digest(msgspec.json.encode(asked))
    return create_once(
        lambda: _place_once(member_id, subject, key, digest, asked, token),
        lambda: _find(order_id, member_id, token),
        lambda order: order.body_digest == digest,
        TRIES,
    )


def _order_id(subject: str, key: str) -> str:
    return ids.derived("o", subject, key)


def _place_once(
    member_id: str, subject: str, key: str, digest: str, asked: OrderInput, token: Token | None
) -> Order:  # fmt: skip
    order_id = _order_id(subject, key)
    checkout = queries.gather_order(member_id, order_id, asked, token)
    if (placed := _by_another_login(checkout.profile, subject, key, digest)) is not None:
        return placed
    checkout = _consolidated(checkout)
    purchase = checkout.purchase
    price = rules.price(purchase)
    if price.payable_fen != asked.expected_payable_fen:
        if asked.coupon_ids != "best":  # the new quote tells of the other coupons, too
            purchase = queries.gather_coupons(member_id, purchase)
            price = rules.price(purchase)
        raise price_changed(quote_view(purchase, price, asked.from_cart))
    return _commit(rules.new_order(order_id, digest, asked, checkout, price, subject), checkout)


def _by_another_login(member: Profile, subject: str, key: str, digest: str) -> Order | None:
    """Find the same order, placed by the same key in a session of another who is this member by now; None for none."""
    if not member.absorbed:
        return None
    others = {member.member_id, *(one.member_id for one in member.absorbed)} - {subject}
    found = order_queries.orders_of([_order_id(one, key) for one in sorted(others)])
    return next((order for order in found if order.body_digest == digest), None)


def _find(order_id: str, member_id: str, token: Token | None) -> Order | None:
    """Find the order where it is there. Raises `idempotency_key_reused` where it is somebody else's: of the member whom
    a login was taken out of, that has placed it before."""
    found = read.get(Orders, order_id)
    if found is None:
        return None
    if token is not None:  # what refused the order may have done so before it had read the member
        member_id = sessions.admit(token)
    if not is_theirs(found.order.member_id, member_id):
        raise MallError("idempotency_key_reused")
    order: Order = found.order
    return order


def _consolidated(checkout: Checkout) -> Checkout:
    """Bring together what lies scattered over shards, so that each line is taken from one place; the checkout with it.

    Each SKU's move is a transaction of its own, before the order's: it only changes where free pieces lie, and does no
    harm when the order comes to nothing. Raises Conflict when others took from the shards meanwhile.
    """
    places = dict(checkout.places)
    for line in checkout.purchase.selection.lines:
        if places[line.sku_id] == SCATTERED:
            over = checkout.purchase.selection.offers[line.sku_id].shards
            try:
                shards.consolidate(line.sku_id, over, line.quantity)
            finally:
                shards.recount(line.sku_id, over, line.quantity)
            places[line.sku_id] = OWN
    return msgspec.structs.replace(checkout, places=places)


def _commit(order: Order, checkout: Checkout) -> Order:
    """Write the order and all that goes with it, in one transaction. Raises `conflict` when it was placed before,
    Conflict, `out_of_stock`, `coupon_taken`, `purchase_limit`, and what holding the seat raises."""
    try:
        commit(_transaction(order, checkout))
    except ConditionFailed as fault:
        selection = checkout.purchase.selection
        if Conflict in fault.failed:
            raise Conflict from fault
        if short := [line for line in fault.failed if isinstance(line, OrderLine)]:
            raise _short(short, selection) from None
        if over := [one.product_id for one in fault.failed if isinstance(one, OverLimit)]:
            bought = bought_pieces(order.member_id, over[0])
            raise over_limit(over[0], bought, selection.lines, selection.offers) from None
        raise Conflict from fault
    return order


def _transaction(order: Order, checkout: Checkout) -> Transaction:
    """Put together what the order writes; where a line's pieces are too few, it fails with that line."""
    tx = Transaction()
    tx.create(item(order, 1), Created)
    for line in order.lines:
        take_stock(tx, line.sku_id, line.quantity, line, line.pool)
        tx.after_commit(shards.deduct, line.sku_id, line.pool, line.quantity)
    count_placed(tx, order, checkout.standing, checkout.unpaid_max)
    offers = checkout.purchase.selection.offers
    count_pieces(tx, order, {line.product_id: offers[line.sku_id].product.limit_per_member for line in order.lines})
    redemption.lock(tx, order, checkout.purchase.benefits.chosen)
    if checkout.deal is not None:
        groups().hold(tx, order, checkout.deal)
        tx.after_commit(cache.forget, CACHE)
    if checkout.referral.binding is not None:
        referrers().bind(tx, checkout.referral, order.order_id)
    if checkout.cart_lines:
        carts.take_out(tx, order.member_id, checkout.cart_lines)
    watched = min(order.created_at + timedelta(seconds=WATCH_SECONDS), order.pay_by)
    schedule(tx, CLOSE_UNPAID, order.order_id, watched)
    for each in placement_observers():
        each.placed(tx, order)
    if checkout.standing.stale:
        tx.after_commit(forget_stale, order.member_id, checkout.standing.stale)
    tx.after_commit(metrics.add, Metric.ORDERS_PLACED)
    tx.after_commit(cache.forget, "catalogue")
    return tx


def _short(lines: list[OrderLine], selection: Selection) -> Exception:
    """Say what it means that there were too few pieces for these lines: `out_of_stock`, or Conflict, when there may be
    some elsewhere. Where they are is counted now, so that the next try chooses by it."""
    cache.forget("catalogue")
    left = {line.sku_id: _left(line, selection.offers[line.sku_id]) for line in lines}
    short = {sku_id: pieces for sku_id, pieces in left.items() if pieces is not None}
    return rules.out_of_stock(selection.lines, short, selection.offers) if short else Conflict()


def _left(line: OrderLine, offer: Offer) -> int | None:
    """How many pieces are left of what the line wanted; None where there may be enough by now, there or elsewhere:
    these are counted."""
    if line.pool not in (OWN, *offer.shards):  # an activity's own
        left = pools.free_in(line.sku_id, line.pool)
    elif offer.shards:
        shards.recount(line.sku_id, offer.shards, line.quantity)
        return None
    else:
        item = shards.own(line.sku_id)
        if shards_of(item):  # it was spread in this moment
            return None
        left = int(item.free)
    return None if left >= line.quantity else left
