"""How lobbies end: at their last seat or their expiry; then each order of them, in a transaction of its own.

`settle_lobby` decides, at the second of the expiry, with one write, and touches nothing outside. `resolve_orders`
brings every order to its end and may be repeated at any point: an order that has moved on is left alone.
"""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock, metrics
from chalicelib.core.metrics import Metric
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import RESOLVE_ORDERS
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.fates import apply_fate
from chalicelib.growth.groupbuy.lobbies.queries import paid_seats
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import secret_of
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.growth.groupbuy.seats.service import write_event
from chalicelib.growth.groupbuy.tables import Lobbies
from chalicelib.platform.jobs.job import Job, RetryLater
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit, retry

#: How long after its expiry a lobby waits for the held seats that could still save it: their orders are being closed at
#: WeChat, where a payment of the last moment wins.
HELD_WAIT = timedelta(seconds=120)
#: How long until it is asked about them again, in seconds.
_HELD_ASK_SECONDS = 1.0


def settle_lobby(job: Job) -> None:
    """Decide at the expiry of a lobby whether it succeeded, by its paid seats, in one write; again each second for two
    minutes while held seats could change that.
    """
    retry(lambda: _settle_once(job.key, job))


def _settle_once(lobby_id: str, job: Job | None) -> None:
    lobby = lobbies.load(lobby_id)
    if lobby.state != "open" or lobby.expires_at is None:
        return
    now = clock.now()
    undecided = lobby.terms.ending(lobby.taken) != lobby.terms.ending(lobby.taken + lobby.held)
    if undecided and now < lobby.expires_at + HELD_WAIT:
        raise RetryLater(_HELD_ASK_SECONDS)
    same = Lobbies.taken == lobby.taken
    if undecided:
        same &= Lobbies.held == lobby.held
    tx = Transaction()
    write_event(tx, lobby, "settle", rules.step(lobby, "settle", now), same)
    schedule(tx, RESOLVE_ORDERS, lobby_id)
    if job is not None:
        job.finish(tx)
    commit(tx)


def resolve_orders(job: Job) -> None:
    """Bring every order of an ended lobby to its end; the lobby is finished when all of them are."""
    _resolve(job.key, job)


def push_on(lobby_id: str) -> None:
    """Bring a lobby to its end whose own jobs have failed for good, from wherever they left it.

    Raises what hinders it.
    """
    retry(lambda: _settle_once(lobby_id, None))
    _resolve(lobby_id, None)


def _resolve(lobby_id: str, job: Job | None) -> None:
    lobby = lobbies.load(lobby_id)
    if lobby.state not in ("succeeded", "failed") or lobby.finished:
        return
    seats = paid_seats(lobby_id)
    winners = _winners(lobby, [seat.order_id for seat in seats])
    faults: list[Exception] = []
    for seat in seats:
        if seat.state != "taken":
            continue
        try:
            apply_fate(seat.order_id, lobby, winners)
        except Exception as fault:  # one order's trouble is not the others'
            faults.append(fault)
    if faults:
        raise faults[0]
    tx = Transaction()
    write_event(tx, lobby, "finish", rules.step(lobby, "finish", clock.now()))
    if job is not None:
        job.finish(tx)
    tx.after_commit(metrics.add, Metric.LOBBIES_SUCCEEDED if lobby.state == "succeeded" else Metric.LOBBIES_FAILED)
    commit(tx)


def _winners(lobby: Lobby, order_ids: list[str]) -> list[str] | None:
    """Draw the winners in a lobby that succeeded, among its paid orders; None where no draw in the lobby decides."""
    lottery = lobby.terms.lottery
    if lobby.state != "succeeded" or lottery is None or lottery.per != "lobby":
        return None
    secret = draw.lobby_secret(secret_of(lobby.terms.activity_id), lobby.terms.lobby_id)
    return draw.winners(secret, order_ids, lottery.winners)
