"""Distribution for distributors."""

from __future__ import annotations

import chalicelib.distribution.bindings
import chalicelib.distribution.person
import chalicelib.distribution.view_routes
import chalicelib.distribution.withdrawal_routes  # noqa: F401 - these answer orders, and declare endpoints
from chalicelib.distribution import service
from chalicelib.distribution.views import DistributorView, distributor_view
from chalicelib.web.endpoint import MEMBER, Call, endpoint


@endpoint("POST /v1/distributor", MEMBER, errors=("distribution_off",))
def become_distributor(call: Call) -> DistributorView:
    """Become a distributor, which costs nothing; where the mall reviews, wait to be approved. Twice is no error."""
    return distributor_view(service.apply(call.caller))
