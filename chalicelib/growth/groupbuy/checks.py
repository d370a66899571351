"""The audit of lobbies: counters, seats and orders must tell the same story. Pure; every difference is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.commerce.orders.rules import Order, Seat, SeatState
from chalicelib.core.difference import Difference
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


def audit(orders: Iterable[Order], lobbies: Iterable[Lobby], seats: Iterable[tuple[str, SeatItem]]) -> list[Difference]:
    """Find every difference between lobbies, their seats (each with its lobby's id) and the orders that sit in them."""
    known = {lobby.terms.lobby_id: lobby for lobby in lobbies}
    by_lobby: dict[str, list[SeatItem]] = {lobby_id: [] for lobby_id in known}
    found: list[Difference] = []
    for lobby_id, seat in seats:
        by_lobby.setdefault(lobby_id, []).append(seat)
    for lobby_id, its_seats in by_lobby.items():
        if lobby_id not in known:
            found.append(Difference(lobby_id, "seats of no lobby"))
        else:
            found += _lobby_differences(known[lobby_id], its_seats)
    for order in orders:
        if order.group is not None:
            its_seats = by_lobby.get(order.group.lobby_id, [])
            found += _order_differences(order, known.get(order.group.lobby_id), its_seats)
    return found


def _lobby_differences(lobby: Lobby, seats: list[SeatItem]) -> list[Difference]:
    """Its counters against its seats, and its state against its counters."""
    about = lobby.terms.lobby_id
    held = sum(seat.state == "held" for seat in seats)
    taken = sum(seat.paid for seat in seats)
    found: list[Difference] = []
    if min(lobby.free, lobby.held, lobby.taken) < 0 or lobby.free + lobby.held + lobby.taken != lobby.terms.size:
        counted = f"{lobby.free} free + {lobby.held} held + {lobby.taken} taken"
        found.append(Difference(about, f"{counted} are not {lobby.terms.size} seats"))
    if (lobby.held, lobby.taken) != (held, taken):
        counted = f"counts {lobby.held} held and {lobby.taken} taken"
        found.append(Difference(about, f"{counted}, its seats say {held} and {taken}"))
    if lobby.state == "succeeded" and lobby.terms.ending(lobby.taken)[0] != "succeeded":
        found.append(Difference(about, f"succeeded with {lobby.taken} of {lobby.terms.size} seats taken"))
    if lobby.state == "open" and lobby.taken == lobby.terms.size:
        found.append(Difference(about, "all seats are taken, and it has not succeeded"))
    return found


def _order_differences(order: Order, lobby: Lobby | None, seats: list[SeatItem]) -> list[Difference]:
    """An order's own word for its seat against the lobby's, and its state against both."""
    seat = order.group
    assert seat is not None
    if lobby is None:
        return [Difference(order.order_id, f"sits in no lobby: {seat.lobby_id}")]
    faults = [
        _seat_fault(order, seat, seats),
        None if order.state in _FITS[seat.state] else f"is {order.state} with a {seat.state} seat",
        "still waits for a lobby that is finished" if _is_forgotten(order, lobby) else None,
        _money_fault(order, seat),
    ]
    return [Difference(order.order_id, fault) for fault in faults if fault is not None]


def _seat_fault(order: Order, seat: Seat, seats: list[SeatItem]) -> str | None:
    """How the order's seat differs from what the lobby says of it."""
    item = next((one for one in seats if one.order_id == order.order_id), None)
    if item is None:  # a member who gave a seat up may have sat down again with another order
        return None if seat.state == "released" else f"has a {seat.state} seat that the lobby does not know"
    same = (item.state, item.member_id) == (seat.state, order.member_id)
    return None if same else f"says {seat.state}, the lobby says {item.state}"


def _is_forgotten(order: Order, lobby: Lobby) -> bool:
    """Tell whether the order waits for a lobby that has brought all its orders to their ends, and for no draw."""
    lottery = lobby.terms.lottery
    waits_for_draw = lottery is not None and lottery.per == "activity"
    return order.state == "awaiting_group" and lobby.finished and not waits_for_draw


def _money_fault(order: Order, seat: Seat) -> str | None:
    """How much of an order without a seat is not given back."""
    owed = sum(refund.amount_fen for refund in order.refunds if refund.state != "rejected")
    if seat.state not in ("released", "failed") or owed == order.paid_fen:
        return None
    return f"has no seat, and {order.paid_fen - owed} fen stay with the mall"
