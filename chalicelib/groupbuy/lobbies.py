"""Lobbies as others see them: those that can be joined, one with its members, and the proof of its draw."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.groupbuy import activities, draw, rules, seats
from chalicelib.groupbuy.rules import Activity, Kind, Lobby, LobbyState
from chalicelib.groupbuy.settle import entries_of, paid_seats
from chalicelib.groupbuy.tables import LOBBY, SEAT, Lobbies, lobby_key, lobby_of, partitions, seat_of
from chalicelib.groupbuy.views import OfferedPrice, offered_prices
from chalicelib.members.rules import masked
from chalicelib.members.tables import profile_key
from chalicelib.orders.groups import CACHE
from chalicelib.orders.rules import SeatState
from chalicelib.store import cache, cursor, read

#: One page of a list reads at most so many pages of each shard: lobbies that cannot be joined any more are few.
_READS_MAX = 4


class Person(msgspec.Struct, kw_only=True):
    """Somebody in a lobby, as others may see them: the first character of their name."""

    nickname: str
    avatar_url: str
    is_leader: bool


class Mine(msgspec.Struct, kw_only=True):
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
    leader: Person | None


class LobbyView(LobbyCard, kw_only=True, omit_defaults=True):
    """A lobby with its prices (its own, whatever the caller is offered elsewhere), those who have paid, and the
    caller's own seat where there is one."""

    product_id: str
    prices: list[OfferedPrice]
    members: list[Person]
    secret_hash: str = ""
    mine: Mine | None = None


