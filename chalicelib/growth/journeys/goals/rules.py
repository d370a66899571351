"""What counts for the goal of a journey: that it is reached, once a run, and what is paid while it counts. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.growth.journeys.language.rules import Goal, matches
from chalicelib.growth.journeys.listening.rules import ENTERED, LEFT, Heard
from chalicelib.growth.journeys.runs.rules import CONTROL, Run, arms_of

#: What says how much is paid while a goal counts, whatever the goal itself is.
MONEY = ("order_paid", "order_refunded")


class Reckoned(msgspec.Struct, frozen=True):
    """What is another of the run, and what is counted of the journey."""

    changes: dict[str, Any]
    counts: dict[str, int]


def reckoned(goal: Goal | None, run: Run, fact: Heard) -> Reckoned | None:
    """Count what a fact is for the goal; None where it is nothing. Windows are inclusive. What is given back of what
    was paid before the run began is nothing."""
    if goal is None or run.goal_until is None or fact.at > run.goal_until:
        return None
    changes: dict[str, Any] = {}
    counts: dict[str, int] = {}
    if fact.paid_fen and (fact.paid_at is None or fact.paid_at >= (run.hears_from or run.entered_at)):
        before, after = run.revenue_fen, run.revenue_fen + fact.paid_fen
        changes["revenue_fen"] = after
        for arm in arms_of(run):
            counts[f"gmv|{arm}"] = fact.paid_fen
            counts[f"gmv2|{arm}"] = after**2 - before**2
    if run.converted_at is None and meant(run, fact, goal.event, goal.where):
        changes["converted_at"] = fact.at
        counts[f"goal|{run.step or CONTROL}"] = 1
        counts |= {f"conv|{arm}": 1 for arm in arms_of(run)}
    return Reckoned(changes, counts) if changes else None


def meant(
    run: Run, fact: Heard, event: str | None, where: dict[str, Any], segment: str | None = None, left: str | None = None
) -> bool:
    """Say whether a fact is this event with these properties, as they are for the run, or that the member came into
    this segment or left it."""
    if fact.segment:
        named = segment if fact.event == ENTERED else left if fact.event == LEFT else None
        return named == fact.segment
    return event == fact.event and matches(for_run(where, run), fact.props)


def for_run(where: dict[str, Any], run: Run) -> dict[str, Any]:
    """Put in what the event by which the run began says, where properties name that as "{name}"."""
    return {name: _said(value, run) for name, value in where.items()}


def _said(value: Any, run: Run) -> Any:
    if isinstance(value, str) and value.startswith("{") and value.endswith("}"):
        return run.entered_with.get(value[1:-1])
    return value
