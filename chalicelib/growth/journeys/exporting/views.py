"""What a person is shown of their runs, in the document of all their data."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chalicelib.growth.journeys.runs.rules import Run


class PassedView(msgspec.Struct, frozen=True, omit_defaults=True):
    """That the person came to a step of a journey, when, why, and what was done."""

    step: str
    at: datetime
    why: str = ""
    done: str = ""


class RunOfMine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That the person was in a journey of the mall's: since when, by what, which way, and how it ended. `looked_at`:
    nothing was done with them, only looked at what they did."""

    run_id: str
    journey_id: str
    journey: str
    entered_at: datetime
    entered_by: str
    entered_with: dict[str, str | int | bool] = {}
    state: str
    looked_at: bool = False
    ended_at: datetime | None = None
    reason: str = ""
    goal_reached_at: datetime | None = None
    paid_fen: int = 0
    passed: list[PassedView] = []


def run_of_mine(run: Run, name: str) -> RunOfMine:
    """Show a person one of their runs, in the journey of this name."""
    return RunOfMine(
        run_id=run.run_id, journey_id=run.journey_id, journey=name, entered_at=run.entered_at,
        entered_by=run.entered_by, entered_with=run.entered_with, state=run.state, looked_at=run.control,
        ended_at=run.ended_at, reason=run.reason, goal_reached_at=run.converted_at, paid_fen=run.revenue_fen,
        passed=[PassedView(one.step, one.at, one.why, one.done) for one in run.passed],
    )  # fmt: skip
