"""The audit of group-buys: counters, seats, orders, prices and draws must tell the same story. Pure; every difference
is named, and no formula of the rules is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from chalicelib.commerce.coupons.rules import Held
from chalicelib.commerce.orders.rules import Order, Seat, SeatState
from chalicelib.core.difference import Difference
from chalicelib.growth.groupbuy.lobbies.checks import least, overdue, price_faults
from chalicelib.growth.groupbuy.lottery.checks import Drawing, audit_draws
from chalicelib.growth.groupbuy.rules import Lobby, SeatItem

#: The states of an order that fit each state of its seat. "closed" beside a paid seat: it was refunded whole later.
_FITS: Mapping[SeatState, frozenset[str]] = {
    "held": frozenset({"awaiting_payment"}),
    "taken": frozenset({"awaiting_group", "awaiting_shipment", "shipped", "received", "completed", "closed"}),
    "released": frozenset({"closed"}),
    "failed": frozenset({"closed"}),
    "won": frozenset({"awaiting_shipment", "shipped", "received", "completed", "closed"}),
    "lost": frozenset({"awaiting_shipment", "shipped", "received", "completed", "closed"}),
}
#: The states of a seat that nobody has paid, or that was given up before its lobby ended.
_UNPAID = ("held", "released")
#: So long after its end an activity must have been wound up, and its draw have come to every order.
WOUND_UP_AFTER = timedelta(days=1)


def audit(
    orders: Iterable[Order],
    lobbies: Iterable[Lobby],
    seats: Iterable[tuple[str, SeatItem]],
    coupons: Mapping[str, Held] | None = None,
    drawings: Iterable[Drawing] | None = None,
    now: datetime | None = None,
    moved: Mapping[str, str] | None = None,
) -> list[Difference]:
    """Find every difference between lobbies, their seats (each with its lobby's id) and the orders that sit in them.

    Coupons by id, activities with their draws, and what is overdue `now`, are left out when None. `moved`: who turned
    out to be whom.
    """
    placed = list(orders)
    known = {lobby.terms.lobby_id: lobby for lobby in lobbies}
    by_lobby: dict[str, list[SeatItem]] = {lobby_id: [] for lobby_id in known}
    in_lobby: dict[str, dict[str, Order]] = {lobby_id: {} for lobby_id in known}
    found: list[Difference] = []
    for lobby_id, seat in seats:
        by_lobby.setdefault(lobby_id, []).append(seat)
    for order in placed:
        if order.group is not None:
            its_seats, lobby = by_lobby.get(order.group.lobby_id, []), known.get(order.group.lobby_id)
            in_lobby.setdefault(order.group.lobby_id, {})[order.order_id] = order
            found += [Difference(order.order_id, what) for what in _order_faults(order, lobby, its_seats, coupons)]
    for lobby_id, its_seats in by_lobby.items():
        if lobby_id not in known:
            found.append(Difference(lobby_id, "seats of no lobby"))
            continue
        told = _lobby_faults(known[lobby_id], its_seats, in_lobby[lobby_id])
        found += [Difference(lobby_id, what) for what in told]
        if now is not None:
            found += [Difference(lobby_id, what) for what in overdue(known[lobby_id], now)]
    for drawing in drawings or ():
        found += audit_draws(drawing, known.values(), placed)
        found += _activity_differences(drawing, known.values(), placed, now, moved or {})
    return found


def _lobby_faults(lobby: Lobby, seats: list[SeatItem], orders: Mapping[str, Order]) -> Iterator[str]:
    """Its counters against its seats, its state against its counters, its seats against their orders."""
    terms = lobby.terms
    held = sum(seat.state == "held" for seat in seats)
    paid = [seat for seat in seats if seat.state not in _UNPAID]
    if min(lobby.free, lobby.held, lobby.taken) < 0 or lobby.free + lobby.held + lobby.taken != terms.size:
        yield f"{lobby.free} free + {lobby.held} held + {lobby.taken} taken are not {terms.size} seats"
    if (lobby.held, lobby.taken) != (held, len(paid)):
        yield f"counts {lobby.held} held and {lobby.taken} taken, its seats say {held} and {len(paid)}"
    if lobby.state == "succeeded" and lobby.taken < least(terms):
        yield f"succeeded with {lobby.taken} of {terms.size} seats taken"
    if lobby.state == "open" and lobby.taken == terms.size:
        yield "all seats are taken, and it has not succeeded"
    for seat in seats:
        if seat.state != "released" and seat.order_id not in orders:
            yield f"{seat.member_id} has a {seat.state} seat of no order"
    came = sum(orders[seat.order_id].payable_fen for seat in paid if seat.order_id in orders)
    if lobby.paid_fen != came:
        yield f"{lobby.paid_fen} fen were paid for its seats, its orders say {came}"


def _order_faults(
    order: Order, lobby: Lobby | None, seats: list[SeatItem], coupons: Mapping[str, Held] | None
) -> Iterator[str]:
    """An order's own word for its seat against the lobby's, and its state and its price against both."""
    seat = order.group
    assert seat is not None
    if lobby is None:
        yield f"sits in no lobby: {seat.lobby_id}"
        return
    yield from _seat_faults(order, seat, seats)
    if order.state not in _FITS[seat.state]:
        yield f"is {order.state} with a {seat.state} seat"
    lottery = lobby.terms.lottery
    if order.state == "awaiting_group" and lobby.finished and (lottery is None or lottery.per == "lobby"):
        yield "still waits for a lobby that is finished"
    if seat.state in ("taken", "won", "lost") and order.confirmed_at is not None and lobby.state != "succeeded":
        yield f"goes to shipping, and its lobby is {lobby.state}"
    owed = sum(one.goods_fen + one.freight_fen for one in order.refunds if one.state != "rejected")
    if seat.state in ("released", "failed") and owed != order.paid_fen:
        yield f"has no seat, and {order.paid_fen - owed} fen stay with the mall"
    yield from price_faults(order, lobby, coupons)


def _seat_faults(order: Order, seat: Seat, seats: list[SeatItem]) -> Iterator[str]:
    """How the order's seat differs from what the lobby says of it."""
    item = next((one for one in seats if one.order_id == order.order_id), None)
    if item is None:
        if seat.state != "released":  # a member who gave a seat up may have sat down again with another order
            yield f"has a {seat.state} seat that the lobby does not know"
    elif (item.state, item.member_id) != (seat.state, order.placed_as or order.member_id):
        yield f"says {seat.state}, the lobby says {item.state}"


def _activity_differences(
    drawing: Drawing, lobbies: Iterable[Lobby], orders: Iterable[Order], now: datetime | None, moved: Mapping[str, str]
) -> list[Difference]:
    """What members are counted to have bought in an activity, and whether it was wound up in time: a draw waits for
    lobbies that were open when the activity ended."""
    activity = drawing.activity
    about = activity.activity_id
    found: list[Difference] = []
    if activity.limit_per_member is not None or activity.new_customers_only:
        low, high = (_of_persons(pieces, moved) for pieces in _bought(drawing, orders))
        bought = _of_persons(drawing.bought, moved)
        for member_id in sorted(high.keys() | bought.keys()):
            counted = bought[member_id]
            if not low[member_id] <= counted <= high[member_id]:
                what = f"{member_id} is counted {counted} pieces, the orders say {high[member_id]}"
                found.append(Difference(about, what))
    own = (lobby for lobby in lobbies if lobby.terms.activity_id == about and not lobby.finished)
    over = max([activity.ends_at, *(lobby.expires_at for lobby in own if lobby.expires_at is not None)])
    if now is None or now - over <= WOUND_UP_AFTER or activity.lottery is None:
        return found
    if drawing.drawn is None:
        return [*found, Difference(about, f"ended at {over:%Y-%m-%d %H:%M}, and is not drawn")]
    return found + [
        Difference(order.order_id, "still waits for a draw that was made")
        for order in orders
        if order.group is not None and order.group.activity_id == about and order.state == "awaiting_group"
    ]


def _of_persons(pieces: Mapping[str, int], moved: Mapping[str, str]) -> Counter[str]:
    """Add up what is counted under the ids of one person."""
    found: Counter[str] = Counter()
    for member_id, count in pieces.items():
        found[moved.get(member_id, member_id)] += count
    return found


def _bought(drawing: Drawing, orders: Iterable[Order]) -> tuple[Counter[str], Counter[str]]:
    """From how many to how many pieces each member has bought: what was refunded after the group came together may
    still count, or not any more."""
    low: Counter[str] = Counter()
    high: Counter[str] = Counter()
    lottery = drawing.activity.lottery
    for order in orders:
        seat = order.group
        if seat is None or seat.activity_id != drawing.activity.activity_id or seat.state in ("released", "failed"):
            continue
        if seat.state == "lost" and lottery is not None and lottery.prize == "goods":
            continue
        high[order.member_id] += sum(line.quantity for line in order.lines)
        low[order.member_id] += sum(line.quantity - line.cancelled - line.returned for line in order.lines)
    return low, high
