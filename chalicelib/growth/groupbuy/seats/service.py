"""The seats of a lobby, in the transactions of the orders that hold, take and give them up.

`Seating` is what `orders` asks for (commerce/orders/ports.py). A seat is one of three counters of its lobby, moved
under a condition, and the member's own item, which admits them once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.commerce.orders.holding.queries import has_bought, really_held, standing_key, standing_of
from chalicelib.commerce.orders.holding.rules import Standing
from chalicelib.commerce.orders.inputs import GroupInput
from chalicelib.commerce.orders.placement.rules import Deal
from chalicelib.commerce.orders.rules import Order, Pieces, Refund, Seat
from chalicelib.commerce.pricing.basket.rules import Lead
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.customers.members.identities.rules import Absorbed
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.jobs import RESOLVE_ORDERS, SETTLE_LOBBY
from chalicelib.growth.groupbuy.lobbies.queries import load
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.ports import tell
from chalicelib.growth.groupbuy.refusals import (
    ALREADY_IN_LOBBY,
    DRAW_IS_MADE,
    LOBBY_IS_ENDING,
    LOBBY_OVER_UNPAID,
    NEW_CUSTOMERS_ONLY,
    NO_SUCH_ACTIVITY,
    OWN_LOBBY,
    SEAT_LET_GO,
    SEATS_HELD,
)
from chalicelib.growth.groupbuy.rules import Activity, Lobby, LobbyEvent, Terms
from chalicelib.growth.groupbuy.settings import GROUP_BUY
from chalicelib.growth.groupbuy.tables import (
    ENTRY,
    SEAT,
    GroupActivities,
    Lobbies,
    activity_key,
    bought_key,
    lobby_item,
    lobby_key,
    lobby_of,
    partition_of,
    position_of,
    seat_key,
)
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.read import ReadSet
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


class Basis(msgspec.Struct, frozen=True):
    """What a deal was made of: the terms, and whether they are those of a lobby that is yet to be opened."""

    terms: Terms
    opens: bool


class Seating:
    """What orders ask of group-buy."""

    def keys(self, member_id: str, asked: GroupInput) -> list[read.Key]:
        """What the member holds; the lobby and the member's seat in it, or the activity."""
        if asked.lobby_id is not None:
            return [standing_key(member_id), lobby_key(asked.lobby_id), seat_key(asked.lobby_id, member_id)]
        assert asked.activity_id is not None
        return [standing_key(member_id), activity_key(asked.activity_id)]

    def deal(self, member_id: str, order_id: str, asked: GroupInput, pieces: Sequence[Pieces], found: ReadSet) -> Deal:
        """The terms of the lobby, or of the one that this order opens."""
        standing = really_held(standing_of(found[standing_key(member_id)]))
        if asked.lobby_id is not None:
            former = _former(found, member_id)
            seat_keys = [seat_key(asked.lobby_id, one.member_id) for one in former]
            seats = [found[seat_key(asked.lobby_id, member_id)], *(read.batch_get(seat_keys) if former else ())]
            terms, until = _joining(member_id, standing, found[lobby_key(asked.lobby_id)], seats, former)
        else:
            assert asked.activity_id is not None
            terms, until = _opening(member_id, order_id, asked.size, found[activity_key(asked.activity_id)])
        settings = GROUP_BUY.current()
        if standing.seats >= settings.held_seats:
            raise _seats_held(settings.held_seats)
        opens = asked.lobby_id is None
        wanted = pieces[0]
        price = rules.check_order(terms, wanted.sku_id, wanted.quantity)
        seat = Seat(lobby_id=terms.lobby_id, activity_id=terms.activity_id, size=terms.size, leader=opens)
        held_until = clock.now() + timedelta(minutes=settings.hold_minutes)
        return Deal(
            prices={wanted.sku_id: price.price_fen}, pool=terms.pool, pay_by=min(held_until, until), seat=seat,
            terms=Basis(terms, opens),
            lead=Lead(terms.activity_id, price.price_fen - price.leader_fen) if opens else None,
        )  # fmt: skip

    def hold(self, tx: Transaction, order: Order, deal: Deal) -> None:
        """Hold the first seat of a new lobby, or a free seat of the lobby that is joined, as part of `tx`."""
        basis: Basis = deal.terms
        terms = basis.terms
        if basis.opens:
            tx.create(lobby_item(rules.new_lobby(terms)), Conflict)
        else:
            _hold_free(tx, terms)
        part = SEAT + order.placed_by
        seat = Lobbies(terms.lobby_id, part, state="held", order_id=order.order_id, leader=basis.opens)
        left = (Lobbies.state == "released") & Lobbies.let_go.does_not_exist()
        tx.put(seat, Lobbies.state.does_not_exist() | left, Conflict)
        count_bought(tx, terms, order, 1)

    def check_open(self, order: Order) -> None:
        """Raise `lobby_over` where the lobby has ended since the seat was held: the last paid member may have left."""
        if load(_seat(order).lobby_id).state not in ("opening", "open"):
            raise MallError("lobby_over", errors=(LOBBY_OVER_UNPAID.at("order_id"),))

    def take(self, tx: Transaction, order: Order) -> Seat:
        """Take the held seat, which is paid, as part of `tx`; release it where the lobby has ended meanwhile."""
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        if lobby.state not in ("opening", "open") or (lobby.state == "opening" and _too_late_to_open(lobby.terms)):
            return self.release(tx, order)
        _pay(tx, lobby, "take", order)
        return move(tx, order, "held", "taken")

    def retake(self, tx: Transaction, order: Order) -> Seat | None:
        """Take a free seat for an order whose hold had ended, as part of `tx`: while the lobby is open and the member
        has no other seat in it. None, and nothing in `tx`, where that cannot be."""
        seat = _seat(order)
        lobby_found, seat_found = read.batch_get([lobby_key(seat.lobby_id), seat_key(seat.lobby_id, order.placed_by)])
        lobby = lobby_of(lobby_found)
        if not rules.is_open(lobby, clock.now()) or lobby.free < 1:
            return None
        if (seat_found.order_id, seat_found.state) != (order.order_id, "released"):
            return None
        limit = lobby.terms.limit_per_member
        bought = _bought(lobby.terms, order.member_id)
        if limit is not None and bought + _pieces(order) > limit:
            return None
        if lobby.terms.new_customers_only and not seat.leader and bought:
            return None
        _pay(tx, lobby, "retake", order)
        count_bought(tx, lobby.terms, order, 1, Conflict)
        return move(tx, order, "released", "taken")

    def release(self, tx: Transaction, order: Order) -> Seat:
        """Free the held seat, as part of `tx`; a lobby whose leader has not paid is over with that."""
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        if lobby.state == "open" and lobby.held == 1 and not rules.is_open(lobby, clock.now()):
            schedule(tx, SETTLE_LOBBY, seat.lobby_id)  # it has waited for this seat
        write_event(tx, lobby, "release", _after(lobby, "release", order))
        count_bought(tx, lobby.terms, order, -1)
        over = lobby.state != "opening" and not rules.is_open(lobby, clock.now())
        return msgspec.structs.replace(move(tx, order, "held", "released"), over=over)

    def leave(self, tx: Transaction, order: Order) -> Seat:
        """Give up a paid seat before the lobby has ended, as part of `tx`; with its last paid member a lobby is over.

        Of a full lobby whose activity is drawn as a whole: take the order out of the draw, until that is made.
        Raises `order_state` once the lobby has ended, or the draw has begun.
        """
        seat = _seat(order)
        lobby = load(seat.lobby_id)
        lottery = lobby.terms.lottery
        if lobby.state == "succeeded" and lottery is not None and lottery.per == "activity":
            return _leave_draw(tx, order, lobby.terms)
        if not rules.is_open(lobby, clock.now()):
            raise MallError("order_state", state=order.state, errors=(LOBBY_IS_ENDING.at("order_id"),))
        after = _after(lobby, "leave", order)
        if after.state != "open":
            schedule(tx, RESOLVE_ORDERS, seat.lobby_id)
        # A payment or another leave in the same instant makes this look again: whether it is the last must be right.
        write_event(tx, lobby, "leave", after, Lobbies.taken == lobby.taken)
        count_bought(tx, lobby.terms, order, -1)
        return move(tx, order, "taken", "released")

    def give_back(self, tx: Transaction, order: Order, refund: Refund) -> None:
        """Count the refunded pieces no more for the member, as part of `tx`, where the activity has a limit."""
        terms = load(_seat(order).lobby_id).terms
        if not _counts(terms):
            return
        whose = _counted_as(terms, order)
        pieces = min(_bought(terms, whose), sum(line.quantity for line in refund.lines))
        if pieces:
            actions = [GroupActivities.bought.add(-pieces)]
            tx.update(*bought_key(terms.activity_id, whose), actions, GroupActivities.bought >= pieces, Conflict)


