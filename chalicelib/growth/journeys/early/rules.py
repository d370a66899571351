"""Which facts may be told before that by which a run begins that they follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.growth.journeys.goals.rules import MONEY
from chalicelib.growth.journeys.language.rules import OnEvent, OnSegment, Plan
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.steps.rules import WaitFor


def may_come_early(plan: Plan, fact: Heard) -> bool:
    """Say whether the fact may be something to a run of this journey that begins by what happened before it."""
    if not isinstance(plan.entry, OnEvent | OnSegment):
        return False
    return (fact.segment or fact.event) in _awaited(plan)


def _awaited(plan: Plan) -> Iterator[str | None]:
    """The events and segments to which a run listens once it has begun."""
    if plan.goal is not None:
        yield from (plan.goal.event, *MONEY)
    for one in plan.exits:
        yield from (one.event, one.segment, one.left)
    for step in plan.steps.values():
        if isinstance(step, WaitFor):
            yield from (step.wait_for.event, step.wait_for.segment)
