"""Runs go on: at once, and as a message or a task that they wait for has come to its end."""

from __future__ import annotations

import functools
from datetime import datetime

from chalicelib.core import clock
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.conditions.queries import Conditions
from chalicelib.growth.journeys.granting import service as granting
from chalicelib.growth.journeys.keeping.queries import Standing, standing
from chalicelib.growth.journeys.keeping.service import keep
from chalicelib.growth.journeys.runs.rules import Which, read_name
from chalicelib.growth.journeys.stepping.rules import Advanced, settled, stopped, woken
from chalicelib.growth.journeys.steps.rules import GrantStep
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, commit, retry

#: Why a run ends that is met when its journey has ended.
JOURNEY_ENDED = "journey_ended"


def found(which: Which) -> Standing | None:
    """Find a run with what it needs, also of who became another meanwhile: what is theirs becomes the other's first.
    None where there is none, or its member has left."""
    there = standing(which)
    if there is None and (now := resolved(which[0])) != which[0]:
        absorb_all(which[0], now)
        there = standing((now, which[1], which[2]))
    return there


def over_by(there: Standing) -> str:
    """Say why a run ends wherever it is met: its journey has; "" where it has not."""
    return JOURNEY_ENDED if there.journey == "ended" else ""


def gone_on(there: Standing, now: datetime) -> Advanced:
    """Say how a run goes on whose time has come. One whose journey has ended ends."""
    if over := over_by(there):
        return stopped(there.plan, there.run, now, over)
    return woken(there.plan, there.run, now, Conditions(there.run.member_id), there.paused)


def step(job: Job) -> None:
    """Go on with a run at the step that it has come to; nothing where it is elsewhere by now."""
    which, seq = read_name(job.key), int(job.key.rpartition("|")[2])
    retry(functools.partial(_step_once, job, which, seq), TRIES_CROWDED)


def _step_once(job: Job, which: Which, seq: int) -> None:
    there = found(which)
    if there is None or there.run.seq != seq or there.run.state != "active" or not there.run.arriving:
        return
    to = there.plan.steps.get(there.run.step)
    if isinstance(to, GrantStep) and not there.paused and there.journey != "ended":
        granting.grant(job, there, to)
    else:
        write(there, gone_on(there, clock.now()), job)


def write(there: Standing, advanced: Advanced, job: Job | None = None) -> None:
    """Write how a run goes on, and with it the end of the job. Raises Conflict."""
    tx = Transaction()
    keep(tx, there.plan, there.member, there.run, advanced)
    if job is not None:
        job.finish(tx)
    commit(tx)


def wake(which: Which) -> None:
    """Go on with a run whose wait is over, by itself; nothing where it is not, or where it has gone on."""
    retry(functools.partial(_wake_once, which), TRIES_CROWDED)


def _wake_once(which: Which) -> None:
    there = found(which)
    now = clock.now()
    if there is not None and is_due(there, now):
        write(there, gone_on(there, now))


def is_due(there: Standing, now: datetime) -> bool:
    """Say whether the run waits, and its wait is over."""
    run = there.run
    return run.state == "active" and not run.arriving and run.wake is not None and run.wake <= now


def settle(job: Job) -> None:
    """Tell a run what became of its message or its task, which the job's payload names."""
    which = read_name(job.key)

    def once() -> None:
        there = found(which)
        if there is None:
            return
        awaited, outcome = job.task.payload["awaited"], job.task.payload["outcome"]
        conditions = Conditions(there.run.member_id)
        advanced = settled(there.plan, there.run, clock.now(), conditions, awaited, outcome, there.paused)
        if advanced is not None:
            over = over_by(there)
            write(there, stopped(there.plan, there.run, clock.now(), over) if over else advanced, job)

    retry(once, TRIES_CROWDED)


def stop(which: Which, reason: str) -> bool:
    """End a run for a reason outside it; whether there was one to end. Raises `conflict`."""

    def once() -> bool:
        there = found(which)
        if there is None or there.run.state == "ended":
            return False
        write(there, stopped(there.plan, there.run, clock.now(), reason))
        return True

    return retry(once, TRIES_CROWDED)


def resume(which: Which) -> None:
    """Take a parked run up again where it is; nothing where it is not parked. Raises `conflict`."""

    def once() -> None:
        there = found(which)
        if there is not None and there.run.state == "parked" and not there.paused:
            write(there, gone_on(there, clock.now()))

    retry(once, TRIES_CROWDED)