def write_event(tx: Transaction, before: Lobby, event: LobbyEvent, after: Lobby, same: Condition | None = None) -> None:
    """Change the lobby as `rules.step` says, as part of `tx`, while it is in the state that was read, the seat that
    moves is there, and `same` holds.

    Counters change by what the event moves, and are not overwritten: other seats may move in the same instant.
    """
    terms = before.terms
    actions: list[Action] = []
    condition = Lobbies.state == before.state
    if event in rules.SEAT_MOVES:
        source, target = (getattr(Lobbies, counter) for counter in rules.SEAT_MOVES[event])
        actions += [source.set(source - 1), target.set(target + 1)]
        condition &= source >= 1
    if after.paid_fen != before.paid_fen:
        actions.append(Lobbies.paid_fen.set(Lobbies.paid_fen + (after.paid_fen - before.paid_fen)))
    if after.state != before.state:
        actions.append(Lobbies.state.set(after.state))
    if after.finished != before.finished:
        actions.append(Lobbies.finished.set(after.finished))
    if after.leader_left != before.leader_left:
        actions.append(Lobbies.leader_left.set(after.leader_left))
    if after.expires_at is not None and before.expires_at is None:
        actions += [Lobbies.expires_at.set(clock.stamp(after.expires_at)), Lobbies.partition.set(partition_of(terms))]
    position = position_of(after)
    if position is not None and position != position_of(before):
        actions.append(Lobbies.position.set(position))
    tx.update(*lobby_key(terms.lobby_id), actions, condition if same is None else condition & same, Conflict)
    tell(tx, before, after)


