"""By which facts journeys begin. Pure."""

from __future__ import annotations

from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.language.rules import OnEvent, OnSegment, Plan, matches
from chalicelib.growth.journeys.listening.rules import ENTERED, Heard


def entry_of(plan: Plan, fact: Heard) -> Cause | None:
    """Say by which cause a member to whom that happened comes into a journey; None where it does not begin by it."""
    entry = plan.entry
    if isinstance(entry, OnSegment):
        came = fact.event == ENTERED and fact.segment == entry.segment
        return Cause(by="segment", cause=fact.cause, at=fact.at) if came else None
    if not isinstance(entry, OnEvent) or fact.segment or fact.event != entry.event:
        return None
    if not matches(entry.where, fact.props):
        return None
    key = "" if entry.key is None else str(fact.props.get(entry.key, ""))
    return Cause(by="event", cause=fact.cause, at=fact.at, key=key, props=dict(fact.props))
