"""Reads of what a member holds and has bought: their item is never behind, and an index shows what was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.commerce.catalogue.tables import Products, product_key
from chalicelib.commerce.orders.holding import rules
from chalicelib.commerce.orders.holding.rules import Allowed, Standing
from chalicelib.commerce.orders.queries import OPEN, index_shows, orders_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.orders.settings import order_rules
from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
from chalicelib.core import clock
from chalicelib.platform.store import read
from chalicelib.platform.store.read import Key


def standing_key(member_id: str) -> Key:
    """Name the item that keeps what a member holds and has bought."""
    return UnpaidOrders, (member_id,)


def standing_of(item: Any) -> Standing:
    """Take what is kept of a member out of their item; who never ordered has none."""
    if item is None:
        return Standing()
    return Standing(
        orders=int(item.orders or 0), newcomer=item.newcomer or "", version=int(item.version or 0),
        held=frozenset(item.held or ()), let_go=frozenset(item.let_go or ()), bought=frozenset(item.bought or ()),
        regular=bool(item.regular), gone=bool(item.gone),
    )  # fmt: skip


def standing_now(member_id: str) -> Standing:
    """Read what is kept of a member's orders, as it is now."""
    return standing_of(read.get(UnpaidOrders, member_id))


def really_held(standing: Standing) -> Standing:
    """Set apart what is held by orders that wait no longer. Only where there are more or fewer of them than are counted
    are they looked at: an order that an older version ended has left its element, and one that it placed has none."""
    if len(standing.held) == standing.orders:
        return standing
    found = orders_of([hold.order_id for hold in standing.holds])
    return rules.still_held(standing, {order.order_id for order in found if order.state == "awaiting_payment"})


def allowed(standing: Standing) -> Allowed:
    """Say how much the member may hold unpaid now. Whether a payment has forgiven what they let go is looked for only
    where it decides."""
    settings, now = order_rules(), clock.now()
    most = settings.unpaid_max
    limit = rules.unpaid_max(rules.let_go_since(standing, now), most)
    if standing.orders >= limit and limit < most:
        forgiven = rules.forgiven_at(orders_of(standing.bought_ids))
        limit = rules.unpaid_max(rules.let_go_since(standing, now, forgiven), most)
    return Allowed(limit, settings.hold_pieces, limit < most)


def lets_go(member_id: str) -> bool:
    """Tell whether orders of the member were let go unpaid of late, which no payment has forgiven."""
    standing, now = standing_now(member_id), clock.now()
    if not rules.let_go_since(standing, now):
        return False
    return bool(rules.let_go_since(standing, now, rules.forgiven_at(orders_of(standing.bought_ids))))


def has_open(standing: Standing) -> bool:
    """Tell whether one of the orders that are kept of a member waits for something: its payment, its parcel, or the end
    of its time for refunds. Unlike an index, it is never behind."""
    return standing.orders > 0 or any(order.state in OPEN for order in orders_of(standing.bought_ids))


def has_bought(member_id: str, standing: Standing) -> bool:
    """Tell whether the member has an order that is paid and not refunded whole. Who had more of them paid than are kept
    is no new customer, whatever became of them."""
    return standing.regular or _bought_stands(standing) or index_shows(member_id)


def has_bought_before(member_id: str) -> bool:
    """Tell whether the member has an order that is paid and not refunded whole."""
    return has_bought(member_id, standing_now(member_id))


def is_new(member_id: str, standing: Standing) -> bool:
    """Tell whether no order of the member stands, paid or not."""
    if standing.orders or standing.newcomer or standing.regular or _bought_stands(standing):
        return False
    return not index_shows(member_id, or_ordered=True)


def _bought_stands(standing: Standing) -> bool:
    return any(order.state != "closed" for order in orders_of(standing.bought_ids))


def bought_pieces(member_id: str, product_id: str) -> int:
    """Tell how many pieces of a product count against the member's limit."""
    item = read.get(Purchases, member_id, product_id)
    return 0 if item is None else int(item.pieces)


def limits_again(order: Order) -> Mapping[str, int | None] | None:
    """Give the limits, now, of the products that a closed order counts again when it is paid after all; None where its
    member has no room for it under them any more."""
    limits: dict[str, int | None] = {}
    for product_id, pieces in rules.counted(msgspec.structs.replace(order, state="awaiting_group")).items():
        item = read.get(Products, *product_key(product_id)[1])
        limit = None if item is None else item.product.limit_per_member
        if limit is not None and bought_pieces(order.member_id, product_id) + pieces > limit:
            return None
        limits[product_id] = limit
    return limits
