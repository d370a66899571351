"""Which tier a distributor stands in by what they have reached, and what it rewards. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.growth.distribution.rules import STANDARD, Distributor, SalesTotals, Tier


def risen(distributor: Distributor, totals: SalesTotals, tiers: Sequence[Tier]) -> tuple[Distributor, int] | None:
    """Put the distributor into the next tier that is reached with these totals, with its reward in fen (0: none, or
    they have got it before); None when there is none.

    Who stands in a tier that the merchant has removed is put into the highest that they have reached, and rewarded for
    none up to there: they were on their way to where they stood.
    """
    known = distributor.rewarded
    if _is_removed(distributor.tier, tiers):
        reached = tiers[: place(distributor.tier, totals, tiers) + 1]
        had = [tier.tier_id for tier in reached if tier.reward_fen and tier.tier_id not in known]
        return _put(distributor, reached[-1], had, 0) if reached else None
    tier = next_tier(distributor.tier, totals, tiers)
    if tier is None:
        return None
    reward = 0 if tier.tier_id in known else tier.reward_fen
    return _put(distributor, tier, [tier.tier_id] if reward else [], reward)


def _put(distributor: Distributor, tier: Tier, rewarded: list[str], reward_fen: int) -> tuple[Distributor, int]:
    known = [*distributor.rewarded, *rewarded]
    return msgspec.structs.replace(distributor, tier=tier.tier_id, rewarded=known), reward_fen


def next_tier(current: str, totals: SalesTotals, tiers: Sequence[Tier]) -> Tier | None:
    """Find the first tier above the current one that is reached with these totals; None when there is none."""
    above = tiers[place(current, totals, tiers) + 1 :]
    return next((tier for tier in above if totals.reach(tier)), None)


def next_goal(current: str, totals: SalesTotals, tiers: Sequence[Tier]) -> Tier | None:
    """Find the next tier above the current one that is reached by sales; None when there is none."""
    above = tiers[place(current, totals, tiers) + 1 :]
    return next((tier for tier in above if tier.sales_fen or tier.orders or tier.customers), None)


def place(current: str, totals: SalesTotals, tiers: Sequence[Tier]) -> int:
    """Find the place of the tier; of one that was removed, that of the highest that is reached; -1 below all."""
    if _is_removed(current, tiers):
        return max((number for number, tier in enumerate(tiers) if totals.reach(tier)), default=-1)
    return next((number for number, tier in enumerate(tiers) if tier.tier_id == current), -1)


def _is_removed(current: str, tiers: Sequence[Tier]) -> bool:
    return current != STANDARD and all(tier.tier_id != current for tier in tiers)
