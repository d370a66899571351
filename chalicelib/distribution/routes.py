"""Distribution for distributors; importing it declares the operators' endpoints and the jobs of the wing too."""

from __future__ import annotations

from datetime import datetime

import msgspec

import chalicelib.distribution.admin_routes
import chalicelib.distribution.commissions
import chalicelib.distribution.person
import chalicelib.distribution.ties
import chalicelib.distribution.withdrawal_routes  # noqa: F401 - these answer orders, and declare jobs and endpoints
from chalicelib.distribution import service
from chalicelib.distribution.rules import Distributor, DistributorState
from chalicelib.distribution.service import DISTRIBUTION
from chalicelib.shop.routes import expose
from chalicelib.web.endpoint import MEMBER, Call, endpoint

expose(DISTRIBUTION)


class DistributorView(msgspec.Struct, kw_only=True):
    """A distributor, as they see themselves."""

    distributor_id: str
    state: DistributorState
    tier: str
    invite_code: str
    applied_at: datetime


def distributor_view(distributor: Distributor) -> DistributorView:
    """The distributor as they are answered."""
    return DistributorView(
        distributor_id=distributor.member_id,
        state=distributor.state,
        tier=distributor.tier,
        invite_code=distributor.invite_code,
        applied_at=distributor.applied_at,
    )


@endpoint("POST /v1/distributor", MEMBER, errors=("distribution_off",))
def become_distributor(call: Call) -> DistributorView:
    """Become a distributor, which costs nothing; where the mall reviews, wait to be approved. Twice is no error."""
    return distributor_view(service.apply(call.caller))
