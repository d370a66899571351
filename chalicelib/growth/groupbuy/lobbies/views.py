"""Lobbies as others see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.commerce.orders.rules import SeatState
from chalicelib.customers.members.rules import stranger_name
from chalicelib.growth.groupbuy.rules import Kind, Lobby, LobbyState, SeatItem
from chalicelib.growth.groupbuy.views import OfferedPrice, offered_prices


class LobbyMember(msgspec.Struct, kw_only=True):
    """Somebody in a lobby, as others may see them: the first character of their name."""

    nickname: str
    avatar_url: str
    is_leader: bool


class OwnSeat(msgspec.Struct, kw_only=True):
    """The caller's own seat."""

    order_id: str
    seat_state: SeatState
    is_leader: bool


class LobbyCard(msgspec.Struct, kw_only=True):
    """A lobby in a list. `left`: seats that are neither held nor taken. `step`: of a ladder, what is reached so far.
    `expires_at` is null until the leader has paid, `leader` when they have left."""

    lobby_id: str
    activity_id: str
    kind: Kind
    state: LobbyState
    size: int
    taken: int
    held: int
    left: int
    expires_at: datetime | None
    step: int | None
    leader: LobbyMember | None


class LobbyView(LobbyCard, kw_only=True, omit_defaults=True):
    """A lobby with its prices (its own, whatever the caller is offered elsewhere), those who have paid, and the
    caller's own seat where there is one."""

    product_id: str
    prices: list[OfferedPrice]
    members: list[LobbyMember]
    secret_hash: str = ""
    mine: OwnSeat | None = None


def lobby_fields(lobby: Lobby) -> dict[str, Any]:
    """Give what every view of a lobby says."""
    terms = lobby.terms
    return {
        "kind": terms.kind,
        "lobby_id": terms.lobby_id, "activity_id": terms.activity_id, "state": lobby.state, "size": terms.size,
        "taken": lobby.taken, "held": lobby.held, "left": lobby.free, "expires_at": lobby.expires_at,
        "step": terms.step(lobby.taken) if terms.kind == "ladder" else None,
    }  # fmt: skip


def lobby_member(people: dict[str, Any], member_id: str, leader: bool) -> LobbyMember:
    """Show somebody of a lobby to others: a masked name and the picture."""
    profile = people.get(member_id)
    picture = profile.shown_avatar_url if profile is not None else ""
    return LobbyMember(nickname=stranger_name(profile), avatar_url=picture, is_leader=leader)


def shown_lobby(lobby: Lobby, seats: Sequence[SeatItem], own: SeatItem | None, people: dict[str, Any]) -> LobbyView:
    """Show a lobby with its paid members, the leader first, and the caller's `own` seat; `people` has the members'
    profiles by their ids."""
    paid = sorted((seat for seat in seats if seat.paid), key=lambda seat: (not seat.leader, seat.order_id))
    members = [lobby_member(people, seat.member_id, seat.leader) for seat in paid]
    return LobbyView(
        **lobby_fields(lobby),
        leader=next((member for member in members if member.is_leader), None),
        product_id=lobby.terms.product_id,
        prices=offered_prices(lobby.terms.prices, {}),
        secret_hash=lobby.terms.secret_hash,
        members=members,
        mine=None if own is None else OwnSeat(order_id=own.order_id, seat_state=own.state, is_leader=own.leader),
    )
