"""Doing what a step does with a member, as part of the transaction in which the run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.commerce.coupons.templates import queries as coupon_templates
from chalicelib.core.errors import MallError
from chalicelib.customers.members import service as members
from chalicelib.customers.members.rules import Profile
from chalicelib.growth.journeys.effects.rules import Ask, Effect, Enter, Say, Tag, filled
from chalicelib.growth.journeys.jobs import ENTER
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.runs.rules import Run, name_of
from chalicelib.growth.journeys.steps.rules import GrantStep
from chalicelib.growth.messaging.outgoing import service as outgoing
from chalicelib.growth.messaging.rules import Asked
from chalicelib.growth.messaging.tasks.rules import NewTask
from chalicelib.growth.messaging.tasks.service import open_task
from chalicelib.growth.segments.tags import service as tags
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store.transaction import Transaction

#: How many actions an effect is at most, and tags beside that once for a transaction.
_ACTIONS = {Tag: 0, Say: outgoing.ACTIONS, Ask: 1, Enter: 1}
_TAGS = 6


def actions_of(effects: Sequence[Effect]) -> int:
    """Count the actions that these effects are at most."""
    return sum(_ACTIONS[type(one)] for one in effects) + (_TAGS if any(isinstance(one, Tag) for one in effects) else 0)


def carry_out(tx: Transaction, plan: Plan, run: Run, member: Profile, effects: Sequence[Effect]) -> None:
    """Do all of this as part of `tx`. Tags are held against the member's still being there: of one who became another
    meanwhile they would be lost."""
    source = f"journey:{run.journey_id}"
    if any(isinstance(one, Tag) for one in effects):
        members.stays(tx, run.member_id)
    for effect in effects:
        match effect:
            case Tag(name, given):
                tags.have(tx, run.member_id, name, given, source, plan.definition.name)
            case Say():
                outgoing.queue(tx, _asked(plan, run, member, effect, source))
            case Ask(task_id, work, due_at, awaited):
                new = NewTask(
                    task_id=task_id, member_id=run.member_id, title=work.title, script=work.script,
                    assignee=work.assignee, due_at=due_at, outcomes=[*work.outcomes] or ["done"], source=source,
                    run=name_of(run) if awaited else "",
                )  # fmt: skip
                open_task(tx, new)
            case Enter(journey_id, cause):
                schedule(tx, ENTER, f"{run.member_id}|{journey_id}|{cause}")


def _asked(plan: Plan, run: Run, member: Profile, say: Say, source: str) -> Asked:
    said = say.said
    values = filled(said.vars, member.nickname, _coupon_of(plan, run), run.entered_with)
    return Asked(
        message_id=say.message_id, member_id=run.member_id, template_id=said.template, values=values,
        media=list(said.media), source=source, run=name_of(run) if say.awaited else "",
        part_of=name_of(run), priority=plan.definition.priority, expires_at=say.expires_at,
        on_cap="wait" if said.on_cap == "wait" else "drop",
    )  # fmt: skip


def _coupon_of(plan: Plan, run: Run) -> str:
    """Name the coupon that the run gave last; "" where it gave none."""
    for passed in reversed(run.passed):
        step = plan.steps.get(passed.step)
        if isinstance(step, GrantStep) and passed.done == "given":
            try:
                return coupon_templates.remembered(step.grant.template).name
            except MallError as fault:
                if fault.code == "unavailable":
                    raise
                return ""
    return ""
