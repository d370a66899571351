"""The lottery of an activity: the activity's end draws it, and then each order comes to its end."""

from __future__ import annotations

from pynamodb.expressions.update import Action

from chalicelib.commerce.catalogue.products.service import retract
from chalicelib.commerce.catalogue.stock.pools import close_pool
from chalicelib.commerce.coupons.issue.service import NO_COUPON_REASONS, give
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import clock, log
from chalicelib.core.errors import MallError
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import APPLY_RESULT, APPLY_RESULTS
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.fates import apply_fate
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import entries_of, read_draw, secret_of
from chalicelib.growth.groupbuy.rules import Activity, Lottery
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, Lobbies, activity_key, partitions
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction, write
from chalicelib.platform.store.versioned import commit

#: How long until an activity with unfinished lobbies is looked at again, in seconds.
_END_ASK_SECONDS = 300.0
#: How many orders one transaction owes their results; two actions more are the next part, and the end of this one.
_RESULTS = ACTIONS_MAX - 2


def end_activity(job: Job) -> None:
    """Wind up an activity that is over: forget its announcement, give its pool back to sale, draw its lottery; again
    after five minutes while a lobby is open.
    """
    item = read.get(GroupActivities, *activity_key(job.key)[1])
    assert item is not None
    activity: Activity = item.activity
    over = rules.wound_up_at(activity)
    if clock.now() < over:
        raise RetryLater((over - clock.now()).total_seconds())
    if _unfinished(activity):
        raise RetryLater(_END_ASK_SECONDS)
    tx = Transaction()
    retract(tx, activity.product_id, activity.activity_id)
    for sku_id in activity.stock:
        close_pool(tx, sku_id, activity.pool)
    tx.commit()
    if activity.lottery is not None:
        _draw(job.key, activity.lottery)


def _draw(activity_id: str, lottery: Lottery) -> None:
    """Let no order take part any more, draw, reveal the secret, and owe every order its result. Repeatable."""
    if lottery.per == "lobby":
        # Its lobbies were drawn one by one: this reveals the secret that the lobbies' are made from.
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
    write(*activity_key(activity_id), actions, GroupActivities.version.exists())


def apply_results(job: Job) -> None:
    """Owe a part of the orders that took part their results, and the next part, in one transaction with the job's
    end."""
    after = job.task.payload.get("after", ENTRY)
    where = GroupActivities.part.between(after + "!", ENTRY + "~")
    page, rest = read.query(GroupActivities, job.key, where=where, limit=_RESULTS, consistent=True)
    parts = [raw["part"]["S"] for raw in page]
    tx = Transaction()
    for part in parts:
        schedule(tx, APPLY_RESULT, f"{job.key}|{part.removeprefix(ENTRY)}")
    if rest is not None:
        schedule(tx, APPLY_RESULTS, job.key, None, after=parts[-1])
    job.finish(tx)
    commit(tx)


def apply_result(job: Job) -> None:
    """Bring one order to its end by how the draw of its activity ended."""
    activity_id, _, order_id = job.key.partition("|")
    drawn = read_draw(activity_id)
    order = order_queries.load(order_id)
    if drawn is None or order.group is None:
        return
    apply_fate(order_id, lobbies.load(order.group.lobby_id), drawn.winners, job)


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
    """Tell whether a lobby of the activity is open, or has ended and not all its orders are at their ends."""
    for under in partitions(activity):
        for state in ("open", "ending"):
            where = Lobbies.position.startswith(f"{state}|")
            page, _ = read.query(Lobbies, under, index=Lobbies.by_partition, where=where, limit=1)
            if page:
                return True
    return False
