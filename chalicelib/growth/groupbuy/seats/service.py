"""The seats of a lobby, in the transactions of the orders that hold, take and give them up.

`Seating` is what `orders` asks for (commerce/orders/ports.py). A seat is one of three counters of its lobby, moved
under a condition, and the member's own item, which admits them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.commerce.orders.inputs import GroupInput
from chalicelib.commerce.orders.placement.rules import Deal
from chalicelib.commerce.orders.queries import has_bought
from chalicelib.commerce.orders.rules import Order, Pieces, Seat
from chalicelib.core import clock, ids
from chalicelib.core.errors import FieldError, MallError
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import RESOLVE_ORDERS, SETTLE_LOBBY
from chalicelib.growth.groupbuy.lobbies.queries import load
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.rules import Activity, Lobby, Terms
from chalicelib.growth.groupbuy.settings import GROUP_BUY
from chalicelib.growth.groupbuy.tables import (
    LOBBY,
    SEAT,
    GroupActivities,
    Lobbies,
    activity_key,
    bought_key,
    lobby_key,
    lobby_of,
    partition_of,
    position,
    seat_key,
)
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.read import ReadSet
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict

_CHANGED = Conflict


class Basis(msgspec.Struct, frozen=True):
    """What a deal was made of: the terms, and whether they are those of a lobby that is yet to be opened."""

    terms: Terms
    opens: bool


class Seating:
    """What orders ask of group-buy."""

    def keys(self, member_id: str, asked: GroupInput) -> list[read.Key]:
        """The lobby and the member's seat in it, or the activity."""
        if asked.lobby_id is not None:
            return [lobby_key(asked.lobby_id), seat_key(asked.lobby_id, member_id)]
        assert asked.activity_id is not None
        return [activity_key(asked.activity_id)]

    def deal(self, member_id: str, order_id: str, asked: GroupInput, pieces: Sequence[Pieces], found: ReadSet) -> Deal:
        """The terms of the lobby, or of the one that this order opens."""
        if asked.lobby_id is not None:
            seat_found = found[seat_key(asked.lobby_id, member_id)]
            terms, until = _joining(member_id, found[lobby_key(asked.lobby_id)], seat_found)
        else:
            assert asked.activity_id is not None
            terms, until = _opening(member_id, order_id, asked.size, found[activity_key(asked.activity_id)])
        opens = asked.lobby_id is None
        wanted = pieces[0]
        price = rules.check_order(terms, wanted.sku_id, wanted.quantity, opens)
        seat = Seat(lobby_id=terms.lobby_id, activity_id=terms.activity_id, size=terms.size, leader=opens)
        held_until = clock.now() + timedelta(minutes=GROUP_BUY.current().hold_minutes)
        return Deal(
            prices={wanted.sku_id: price}, pool=terms.pool, pay_by=min(held_until, until), seat=seat,
            terms=Basis(terms, opens),
        )  # fmt: skip

    def hold(self, tx: Transaction, order: Order, deal: Deal) -> None:
        """A new lobby with its first seat held, or one seat less in the lobby that is joined."""
        basis: Basis = deal.terms
        terms = basis.terms
        if basis.opens:
            lobby = Lobbies(
                terms.lobby_id, LOBBY, terms=terms, state="opening", free=terms.size - 1,
                held=1, taken=0, paid_fen=0,
            )  # fmt: skip
            tx.create(lobby, _CHANGED)
        else:
            actions = [Lobbies.free.set(Lobbies.free - 1), Lobbies.held.set(Lobbies.held + 1)]
            tx.update(*lobby_key(terms.lobby_id), actions, (Lobbies.state == "open") & (Lobbies.free >= 1), _CHANGED)
        part = SEAT + order.member_id
        seat = Lobbies(terms.lobby_id, part, state="held", order_id=order.order_id, leader=basis.opens)
        tx.put(seat, Lobbies.state.does_not_exist() | (Lobbies.state == "released"), MallError("already_in_lobby"))
        count_bought(tx, terms, order, 1)

    def check_open(self, order: Order) -> None:
        """The lobby may have ended since the seat was held: the last who had paid may have left it."""
        if load(_seat(order).lobby_id).state not in ("opening", "open"):
            raise MallError("lobby_over")

    def take(self, tx: Transaction, order: Order) -> Seat:
        """The held seat is paid. Of a lobby that has ended meanwhile it is given up."""
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        if lobby.state not in ("opening", "open") or (lobby.state == "opening" and _too_late_to_open(lobby.terms)):
            return self.release(tx, order)
        _pay(tx, lobby, order, Lobbies.held)
        return move(tx, order, "held", "taken")

    def retake(self, tx: Transaction, order: Order) -> Seat | None:
        """The hold had ended: a seat that is free now, while the lobby is open and the member has no other in it."""
        seat = _seat(order)
        lobby_item, mine = read.batch_get([lobby_key(seat.lobby_id), seat_key(seat.lobby_id, order.member_id)])
        lobby = lobby_of(lobby_item)
        now = clock.now()
        is_open = lobby.state == "open" and lobby.expires_at is not None and now < lobby.expires_at
        if not is_open or lobby.free < 1 or (mine.order_id, mine.state) != (order.order_id, "released"):
            return None
        limit = lobby.terms.limit_per_member
        bought = _bought(lobby.terms, order.member_id)
        if limit is not None and bought + _pieces(order) > limit:
            return None
        if lobby.terms.new_customers_only and not seat.leader and bought:
            return None
        _pay(tx, lobby, order, Lobbies.free)
        count_bought(tx, lobby.terms, order, 1, Conflict)
        return move(tx, order, "released", "taken")

    def release(self, tx: Transaction, order: Order) -> Seat:
        """The held seat is free again; a lobby whose leader has not paid is over with that."""
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        actions = [Lobbies.held.set(Lobbies.held - 1), Lobbies.free.set(Lobbies.free + 1)]
        if lobby.state == "opening":
            actions += [Lobbies.state.set("failed"), Lobbies.finished.set(True)]
        elif lobby.state == "open" and lobby.held == 1 and lobby.expires_at and clock.now() >= lobby.expires_at:
            schedule(tx, SETTLE_LOBBY, seat.lobby_id)  # it has waited for this seat
        tx.update(*lobby_key(seat.lobby_id), actions, (Lobbies.state == lobby.state) & (Lobbies.held >= 1), _CHANGED)
        count_bought(tx, lobby.terms, order, -1)
        return move(tx, order, "held", "released")

    def leave(self, tx: Transaction, order: Order) -> Seat:
        """The member wants their money back before the lobby has ended; with its last paid member a lobby is over."""
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        now = clock.now()
        if lobby.state != "open" or lobby.expires_at is None or now >= lobby.expires_at:
            raise MallError("order_state", state=order.state)
        last = lobby.taken == 1
        actions = [
            Lobbies.taken.set(Lobbies.taken - 1),
            Lobbies.free.set(Lobbies.free + 1),
            Lobbies.paid_fen.set(Lobbies.paid_fen - order.paid_fen),
        ]
        if seat.leader:
            actions.append(Lobbies.leader_left.set(True))
        if last:
            actions.append(Lobbies.state.set("failed"))
            schedule(tx, RESOLVE_ORDERS, seat.lobby_id)
        unpaid = lobby.terms.size - lobby.taken + 1
        where = position(lobby.terms, "ending" if last else "open", unpaid, lobby.expires_at)
        actions.append(Lobbies.position.set(where))
        # Who pays or leaves in the same instant makes this look again: whether it is the last must be right.
        same = (Lobbies.state == "open") & (Lobbies.taken == lobby.taken)
        tx.update(*lobby_key(seat.lobby_id), actions, same, _CHANGED)
        count_bought(tx, lobby.terms, order, -1)
        return move(tx, order, "taken", "released")


