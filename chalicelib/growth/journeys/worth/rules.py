"""What in a journey costs something: coupons, the staff's time, and messages that no cap holds. What clients tell may
lead to it once, and again when time has passed, but not as often as they like. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.errors import FieldError
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.facts.rules import is_own, props_of
from chalicelib.growth.journeys.language.rules import Again, OnEvent, OnSegment, Plan
from chalicelib.growth.journeys.steps.rules import GrantStep, MessageStep, Step, TaskStep, WaitFor, stands, ways
from chalicelib.growth.journeys.surroundings.rules import Surroundings, step_place

#: Facts that nobody brings about without paying: what follows them is no client's word any more.
_PAID_FOR = ("order_paid", "order_received", "order_completed", "coupon_used", "lobby_succeeded")


def faults_of_worth(plan: Plan, there: Surroundings) -> Iterator[FieldError]:
    """Find the steps that cost something, and that clients reach as often as they like by what they tell."""
    often = _reached_often(plan, there)
    for step_id, step in plan.steps.items():
        if costs(step) and (step_id in often or _comes_back(plan, there, step_id)):
            yield step_place(step_id).fault(why.BY_CLIENTS_WORD)


def costs(step: Step) -> bool:
    """Say whether a step costs something each time: a message does where it is in no cap."""
    return isinstance(step, GrantStep | TaskStep) or (
        isinstance(step, MessageStep) and step.message.purpose == "transactional"
    )


def _is_word(event: str | None, segment: str | None, there: Surroundings) -> bool:
    """Whether clients alone can bring this about."""
    if segment is not None:
        return segment in there.told
    return event is not None and not is_own(event) and props_of(event) is not None


def _begins_often(plan: Plan, there: Surroundings) -> bool:
    """Whether a client brings its member in as often as it likes: by values of a key, or again at once."""
    entry, again = plan.entry, plan.definition.re_entry
    if not isinstance(entry, OnEvent | OnSegment):
        return False
    event, key = (entry.event, entry.key) if isinstance(entry, OnEvent) else (None, None)
    segment = entry.segment if isinstance(entry, OnSegment) else None
    at_once = isinstance(again, Again) and again.after_days is None
    return _is_word(event, segment, there) and (key is not None or at_once)


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
        following = {one for one in _at_once(plan.steps[ahead.pop()], there) if one in plan.steps}
        if start in following:
            return True
        ahead += following - seen
        seen |= following
    return False


def _at_once(step: Step, there: Surroundings) -> list[str | None]:
    """The steps that may follow without any time, where a client says what is waited for."""
    if isinstance(step, WaitFor) and _is_word(step.wait_for.event, step.wait_for.segment, there):
        return [step.wait_for.then]
    return [] if stands(step) else ways(step)
