"""The coupon of a step: given once for the run, the step and the run's number, in the transaction in which the run goes
on. What it is refused for becomes what the run goes by (`last`)."""

from __future__ import annotations

from chalicelib.commerce.coupons.issue import service as issue
from chalicelib.commerce.coupons.issue.rules import coupon_id
from chalicelib.commerce.coupons.rules import Template
from chalicelib.commerce.coupons.templates import queries as templates
from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.conditions.queries import Conditions
from chalicelib.growth.journeys.granting.rules import is_givable, worth
from chalicelib.growth.journeys.keeping.queries import Standing, standing
from chalicelib.growth.journeys.keeping.service import keep
from chalicelib.growth.journeys.limits import queries as limits
from chalicelib.growth.journeys.limits import service as limiting
from chalicelib.growth.journeys.limits.rules import Bounds, Got, allows, with_coupon
from chalicelib.growth.journeys.settings import JOURNEYS
from chalicelib.growth.journeys.stepping.rules import granted
from chalicelib.growth.journeys.steps.rules import GrantStep
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit

GIVEN = "given"
#: The outcome where the person has got enough of journeys.
LIMIT = "limit"
#: Why a coupon is not given, beside that: codes of refusals that no second try helps against.
REFUSED = ("sold_out", "claim_limit", "not_for_you", "coupon_not_offered", "not_found", "member_blocked")


class _Moved(Exception):
    """The run has gone on meanwhile, or its member has left: nothing is given."""


class _Limited(Exception):
    """The person has got enough."""


def grant(job: Job, there: Standing, to: GrantStep) -> None:
    """Give the coupon of the step at which the run has come, and go on with it; the job ends with that. Where it is not
    given the run goes on alone. Raises Conflict, `conflict`, `unavailable`."""
    try:
        outcome = _give(job, there, to)
    except _Moved:
        return
    if outcome is not None:
        tx = Transaction()
        _go_on(tx, there, outcome)
        job.finish(tx)
        commit(tx)


def _give(job: Job, there: Standing, to: GrantStep) -> str | None:
    """Give the coupon, with which the run goes on; else what came of it, with which it has yet to."""
    run = there.run
    if there.member.blocked is not None:
        return "member_blocked"
    cause = (run.run_id, run.step, str(run.seq))
    found = [there]

    try:
        template = templates.remembered(to.grant.template)

        def also(tx: Transaction) -> None:
            now = found.pop() if found else standing((run.member_id, run.journey_id, run.run_id))
            if now is None or now.run.seq != run.seq:
                raise _Moved
            _count(tx, now, template, cause)
            _go_on(tx, now, GIVEN)
            job.finish(tx)

        if not is_givable(template):
            return "coupon_not_offered"
        given = issue.give(template, run.member_id, "journey", cause, also)
    except _Limited:
        return LIMIT
    except MallError as fault:
        if fault.code == "unauthenticated":
            raise _Moved from fault
        if fault.code not in REFUSED:
            raise
        return fault.code
    return None if given.is_new else GIVEN


def _count(tx: Transaction, there: Standing, template: Template, cause: tuple[str, ...]) -> None:
    """Count the coupon for the person as part of `tx`. Raises _Limited."""
    rules, now = JOURNEYS.current(), clock.now()
    bounds = Bounds(grants_max=rules.grants_max, grants_fen_max=rules.grants_fen_max)
    fen = worth(template.terms)
    member_id = there.run.member_id
    before = limits.received(member_id)
    is_bounded = fen is not None or bounds.grants_fen_max is None
    if not is_bounded or not allows(before.value, fen or 0, bounds, now):
        raise _Limited
    got = Got(now, fen or 0, coupon_id(template, member_id, "journey", cause))
    limiting.put(tx, member_id, before, with_coupon(before.value, got))


def _go_on(tx: Transaction, there: Standing, outcome: str) -> None:
    conditions = Conditions(there.run.member_id)
    advanced = granted(there.plan, there.run, clock.now(), conditions, outcome, there.paused)
    keep(tx, there.plan, there.member, there.run, advanced)
