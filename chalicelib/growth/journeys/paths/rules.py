"""The ways through a journey, and from one journey into another: what is reached, and what goes round without a wait.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.steps.rules import EnterStep, Span, Step, Wait, stands, ways


def waits(step: Step) -> bool:
    """Say whether a run that comes by stands at the step for some time, whenever that is: a day or an instant may be
    over already."""
    if isinstance(step, Wait):
        lasting = [getattr(step.wait, field) for field in Span.__struct_fields__]
        return step.wait.until is not None or any(one is not None for one in lasting)
    return stands(step)


def reached(plan: Plan) -> set[str]:
    """Name the steps to which a way leads from the first."""
    return _reached(plan, {plan.first}, lambda _: True)


def rounds_without_wait(plan: Plan) -> list[list[str]]:
    """List the rings of steps that a run would go round without ever standing, each step in one at most."""
    quick = {step_id: step for step_id, step in plan.steps.items() if not waits(step)}
    return _rings({step_id: {one for one in ways(step) if one in quick} for step_id, step in quick.items()})


def entered_at_once(plan: Plan) -> set[str]:
    """Name the journeys that a run may enter before it has stood anywhere."""
    steps = [plan.steps[step_id] for step_id in _reached(plan, {plan.first}, lambda step: not waits(step))]
    return {step.enter.journey for step in steps if isinstance(step, EnterStep)}


def ring_of(plan: Plan, others: Mapping[str, Plan]) -> list[str]:
    """Name the journeys, this one among them, that would lead a member round and round without a wait; none where there
    is no such ring."""
    plans = {**others, plan.journey_id: plan}
    graph = {journey_id: entered_at_once(one) & plans.keys() for journey_id, one in plans.items()}
    return next((ring for ring in _rings(graph) if plan.journey_id in ring), [])


def _reached(plan: Plan, start: Iterable[str], through: Callable[[Step], bool]) -> set[str]:
    """The steps to which ways lead, beyond those that let one through only."""
    found: set[str] = set()
    ahead = [step_id for step_id in start if step_id in plan.steps]
    while ahead:
        step_id = ahead.pop()
        if step_id in found:
            continue
        found.add(step_id)
        if through(plan.steps[step_id]):
            ahead += [one for one in ways(plan.steps[step_id]) if one in plan.steps]
    return found


def _rings(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Rings of a graph, each node in one at most, the first by name first."""
    left = {node: set(following) for node, following in sorted(graph.items())}
    rings: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as fault:
            ring = list(dict.fromkeys(reversed(fault.args[1])))
            rings.append(ring)
            left = {node: following - set(ring) for node, following in left.items() if node not in ring}
        else:
            return rings