class Proof(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a draw follows from. Before it (`open`), only the hash of the secret is told; a lobby that failed is never
    drawn.

    The winners are those `winners_count` orders whose HMAC-SHA256 under the secret is smallest (docs/lottery.md).
    A lobby's secret is the HMAC-SHA256 of its id under its activity's, which is told when the activity has ended.
    """

    activity_id: str
    lobby_id: str | None = None
    state: Literal["open", "drawn", "failed"]
    secret_hash: str
    winners_count: int
    secret: str | None = None
    orders: list[str] = []
    winners: list[str] = []


def joinable(activity: Activity, member_id: str, limit: int, given: str | None) -> tuple[list[LobbyCard], str | None]:
    """A page of the lobbies that can be joined, those with the fewest unpaid seats first; of the member's own variant.

    Possibly a second old. Raises `cursor_invalid`.
    """
    variant = activity.variant_of(member_id)
    key = (CACHE, "joinable", activity.activity_id, variant, str(limit), given or "")
    return cache.remember(key, lambda: _joinable(activity, variant, limit, given))


def _joinable(activity: Activity, variant: str, limit: int, given: str | None) -> tuple[list[LobbyCard], str | None]:
    listing = f"lobbies:{activity.activity_id}:{variant}"
    after = cursor.read(listing, given) or "open|"
    found: list[Lobby] = []
    last = False
    for _ in range(_READS_MAX):
        positions, last = _next_positions(partitions(activity, variant), after, limit)
        for position, lobby in zip(positions, _lobbies(_lobby_ids(positions)), strict=True):
            if len(found) == limit:
                last = False
                break
            after = position
            if lobby is not None and _can_join(lobby):
                found.append(lobby)
        if last or len(found) == limit:
            break
    return _cards(found), cursor.write(listing, None if last else after)


def view(lobby_id: str, member_id: str) -> LobbyView:
    """A lobby as this member ("" for nobody known) sees it: one whose leader has not paid is shown to the leader only.

    Raises `not_found`.
    """
    items = list(read.query_all(Lobbies, lobby_id, consistent=True))
    lobby = next((lobby_of(item) for item in items if item.part == LOBBY), None)
    seated = [seat_of(item) for item in items if item.part.startswith(SEAT)]
    mine = next((seat for seat in seated if seat.member_id == member_id), None)
    if lobby is None or (lobby.expires_at is None and mine is None):
        raise MallError("not_found")
    members = [seat for seat in seated if seat.paid]
    members.sort(key=lambda seat: (not seat.leader, seat.order_id))
    people = _people([seat.member_id for seat in members])
    return LobbyView(
        **_fields(lobby),
        leader=next((_person(people, seat.member_id, True) for seat in members if seat.leader), None),
        product_id=lobby.terms.product_id,
        prices=offered_prices(lobby.terms.prices, {}),
        secret_hash=lobby.terms.secret_hash,
        members=[_person(people, seat.member_id, seat.leader) for seat in members],
        mine=None if mine is None else Mine(order_id=mine.order_id, seat_state=mine.state, is_leader=mine.leader),
    )


def proof_of_lobby(lobby_id: str) -> Proof:
    """The proof of the draw in a lobby. Raises `not_found` where none is drawn."""
    lobby = seats.load(lobby_id)
    terms = lobby.terms
    if terms.lottery is None or terms.lottery.per != "lobby" or lobby.expires_at is None:
        raise MallError("not_found")
    proof = Proof(
        activity_id=terms.activity_id, lobby_id=lobby_id, secret_hash=terms.secret_hash,
        winners_count=terms.lottery.winners, state="failed" if lobby.state == "failed" else "open",
    )  # fmt: skip
    if lobby.state != "succeeded":
        return proof
    secret = draw.lobby_secret(str(activities.load(terms.activity_id).secret), lobby_id)
    return _drawn(proof, secret, [seat.order_id for seat in paid_seats(lobby_id)])


def proof_of_activity(activity_id: str) -> Proof:
    """The proof of the draw over an activity; of one that is drawn by lobby, the secret theirs are made from.

    Raises `not_found` where nothing is drawn.
    """
    known = activities.load(activity_id)
    lottery = known.activity.lottery
    if lottery is None:
        raise MallError("not_found")
    over_all = lottery.per == "activity"
    proof = Proof(
        activity_id=activity_id, secret_hash=known.activity.secret_hash,
        winners_count=lottery.winners if over_all else 0, state="open",
    )  # fmt: skip
    if not known.drawn:
        return proof
    return _drawn(proof, str(known.secret), entries_of(activity_id) if over_all else [])


def of_activity(activity: Activity, limit: int, given: str | None) -> tuple[list[LobbyCard], str | None]:
    """A page of all lobbies of an activity, for operators: those that end now, then failed, open and succeeded ones."""
    listing = f"admin-lobbies:{activity.activity_id}"
    positions, last = _next_positions(partitions(activity), cursor.read(listing, given) or "", limit, "~")
    found = _lobbies(_lobby_ids(positions))
    cards = _cards([lobby for lobby in found if lobby is not None])
    return cards, cursor.write(listing, None if last else positions[-1])


def _next_positions(shards: list[str], after: str, limit: int, end: str = "open|~") -> tuple[list[str], bool]:
    """The next so many positions over all shards, and whether they are the last."""
    where = Lobbies.position.between(after + "!", end)
    found: list[str] = []
    more = False
    for shard in shards:
        page, rest = read.query(Lobbies, shard, index=Lobbies.by_partition, where=where, limit=limit)
        found += [raw["position"]["S"] for raw in page]
        more = more or rest is not None
    found.sort()
    return found[:limit], not more and len(found) <= limit


def _lobby_ids(positions: list[str]) -> list[str]:
    return [position.rpartition("|")[2] for position in positions]


def _lobbies(lobby_ids: list[str]) -> list[Lobby | None]:
    found = read.batch_get([lobby_key(lobby_id) for lobby_id in lobby_ids], consistent=False) if lobby_ids else []
    return [None if item is None else lobby_of(item) for item in found]


def _can_join(lobby: Lobby) -> bool:
    try:
        rules.check_joinable(lobby, clock.now())
    except MallError:
        return False
    return True


def _fields(lobby: Lobby) -> dict[str, Any]:
    terms = lobby.terms
    return {
        "kind": terms.kind,
        "lobby_id": terms.lobby_id, "activity_id": terms.activity_id, "state": lobby.state, "size": terms.size,
        "taken": lobby.taken, "held": lobby.held, "left": lobby.free, "expires_at": lobby.expires_at,
        "step": terms.step(lobby.taken) if terms.kind == "ladder" else None,
    }  # fmt: skip


def _cards(lobbies: list[Lobby]) -> list[LobbyCard]:
    people = _people([lobby.terms.leader_id for lobby in lobbies])
    return [
        LobbyCard(
            **_fields(lobby),
            leader=None if lobby.leader_left else _person(people, lobby.terms.leader_id, True),
        )
        for lobby in lobbies
    ]


def _people(member_ids: list[str]) -> dict[str, Any]:
    keys = [profile_key(member_id) for member_id in dict.fromkeys(member_ids)]
    found = read.batch_get(keys, consistent=False) if keys else []
    return {item.member_id: item.profile for item in found if item is not None}


def _person(people: dict[str, Any], member_id: str, leader: bool) -> Person:
    profile = people.get(member_id)
    nickname = masked(profile.nickname if profile is not None else "")
    return Person(nickname=nickname, avatar_url=profile.avatar_url if profile is not None else "", is_leader=leader)


def _drawn(proof: Proof, secret: str, order_ids: list[str]) -> Proof:
    won = draw.winners(secret, order_ids, proof.winners_count)
    return msgspec.structs.replace(proof, state="drawn", secret=secret, orders=order_ids, winners=won)
