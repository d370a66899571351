"""The end of one order of an ended lobby, in its own transaction; the lobby's end and the draw both come to it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.payment.service import proceed
from chalicelib.commerce.orders.refunds.issue import refund_difference, refund_in_full
from chalicelib.commerce.orders.refunds.rules import freight_left
from chalicelib.commerce.orders.rules import Order, noted
from chalicelib.core import clock
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import GIVE_CONSOLATION
from chalicelib.growth.groupbuy.rules import Fate, Terms
from chalicelib.growth.groupbuy.seats import service as seats
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction


def apply_fate(order_id: str, fate_of: Callable[[Order], Fate], terms: Terms, job: Job | None = None) -> None:
    """Bring one order of an ended lobby to its end; nothing when it has moved on."""

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "awaiting_group" or order.group is None:
            return order
        fate = fate_of(order)
        if fate.seat != "taken":
            order = msgspec.structs.replace(order, group=seats.move(tx, order, "taken", fate.seat))
        if fate.seat == "lost" and terms.lottery is not None and terms.lottery.losers_coupon is not None:
            schedule(tx, GIVE_CONSOLATION, order_id, None, template_id=terms.lottery.losers_coupon)
        if not fate.ships:
            seats.count_bought(tx, terms, order, -1)
            return refund_in_full(noted(order, fate.what, "system", clock.now()), tx, fate.what, fate.why)
        after = proceed(order, tx, fate.what, fate.why)
        if fate.free:
            goods = {line.sku_id: line.payable_fen - line.reduced_fen for line in after.lines}
            return refund_difference(after, tx, fate.what, goods, freight_left(after), fate.why)
        back_fen = rules.back_of(after.lines[0], fate.back_fen)
        if back_fen:
            return refund_difference(after, tx, fate.what, {after.lines[0].sku_id: back_fen}, 0, fate.why)
        return after

    changes.change(order_id, decide, job)
