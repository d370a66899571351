"""Reads of lobbies: one with its members, those that can be joined, and those of an activity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from chalicelib.commerce.orders.ports import CACHE
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members import queries as member_queries
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.groupbuy import rules
from chalicelib.growth.groupbuy.lobbies.views import LobbyCard, LobbyView, lobby_fields, lobby_member, shown_lobby
from chalicelib.growth.groupbuy.refusals import NO_SUCH_LOBBY
from chalicelib.growth.groupbuy.rules import Activity, Lobby, SeatItem
from chalicelib.growth.groupbuy.tables import LOBBY, SEAT, Lobbies, lobby_key, lobby_of, partitions, seat_of
from chalicelib.platform.store import cache, cursors, read

#: How many pages of each shard one page of a list reads at most: lobbies that cannot be joined any more are few.
_READS_MAX = 4
#: How many lobbies are read at once to find what is unfinished: mostly the first answers.
_UNFINISHED_PAGE = 100


def joinable(activity: Activity, member_id: str, limit: int, cursor: str | None) -> tuple[list[LobbyCard], str | None]:
    """List a page of the lobbies of the member's own variant that can be joined, those with fewest unpaid seats first.

    Possibly a second old. Raises `cursor_invalid`.
    """
    variant = activity.variant_of(member_id)
    key = (CACHE, "joinable", activity.activity_id, variant, str(limit), cursor or "")
    return cache.remember(key, lambda: _joinable(activity, variant, limit, cursor))


def _joinable(activity: Activity, variant: str, limit: int, cursor: str | None) -> tuple[list[LobbyCard], str | None]:
    listing = f"lobbies:{activity.activity_id}:{variant}"
    after = cursors.read(listing, cursor) or "open|"
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
    return lobby_cards(found), cursors.write(listing, None if last else after)


def lobby_view(lobby_id: str, member_id: str) -> LobbyView:
    """Show a lobby to this member ("" for nobody known): one whose leader has not paid is shown to the leader only.

    Raises `not_found`.
    """
    items = list(read.query_all(Lobbies, lobby_id, consistent=True))
    lobby = next((lobby_of(item) for item in items if item.part == LOBBY), None)
    seats = [seat_of(item) for item in items if item.part.startswith(SEAT)]
    own = next((seat for seat in seats if seat.member_id == member_id), None)
    paid = [seat.member_id for seat in seats if seat.paid]
    asks = bool(member_id) and (own is None or own.state == "released")
    people = people_of([*paid, *([member_id] if asks else ())])
    if asks:
        own = _own_seat(seats, own, people.get(member_id))
    if lobby is None or (lobby.expires_at is None and own is None):
        raise MallError("not_found")
    return shown_lobby(lobby, seats, own, people)


def _own_seat(seats: Sequence[SeatItem], own: SeatItem | None, profile: Profile | None) -> SeatItem | None:
    """Find the seat of this member, who has their `own` or none: one of who turned out to be them, where that was not
    given up; else their own."""
    former = {one.member_id for one in (profile.absorbed if profile is not None else ())}
    theirs = [seat for seat in seats if seat.member_id in former]
    return next((seat for seat in theirs if seat.state != "released"), own or next(iter(theirs), None))


def lobbies_of_activity(activity: Activity, limit: int, cursor: str | None) -> tuple[list[LobbyCard], str | None]:
    """List a page of all lobbies of an activity: those that end now, then failed, open and succeeded ones."""
    listing = f"admin-lobbies:{activity.activity_id}"
    positions, last = _next_positions(partitions(activity), cursors.read(listing, cursor) or "", limit, "~")
    found = _lobbies(_lobby_ids(positions))
    cards = lobby_cards([lobby for lobby in found if lobby is not None])
    return cards, cursors.write(listing, None if last else positions[-1])


def _next_positions(shards: list[str], after: str, limit: int, end: str = "open|~") -> tuple[list[str], bool]:
    """Read the next positions over all shards, at most `limit`, and whether they are the last."""
    where = Lobbies.position.between(after + "!", end)
    found: list[str] = []
    more = False
    for shard in shards:
        page, rest = read.query(Lobbies, shard, index=Lobbies.by_partition, where=where, limit=limit)
        found += [raw["position"]["S"] for raw in page]
        more = more or rest is not None
    found.sort()
    return found[:limit], not more and len(found) <= limit


def unfinished(activity: Activity) -> Iterator[tuple[datetime, str]]:
    """Go through the lobbies of an activity that are open, or have ended and not all of whose orders are at their ends:
    the expiry of each, and its id. Possibly a second old."""
    for under in partitions(activity):
        for state in ("ending", "open"):
            where = Lobbies.position.startswith(f"{state}|")
            after: read.Raw | None = None
            while True:
                page, after = read.query(
                    Lobbies, under, index=Lobbies.by_partition, where=where, limit=_UNFINISHED_PAGE, after=after
                )
                for raw in page:
                    _, _, expires_at, lobby_id = raw["position"]["S"].split("|")
                    yield clock.from_stamp(expires_at), lobby_id
                if after is None:
                    break


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


def paid_seats(lobby_id: str) -> list[SeatItem]:
    """List every seat of the lobby that is or was paid, in the order of its orders' ids."""
    found = [
        seat_of(item)
        for item in read.query_all(Lobbies, lobby_id, where=Lobbies.part.startswith(SEAT), consistent=True)
    ]
    return sorted((seat for seat in found if seat.paid), key=lambda seat: seat.order_id)


def load(lobby_id: str) -> Lobby:
    """Read the lobby. Raises `not_found`."""
    item = read.get(Lobbies, *lobby_key(lobby_id)[1])
    if item is None:
        raise MallError("not_found", errors=(NO_SUCH_LOBBY.at("lobby_id"),))
    return lobby_of(item)


def lobby_cards(lobbies: list[Lobby]) -> list[LobbyCard]:
    """Show lobbies in a list, with their leaders."""
    people = people_of([lobby.terms.leader_id for lobby in lobbies])
    return [
        LobbyCard(
            **lobby_fields(lobby),
            leader=None if lobby.leader_left else lobby_member(people, lobby.terms.leader_id, True),
        )
        for lobby in lobbies
    ]


def people_of(member_ids: list[str]) -> dict[str, Any]:
    """Read the profiles of these members, by id, of one who turned out to be another that one's; erased members are not
    among them."""
    asked = list(dict.fromkeys(member_ids))
    found = read.batch_get([profile_key(member_id) for member_id in asked], consistent=False) if asked else []
    people = {item.member_id: item.profile for item in found if item is not None}
    gone = [member_id for member_id in asked if member_id not in people]
    now = {one: member for one in gone if (member := member_queries.resolved(one)) != one}
    if now:
        of_now = people_of(list(now.values()))
        people |= {one: of_now[member] for one, member in now.items() if member in of_now}
    return people
