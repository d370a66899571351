"""The coupons of an order: locked as it is placed, used as it is paid, back in their member's hands when it is not."""

from __future__ import annotations

from chalicelib.commerce.coupons.wallet import service as wallet
from chalicelib.commerce.orders.jobs import COUPON_RETURNED, COUPON_USED
from chalicelib.commerce.orders.rules import Order
from chalicelib.commerce.pricing.discounts.rules import Chosen
from chalicelib.core.errors import FieldError, MallError
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.store.transaction import Transaction


def lock(tx: Transaction, order: Order, chosen: Chosen) -> None:
    """Take the order's coupons as part of `tx`, which fails with `coupon_taken` when another order has one."""
    for coupon in order.coupons:
        field = "coupon_ids" if chosen == "best" else f"coupon_ids[{chosen.index(coupon.coupon_id)}]"
        taken = MallError("coupon_taken", errors=(FieldError(field, "in another order"),))
        wallet.lock(tx, order.member_id, coupon.coupon_id, order.order_id, order.created_at, taken)


def use(tx: Transaction, order: Order, again: bool = False) -> None:
    """The order is paid: its coupons are used, and whoever counts them is told. `again`: it had been closed, and its
    coupons were free."""
    for coupon in order.coupons:
        take = wallet.take_again if again else wallet.use
        take(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")
        _tell(tx, order, COUPON_USED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def free(tx: Transaction, order: Order) -> None:
    """The order closes unpaid: its coupons can be used again."""
    for coupon in order.coupons:
        wallet.free(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")


def give_back(tx: Transaction, order: Order, always: bool) -> None:
    """All of the order is refunded: its coupons come back, where their templates allow it, or `always`."""
    for coupon in order.coupons:
        if coupon.returns or always:
            wallet.give_back(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")
            _tell(tx, order, COUPON_RETURNED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def _tell(tx: Transaction, order: Order, event: Event, coupon_id: str, template_id: str, discount_fen: int) -> None:
    payload = {"template_id": template_id, "discount_fen": str(discount_fen), "paid_fen": str(order.payable_fen)}
    emit(tx, event, f"{order.order_id}|{coupon_id}", **payload)
