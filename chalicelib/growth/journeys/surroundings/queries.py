"""Reads of what the mall has of all that a journey names."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.commerce.coupons.templates import queries as coupon_templates
from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, Term
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.book.rules import Book
from chalicelib.growth.journeys.built_in.rules import open_slots
from chalicelib.growth.journeys.language.rules import OnSchedule, OnSegment, Plan
from chalicelib.growth.journeys.steps.rules import Branch, GrantStep, MessageStep
from chalicelib.growth.journeys.surroundings.rules import Coupons, Surroundings
from chalicelib.growth.messaging import queries as messaging
from chalicelib.growth.messaging.rules import MEDIA as ALL_MEDIA
from chalicelib.growth.messaging.rules import Template as MessageTemplate
from chalicelib.growth.messaging.settings import MEDIA
from chalicelib.growth.segments.counts.queries import totals
from chalicelib.growth.segments.definitions import queries as segments
from chalicelib.growth.segments.definitions import service as segment_rules
from chalicelib.platform.web.problems import labels_of

#: In which states a journey may be entered, or will be.
_ENTERED = ("live", "paused")


def surroundings_of(plan: Plan, book: Book) -> Surroundings:
    """Read what there is of all that a journey names. Raises `unavailable`."""
    entries = segments.fresh().entries
    coupons = {step.grant.template for step in plan.steps.values() if isinstance(step, GrantStep)}
    messages = {step.message.template for step in plan.steps.values() if isinstance(step, MessageStep)}
    used = MEDIA.fresh()
    return Surroundings(
        now=clock.now(),
        segments=frozenset(one for one, entry in entries.items() if not entry.definition.tag),
        told=frozenset(one for one, entry in entries.items() if not entry.proven),
        tags=frozenset(entry.definition.tag for entry in entries.values() if entry.definition.tag),
        journeys=dict(_published(plan, book)),
        coupons={one: found for one in sorted(coupons) if (found := _coupons(one)) is not None},
        messages=messages_of(messages),
        off=frozenset(medium for medium in ALL_MEDIA if not used.uses(medium)),
        rules=dict(_wrong_rules(plan)),
        expected=_expected(plan, frozenset(entries)),
    )


def messages_of(template_ids: set[str]) -> dict[str, MessageTemplate]:
    """Read those of these templates of messages that there are."""
    found: dict[str, MessageTemplate] = {}
    for template_id in sorted(template_ids):
        try:
            found[template_id] = messaging.fresh_template(template_id)
        except MallError as fault:
            if fault.code != "not_found":
                raise
    return found


def _published(plan: Plan, book: Book) -> Iterator[tuple[str, Plan]]:
    for journey_id, known in book.journeys.items():
        if journey_id != plan.journey_id and known.journey.version and known.journey.state in _ENTERED:
            yield journey_id, books.plan_now(known.journey)


def _coupons(template_id: str) -> Coupons | None:
    try:
        template = coupon_templates.load(template_id).value
    except MallError as fault:
        if fault.code != "not_found":
            raise
        return None
    return Coupons(template, coupon_templates.figures([template])[0].left)


def _wrong_rules(plan: Plan) -> Iterator[tuple[str, Term]]:
    """What is wrong with the rules of branches, by step, as people are told it."""
    for step_id, step in plan.steps.items():
        for way in step.branch if isinstance(step, Branch) else ():
            if way.if_.rule is None or open_slots(way.if_.rule):
                continue
            try:
                segment_rules.check_rule(way.if_.rule)
            except MallError as fault:
                yield step_id, _told(fault)


def _told(fault: MallError) -> Term:
    labels = labels_of(segment_rules.__name__)
    code = next((one.reason.code for one in fault.errors), fault.code)
    places = "、".join(_place(one) for one in fault.errors)
    shown = [
        f"{fault.text(language, labels)} ({places})" if places else fault.text(language, labels)
        for language in ("zh", "en")
    ]
    return Term(code, shown[0], shown[1])


def _place(error: FieldError) -> str:
    return error.field


def _expected(plan: Plan, segment_ids: frozenset[str]) -> int | None:
    """How many members come in at most, where a segment bounds it: at once, or from those who are in it."""
    named = [plan.definition.audience]
    if isinstance(plan.entry, OnSchedule):
        named.append(plan.entry.audience)
    elif isinstance(plan.entry, OnSegment) and plan.entry.existing:
        named.append(plan.entry.segment)
    counted = [totals(one).members for one in named if one is not None and one in segment_ids]
    return min(counted, default=None)
