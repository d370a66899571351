"""How lobbies end: at their last seat or their expiry; then each order of them, in a transaction of its own.

`settle` decides, at the second of the expiry, with one write, and touches nothing outside. `finish` brings
every order to its end and may be repeated at any point: an order that has moved on is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
from pynamodb.expressions.update import Action

from chalicelib.catalogue.activities import retract
from chalicelib.catalogue.pools import close_pool
from chalicelib.core import clock, log, metrics
from chalicelib.core.errors import MallError
from chalicelib.core.metrics import Metric
from chalicelib.coupons import templates
from chalicelib.coupons.give import give
from chalicelib.groupbuy import draw, rules, seats
from chalicelib.groupbuy.jobs import APPLY_RESULT, APPLY_RESULTS, GIVE_CONSOLATION, RESOLVE_ORDERS
from chalicelib.groupbuy.rules import Activity, Fate, Lobby, Lottery, SeatItem, Terms
from chalicelib.groupbuy.tables import (
    ENTRY,
    SEAT,
    Draw,
    GroupActivities,
    Lobbies,
    activity_key,
    lobby_key,
    partitions,
    position,
    seat_of,
)  # fmt: skip
from chalicelib.jobs.job import Job, Later, LeaseLost
from chalicelib.jobs.queue import schedule
from chalicelib.orders import changes
from chalicelib.orders.grant import reduce, whole
from chalicelib.orders.pay import proceed
from chalicelib.orders.refund_rules import freight_left
from chalicelib.orders.rules import Order, noted
from chalicelib.store import read
from chalicelib.store.base import retry_busy
from chalicelib.store.transaction import ACTIONS_MAX, ConditionFailed, Transaction, write

#: For so long after its expiry a lobby waits for the seats that could still save it: their orders are being closed at
#: WeChat, where a payment of the last moment wins.
HELD_WAIT = timedelta(seconds=120)
_HELD_ASK_SECONDS = 1.0
_END_ASK_SECONDS = 300.0
#: Orders that one transaction tells of a draw; two actions more are the next part, and the end of this one.
_AWARDS = ACTIONS_MAX - 2
#: Why who lost gets no coupon after all: none of it goes away by trying again.
_NO_COUPON = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "unauthenticated")
_CHANGED = "the lobby has changed"
_DRAWN = "the draw is over"


class _Again(Exception):
    """Somebody paid or left between the read and the write."""


def settle(job: Job) -> None:
    """The lobby's time is over: it succeeds or fails by its paid seats, in one write."""
    retry_busy(lambda: _settle_once(job), _Again)


def _settle_once(job: Job) -> None:
    lobby = seats.load(job.key)
    if lobby.state != "open" or lobby.expires_at is None:
        return
    now = clock.now()
    terms = lobby.terms
    state, _ = terms.ending(lobby.taken)
    undecided = terms.ending(lobby.taken) != terms.ending(lobby.taken + lobby.held)
    if undecided and now < lobby.expires_at + HELD_WAIT:
        raise Later(_HELD_ASK_SECONDS)
    tx = Transaction()
    where = position(terms, "ending", terms.size - lobby.taken, lobby.expires_at)
    same = (Lobbies.state == "open") & (Lobbies.taken == lobby.taken)
    if undecided:
        same &= Lobbies.held == lobby.held
    tx.update(*lobby_key(job.key), [Lobbies.state.set(state), Lobbies.position.set(where)], same, _CHANGED)
    schedule(tx, RESOLVE_ORDERS, job.key)
    job.finish(tx)
    try:
        tx.commit()
    except ConditionFailed as fault:
        job.finished = False
        if LeaseLost in fault.failed:
            raise
        raise _Again from fault


def finish(job: Job) -> None:
    """Bring every order of an ended lobby to its end; the lobby is finished when all of them are."""
    lobby = seats.load(job.key)
    if lobby.state not in ("succeeded", "failed") or lobby.finished:
        return
    taken = [seat for seat in paid_seats(job.key) if seat.state == "taken"]
    end = _ending(lobby)
    faults: list[Exception] = []
    for seat in taken:
        try:
            end(seat)
        except Exception as fault:  # one order's trouble is not the others'
            faults.append(fault)
    if faults:
        raise faults[0]
    tx = Transaction()
    assert lobby.expires_at is not None
    where = position(lobby.terms, lobby.state, lobby.terms.size - lobby.taken, lobby.expires_at)
    exists = Lobbies.state == lobby.state
    tx.update(*lobby_key(job.key), [Lobbies.finished.set(True), Lobbies.position.set(where)], exists, _CHANGED)
    job.finish(tx)
    tx.commit()
    metrics.add(Metric.LOBBIES_SUCCEEDED if lobby.state == "succeeded" else Metric.LOBBIES_FAILED)


def paid_seats(lobby_id: str) -> list[SeatItem]:
    """Every seat of the lobby that is or was paid, in the order of its orders' ids."""
    found = [
        seat_of(item)
        for item in read.query_all(Lobbies, lobby_id, where=Lobbies.part.startswith(SEAT), consistent=True)
    ]
    return sorted((seat for seat in found if seat.paid), key=lambda seat: seat.order_id)


