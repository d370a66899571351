"""Which distributor two members are who turn out to be one person. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.growth.distribution.distributors.rules import place
from chalicelib.growth.distribution.rules import Distributor, DistributorRecord, DistributorState, Tier


def one_distributor(
    member_id: str, ours: DistributorRecord | None, theirs: DistributorRecord, tiers: Sequence[Tier]
) -> Distributor:
    """Make the one distributor of two who turned out to be this member: in the higher tier, rewarded for what either
    was. An operator who has suspended one of them has suspended both; else who may work goes on working."""
    if ours is None:
        return msgspec.structs.replace(theirs.distributor, member_id=member_id)
    own, other = ours.distributor, theirs.distributor
    higher = place(other.tier, theirs.totals, tiers) > place(own.tier, ours.totals, tiers)
    state = _state(own.state, other.state)
    return msgspec.structs.replace(
        own,
        state=state,
        applied_at=min(own.applied_at, other.applied_at),
        tier=other.tier if higher else own.tier,
        rewarded=[*own.rewarded, *other.rewarded],
        active_since=other.active_since if state == "active" != own.state else own.active_since,
    )


def _state(own: DistributorState, other: DistributorState) -> DistributorState:
    strict: tuple[DistributorState, ...] = ("suspended", "active", "pending")
    return min(own, other, key=strict.index)


def moved_on(former: Distributor, member_id: str) -> Distributor:
    """Make what stays under the id of a distributor who turned out to be another: whose they are."""
    return msgspec.structs.replace(former, state="suspended", merged_into=member_id)
