"""Group-buys for shoppers; importing it declares the operators' endpoints and the jobs of the wing too.

Opening and joining a lobby are orders (POST /v1/orders with `group`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

import chalicelib.groupbuy.admin_routes
import chalicelib.groupbuy.settle  # noqa: F401 - declares its jobs
from chalicelib.groupbuy import activities, lobbies
from chalicelib.groupbuy.lobbies import LobbyCard, LobbyView, Proof
from chalicelib.groupbuy.rules import Activity, Kind, Lottery
from chalicelib.groupbuy.seats import GROUP_BUY, Seating
from chalicelib.orders.groups import register
from chalicelib.shop.routes import expose
from chalicelib.web.endpoint import PUBLIC, VISITOR, Call, endpoint
from chalicelib.web.types import Page, PageQuery

register(Seating())
expose(GROUP_BUY)


class OfferedPrice(msgspec.Struct, kw_only=True):
    """What a piece of a SKU costs in a lobby of that size (a ladder: once so many have paid), in fen."""

    sku_id: str
    size: int
    price_fen: int
    leader_price_fen: int


class RulesView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The small print. Of a lottery the hash of the secret is told here, the secret after the draw."""

    limit_per_member: int | None = None
    min_fill: int | None = None
    new_customers_only: bool = False
    hold_minutes: int
    lottery: Lottery | None = None
    secret_hash: str = ""


class ActivityView(msgspec.Struct, kw_only=True):
    """A group-buy, with the sizes and prices that the caller is offered."""

    activity_id: str
    product_id: str
    name: str
    kind: Kind
    sizes: list[int]
    prices: list[OfferedPrice]
    lobby_minutes: int
    starts_at: datetime
    ends_at: datetime
    rules: RulesView


def _view(activity: Activity, member_id: str) -> ActivityView:
    sizes, prices = activity.offer(activity.variant_of(member_id))
    return ActivityView(
        activity_id=activity.activity_id, product_id=activity.product_id, name=activity.name, kind=activity.kind,
        sizes=sorted(sizes),
        prices=[
            OfferedPrice(
                sku_id=price.sku_id, size=price.size, price_fen=price.price_fen, leader_price_fen=price.for_seat(True)
            )
            for price in prices
        ],
        lobby_minutes=activity.lobby_minutes, starts_at=activity.starts_at, ends_at=activity.ends_at,
        rules=RulesView(
            limit_per_member=activity.limit_per_member, min_fill=activity.min_fill,
            new_customers_only=activity.new_customers_only, hold_minutes=GROUP_BUY.current().hold_minutes,
            lottery=activity.lottery, secret_hash=activity.secret_hash,
        ),
    )  # fmt: skip


@endpoint("GET /v1/group-activities", VISITOR, errors=("cursor_invalid",))
def list_activities(call: Call, query: PageQuery) -> Page[ActivityView]:
    """Group-buys that run or will run, those that end first at the top."""
    found, next_cursor = activities.page(query.limit, query.cursor, running=True)
    return Page([_view(activity, call.caller) for activity in found], next_cursor)


@endpoint("GET /v1/group-activities/{activity_id}", VISITOR)
def get_activity(call: Call, activity_id: str) -> ActivityView:
    """One group-buy. Where it tries out variants, a member is always offered the same one."""
    return _view(activities.remembered(activity_id).activity, call.caller)


@endpoint("GET /v1/group-activities/{activity_id}/lobbies", VISITOR, errors=("cursor_invalid",))
def list_lobbies(call: Call, activity_id: str, query: PageQuery) -> Page[LobbyCard]:
    """The lobbies that can be joined now, nearly full ones first."""
    activity = activities.remembered(activity_id).activity
    cards, next_cursor = lobbies.joinable(activity, call.caller, query.limit, query.cursor)
    return Page(cards, next_cursor)


@endpoint("GET /v1/group-activities/{activity_id}/draw", PUBLIC)
def prove_activity(activity_id: str) -> Proof:
    """The proof of the draw over an activity, which anybody can recompute."""
    return lobbies.proof_of_activity(activity_id)


@endpoint("GET /v1/lobbies/{lobby_id}", VISITOR)
def get_lobby(call: Call, lobby_id: str) -> LobbyView:
    """A lobby, its members by the first character of their names, and the caller's own seat.

    Until its leader has paid, only the leader sees it.
    """
    return lobbies.view(lobby_id, call.caller)


@endpoint("GET /v1/lobbies/{lobby_id}/draw", PUBLIC)
def prove_lobby(lobby_id: str) -> Proof:
    """The proof of the draw in a lobby, which anybody can recompute."""
    return lobbies.proof_of_lobby(lobby_id)
