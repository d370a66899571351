"""Operators: distributors to approve and suspend, and their tiers."""

from __future__ import annotations

import msgspec

from chalicelib.distribution import service
from chalicelib.distribution.rules import Distributor, TierId
from chalicelib.web.endpoint import OPERATOR, endpoint


class TierChange(msgspec.Struct, forbid_unknown_fields=True):
    """The tier to put a distributor into; "standard" for none."""

    tier: TierId


@endpoint(
    "POST /v1/admin/distributors/{member_id}/approve", OPERATOR, permission="distributors.write", errors=("conflict",)
)
def approve(member_id: str) -> Distributor:
    """Let a distributor work, also again after they were suspended. Twice is no error."""
    return service.approve(member_id)


@endpoint(
    "POST /v1/admin/distributors/{member_id}/suspend", OPERATOR, permission="distributors.write", errors=("conflict",)
)
def suspend(member_id: str) -> Distributor:
    """Stop a distributor: nothing new is earned, what was earned stays theirs. Twice is no error."""
    return service.suspend(member_id)


@endpoint(
    "PUT /v1/admin/distributors/{member_id}/tier",
    OPERATOR,
    permission="distributors.write",
    errors=("conflict", "invalid"),
)
def set_tier(member_id: str, body: TierChange) -> Distributor:
    """Put a distributor into a tier, whatever they have reached; from there they only rise by themselves."""
    return service.set_tier(member_id, body.tier)
