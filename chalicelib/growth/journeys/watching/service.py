"""What operators do with one run."""

from __future__ import annotations

from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.stepping.service import stop
from chalicelib.growth.journeys.views import RunView
from chalicelib.growth.journeys.watching import queries

#: Why a run ends that an operator ends.
BY_OPERATOR = "by_operator"


def leave(named: str) -> RunView:
    """End a run. Raises `not_found`, `conflict`, and `not_running` where it has ended."""
    run = queries.load(named)
    if not stop((run.member_id, run.journey_id, run.run_id), BY_OPERATOR):
        raise MallError("not_running")
    return queries.one(named)
