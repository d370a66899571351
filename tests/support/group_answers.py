"""What is right of an answer in a play of group-buy, and who can be chosen for its next deed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from chalicelib.commerce.orders.holding.rules import BOUGHT_KEPT
from chalicelib.commerce.orders.rules import Order
from chalicelib.core import clock
from chalicelib.growth.groupbuy.rules import MARGIN, Lobby, SeatItem
from tests.support.group_stage import Setting

_T = TypeVar("_T")


def is_right(
    code: str, member: str, lobby: Lobby, seats: list[SeatItem], setting: Setting, orders: Iterable[Order]
) -> bool:
    """Whether a member who would join the lobby may be refused so."""
    has_seat = any(seat.member_id == member and seat.state != "released" for seat in seats)
    over = lobby.expires_at is not None and clock.now() >= lobby.expires_at - MARGIN
    own = [order for order in orders if order.member_id == member]
    bought = any(got(setting, order) for order in own)
    regular = sum(order.paid_at is not None for order in own) > BOUGHT_KEPT
    let_go = any(
        order.group is not None and order.group.lobby_id == lobby.terms.lobby_id and order.state == "closed"
        for order in own
        if order.paid_at is None
    )
    right = {
        "lobby_full": lobby.free == 0,
        "lobby_over": lobby.state in ("succeeded", "failed") or over,
        "already_in_lobby": has_seat,
        "not_found": lobby.expires_at is None,
        "not_for_you": (
            let_go or (setting.new_customers_only and (bought or regular)) or lobby.terms.leader_id == member
        ),
        "too_many_unpaid": any(order.state == "awaiting_payment" for order in own),
        "purchase_limit": setting.limit_per_member is not None,
    }
    return right.get(code, True)


def is_joinable(lobby: Lobby) -> bool:
    """Whether somebody can join it now."""
    alive = lobby.expires_at is not None and clock.now() < lobby.expires_at - MARGIN
    return lobby.state == "open" and alive and lobby.free > 0


def got(setting: Setting, order: Order) -> bool:
    """Whether the order's pieces count as bought by its member: it has its seat, and what the seat brought."""
    assert order.group is not None
    lottery = setting.lottery
    free = lottery is not None and lottery.prize == "free"
    return order.group.state in ("held", "taken", "won") or (order.group.state == "lost" and free)


def pick(candidates: list[_T], number: int) -> _T:
    """One of them, counted from the latest."""
    return candidates[-1 - number % len(candidates)]