def _hold_free(tx: Transaction, terms: Terms) -> None:
    """Hold a free seat of an open lobby, whatever else it counts: the condition reads what the deal did not."""
    before = Lobby(terms=terms, state="open", free=terms.size, held=0, taken=0)
    write_event(tx, before, "hold", rules.step(before, "hold", terms.opened_at))


def _leave_draw(tx: Transaction, order: Order, terms: Terms) -> Seat:
    """Take the order out of the draw over its activity, as part of `tx`, whether it has been entered yet or not: who
    enters it changes the order too. Those who take part are those who are there when the activity closes."""
    made = MallError("order_state", state=order.state, errors=(DRAW_IS_MADE.at("order_id"),))
    tx.check(*activity_key(terms.activity_id), GroupActivities.closed.does_not_exist(), made)
    tx.delete(GroupActivities, (terms.activity_id, ENTRY + order.order_id))
    count_bought(tx, terms, order, -1)
    return move(tx, order, "taken", "failed")


def count_bought(tx: Transaction, terms: Terms, order: Order, sign: int, on_failure: object = None) -> None:
    """Count the order's pieces for the member (1), or take them off again (-1), where the activity has a limit.

    Of an activity for new customers, a member joins one lobby at a time. `tx` fails with `on_failure`, where that is
    given, when the member may not have so many pieces; else with the refusal that says so.
    """
    limit = terms.limit_per_member
    if not _counts(terms):
        return
    pieces = _pieces(order)
    key = bought_key(terms.activity_id, order.member_id)
    none = GroupActivities.bought.does_not_exist()
    if sign < 0:
        key = bought_key(terms.activity_id, _counted_as(terms, order))
        tx.update(*key, [GroupActivities.bought.add(-pieces)], GroupActivities.bought >= pieces, Conflict)
    elif terms.new_customers_only and not _seat(order).leader:
        fits = none | (GroupActivities.bought == 0)
        tx.update(*key, [GroupActivities.bought.add(pieces)], fits, on_failure or _not_new())
    elif limit is not None:
        fits = none | (GroupActivities.bought <= limit - pieces)
        over = on_failure or rules.purchase_limit(limit)
        tx.update(*key, [GroupActivities.bought.add(pieces)], fits, over)
    else:
        tx.update(*key, [GroupActivities.bought.add(pieces)])


def move(tx: Transaction, order: Order, before: str, after: str) -> Seat:
    """Move the order's seat to another state, as part of `tx`, if it is still in the one before; the seat after it.

    A seat that was held and not paid is marked as let go, until it is taken after all.
    """
    seat = _seat(order)
    actions: list[Action] = [Lobbies.state.set(after)]
    if before == "held" and after == "released":
        actions.append(Lobbies.let_go.set(True))
    elif before == "released":
        actions.append(Lobbies.let_go.remove())
    same = (Lobbies.order_id == order.order_id) & (Lobbies.state == before)
    tx.update(*seat_key(seat.lobby_id, order.placed_by), actions, same, Conflict)
    return msgspec.structs.replace(seat, state=after, over=False)


