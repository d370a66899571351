"""The lottery of an activity: the activity's end draws it, and then each order comes to its end.

When all lobbies are over the activity is closed: the entries that are there then take part. Pages of them are written,
one by one, each by a job; the last of these draws. Then chains of jobs bring the orders to their ends, a few at a time.
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.expressions.update import Action

from chalicelib.commerce.catalogue.products.service import retract
from chalicelib.commerce.catalogue.stock.pools import close_pool
from chalicelib.commerce.coupons.issue.service import NO_COUPON_REASONS, give_owed
from chalicelib.commerce.coupons.templates import queries as template_queries
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import APPLY_RESULT, RESOLVE_ENTRIES, WRITE_PROOF
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.fates import apply_fate
from chalicelib.growth.groupbuy.lobbies.service import push_on
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import page_of, read_draw
from chalicelib.growth.groupbuy.rules import Activity, Lottery
from chalicelib.growth.groupbuy.tables import ENTRY, Draw, GroupActivities, activity_key, proof_item
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, save, write
from chalicelib.platform.store.versioned import Conflict, commit, retry

#: How long until an activity with unfinished lobbies is looked at again, in seconds.
_END_ASK_SECONDS = 300.0
#: After so long a lobby has not ended because its jobs are dead, or fail; and for how many seconds such are pushed on.
_LATE = timedelta(hours=1)
_PUSH_SECONDS = 5.0


def end_activity(job: Job) -> None:
    """Wind up an activity that is over: forget its announcement, give its pool back to sale, have its lottery drawn;
    again after five minutes while a lobby is open.
    """
    item = read.get(GroupActivities, *activity_key(job.key)[1])
    assert item is not None
    activity: Activity = item.activity
    over = rules.wound_up_at(activity)
    if clock.now() < over:
        raise RetryLater((over - clock.now()).total_seconds())
    if next(lobbies.unfinished(activity), None) is not None:
        raise RetryLater(_push_on(activity))
    tx = Transaction()
    retract(tx, activity.product_id, activity.activity_id)
    for sku_id in activity.stock:
        close_pool(tx, sku_id, activity.pool)
    tx.commit()
    if activity.lottery is not None:
        _close(activity, activity.lottery)


def _push_on(activity: Activity) -> float:
    """Try what the jobs of lobbies have given up, where an activity waits for those that ended an hour ago: so that it
    goes on when the cause is gone, and somebody hears of it until then. In how many seconds to look again."""
    long_ago = clock.now() - _LATE
    if rules.wound_up_at(activity) > long_ago:
        return _END_ASK_SECONDS
    late = [lobby_id for expires_at, lobby_id in lobbies.unfinished(activity) if expires_at <= long_ago]
    if not late:
        return _END_ASK_SECONDS
    metrics.add(Metric.ACTIVITIES_STUCK)
    ended = 0
    until = clock.monotonic() + _PUSH_SECONDS
    for lobby_id in late:
        if ended and clock.monotonic() > until:
            break
        try:
            push_on(lobby_id)
            ended += 1
        except Exception as fault:  # its own job has told of it; the next lobby may do better
            log.warning("lobby_stuck", activity_id=activity.activity_id, lobby_id=lobby_id, reason=type(fault).__name__)
    return 1.0 if ended else _END_ASK_SECONDS


def _close(activity: Activity, lottery: Lottery) -> None:
    """Let no order take part any more, and owe the draw. Repeatable."""
    activity_id = activity.activity_id
    if lottery.per == "lobby":
        # Its lobbies were drawn one by one: this reveals the secret that the lobbies' are made from.
        _change(activity_id, [GroupActivities.closed.set(True), GroupActivities.drawn.set(Draw([]))])
        return
    _change(activity_id, [GroupActivities.closed.set(True)])
    drawn = read_draw(activity_id)
    tx = Transaction()
    if drawn is None:
        schedule(tx, WRITE_PROOF, f"{activity_id}|0")
    elif not drawn.pages:  # a version before drew it, and may have died before it owed the results
        schedule(tx, RESOLVE_ENTRIES, f"{activity_id}|")
    if len(tx):
        tx.commit()


def _change(activity_id: str, actions: list[Action]) -> None:
    write(*activity_key(activity_id), actions, GroupActivities.version.exists())


def write_proof(job: Job) -> None:
    """Write a page of the orders that take part in the draw of an activity, which is closed; after the last page, draw.

    A page that is written again says the same.
    """
    retry(lambda: _write_page(job))


def _write_page(job: Job) -> None:
    activity_id, _, number = job.key.partition("|")
    if read_draw(activity_id) is not None:
        return
    entries, rest = _entries(activity_id, job.task.payload.get("after", ""), "~", draw.PAGE_ORDERS)
    if entries:
        save(proof_item(activity_id, int(number), entries))
    tx = Transaction()
    if rest:
        schedule(tx, WRITE_PROOF, f"{activity_id}|{int(number) + 1}", None, after=entries[-1])
    else:
        _draw(tx, activity_id, int(number) + bool(entries))
    job.finish(tx)
    commit(tx)


def _draw(tx: Transaction, activity_id: str, pages: int) -> None:
    """Draw among the orders on these pages, reveal the secret, and owe all of them their results, as part of `tx`."""
    order_ids = [order_id for page in range(pages) for order_id in page_of(activity_id, page)]
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    assert item is not None
    lottery = item.activity.lottery
    assert lottery is not None
    won = draw.winners(str(item.secret), order_ids, lottery.winners)
    first = GroupActivities.drawn.does_not_exist()
    tx.update(*activity_key(activity_id), [GroupActivities.drawn.set(Draw(won, pages))], first, Conflict)
    for after, last in draw.chains(order_ids):
        schedule(tx, RESOLVE_ENTRIES, f"{activity_id}|{after}", None, until=last)


def _entries(activity_id: str, after: str, until: str, limit: int) -> tuple[list[str], bool]:
    """Read the next orders that take part in a draw, by their ids, and whether there are more up to `until`."""
    where = GroupActivities.part.between(f"{ENTRY}{after}!", ENTRY + until)
    found, rest = read.query(GroupActivities, activity_id, where=where, limit=limit, consistent=True)
    order_ids = [raw["part"]["S"].removeprefix(ENTRY) for raw in found]
    return order_ids, rest is not None and order_ids[-1] < until


def resolve_entries(job: Job) -> None:
    """Bring a few of the orders that took part in a draw to their ends, and owe the next of their chain, which waits
    behind whatever has become due meanwhile. An order that fails is owed a job of its own, and holds up no other.
    """
    activity_id, _, after = job.key.partition("|")
    until = job.task.payload.get("until", "~")
    drawn = read_draw(activity_id)
    if drawn is None:
        return
    order_ids, more = _entries(activity_id, after, until, draw.CHAIN_STEP)
    tx = Transaction()
    for order_id in order_ids:
        try:
            _end_order(order_id, drawn)
        except Exception as fault:
            log.warning("draw_result_failed", order_id=order_id, reason=type(fault).__name__)
            schedule(tx, APPLY_RESULT, f"{activity_id}|{order_id}")
    if more:
        schedule(tx, RESOLVE_ENTRIES, f"{activity_id}|{order_ids[-1]}", None, until=until)
    job.finish(tx)
    commit(tx)


def apply_results(job: Job) -> None:
    """Go on with the results of a draw where a version before has left them."""
    tx = Transaction()
    schedule(tx, RESOLVE_ENTRIES, f"{job.key}|{job.task.payload.get('after', '').removeprefix(ENTRY)}")
    job.finish(tx)
    commit(tx)


def apply_result(job: Job) -> None:
    """Bring one order to its end by how the draw of its activity ended."""
    activity_id, _, order_id = job.key.partition("|")
    drawn = read_draw(activity_id)
    if drawn is not None:
        _end_order(order_id, drawn, job)


def _end_order(order_id: str, drawn: Draw, job: Job | None = None) -> None:
    order = order_queries.load(order_id)
    if order.group is not None:
        apply_fate(order_id, lobbies.load(order.group.lobby_id), drawn.winners, job)


def give_consolation(job: Job) -> None:
    """Give the loser of a lottery a coupon, once for each order; none where the template has ended or has none left."""
    template = template_queries.load(job.task.payload["template_id"]).value
    try:
        give_owed(template, order_queries.load(job.key).member_id, "grant", ("lottery", job.key))
    except MallError as fault:
        if fault.code not in NO_COUPON_REASONS:
            raise
        log.info("no_coupon_for_who_lost", order_id=job.key, reason=fault.code)