def count_bought(tx: Transaction, terms: Terms, order: Order, sign: int, on_failure: object = None) -> None:
    """Count the order's pieces for the member (1), or take them off again (-1), where the activity has a limit.

    Of those that only new customers may join, a member joins one lobby at a time.
    """
    limit = terms.limit_per_member
    if limit is None and not terms.new_customers_only:
        return
    pieces = _pieces(order)
    key = bought_key(terms.activity_id, order.member_id)
    none = GroupActivities.bought.does_not_exist()
    if sign > 0 and terms.new_customers_only and not _seat(order).leader:
        tx.update(
            *key, [GroupActivities.bought.add(pieces)], none | (GroupActivities.bought == 0), on_failure or _not_new()
        )
    elif sign > 0:
        fits = none | (GroupActivities.bought <= limit - pieces) if limit is not None else None
        over = on_failure or MallError("purchase_limit", limit=limit)
        tx.update(*key, [GroupActivities.bought.add(pieces)], fits, over)
    else:
        tx.update(*key, [GroupActivities.bought.add(-pieces)], GroupActivities.bought >= pieces, _CHANGED)


def move(tx: Transaction, order: Order, before: str, after: str) -> Seat:
    """The order's seat in another state, as part of `tx`, if it is still in the one before; the seat after it."""
    seat = _seat(order)
    same = (Lobbies.order_id == order.order_id) & (Lobbies.state == before)
    tx.update(*seat_key(seat.lobby_id, order.member_id), [Lobbies.state.set(after)], same, _CHANGED)
    return msgspec.structs.replace(seat, state=after)


