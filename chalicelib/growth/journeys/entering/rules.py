"""Whether a member comes into a journey, and as what. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from chalicelib.customers.members.rules import Profile
from chalicelib.growth.journeys.holdout.rules import is_control, is_held_out, person_of
from chalicelib.growth.journeys.language.rules import Again, OnEvent, OnSchedule, OnSegment, Plan
from chalicelib.growth.journeys.runs.rules import By, Guard, Run

#: What became of a member who was to come in: they did; as one who is only looked at; or why they did not: they are in
#: it; were in it, and come in no more, or not yet; are not among those whom it is for; are no member any more; or the
#: journey takes nobody in now.
Outcome = Literal["entered", "control", "active", "re_entry", "excluded", "gone", "paused"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """By what a member is to come in. `cause` names it, however often it is told; `at` is when it happened, where that
    is not now; `key` tells runs of a member apart, and `props` is what it says of itself."""

    by: By
    cause: str
    at: datetime | None = None
    key: str = ""
    props: dict[str, str | int | bool] = {}


def refusal(
    plan: Plan, cause: Cause, member: Profile, guard: Guard, segments: frozenset[str], behavioural: bool, now: datetime
) -> Outcome | None:
    """Say why a member, who is in these segments and has this guard, does not come in at `now`; None where they do.

    `behavioural`: what leads into a segment by which members come in is what they do or buy: who does not want to be
    chosen by that is not.
    """
    definition = plan.definition
    if member.blocked is not None or member.closed_at_wechat is not None:
        return "excluded"
    if not member.personalised and chooses_by_behaviour(plan, cause.by, behavioural):
        return "excluded"
    if definition.audience is not None and definition.audience not in segments:
        return "excluded"
    if definition.exclude is not None and definition.exclude in segments:
        return "excluded"
    if guard.run_id:
        return "active"
    return None if _may_again(definition.re_entry, guard, now) else "re_entry"


def chooses_by_behaviour(plan: Plan, by: By, behavioural: bool) -> bool:
    """Say whether who comes in so is chosen by what they did or bought; `behavioural`: by that the segments choose by
    which members come in. Whom an operator names, the operator has chosen."""
    if by == "event" and (not isinstance(plan.entry, OnEvent) or plan.entry.event != "joined"):
        return True
    return by != "api" and behavioural


def leading_in(plan: Plan) -> str | None:
    """Name the segment that leads members into the journey; None where none does."""
    entry = plan.entry
    return entry.segment if isinstance(entry, OnSegment) else entry.audience if isinstance(entry, OnSchedule) else None


def choosing(plan: Plan) -> list[str]:
    """Name the segments by which members come in: the one that leads them in, and the one that it is for."""
    return [one for one in (leading_in(plan), plan.definition.audience) if one is not None]


def _may_again(again: Literal["never"] | Again, guard: Guard, now: datetime) -> bool:
    if not guard.entries:
        return True
    if not isinstance(again, Again):
        return False
    if again.max is not None and guard.entries >= again.max:
        return False
    rests = again.after_days is not None and guard.left_at is not None
    return not rests or now >= (guard.left_at or now) + timedelta(days=again.after_days or 0)


def entered(
    plan: Plan, cause: Cause, run_id: str, member: Profile, held_out_percent: int, now: datetime
) -> Run:  # fmt: skip
    """Make the run of a member who comes in: as one who is only looked at where the hash of the person says so."""
    person = person_of(member)
    held_out = is_held_out(person, now, held_out_percent)
    return Run(
        run_id=run_id, journey_id=plan.journey_id, version=plan.version, member_id=member.member_id, key=cause.key,
        step="", entered_at=now, entered_by=cause.by, hears_from=cause.at, at=now,
        control=held_out or is_control(person, plan.journey_id, plan.definition.control_percent), held_out=held_out,
        entered_with=cause.props, heard=[cause.cause],
    )  # fmt: skip
