"""By which facts journeys begin. Pure."""

from __future__ import annotations

from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.language.rules import OnEvent, OnSegment, Plan, matches
from chalicelib.growth.journeys.listening.rules import ENTERED, Heard, is_told


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


#: So many runs of a journey, with those of the last months that have ended, a client begins by values of a key that it
#: may make up.
BEGUN_MAX = 64


def has_begun_enough(cause: Cause, runs: int) -> bool:
    """Say whether a member who has so many runs of a journey begins no more by what their client says of itself."""
    return bool(cause.key) and is_told(cause.cause) and runs >= BEGUN_MAX