def _joining(member_id: str, lobby_item: Any, mine: Any) -> tuple[Terms, Any]:
    if lobby_item is None:
        raise rules.no_such_lobby()
    lobby = lobby_of(lobby_item)
    if mine is not None and mine.state in ("held", "taken"):
        raise MallError("already_in_lobby")
    rules.check_joinable(lobby, clock.now())
    if lobby.terms.new_customers_only and has_bought(member_id):
        raise _not_new()
    return lobby.terms, lobby.expires_at


def _not_new() -> MallError:
    return MallError("not_for_you", errors=(FieldError("group.lobby_id", "for new customers only"),))


def _opening(member_id: str, order_id: str, size: int | None, item: Any) -> tuple[Terms, Any]:
    if item is None:
        raise MallError("not_found", errors=(FieldError("group.activity_id", "no such activity"),))
    activity: Activity = item.activity
    now = clock.now()
    rules.check_running(activity, now)
    lobby_id = ids.derived("g", order_id)
    terms = rules.terms_of(activity, activity.variant_of(member_id), size, lobby_id, member_id, now)
    if activity.lottery is not None and activity.lottery.per == "lobby":
        hashed = draw.secret_hash(draw.lobby_secret(item.secret, lobby_id))
    else:
        hashed = activity.secret_hash
    return msgspec.structs.replace(terms, secret_hash=hashed), activity.ends_at


def _too_late_to_open(terms: Terms) -> bool:
    """Whether the activity is over for good. One that was ended early waits for leaders who had begun to pay, and is
    wound up only some minutes after that, so that no lobby opens in one that is."""
    now = clock.now()
    if now >= terms.latest_end_at:
        return True
    item = read.get(GroupActivities, *activity_key(terms.activity_id)[1])
    return item is not None and item.activity.ended_early and now >= item.activity.ends_at + rules.OPENING_WAIT


def _pay(tx: Transaction, lobby: Lobby, order: Order, counter: Any) -> None:
    """One more paid seat, taken from `counter`; the first opens the lobby to others, the last makes it succeed."""
    terms = lobby.terms
    now = clock.now()
    taken = lobby.taken + 1
    expires_at = lobby.expires_at or min(now + timedelta(minutes=terms.lobby_minutes), terms.latest_end_at)
    actions = [
        counter.set(counter - 1),
        Lobbies.taken.set(Lobbies.taken + 1),
        Lobbies.paid_fen.set(Lobbies.paid_fen + order.payable_fen),
    ]
    condition = (Lobbies.state == lobby.state) & (counter >= 1)
    if taken == terms.size:
        actions += [Lobbies.state.set("succeeded"), Lobbies.position.set(position(terms, "ending", 0, expires_at))]
        condition &= Lobbies.taken == lobby.taken
        schedule(tx, RESOLVE_ORDERS, terms.lobby_id)
    else:
        # Not the last, whoever else pays in this instant: so that they need not wait for each other.
        actions.append(Lobbies.position.set(position(terms, "open", terms.size - taken, expires_at)))
        condition &= Lobbies.taken <= terms.size - 2
    if lobby.state == "opening":
        actions += [Lobbies.state.set("open"), Lobbies.partition.set(partition_of(terms))]
        actions.append(Lobbies.expires_at.set(clock.stamp(expires_at)))
        schedule(tx, SETTLE_LOBBY, terms.lobby_id, expires_at)
    tx.update(*lobby_key(terms.lobby_id), actions, condition, _CHANGED)


def _seat(order: Order) -> Seat:
    if order.group is None:
        raise ValueError(f"{order.order_id} is of no group")
    return order.group


def _pieces(order: Order) -> int:
    return sum(line.quantity for line in order.lines)


def _bought(terms: Terms, member_id: str) -> int:
    item = read.get(GroupActivities, *bought_key(terms.activity_id, member_id)[1])
    return 0 if item is None else int(item.bought or 0)
