"""Reads of what became of those who came into a journey."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.commerce.coupons.templates import queries as coupon_templates
from chalicelib.core import clock
from chalicelib.core.errors import MallError, invalid
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.refusals import NO_SUCH_VERSION
from chalicelib.growth.journeys.report import rules
from chalicelib.growth.journeys.report.rules import Cost, Counts, SendCount
from chalicelib.growth.journeys.runs import queries as runs
from chalicelib.growth.journeys.steps.rules import GrantStep
from chalicelib.growth.journeys.views import ReportView
from chalicelib.growth.messaging import queries as messaging
from chalicelib.growth.messaging.settings import MEDIA


def report(journey_id: str, version: int | None) -> ReportView:
    """Report on a version of a journey, or on all of them together. Raises `not_found`, and `invalid` for a version
    that there is not."""
    latest = books.find(journey_id).journey.version
    if version is not None and not 1 <= version <= latest:
        raise invalid(NO_SUCH_VERSION.at("version", version=version))
    numbers = range(latest, 0, -1) if version is None else [version]
    versions = [(books.plan(journey_id, number), runs.counts(journey_id, number)) for number in numbers]
    counts = rules.summed(counted for _, counted in versions)
    sends = rules.sends_of(messaging.counts(f"journey:{journey_id}"))
    cost = _cost(versions, sends)
    return ReportView(
        version=version,
        as_of=clock.now(),
        entered=counts.get("entered", 0),
        active=rules.active_of(counts),
        parked=counts.get("parked", 0),
        ended=rules.named(counts, "ended"),
        held_out=counts.get("holdout", 0),
        by_step=rules.steps_of([plan for plan, _ in versions], counts),
        arms=rules.arms_of(counts),
        uplift=rules.uplift_of(counts),
        srm=rules.sample_of(versions),
        sends=sends,
        grants=rules.named(counts, "grants"),
        cost=cost,
        cost_fen=cost.sends_fen + cost.coupons_fen,
    )


def _cost(versions: Sequence[tuple[Plan, Counts]], sends: dict[str, SendCount]) -> Cost:
    given = _given(versions)
    coupons, estimated = 0, False
    for template_id, count in sorted(given.items()):
        issued, off_fen = _figures(template_id)
        fen, guessed = rules.coupons_fen(count, issued, off_fen)
        coupons, estimated = coupons + fen, estimated or guessed
    price = MEDIA.current().sms_fen
    return Cost(sends_fen=rules.sends_fen(sends, price), coupons_fen=coupons, estimated=estimated)


def _given(versions: Sequence[tuple[Plan, Counts]]) -> dict[str, int]:
    """How many coupons the journey gave, by template."""
    given: dict[str, int] = {}
    for plan, counts in versions:
        for step_id, n in rules.named(counts, "given").items():
            step = plan.steps.get(step_id)
            if isinstance(step, GrantStep):
                given[step.grant.template] = given.get(step.grant.template, 0) + n
    return given


def _figures(template_id: str) -> tuple[int, int]:
    """How many coupons of a template there are, and what they took off orders."""
    try:
        figures = coupon_templates.figures([coupon_templates.load(template_id).value])[0]
    except MallError as fault:
        if fault.code != "not_found":
            raise
        return 0, 0
    return figures.issued, figures.off_fen
