"""Commands on the coupons of an order: locked as it is placed, used as it is paid, free again when it is not."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.commerce.orders.jobs import COUPON_RETURNED, COUPON_USED
from chalicelib.commerce.orders.refusals import IN_ANOTHER_ORDER
from chalicelib.commerce.orders.rules import Order, OrderCoupon
from chalicelib.commerce.pricing.discounts.rules import Chosen
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def lock(tx: Transaction, order: Order, chosen: Chosen) -> None:
    """Take the order's coupons as part of `tx`, which fails with `coupon_taken` when another order has one."""
    for coupon in order.coupons:
        field = "coupon_ids" if chosen == "best" else f"coupon_ids[{chosen.index(coupon.coupon_id)}]"
        taken = MallError("coupon_taken", errors=(IN_ANOTHER_ORDER.at(field),))
        wallet.lock(tx, order.member_id, coupon.template_id, coupon.coupon_id, order.order_id, order.created_at, taken)


def use(tx: Transaction, order: Order, again: bool = False) -> None:
    """Use the coupons of an order that is paid, and tell of each, as part of `tx`. `again`: the order had been closed,
    and its coupons were free."""
    for coupon in order.coupons:
        if again:
            wallet.take_again(tx, order.member_id, coupon.template_id, coupon.coupon_id, order.order_id, Conflict)
        else:
            wallet.use(tx, order.member_id, coupon.coupon_id, order.order_id, Conflict)
        _tell(tx, order, COUPON_USED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def free(tx: Transaction, order: Order) -> None:
    """Free the coupons of an order that closes unpaid, as part of `tx`: they can be used again."""
    for coupon in order.coupons:
        wallet.free(tx, order.member_id, coupon.template_id, coupon.coupon_id, order.order_id, Conflict)


def return_coupons(tx: Transaction, order: Order, always: bool) -> None:
    """Return the coupons of an order that is refunded whole to its member, where their templates allow it, or `always`;
    as part of `tx`; those that came back before are not the order's any more."""
    for coupon in order.coupons:
        if (coupon.returns or always) and not coupon.came_back:
            _return(tx, order, coupon)


def return_lapsed(tx: Transaction, order: Order, coupon_ids: Collection[str]) -> Order:
    """Return these coupons of the order, which do not apply any more, to its member, as part of `tx`; the order after
    it."""
    for coupon in order.coupons:
        if coupon.coupon_id in coupon_ids:
            _return(tx, order, coupon)
    coupons = [
        msgspec.structs.replace(coupon, came_back=coupon.came_back or coupon.coupon_id in coupon_ids)
        for coupon in order.coupons
    ]
    return msgspec.structs.replace(order, coupons=coupons)


def _return(tx: Transaction, order: Order, coupon: OrderCoupon) -> None:
    wallet.give_back(tx, order.member_id, coupon.template_id, coupon.coupon_id, order.order_id, Conflict)
    _tell(tx, order, COUPON_RETURNED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def _tell(tx: Transaction, order: Order, event: Event, coupon_id: str, template_id: str, discount_fen: int) -> None:
    payload = {"template_id": template_id, "discount_fen": str(discount_fen), "paid_fen": str(order.payable_fen)}
    emit(tx, event, f"{order.order_id}|{coupon_id}", **payload)
