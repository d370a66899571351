"""The coupons of an order: locked as it is placed, used as it is paid, back in their member's hands when it is not."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError
from chalicelib.coupons import uses
from chalicelib.coupons.rules import Held
from chalicelib.coupons.tables import Coupons, coupon_key, held
from chalicelib.jobs.declarations import Event
from chalicelib.jobs.events import emit
from chalicelib.orders.jobs import COUPON_RETURNED, COUPON_USED
from chalicelib.orders.rules import Order, OrderCoupon
from chalicelib.pricing.discounts import Chosen
from chalicelib.pricing.rules import Quote
from chalicelib.store import read
from chalicelib.store.transaction import Transaction


def keys(member_id: str, chosen: Chosen) -> list[read.Key]:
    """What must be read of the chosen coupons; `picked` takes it."""
    return [] if chosen == "best" else [coupon_key(member_id, coupon_id) for coupon_id in chosen]


def picked(items: Sequence[Coupons | None]) -> list[Held]:
    """The chosen coupons, as they are. Raises `not_found` naming the field, for a coupon that there is not, also for
    another's."""
    found = [held(item) for item in items if item is not None]
    if len(found) < len(items):
        field = f"coupon_ids[{items.index(None)}]"
        raise MallError("not_found", errors=(FieldError(field, "no such coupon"),))
    return found


def of_member(member_id: str, known: Sequence[Held]) -> list[Held]:
    """All that a quote must know of: the member's open coupons, and those that were read by themselves, which the index
    of the open ones may not show as they are."""
    own = {one.coupon.coupon_id for one in known}
    return [*known, *(one for one in uses.open_coupons(member_id) if one.coupon.coupon_id not in own)]


def of_order(price: Quote, known: Sequence[Held]) -> list[OrderCoupon]:
    """The coupons that the order takes, with what each takes off."""
    by_id = {one.coupon.coupon_id: one.coupon for one in known}
    return [
        OrderCoupon(
            coupon_id=used.coupon_id,
            template_id=by_id[used.coupon_id].template_id,
            discount_fen=used.discount_fen,
            returns=by_id[used.coupon_id].terms.returns,
        )
        for used in price.coupons
    ]


def lock(tx: Transaction, order: Order, chosen: Chosen) -> None:
    """Take the order's coupons as part of `tx`, which fails with `coupon_taken` when another order has one."""
    for coupon in order.coupons:
        field = "coupon_ids" if chosen == "best" else f"coupon_ids[{chosen.index(coupon.coupon_id)}]"
        taken = MallError("coupon_taken", errors=(FieldError(field, "in another order"),))
        uses.lock(tx, order.member_id, coupon.coupon_id, order.order_id, order.created_at, taken)


def use(tx: Transaction, order: Order, again: bool = False) -> None:
    """The order is paid: its coupons are used, and whoever counts them is told. `again`: it had been closed, and its
    coupons were free."""
    for coupon in order.coupons:
        take = uses.take_again if again else uses.use
        take(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")
        _tell(tx, order, COUPON_USED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def free(tx: Transaction, order: Order) -> None:
    """The order closes unpaid: its coupons can be used again."""
    for coupon in order.coupons:
        uses.free(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")


def give_back(tx: Transaction, order: Order, always: bool) -> None:
    """All of the order is refunded: its coupons come back, where their templates allow it, or `always`."""
    for coupon in order.coupons:
        if coupon.returns or always:
            uses.give_back(tx, order.member_id, coupon.coupon_id, order.order_id, "a coupon is not the order's")
            _tell(tx, order, COUPON_RETURNED, coupon.coupon_id, coupon.template_id, coupon.discount_fen)


def all_unused(order: Order) -> bool:
    """Whether an order that was closed could have its coupons again."""
    if not order.coupons:
        return True
    items = read.batch_get([coupon_key(order.member_id, one.coupon_id) for one in order.coupons])
    now = clock.now()
    return all(item is not None and held(item).unusable(now) is None for item in items)


def _tell(tx: Transaction, order: Order, event: Event, coupon_id: str, template_id: str, discount_fen: int) -> None:
    payload = {"template_id": template_id, "discount_fen": str(discount_fen), "paid_fen": str(order.payable_fen)}
    emit(tx, event, f"{order.order_id}|{coupon_id}", **payload)