def _ending(lobby: Lobby) -> Callable[[SeatItem], None]:
    """What is to be done with each seat of this lobby."""
    terms = lobby.terms
    if lobby.state == "failed":
        return lambda seat: _apply(seat.order_id, lambda _: rules.FAILED, terms)
    if terms.kind == "ladder":
        step = terms.step(lobby.taken)
        return lambda seat: _apply(seat.order_id, lambda order: _ladder_fate(terms, step, order), terms)
    if terms.lottery is None:
        return lambda seat: _apply(seat.order_id, lambda _: rules.SUCCEEDED, terms)
    lottery = terms.lottery
    if lottery.per == "activity":
        return lambda seat: _enter(seat.order_id, terms)
    secret = draw.lobby_secret(secret_of(terms.activity_id), terms.lobby_id)
    won = draw.winners(secret, [seat.order_id for seat in paid_seats(terms.lobby_id)], lottery.winners)
    return lambda seat: _apply(seat.order_id, lambda order: rules.lottery_fate(lottery, order.order_id in won), terms)


def _ladder_fate(terms: Terms, step: int, order: Order) -> Fate:
    line = order.lines[0]
    leader = order.group is not None and order.group.leader
    return rules.ladder_fate(terms, step, line.sku_id, line.quantity, line.unit_price_fen, leader)


def _apply(order_id: str, fate_of: Callable[[Order], Fate], terms: Terms, job: Job | None = None) -> None:
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
            return whole(noted(order, fate.what, "system", clock.now()), tx, fate.what, fate.why)
        after = proceed(order, tx, fate.what, fate.why)
        if fate.free:
            goods = {line.sku_id: line.payable_fen - line.reduced_fen for line in after.lines}
            return reduce(after, tx, fate.what, goods, freight_left(after), fate.why)
        back_fen = rules.back_of(after.lines[0], fate.back_fen)
        if back_fen:
            return reduce(after, tx, fate.what, {after.lines[0].sku_id: back_fen}, 0, fate.why)
        return after

    changes.change(order_id, decide, job)


def _enter(order_id: str, terms: Terms) -> None:
    """The order takes part in the draw of its activity; money back, should that be over already."""

    def decide(order: Order, tx: Transaction) -> Order:
        if order.state != "awaiting_group" or any(event.what == "draw_entered" for event in order.history):
            return order
        if is_closed(terms.activity_id):
            order = msgspec.structs.replace(order, group=seats.move(tx, order, "taken", "failed"))
            seats.count_bought(tx, terms, order, -1)
            return whole(noted(order, "group_failed", "system", clock.now()), tx, "group_failed", rules.FAILED.why)
        tx.create(GroupActivities(terms.activity_id, ENTRY + order_id), _CHANGED)
        tx.check(*activity_key(terms.activity_id), GroupActivities.closed.does_not_exist(), _DRAWN)
        return noted(order, "draw_entered", "system", clock.now())

    changes.change(order_id, decide)


def end_activity(job: Job) -> None:
    """The activity is over and all its lobbies have ended: its product's page forgets it, its pool goes back to sale,
    and a lottery is drawn."""
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


def owe_awards(job: Job) -> None:
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


def award(job: Job) -> None:
    """Tell one order how the draw of its activity ended."""
    activity_id, _, order_id = job.key.partition("|")
    drawn = read_draw(activity_id)
    order = changes.load(order_id)
    if drawn is None or order.group is None:
        return
    terms = seats.load(order.group.lobby_id).terms
    lottery = terms.lottery
    assert lottery is not None
    _apply(order_id, lambda order: rules.lottery_fate(lottery, order.order_id in drawn.winners), terms, job)


def console(job: Job) -> None:
    """Who lost gets a coupon, once for each order; none where the template has ended or has none left."""
    template = templates.load(job.task.payload["template_id"]).template
    try:
        give(template, changes.load(job.key).member_id, "grant", ("lottery", job.key))
    except MallError as fault:
        if fault.code not in _NO_COUPON:
            raise
        log.info("no_coupon_for_who_lost", order_id=job.key, reason=fault.code)


def secret_of(activity_id: str) -> str:
    """The secret of a lottery; nothing that shoppers or operators see may hold it before the draw."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    assert item is not None
    assert item.secret is not None
    return item.secret


def read_draw(activity_id: str) -> Draw | None:
    """How the draw of an activity ended; None before it."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    return None if item is None else item.drawn


def is_closed(activity_id: str) -> bool:
    """Whether no order takes part in the draw of an activity any more."""
    item = read.get(GroupActivities, *activity_key(activity_id)[1])
    return item is not None and bool(item.closed)


def entries_of(activity_id: str) -> list[str]:
    """The orders that take part in the draw of an activity, by their ids."""
    where = GroupActivities.part.startswith(ENTRY)
    found = read.query_all(GroupActivities, activity_id, where=where, consistent=True)
    return [item.part.removeprefix(ENTRY) for item in found]


def _unfinished(activity: Activity) -> bool:
    """Whether a lobby of the activity is open, or has ended and its orders have not been seen to."""
    for under in partitions(activity):
        for state in ("open", "ending"):
            where = Lobbies.position.startswith(f"{state}|")
            page, _ = read.query(Lobbies, under, index=Lobbies.by_partition, where=where, limit=1)
            if page:
                return True
    return False
