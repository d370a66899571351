"""An activity as shoppers and operators see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.growth.groupbuy.report.rules import Tally
from chalicelib.growth.groupbuy.rules import CONTROL, FILL_MIN, Activity, Kind, Lottery, Price, SetAside, Variant
from chalicelib.growth.groupbuy.settings import GROUP_BUY


class OfferedPrice(msgspec.Struct, kw_only=True):
    """What a piece of a SKU costs in a lobby of that size (a ladder: once so many have paid), in fen; and how many can
    be bought of it now, where an activity is shown alone."""

    sku_id: str
    size: int
    price_fen: int
    leader_price_fen: int
    stock: int | None = None


class RulesView(msgspec.Struct, kw_only=True):
    """The small print. Of a lottery the hash of the secret is told here, the secret after the draw."""

    limit_per_member: int | None
    min_fill: int | None
    new_customers_only: bool
    hold_minutes: int
    lottery: Lottery | None
    secret_hash: str


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


class AdminActivityView(ActivityView, kw_only=True):
    """A group-buy as operators see it: what everybody is offered who is in no variant, and the variants."""

    limit_per_member: int | None
    min_fill: int | None
    new_customers_only: bool
    stock: list[SetAside]
    variants: list[Variant]
    lottery: Lottery | None
    created_at: datetime
    ended_early: bool


def activity_fields(activity: Activity, variant: str, stock: dict[str, int]) -> dict[str, Any]:
    """Give what every view of an activity says, with the sizes and prices of one variant."""
    sizes, prices = activity.offer(variant)
    same = ("activity_id", "product_id", "name", "kind", "lobby_minutes", "starts_at", "ends_at")
    return {
        **{field: getattr(activity, field) for field in same},
        "sizes": sorted(sizes),
        "prices": offered_prices(prices, stock),
        "rules": RulesView(
            limit_per_member=activity.limit_per_member,
            min_fill=_fill(activity),
            new_customers_only=activity.new_customers_only,
            hold_minutes=GROUP_BUY.current().hold_minutes,
            lottery=activity.lottery,
            secret_hash=activity.secret_hash,
        ),
    }


def _fill(activity: Activity) -> int | None:
    return None if activity.min_fill is None else max(activity.min_fill, FILL_MIN)


def offered_prices(prices: list[Price], stock: dict[str, int]) -> list[OfferedPrice]:
    """Show prices, with the leader's own also where none was named."""
    return [
        OfferedPrice(
            sku_id=price.sku_id,
            size=price.size,
            price_fen=price.price_fen,
            leader_price_fen=price.leader_fen,
            stock=stock.get(price.sku_id),
        )
        for price in prices
    ]


def admin_view(activity: Activity) -> AdminActivityView:
    """Show the activity to operators."""
    own = ("limit_per_member", "new_customers_only", "variants", "lottery", "created_at", "ended_early")
    return AdminActivityView(
        **activity_fields(activity, CONTROL, {}),
        **{field: getattr(activity, field) for field in own},
        min_fill=_fill(activity),
        stock=[SetAside(sku_id=sku_id, pieces=pieces) for sku_id, pieces in activity.stock.items()],
    )


class DrawProof(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a draw follows from. Before it (`open`), only the hash of the secret is told; a lobby that failed is never
    drawn.

    The winners are those `winners_count` orders whose HMAC-SHA256 under the secret is smallest (docs/lottery.md).
    A lobby's secret is the HMAC-SHA256 of its id under its activity's, which is told when the activity has ended.
    Where many took part, `orders` are those of one page, and `next_cursor` asks for the next; the rest is the same on
    every page.
    """

    activity_id: str
    lobby_id: str | None = None
    state: Literal["open", "drawn", "failed"]
    secret_hash: str
    winners_count: int
    secret: str | None = None
    orders: list[str] = []
    winners: list[str] = []
    next_cursor: str | None = None


class ActivityReport(msgspec.Struct, kw_only=True):
    """What an activity brought, by variant."""

    activity_id: str
    variants: list[Tally]
