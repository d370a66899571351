"""Group-buys for shoppers.

Opening and joining a lobby are orders (POST /v1/orders with `group`).
"""

from __future__ import annotations

import msgspec

from chalicelib.growth.groupbuy.activities import queries as activity_queries
from chalicelib.growth.groupbuy.inputs import ProofQuery
from chalicelib.growth.groupbuy.lobbies import queries as lobbies
from chalicelib.growth.groupbuy.lobbies.views import LobbyCard, LobbyView
from chalicelib.growth.groupbuy.lottery import queries as lottery_queries
from chalicelib.growth.groupbuy.rules import Activity
from chalicelib.growth.groupbuy.views import ActivityView, DrawProof, activity_fields
from chalicelib.platform.web.endpoint import PUBLIC, VISITOR, Call, Reply, endpoint
from chalicelib.platform.web.types import Page, PageQuery

#: How long whoever has read the proof of a draw may keep it.
_PROOF_SECONDS = 86_400


def _view(activity: Activity, member_id: str, stock: dict[str, int] | None = None) -> ActivityView:
    return ActivityView(**activity_fields(activity, activity.variant_of(member_id), stock or {}))


def _proof(proof: DrawProof) -> DrawProof | Reply:
    """Answer with a proof: one that is still to come is not kept, and the answer is the last word on any other."""
    if proof.state != "open":
        return proof
    return Reply(msgspec.json.encode(proof), headers={"Cache-Control": "no-store"})


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


@endpoint(
    "GET /v1/group-activities/{activity_id}/draw", PUBLIC, errors=("cursor_invalid",), cache_seconds=_PROOF_SECONDS
)
def prove_activity(activity_id: str, query: ProofQuery) -> DrawProof | Reply:
    """Read the proof of the draw over an activity, which anybody can recompute: 5000 orders on a page."""
    return _proof(lottery_queries.proof_of_activity(activity_id, query.cursor))


@endpoint("GET /v1/lobbies/{lobby_id}", VISITOR)
def get_lobby(call: Call, lobby_id: str) -> LobbyView:
    """Read a lobby, its members by the first character of their names, and the caller's own seat.

    Until its leader has paid, only the leader sees it.
    """
    return lobbies.lobby_view(lobby_id, call.caller)


@endpoint("GET /v1/lobbies/{lobby_id}/draw", PUBLIC, cache_seconds=_PROOF_SECONDS)
def prove_lobby(lobby_id: str) -> DrawProof | Reply:
    """Read the proof of the draw in a lobby, which anybody can recompute."""
    return _proof(lottery_queries.proof_of_lobby(lobby_id))
