"""Group-buys for shoppers.

Opening and joining a lobby are orders (POST /v1/orders with `group`).
"""

from __future__ import annotations

from chalicelib.growth.groupbuy.activities import queries as activity_queries
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.views import LobbyCard, LobbyView
from chalicelib.growth.groupbuy.lottery import queries as lottery_queries
from chalicelib.growth.groupbuy.rules import Activity
from chalicelib.growth.groupbuy.views import ActivityView, DrawProof, activity_fields
from chalicelib.platform.web.endpoint import PUBLIC, VISITOR, Call, endpoint
from chalicelib.platform.web.types import Page, PageQuery


def _view(activity: Activity, member_id: str, stock: dict[str, int] | None = None) -> ActivityView:
    return ActivityView(**activity_fields(activity, activity.variant_of(member_id), stock or {}))


@endpoint("GET /v1/group-activities", VISITOR, errors=("cursor_invalid",))
def list_activities(call: Call, query: PageQuery) -> Page[ActivityView]:
    """List the group-buys that run or will run, those that end first at the top."""
    found, next_cursor = activity_queries.running(query.limit, query.cursor)
    return Page([_view(activity, call.caller) for activity in found], next_cursor)


@endpoint("GET /v1/group-activities/{activity_id}", VISITOR)
def get_activity(call: Call, activity_id: str) -> ActivityView:
    """Read one group-buy. Where it tries out variants, a member is always offered the same one."""
    activity, stock = activity_queries.offered(activity_id)
    return _view(activity, call.caller, stock)


@endpoint("GET /v1/group-activities/{activity_id}/lobbies", VISITOR, errors=("cursor_invalid",))
def list_lobbies(call: Call, activity_id: str, query: PageQuery) -> Page[LobbyCard]:
    """List the lobbies that can be joined now, nearly full ones first."""
    activity = activity_queries.remembered(activity_id)
    cards, next_cursor = lobbies.joinable(activity, call.caller, query.limit, query.cursor)
    return Page(cards, next_cursor)


@endpoint("GET /v1/group-activities/{activity_id}/draw", PUBLIC)
def prove_activity(activity_id: str) -> DrawProof:
    """Read the proof of the draw over an activity, which anybody can recompute."""
    return lottery_queries.proof_of_activity(activity_id)


@endpoint("GET /v1/lobbies/{lobby_id}", VISITOR)
def get_lobby(call: Call, lobby_id: str) -> LobbyView:
    """Read a lobby, its members by the first character of their names, and the caller's own seat.

    Until its leader has paid, only the leader sees it.
    """
    return lobbies.lobby_view(lobby_id, call.caller)


@endpoint("GET /v1/lobbies/{lobby_id}/draw", PUBLIC)
def prove_lobby(lobby_id: str) -> DrawProof:
    """Read the proof of the draw in a lobby, which anybody can recompute."""
    return lottery_queries.proof_of_lobby(lobby_id)
