"""What must hold of a journey before it is published. Pure.

Each fault names its place (`steps.<id>`, `entry`, `exits[0]`) and says why; what the mall has is in the surroundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chalicelib.core.errors import FieldError, MallError
from chalicelib.growth.journeys import refusals as why
from chalicelib.growth.journeys.built_in.rules import open_slots
from chalicelib.growth.journeys.facts.rules import entry_props, faults_of_events, is_of_an_order
from chalicelib.growth.journeys.language.rules import Again, OnSchedule, OnSegment, Plan
from chalicelib.growth.journeys.paths.rules import reached, ring_of, rounds_without_wait
from chalicelib.growth.journeys.schedules.rules import cron_of
from chalicelib.growth.journeys.steps.rules import (
    Branch,
    EnterStep,
    GrantStep,
    MessageStep,
    Split,
    Step,
    TagStep,
    TaskStep,
    UntagStep,
    Wait,
    WaitFor,
    ways,
)
from chalicelib.growth.journeys.surroundings.rules import Place, Surroundings, part_place, step_place
from chalicelib.growth.journeys.wording.rules import faults_of_message
from chalicelib.growth.journeys.worth.rules import faults_of_worth

#: How coupons of a journey are given, as their template says it.
HOW = ("journey", "grant")
#: What a task comes to where it names nothing.
_DONE = "done"
_BY_MEDIUM = (why.MARKETING_FORBIDDEN, why.MEDIUM_SWITCHED_OFF, why.MEDIUM_NOT_YET)


def check(plan: Plan, there: Surroundings) -> None:
    """Raise `journey_invalid` with all that is wrong with a journey; `medium_off`, where that is media alone by which
    it may not say what it says."""
    found = faults(plan, there)
    if found:
        by_media = all(one.reason in _BY_MEDIUM for one in found)
        raise MallError("medium_off" if by_media else "journey_invalid", errors=tuple(found))


def faults(plan: Plan, there: Surroundings) -> list[FieldError]:
    """Find all that is wrong with a journey. Of what is still to be chosen nothing else is said."""
    found = [*_of_ways(plan), *_of_parts(plan, there), *faults_of_events(plan), *faults_of_worth(plan, there)]
    for step_id, step in plan.steps.items():
        place = step_place(step_id)
        slots = open_slots(plan.definition.steps[step_id])
        if slots:
            found += [place.fault(why.SLOT_OPEN, slot=slot) for slot in slots]
        else:
            found += _of_step(plan, place, step, there)
    ring = ring_of(plan, there.journeys)
    if ring:
        entering = next(
            step_id
            for step_id, step in plan.steps.items()
            if isinstance(step, EnterStep) and step.enter.journey in ring
        )  # fmt: skip
        found.append(step_place(entering).fault(why.RING_OF_JOURNEYS, journeys=ring))
    return found


def _of_ways(plan: Plan) -> Iterator[FieldError]:
    """Ways that lead nowhere, steps that none leads to, and rounds without a wait."""
    if plan.first not in plan.steps:
        yield part_place("first").fault(why.NO_SUCH_STEP, named=plan.first)
    for step_id, step in plan.steps.items():
        for named in dict.fromkeys(ways(step)):
            if named is not None and named not in plan.steps:
                yield step_place(step_id).fault(why.NO_SUCH_STEP, named=named)
    there = reached(plan)
    for step_id in plan.steps:
        if there and step_id not in there:
            yield step_place(step_id).fault(why.NOT_REACHED)
    for ring in rounds_without_wait(plan):
        yield step_place(ring[0]).fault(why.NO_WAIT_IN_RING, steps=ring)


def _of_parts(plan: Plan, there: Surroundings) -> Iterator[FieldError]:
    """What is wrong beside the steps."""
    definition = plan.definition
    slots = open_slots([definition.entry])
    yield from (part_place("entry").fault(why.SLOT_OPEN, slot=slot) for slot in slots)
    segments: list[tuple[Place, str | None]] = [
        (part_place("audience"), definition.audience),
        (part_place("exclude"), definition.exclude),
    ]
    if isinstance(plan.entry, OnSegment) and not slots:
        segments.append((part_place("entry"), plan.entry.segment))
    elif isinstance(plan.entry, OnSchedule) and not slots:
        segments.append((part_place("entry"), plan.entry.audience))
    if isinstance(plan.entry, OnSchedule) and not _comes(plan.entry, there.now):
        yield part_place("entry").fault(why.BAD_SCHEDULE)
    for at, one in enumerate(plan.exits):
        segments += [(part_place("exits", at), one.segment), (part_place("exits", at), one.left)]
    yield from _missing_segments(segments, there)
    again = definition.re_entry
    if isinstance(again, Again) and again == Again():
        yield part_place("re_entry").fault(why.HOW_AGAIN)
    if definition.ends_at is not None:
        if definition.starts_at is not None and definition.starts_at >= definition.ends_at:
            yield part_place("ends_at").fault(why.ENDS_FIRST)
        elif definition.ends_at <= there.now:
            yield part_place("ends_at").fault(why.ENDED_ALREADY)


def _comes(entry: OnSchedule, now: datetime) -> bool:
    """Whether the schedule names a time that ever comes."""
    cron = cron_of(entry.schedule)
    return cron is not None and cron.next_after(now) is not None


def _missing_segments(named: list[tuple[Place, str | None]], there: Surroundings) -> Iterator[FieldError]:
    for place, segment_id in named:
        if segment_id is not None and segment_id not in there.segments:
            yield place.fault(why.SEGMENT_MISSING, named=segment_id)


def _of_step(plan: Plan, place: Place, step: Step, there: Surroundings) -> Iterator[FieldError]:
    """What is wrong with a step by itself."""
    match step:
        case GrantStep():
            yield from _of_grant(plan, place, step.grant.template, there)
        case MessageStep():
            yield from faults_of_message(place, step.message, there, entry_props(plan))
            if step.message.purpose == "transactional" and not is_of_an_order(plan):
                yield place.fault(why.NOT_TRANSACTIONAL)
        case TaskStep():
            outcomes = step.task.outcomes or [_DONE]
            yield from (place.fault(why.NO_SUCH_OUTCOME, named=one) for one in step.on if one not in outcomes)
        case TagStep():
            yield from _missing_tags(place, [step.tag], there)
        case UntagStep():
            yield from _missing_tags(place, [step.untag], there)
        case EnterStep():
            named = step.enter.journey
            if named != plan.journey_id and named not in there.journeys:
                yield place.fault(why.JOURNEY_MISSING, named=named)
        case _:
            yield from _of_flow(plan, place, step, there)


def _of_flow(plan: Plan, place: Place, step: Step, there: Surroundings) -> Iterator[FieldError]:
    """What is wrong with a step that only leads on."""
    match step:
        case WaitFor():
            yield from _missing_segments([(place, step.wait_for.segment)], there)
        case Wait():
            until = _raw(plan, place, "wait").get("until")
            if isinstance(until, dict) and until.get("weekdays") == []:
                yield place.fault(why.NO_WEEKDAYS)
        case Split():
            arms = [arm.arm for arm in step.split]
            yield from (place.fault(why.ARM_TWICE, named=one) for one in dict.fromkeys(arms) if arms.count(one) > 1)
        case Branch():
            for way in step.branch:
                yield from _missing_segments([(place, way.if_.segment)], there)
                yield from _missing_tags(place, [way.if_.tag], there)
            if place.term.code in there.rules:
                yield place.fault(why.RULE_WRONG, why=there.rules[place.term.code])


def _raw(plan: Plan, place: Place, word: str) -> dict[str, Any]:
    raw: dict[str, Any] = plan.definition.steps[place.term.code][word]
    return raw


def _missing_tags(place: Place, tags: list[str | None], there: Surroundings) -> Iterator[FieldError]:
    yield from (place.fault(why.TAG_MISSING, named=one) for one in tags if one is not None and one not in there.tags)


def _of_grant(plan: Plan, place: Place, template_id: str, there: Surroundings) -> Iterator[FieldError]:
    found = there.coupons.get(template_id)
    if found is None:
        yield place.fault(why.COUPON_MISSING, named=template_id)
        return
    if not found.template.is_offered(there.now):
        yield place.fault(why.COUPON_NOT_OFFERED, named=found.template.name)
    if not any(how in HOW for how in found.template.how):
        yield place.fault(why.COUPON_NOT_BY_JOURNEYS, named=found.template.name)
    needed = needed_for(there.expected, plan.definition.control_percent)
    if found.left < needed:
        yield place.fault(why.STOCK_TOO_SMALL, left=found.left, needed=needed)


def needed_for(expected: int | None, control_percent: int) -> int:
    """Count the coupons that a step needs: one for each who is expected and not only looked at; one at least."""
    return max(1, -(-(expected or 0) * (100 - control_percent) // 100))
