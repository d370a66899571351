"""What in a journey costs something: coupons, the staff's time, and messages that no cap holds. What clients tell may
lead to it once, and again when time has passed, but not as often as they like; nor may what the journey brings about
itself, such as that a member gets a coupon. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chalicelib.core.errors import FieldError
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.facts.rules import is_own, props_of
from chalicelib.growth.journeys.language.rules import Again, OnEvent, OnSegment, Plan
from chalicelib.growth.journeys.steps.rules import (
    Awaited,
    EnterStep,
    GrantStep,
    MessageStep,
    Step,
    TagStep,
    TaskStep,
    WaitFor,
    stands,
    ways,
)
from chalicelib.growth.journeys.surroundings.rules import Surroundings, step_place

#: Facts that nobody brings about without paying: what follows them is no client's word any more.
_PAID_FOR = ("order_paid", "order_received", "order_completed", "coupon_used", "lobby_succeeded")


def faults_of_worth(plan: Plan, there: Surroundings) -> Iterator[FieldError]:
    """Find the steps that cost something, and are reached without end by what clients tell or the journey does."""
    often = _reached_often(plan, there)
    for step_id, step in plan.steps.items():
        costly = costs(step) or (isinstance(step, EnterStep) and _costs_again(there.journeys.get(step.enter.journey)))
        if costly and (step_id in often or _comes_back(plan, there, step_id)):
            yield step_place(step_id).fault(why.BY_CLIENTS_WORD)


def costs(step: Step) -> bool:
    """Say whether a step costs something each time: a message does where it is in no cap."""
    return isinstance(step, GrantStep | TaskStep) or (
        isinstance(step, MessageStep) and step.message.purpose == "transactional"
    )


def _costs_again(other: Plan | None) -> bool:
    """Whether another journey, which may be come into again at once, costs something each time."""
    return other is not None and _is_at_once(other) and any(costs(step) for step in other.steps.values())


def _is_at_once(plan: Plan) -> bool:
    again = plan.definition.re_entry
    return isinstance(again, Again) and again.after_days is None


def _is_word(plan: Plan, there: Surroundings, on: OnEvent | OnSegment | Awaited) -> bool:
    """Whether clients alone can bring this about, or the journey does itself."""
    if isinstance(on, OnSegment) or on.event is None:
        return on.segment in there.told
    event, where = on.event, on.where
    if is_own(event):
        return any(_brings_about(step, event, where) for step in plan.steps.values())
    return props_of(event) is not None


def _brings_about(step: Step, event: str, where: Mapping[str, object]) -> bool:
    """Whether a step brings an event about that has these properties."""
    if isinstance(step, GrantStep):
        return event == "coupon_got" and where.get("template_id", step.grant.template) == step.grant.template
    return isinstance(step, TagStep) and event == "tag_added" and where.get("tag", step.tag) == step.tag


def _begins_often(plan: Plan, there: Surroundings) -> bool:
    """Whether a member comes in as often as a client likes: by values of a key, or again at once."""
    entry = plan.entry
    if not isinstance(entry, OnEvent | OnSegment):
        return False
    has_key = isinstance(entry, OnEvent) and entry.key is not None
    return _is_word(plan, there, entry) and (has_key or _is_at_once(plan))


def _reached_often(plan: Plan, there: Surroundings) -> set[str]:
    """The steps that a client reaches by coming in again, before anything that is paid for."""
    found: set[str] = set()
    ahead = [plan.first] if _begins_often(plan, there) else []
    while ahead:
        step_id = ahead.pop()
        if step_id in found or step_id not in plan.steps:
            continue
        found.add(step_id)
        step = plan.steps[step_id]
        is_paid_for = isinstance(step, WaitFor) and step.wait_for.event in _PAID_FOR
        following = [step.wait_for.on_timeout] if is_paid_for and isinstance(step, WaitFor) else ways(step)
        ahead += [one for one in following if one is not None]
    return found


def _comes_back(plan: Plan, there: Surroundings, start: str) -> bool:
    """Whether a run comes to the step again by nothing but what a client tells."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        following = {one for one in _at_once(plan, there, plan.steps[ahead.pop()]) if one in plan.steps}
        if start in following:
            return True
        ahead += following - seen
        seen |= following
    return False


def _at_once(plan: Plan, there: Surroundings, step: Step) -> list[str | None]:
    """The steps that may follow without any time, where a client says what is waited for."""
    if isinstance(step, WaitFor) and _is_word(plan, there, step.wait_for):
        return [step.wait_for.then]
    return [] if stands(step) else ways(step)