def _former(found: ReadSet, member_id: str) -> list[Absorbed]:
    """List who turned out to be the member, where their profile was read: for an order, not for a quote."""
    key = profile_key(member_id)
    return found[key].profile.absorbed if key in found and found[key] is not None else []


def _joining(
    member_id: str, standing: Standing, lobby_found: Any, seats: Sequence[Any], former: Sequence[Absorbed]
) -> tuple[Terms, Any]:
    """Give the terms of a lobby and its expiry. `seats`: what the member has there, and each of the `former` ones who
    turned out to be them (None: nothing)."""
    if lobby_found is None:
        raise rules.no_such_lobby()
    lobby = lobby_of(lobby_found)
    if any(seat is not None and seat.state in ("held", "taken") for seat in seats):
        raise _already_in_lobby()
    if lobby.terms.leader_id in (member_id, *(one.member_id for one in former)):
        raise MallError("not_for_you", errors=(OWN_LOBBY.at("group.lobby_id"),))
    rules.check_joinable(lobby, clock.now())
    if any(seat is not None and seat.let_go for seat in seats):
        raise MallError("not_for_you", errors=(SEAT_LET_GO.at("group.lobby_id"),))
    unsettled = [one for one in former if not one.settled]
    if lobby.terms.new_customers_only and (unsettled or has_bought(member_id, standing)):
        raise _not_new()
    return lobby.terms, lobby.expires_at


def _already_in_lobby() -> MallError:
    return MallError("already_in_lobby", errors=(ALREADY_IN_LOBBY.at("group.lobby_id"),))


def _seats_held(limit: int) -> MallError:
    return MallError("too_many_unpaid", limit=limit, errors=(SEATS_HELD.at("group", limit=limit),))


def _not_new() -> MallError:
    return MallError("not_for_you", errors=(NEW_CUSTOMERS_ONLY.at("group.lobby_id"),))


def _opening(member_id: str, order_id: str, size: int | None, item: Any) -> tuple[Terms, Any]:
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_ACTIVITY.at("group.activity_id"),))
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
    """Tell whether the activity is over for good. One that was ended early waits for leaders who had begun to pay, and
    is wound up only some minutes after that, so that no lobby opens in one that is."""
    now = clock.now()
    if now >= terms.latest_end_at:
        return True
    item = read.get(GroupActivities, *activity_key(terms.activity_id)[1])
    return item is not None and item.activity.ended_early and now >= item.activity.ends_at + rules.OPENING_WAIT


def _pay(tx: Transaction, lobby: Lobby, event: LobbyEvent, order: Order) -> None:
    """Count one more paid seat; the first opens the lobby to others, the last makes it succeed."""
    terms = lobby.terms
    after = _after(lobby, event, order)
    if after.state == "succeeded":
        schedule(tx, RESOLVE_ORDERS, terms.lobby_id)
    # The last, and the one before it, are told of; no other becomes one of them, whoever else pays in this instant: so
    # that they need not wait for each other.
    is_told = after.taken >= terms.size - 1
    same = Lobbies.taken == lobby.taken if is_told else Lobbies.taken <= terms.size - 3
    if lobby.state == "opening":
        schedule(tx, SETTLE_LOBBY, terms.lobby_id, after.expires_at)
    write_event(tx, lobby, event, after, same)


def _after(lobby: Lobby, event: LobbyEvent, order: Order) -> Lobby:
    """Take the lobby through an event of this order's seat. Raises Conflict where the lobby was read after the order,
    and the seat has moved between the two."""
    if not rules.allows(lobby, event):
        raise Conflict
    fen = order.paid_fen if event == "leave" else order.payable_fen
    return rules.step(lobby, event, clock.now(), fen, _seat(order).leader)


def _seat(order: Order) -> Seat:
    if order.group is None:
        raise ValueError(f"{order.order_id} is of no group")
    return order.group


def _pieces(order: Order) -> int:
    return sum(line.quantity for line in order.lines)


def _counts(terms: Terms) -> bool:
    """Tell whether it is counted what a member has bought in the activity."""
    return terms.limit_per_member is not None or terms.new_customers_only


def _counted_as(terms: Terms, order: Order) -> str:
    """Say as whom the member has most: what who placed the order has bought is moved after the order itself."""
    known_as = (order.member_id, order.placed_as)
    return max(known_as, key=lambda one: _bought(terms, one)) if order.placed_as else order.member_id


def _bought(terms: Terms, member_id: str) -> int:
    item = read.get(GroupActivities, *bought_key(terms.activity_id, member_id)[1])
    return 0 if item is None else int(item.bought or 0)
