"""Distributors, their terms and customers as distributors and operators see them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.core.difference import Difference
from chalicelib.growth.distribution.commissions.views import What
from chalicelib.growth.distribution.distributors.rules import next_goal
from chalicelib.growth.distribution.rules import (
    CommissionLine,
    CommissionState,
    DistributionRules,
    Distributor,
    DistributorState,
    SalesTotals,
)
from chalicelib.ledger.rules import Posting


class AdminDistributor(msgspec.Struct, kw_only=True):
    """A distributor in an operators' list: what they brought and was kept (fen paid for goods, orders, customers), and
    what stands in their account, in fen; together that is `earned_fen`, all that was earned and neither taken back nor
    written off. They are known by their member's id."""

    distributor_id: str
    member_id: str
    nickname: str
    state: DistributorState
    tier: str
    applied_at: datetime
    sales_fen: int
    orders: int
    customers: int
    earned_fen: int
    pending_fen: int
    available_fen: int
    withdrawing_fen: int
    withdrawn_fen: int


class BindingView(msgspec.Struct, kw_only=True):
    """To whom a member is bound, by which link, until when (null: for ever), and what they have bought since."""

    inviter: str
    token: str
    bound_at: datetime
    until: datetime | None
    live: bool
    orders: int
    paid_fen: int


class AdminDistributorDetail(AdminDistributor, kw_only=True):
    """All that there is of a distributor. `rewarded`: the tiers whose reward they have got."""

    invite_code: str
    rewarded: list[str]
    tier_progress: TierProgress | None
    tie: BindingView | None


class AdminLedgerLine(msgspec.Struct, kw_only=True):
    """An entry that changed a distributor's account: what it was, its cause in the journal, an operator's note on it,
    and all its postings in fen (debit positive; an account of a member is a debt of the mall)."""

    at: datetime
    what: What
    about: str
    cause: str
    note: str
    postings: list[Posting]


class AdminCommission(msgspec.Struct, kw_only=True):
    """What an order pays on one level, with its lines; `rules_version` is that of the settings it was made by."""

    order_id: str
    level: int
    member_id: str
    buyer_id: str
    tier: str
    rules_version: int
    base_fen: int
    amount_fen: int
    state: CommissionState
    created_at: datetime
    available_at: datetime | None
    lines: list[CommissionLine]


class AccountCheck(msgspec.Struct):
    """A distributor's account recomputed from so many entries, and whatever does not agree."""

    entries: int
    differences: list[Difference]


class DistributorView(msgspec.Struct, kw_only=True):
    """A distributor, as they see themselves."""

    distributor_id: str
    state: DistributorState
    tier: str
    invite_code: str
    applied_at: datetime


class TierProgress(msgspec.Struct, kw_only=True):
    """The tier that comes next, what it needs (0: none of that), and what there is of it: fen paid for goods and kept,
    orders, and customers who have bought."""

    tier_id: str
    name: str
    sales_fen: int
    sales_needed_fen: int
    orders: int
    orders_needed: int
    customers: int
    customers_needed: int


class RightsView(msgspec.Struct):
    """What the mall and the distributor's tier say that they may expect; "" for nothing."""

    mall: str
    tier: str


class TierView(msgspec.Struct, kw_only=True):
    """A tier and what it takes to reach it (0: none of that), its rates by level, its one-off reward, its rights."""

    tier_id: str
    name: str
    rates_bp: list[int]
    sales_fen: int
    orders: int
    customers: int
    reward_fen: int
    rights: str


class DistributionTerms(msgspec.Struct, kw_only=True):
    """The rules by which this mall's distributors are paid, for everybody to read before they apply. `rates_bp` by
    level, where a product has none of its own; `freeze_days` after receipt a commission can be withdrawn."""

    enabled: bool
    levels: int
    rates_bp: list[int]
    bind_on: Literal["first_visit", "first_order"]
    protection_days: int
    freeze_days: int
    rights: str
    tiers: list[TierView]


class DistributorOverview(DistributorView, kw_only=True):
    """A distributor with what they have, in fen. `today_fen` and `month_fen`: commissions of the day and the month (of
    Asia/Shanghai) less what refunds took back in it. `rates_bp` by level, where a product has none of its own."""

    pending_fen: int
    available_fen: int
    withdrawing_fen: int
    withdrawn_fen: int
    today_fen: int
    month_fen: int
    tier_progress: TierProgress | None
    rights: RightsView
    rates_bp: list[int]


class CustomerView(msgspec.Struct, kw_only=True):
    """Somebody whom I brought, or (level 2, by the first character of their name) whom one of those brought: orders
    that earned something since then, and what was paid for their goods and not given back."""

    nickname: str
    bound_at: datetime
    orders: int
    paid_fen: int


class LeaderboardRow(msgspec.Struct, kw_only=True):
    """A distributor's sales of a month in fen; equal sales share a rank."""

    rank: int
    nickname: str
    sales_fen: int


class MyRank(msgspec.Struct, kw_only=True):
    """My own sales; `rank` is null for a distributor who is not among the best."""

    rank: int | None
    sales_fen: int


class Leaderboard(msgspec.Struct, kw_only=True):
    """The best twenty of a month, and me."""

    month: str
    items: list[LeaderboardRow]
    mine: MyRank


def distributor_view(distributor: Distributor) -> DistributorView:
    """Show a distributor what they are."""
    return DistributorView(**distributor_fields(distributor))


def distributor_fields(distributor: Distributor) -> dict[str, Any]:
    """Give what every view of a distributor says."""
    same = ("state", "tier", "invite_code", "applied_at")
    return {"distributor_id": distributor.member_id, **{name: getattr(distributor, name) for name in same}}


def tier_progress(tier: str, reached: SalesTotals, rules: DistributionRules) -> TierProgress | None:
    """Show how far it is to the next tier; None where none is reached by sales."""
    goal = next_goal(tier, reached, rules.tiers)
    if goal is None:
        return None
    return TierProgress(
        tier_id=goal.tier_id, name=goal.name,
        sales_fen=reached.sales_fen, sales_needed_fen=goal.sales_fen,
        orders=reached.orders, orders_needed=goal.orders,
        customers=reached.customers, customers_needed=goal.customers,
    )  # fmt: skip
