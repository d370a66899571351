"""The end of one order of an ended lobby, in its own transaction; the lobby's end and the draw both come to it."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.accounting.rules import lapsed
from chalicelib.commerce.orders.payment.service import proceed
from chalicelib.commerce.orders.redemption.queries import of_order as coupons_of_order
from chalicelib.commerce.orders.redemption.service import return_lapsed
from chalicelib.commerce.orders.refunds.issue import refund_difference, refund_in_full
from chalicelib.commerce.orders.refunds.rules import freight_left
from chalicelib.commerce.orders.rules import Order, noted
from chalicelib.core import clock
from chalicelib.growth.groupbuy.jobs import GIVE_CONSOLATION
from chalicelib.growth.groupbuy.lobbies import rules
from chalicelib.growth.groupbuy.lobbies.rules import ENTERS, FAILED, Fate
from chalicelib.growth.groupbuy.lottery.queries import is_closed
from chalicelib.growth.groupbuy.rules import Lobby, Terms
from chalicelib.growth.groupbuy.seats import service as seats
from chalicelib.growth.groupbuy.tables import ENTRY, GroupActivities, activity_key
from chalicelib.ledger import rules as entries
from chalicelib.ledger import service as ledger
from chalicelib.ledger.rules import Sale
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

_ENTERED = "draw_entered"


def apply_fate(order_id: str, lobby: Lobby, winners: Collection[str] | None, job: Job | None = None) -> None:
    """Bring one order of an ended lobby to its end, or into the draw over its activity; nothing when it has moved on.

    `winners` are those of the draw, where one is made: see `rules.fate`.
    """

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "awaiting_group" or order.group is None:
            return order
        fate = rules.fate(lobby, order, winners)
        return _enter(order, tx, lobby.terms) if fate == ENTERS else _end(order, tx, lobby.terms, fate)

    changes.change(order_id, decide, job)


def _enter(order: Order, tx: Transaction, terms: Terms) -> Order:
    """Let the order take part in the draw of its activity; refund it whole, should that be over already."""
    if any(event.what == _ENTERED for event in order.history):
        return order
    if is_closed(terms.activity_id):
        return _end(order, tx, terms, FAILED)
    tx.create(GroupActivities(terms.activity_id, ENTRY + order.order_id), Conflict)
    tx.check(*activity_key(terms.activity_id), GroupActivities.closed.does_not_exist(), Conflict)
    return noted(order, _ENTERED, "system", clock.now())


def _end(order: Order, tx: Transaction, terms: Terms, fate: Fate) -> Order:
    """Ship the order or refund it, wholly or in part, as its fate says; a loser is owed the coupon for losers."""
    if fate.seat != "taken":
        order = msgspec.structs.replace(order, group=seats.move(tx, order, "taken", fate.seat))
    if fate.seat == "lost" and terms.lottery is not None and terms.lottery.losers_coupon is not None:
        schedule(tx, GIVE_CONSOLATION, order.order_id, None, template_id=terms.lottery.losers_coupon)
    if not fate.ships:
        seats.count_bought(tx, terms, order, -1)
        return refund_in_full(noted(order, fate.what, "system", clock.now()), tx, fate.what, fate.why)
    if fate.step:
        return _at_step(order, tx, terms, fate)
    after = proceed(order, tx, fate.what, fate.why)
    if fate.free:
        goods = {line.sku_id: line.payable_fen - line.reduced_fen for line in after.lines}
        return refund_difference(after, tx, fate.what, goods, freight_left(after), fate.why)
    return after


def _at_step(order: Order, tx: Transaction, terms: Terms, fate: Fate) -> Order:
    """Ship the order of a ladder at the price of the step that was reached: what was paid more for its goods goes back,
    and so do coupons that do not apply at that price."""
    anew = rules.reckon_anew(terms, fate.step, order, coupons_of_order(order))
    if anew is None:
        return proceed(order, tx, fate.what)
    after = return_lapsed(tx, order, anew.coupons_back)
    after = msgspec.structs.replace(proceed(after, tx, fate.what, anew.why), reckoned=anew.reckoned)
    if (gone := lapsed(after)) != Sale():
        ledger.post(tx, entries.reckoned_anew(order.order_id, clock.now(), gone))
    if not anew.back_fen:
        return after
    return refund_difference(after, tx, fate.what, {after.lines[0].sku_id: anew.back_fen}, 0, anew.why)
