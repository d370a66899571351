"""The lottery of an activity: orders enter it, the activity's end draws it, and each order is told its lot."""

from __future__ import annotations

import msgspec
from pynamodb.expressions.update import Action

from chalicelib.commerce.catalogue.products.service import retract
from chalicelib.commerce.catalogue.stock.pools import close_pool
from chalicelib.commerce.coupons.issue.service import NO_COUPON_REASONS, give
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders import service as changes
from chalicelib.commerce.orders.refunds.issue import refund_in_full
from chalicelib.commerce.orders.rules import Order, noted
from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import APPLY_RESULT, APPLY_RESULTS
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.fates import apply_fate
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import entries_of, is_closed, read_draw, secret_of
from chalicelib.growth.groupbuy.rules import Activity, Lottery, Terms
from chalicelib.growth.groupbuy.seats import service as seats
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, Lobbies, activity_key, partitions
from chalicelib.platform.jobs.job import Job, Later
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction, write
from chalicelib.platform.store.versioned import Conflict

_END_ASK_SECONDS = 300.0
#: Orders that one transaction tells of a draw; two actions more are the next part, and the end of this one.
_AWARDS = ACTIONS_MAX - 2
_CHANGED = _DRAWN = Conflict


def enter(order_id: str, terms: Terms) -> None:
    """The order takes part in the draw of its activity; money back, should that be over already."""

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "awaiting_group" or any(event.what == "draw_entered" for event in order.history):
            return order
        if is_closed(terms.activity_id):
            order = msgspec.structs.replace(order, group=seats.move(tx, order, "taken", "failed"))
            seats.count_bought(tx, terms, order, -1)
            return refund_in_full(
                noted(order, "group_failed", "system", clock.now()), tx, "group_failed", rules.FAILED.why
            )
        tx.create(GroupActivities(terms.activity_id, ENTRY + order_id), _CHANGED)
        tx.check(*activity_key(terms.activity_id), GroupActivities.closed.does_not_exist(), _DRAWN)
        return noted(order, "draw_entered", "system", clock.now())

    changes.change(order_id, decide)


def end_activity(job: Job) -> None:
    """Wind up an activity that is over: forget its announcement, give its pool back to sale, draw its lottery; again
    after five minutes while a lobby is open.
    """
    item = read.get(GroupActivities, *activity_key(job.key)[1])
    assert item is not None
    activity: Activity = item.activity
    over = rules.wound_up_at(activity)
    if clock.now() < over:
        raise Later((over - clock.now()).total_seconds())
    if _unfinished(activity):
        raise Later(_END_ASK_SECONDS)
    tx = Transaction()
    retract(tx, activity.product_id, activity.activity_id)
    for sku_id in activity.stock:
        close_pool(tx, sku_id, activity.pool)
    tx.commit()
    if activity.lottery is not None:
        _draw(job.key, activity.lottery)


def _draw(activity_id: str, lottery: Lottery) -> None:
    """Let no order take part any more, draw, reveal the secret, and owe every order its lot. Repeatable."""
    if lottery.per == "lobby":
        # Nothing is left to be drawn: this reveals the secret that the lobbies' are made from.
        _change(activity_id, [GroupActivities.closed.set(True), GroupActivities.drawn.set(Draw([]))])
        return
    _change(activity_id, [GroupActivities.closed.set(True)])
    if read_draw(activity_id) is None:
        won = draw.winners(secret_of(activity_id), entries_of(activity_id), lottery.winners)
        _change(activity_id, [GroupActivities.drawn.set(Draw(won))])
    tx = Transaction()
    schedule(tx, APPLY_RESULTS, activity_id)
    tx.commit()


def _change(activity_id: str, actions: list[Action]) -> None:
    write(*activity_key(activity_id), actions, GroupActivities.version.exists(), _CHANGED)


def apply_results(job: Job) -> None:
    """Owe a part of the orders that took part their lot, and the next part, in one transaction with the job's end."""
    after = job.task.payload.get("after", ENTRY)
    where = GroupActivities.part.between(after + "!", ENTRY + "~")
    page, rest = read.query(GroupActivities, job.key, where=where, limit=_AWARDS, consistent=True)
    parts = [raw["part"]["S"] for raw in page]
    tx = Transaction()
    for part in parts:
        schedule(tx, APPLY_RESULT, f"{job.key}|{part.removeprefix(ENTRY)}")
    if rest is not None:
        schedule(tx, APPLY_RESULTS, job.key, None, after=parts[-1])
    job.finish(tx)
    tx.commit()


def apply_result(job: Job) -> None:
    """Tell one order how the draw of its activity ended."""
    activity_id, _, order_id = job.key.partition("|")
    drawn = read_draw(activity_id)
    order = order_queries.load(order_id)
    if drawn is None or order.group is None:
        return
    terms = lobbies.load(order.group.lobby_id).terms
    lottery = terms.lottery
    assert lottery is not None
    apply_fate(order_id, lambda order: rules.lottery_fate(lottery, order.order_id in drawn.winners), terms, job)


def give_consolation(job: Job) -> None:
    """Give the loser of a lottery a coupon, once for each order; none where the template has ended or has none left."""
    template = template_queries.load(job.task.payload["template_id"]).value
    try:
        give(template, order_queries.load(job.key).member_id, "grant", ("lottery", job.key))
    except MallError as fault:
        if fault.code not in NO_COUPON_REASONS:
            raise
        log.info("no_coupon_for_who_lost", order_id=job.key, reason=fault.code)


def _unfinished(activity: Activity) -> bool:
    """Whether a lobby of the activity is open, or has ended and its orders have not been seen to."""
    for under in partitions(activity):
        for state in ("open", "ending"):
            where = Lobbies.position.startswith(f"{state}|")
            page, _ = read.query(Lobbies, under, index=Lobbies.by_partition, where=where, limit=1)
            if page:
                return True
    return False
