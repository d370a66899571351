"""How lobbies end: at their last seat or their expiry; then each order of them, in a transaction of its own.

`settle_lobby` decides, at the second of the expiry, with one write, and touches nothing outside. `resolve_orders`
brings every order to its end and may be repeated at any point: an order that has moved on is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock, metrics
from chalicelib.core.metrics import Metric
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import RESOLVE_ORDERS
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.fates import apply_fate
from chalicelib.growth.groupbuy.lobbies.queries import paid_seats
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import secret_of
from chalicelib.growth.groupbuy.lottery.service import enter
from chalicelib.growth.groupbuy.rules import Fate, Lobby, SeatItem, Terms
from chalicelib.growth.groupbuy.tables import Lobbies, lobby_key, position
from chalicelib.platform.jobs.job import Job, Later, LeaseLost
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.base import retry_busy
from chalicelib.platform.store.transaction import ConditionFailed, Transaction

#: For so long after its expiry a lobby waits for the seats that could still save it: their orders are being closed at
#: WeChat, where a payment of the last moment wins.
HELD_WAIT = timedelta(seconds=120)
_HELD_ASK_SECONDS = 1.0
_CHANGED = "the lobby has changed"


class _Again(Exception):
    """Somebody paid or left between the read and the write."""


def settle_lobby(job: Job) -> None:
    """Decide at the expiry of a lobby whether it succeeded, by its paid seats, in one write; again each second for two
    minutes while held seats could change that.
    """
    retry_busy(lambda: _settle_once(job), _Again)


def _settle_once(job: Job) -> None:
    lobby = lobbies.load(job.key)
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


def resolve_orders(job: Job) -> None:
    """Bring every order of an ended lobby to its end; the lobby is finished when all of them are."""
    lobby = lobbies.load(job.key)
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


def _ending(lobby: Lobby) -> Callable[[SeatItem], None]:
    """What is to be done with each seat of this lobby."""
    terms = lobby.terms
    if lobby.state == "failed":
        return lambda seat: apply_fate(seat.order_id, lambda _: rules.FAILED, terms)
    if terms.kind == "ladder":
        step = terms.step(lobby.taken)
        return lambda seat: apply_fate(seat.order_id, lambda order: _ladder_fate(terms, step, order), terms)
    if terms.lottery is None:
        return lambda seat: apply_fate(seat.order_id, lambda _: rules.SUCCEEDED, terms)
    lottery = terms.lottery
    if lottery.per == "activity":
        return lambda seat: enter(seat.order_id, terms)
    secret = draw.lobby_secret(secret_of(terms.activity_id), terms.lobby_id)
    won = draw.winners(secret, [seat.order_id for seat in paid_seats(terms.lobby_id)], lottery.winners)
    return lambda seat: apply_fate(
        seat.order_id, lambda order: rules.lottery_fate(lottery, order.order_id in won), terms
    )


def _ladder_fate(terms: Terms, step: int, order: Order) -> Fate:
    line = order.lines[0]
    leader = order.group is not None and order.group.leader
    return rules.ladder_fate(terms, step, line.sku_id, line.quantity, line.unit_price_fen, leader)
