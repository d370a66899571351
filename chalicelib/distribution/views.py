"""A distributor as they see themselves: what they have, what comes next, their customers, and the leaderboard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.distribution import service
from chalicelib.distribution.rules import DistributionRules, Distributor, DistributorState, Figures, next_goal, rate
from chalicelib.distribution.service import DISTRIBUTION
from chalicelib.distribution.tables import (
    Distributors,
    board_shard,
    distributor_key,
    figures,
    month_key,
    shards,
)
from chalicelib.ledger import service as ledger
from chalicelib.ledger.members import month
from chalicelib.members.rules import NAMELESS, Profile, masked
from chalicelib.members.tables import profile_key
from chalicelib.store import cursor, read

#: One page reads at most so many pages of an index, and for the second level asks so many members for customers.
_READS_MAX = 8
_ASKED_MAX = 20
_BOARD_LENGTH = 20
#: So many of each shard of a leaderboard are looked at: a suspended distributor does not stand on it.
_BOARD_READ = 30
#: Where in the list of those whom a member brought: the instant, and how many of that instant it is. No cursor may say
#: who they are.
Place = tuple[str, int]
_MONTH = r"20[0-9]{2}-(0[1-9]|1[0-2])"


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


def terms() -> DistributionTerms:
    """The rules as they are now."""
    rules = DISTRIBUTION.current()
    levels = range(1, rules.levels + 1)
    same = ("enabled", "levels", "bind_on", "protection_days", "freeze_days", "rights")
    tiers = [
        TierView(
            tier_id=tier.tier_id, name=tier.name, rates_bp=[rate(None, tier, level, rules).bp for level in levels],
            sales_fen=tier.sales_fen, orders=tier.orders, customers=tier.customers, reward_fen=tier.reward_fen,
            rights=tier.rights,
        )
        for tier in rules.tiers
    ]  # fmt: skip
    rates = [rate(None, None, level, rules).bp for level in levels]
    return DistributionTerms(**{name: getattr(rules, name) for name in same}, rates_bp=rates, tiers=tiers)


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


class Customer(msgspec.Struct, kw_only=True):
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
    """My own sales; `rank` is null for who is not among the best."""

    rank: int | None
    sales_fen: int


class Leaderboard(msgspec.Struct, kw_only=True):
    """The best twenty of a month, and me."""

    month: str
    items: list[LeaderboardRow]
    mine: MyRank


def distributor_view(distributor: Distributor) -> DistributorView:
    """The distributor as they are answered."""
    return DistributorView(**_fields(distributor))


def _fields(distributor: Distributor) -> dict[str, Any]:
    same = ("state", "tier", "invite_code", "applied_at")
    return {"distributor_id": distributor.member_id, **{name: getattr(distributor, name) for name in same}}


def overview(member_id: str) -> DistributorOverview:
    """All that a distributor sees at first. Raises `not_found` for who never applied."""
    kept = service.item(member_id)
    distributor: Distributor = kept.distributor
    rules, today = DISTRIBUTION.current(), clock.day(clock.now())
    balance, this_month = ledger.standing(member_id, today)
    tier = rules.tier(distributor.tier)
    return DistributorOverview(
        **_fields(distributor),
        pending_fen=balance.pending,
        available_fen=balance.available,
        withdrawing_fen=balance.withdrawing,
        withdrawn_fen=balance.withdrawn,
        today_fen=this_month.days.get(today.day, 0),
        month_fen=this_month.turnover.earned - this_month.turnover.reversed,
        tier_progress=progress(distributor.tier, figures(kept), rules),
        rights=RightsView(rules.rights, tier.rights if tier is not None else ""),
        rates_bp=[rate(None, tier, level, rules).bp for level in range(1, rules.levels + 1)],
    )


def progress(tier: str, reached: Figures, rules: DistributionRules) -> TierProgress | None:
    """How far it is to the next tier; None where none is reached by figures."""
    goal = next_goal(tier, rules.tiers)
    if goal is None:
        return None
    return TierProgress(
        tier_id=goal.tier_id, name=goal.name,
        sales_fen=reached.sales_fen, sales_needed_fen=goal.sales_fen,
        orders=reached.orders, orders_needed=goal.orders,
        customers=reached.customers, customers_needed=goal.customers,
    )  # fmt: skip


def customers(member_id: str, level: int, limit: int, given: str | None) -> tuple[list[Customer], str | None]:
    """A page of the members who are bound to this one, the latest first; of level 2, those of each of them in turn, and
    none where the mall pays one level. One who was bound this moment may be missing.

    A page may be short and not the last. Raises `not_found` for who never applied, `cursor_invalid`.
    """
    service.item(member_id)
    listing = f"customers:{member_id}:{level}"
    position = cursor.read(listing, given)
    if level > DISTRIBUTION.current().levels:
        return [], None
    found: list[Distributors]
    if level == 1:
        read_now, after = _brought(member_id, limit, position)
        found = [bound for bound, _ in read_now]
    else:
        found, after = _brought_by_others(member_id, limit, position)
    names = nicknames([bound.member_id for bound in found])
    shown = [
        Customer(
            nickname=(names[bound.member_id] or NAMELESS) if level == 1 else masked(names[bound.member_id]),
            bound_at=bound.binding.bound_at, orders=int(bound.orders or 0), paid_fen=int(bound.paid_fen or 0),
        )
        for bound in found
    ]  # fmt: skip
    return shown, cursor.write(listing, after)


def _brought(member_id: str, limit: int, behind: Place | None) -> tuple[list[tuple[Distributors, Place]], Place | None]:
    """The next so many live bindings to this member, each with its place, and behind which to go on (None: no more)."""
    now = clock.now()
    instant, passed = behind or ("", 0)
    where = Distributors.since <= f"{instant}|~" if instant else None
    skip, found = passed, list[tuple[Distributors, Place]]()
    after: read.Raw | None = None
    for _ in range(_READS_MAX):
        page, after = read.query(
            Distributors, member_id, index=Distributors.by_inviter, where=where, forward=False,
            limit=limit - len(found) + skip, after=after,
        )  # fmt: skip
        for raw in page[skip:]:
            at = raw["since"]["S"].partition("|")[0]
            instant, passed = at, passed + 1 if at == instant else 1
            bound = Distributors.from_raw_data(raw)
            if bound.binding.live(now):
                found.append((bound, (instant, passed)))
        skip = max(0, skip - len(page))
        if after is None or len(found) == limit:
            break
    return found, None if after is None else (instant, passed)


def _brought_by_others(member_id: str, limit: int, position: Any) -> tuple[list[Distributors], Any]:
    """The same of level 2. The position is: behind whom of level 1; and whose customers come next, behind which."""
    behind, partly, inner = position or (None, "", None)
    first, more = _brought(member_id, read.BATCH_MAX, behind)
    people = read.batch_get([distributor_key(bound.member_id) for bound, _ in first], consistent=False)
    found: list[Distributors] = []
    asked = 0
    for (bound, place), distributor in zip(first, people, strict=True):
        if distributor is not None and distributor.has_customers:
            if len(found) == limit or asked == _ASKED_MAX:
                return found, (behind, partly, inner)
            asked += 1
            whose = ids.digest(bound.member_id.encode())
            page, rest = _brought(bound.member_id, limit - len(found), inner if whose == partly else None)
            found += [each for each, _ in page]
            if rest is not None:
                return found, (behind, whose, rest)
        behind = place
    return found, None if more is None else (more, "", None)


def month_named(text: str) -> str | None:
    """The month, "2026-11", where that is one; None for anything else and for a month to come."""
    return text if re.fullmatch(_MONTH, text) and text <= month(clock.now()) else None


def leaderboard(member_id: str, asked: str | None) -> Leaderboard:
    """The best of a month by sales, this one where none is named. It may be a second old.

    Raises `not_found` where the mall has no leaderboard, for who never applied, and for what is no month up to now.
    """
    name = month_named(asked) if asked is not None else month(clock.now())
    if name is None or not DISTRIBUTION.current().leaderboard:
        raise MallError("not_found")
    service.item(member_id)
    rows, _ = read.ranked(
        Distributors, (board_shard(name, shard) for shard in shards()), index=Distributors.by_sales,
        along=Distributors.sales_fen, limit=_BOARD_READ,
    )  # fmt: skip
    best = [(raw["member_id"]["S"], sales) for raw in rows if (sales := int(raw["sales_fen"]["N"])) > 0]
    shown = _working([member for member, _ in best])
    best = [(member, sales) for member, sales in best if member in shown][:_BOARD_LENGTH]
    names = nicknames([member for member, _ in best])
    ranks = {member: 1 + sum(other > sales for _, other in best) for member, sales in best}
    own = read.get(Distributors, *month_key(member_id, name)[1], consistent=False)
    return Leaderboard(
        month=name,
        items=[
            LeaderboardRow(rank=ranks[member], nickname=masked(names[member]), sales_fen=sales)
            for member, sales in best
        ],
        mine=MyRank(rank=ranks.get(member_id), sales_fen=0 if own is None else int(own.sales_fen or 0)),
    )


def _working(member_ids: Sequence[str]) -> set[str]:
    """Those of them who are active distributors."""
    found = read.batch_get([distributor_key(member_id) for member_id in member_ids], consistent=False)
    return {item.member_id for item in found if item is not None and item.distributor.state == "active"}


def nicknames(member_ids: Sequence[str]) -> dict[str, str]:
    """What these members are called, "" where they have not said; in one BatchGet."""
    distinct = list(dict.fromkeys(member_ids))
    found = read.batch_get([profile_key(member_id) for member_id in distinct], consistent=False)
    profiles: dict[str, Profile] = {item.member_id: item.profile for item in found if item is not None}
    return {each: profiles[each].nickname if each in profiles else "" for each in distinct}
