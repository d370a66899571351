"""How a run goes from step to step: from what it is, what has happened and what time it is, to what it is then and what
must be done. Pure: whoever keeps it does both in one transaction, under the run's `seq`.

A run passes steps that take no time at once, and stops where it must wait, where a coupon is to be given (`grants`),
or where much is to be done already: it is `arriving` then and goes on at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from chalicelib.core import ids
from chalicelib.growth.journeys.effects.rules import Ask, Effect, Enter, Say, Tag
from chalicelib.growth.journeys.goals import rules as goals
from chalicelib.growth.journeys.goals.rules import meant
from chalicelib.growth.journeys.language.rules import Plan, matches
from chalicelib.growth.journeys.listening.rules import Heard, latest, latest_causes
from chalicelib.growth.journeys.runs.rules import (
    CONTROL,
    HEARD_MAX,
    PASSED_MAX,
    RECENT_MAX,
    TREATED,
    Passed,
    Run,
)
from chalicelib.growth.journeys.steps.rules import (
    Awaited,
    Branch,
    EnterStep,
    ExitStep,
    GrantStep,
    If,
    MessageStep,
    Split,
    Step,
    TagStep,
    TaskStep,
    UntagStep,
    Wait,
    WaitFor,
)
from chalicelib.growth.journeys.timing.rules import length, wakes_at

#: What is done in one transaction at most, and how many steps are passed in it.
EFFECTS_MAX = 6
PASSED_AT_ONCE_MAX = 50
#: How long after a message has expired it is certain what became of it.
_MESSAGE_SETTLED = timedelta(hours=1)
_DONE = "done"
#: What a message or a task came to of which nothing is known in time.
_TIMEOUT = "timeout"


#: Says whether a condition that asks for the member holds for them now.
Holds = Callable[[If], bool]


class Advanced(msgspec.Struct, frozen=True):
    """A run as it is then, what must be done with it, and what is counted of the journey."""

    run: Run
    effects: list[Effect] = []
    counts: dict[str, int] = {}


class Going:
    """A run on its way: what has come together so far."""

    def __init__(self, plan: Plan, run: Run, now: datetime, holds: Holds, paused: bool = False) -> None:
        self.plan, self.run, self.now, self.holds, self.paused = plan, run, now, holds, paused
        self.effects: list[Effect] = []
        self.counts: dict[str, int] = {}

    def set(self, **changes: Any) -> None:
        """Change the run."""
        self.run = msgspec.structs.replace(self.run, **changes)

    def count(self, name: str, n: int = 1) -> None:
        """Count something of the journey."""
        self.counts[name] = self.counts.get(name, 0) + n

    def note(self, step: str, why: str = "", done: str = "") -> None:
        """Write down that the run has come to a step, and what was done there."""
        self.set(passed=[*self.run.passed, Passed(step, self.now, why, done)][-PASSED_MAX:])

    def leave(self) -> None:
        """Count that the run leaves its step; one that it has not begun was not counted."""
        if not self.run.arriving:
            self.count(f"out|{self.run.step}")

    def end(self, reason: str, *, cut: bool = False) -> None:
        """End the run; `cut`: it did not come to its own end, and what it has queued is wanted no more."""
        self.note("", reason)
        self.count(f"ended|{reason}")
        if self.run.state == "parked":
            self.count("parked", -1)
        self.set(
            state="ended", reason=reason, cut=cut, ended_at=self.now, wake=None, awaits="", arriving=False, recent=[]
        )  # fmt: skip

    def cut_off(self, reason: str) -> None:
        """End the run wherever it is."""
        if self.run.step:
            self.leave()
        self.end(reason, cut=True)

    def stand(self, step: str, wake: datetime, awaits: str = "") -> None:
        """Stand at a step until `wake`, or until what is awaited has come."""
        self.set(step=step, at=self.now, wake=wake, awaits=awaits, arriving=False)

    def arrive(self, step_id: str | None, why: str = "") -> None:
        """Go on at a step, and pass what takes no time."""
        self._park()
        for passed in range(PASSED_AT_ONCE_MAX + 1):
            if step_id is None or step_id not in self.plan.steps:
                self.end(_DONE)
                return
            step = self.plan.steps[step_id]
            full = passed == PASSED_AT_ONCE_MAX or len(self.effects) >= EFFECTS_MAX
            if isinstance(step, GrantStep) or full or self.paused:
                self.set(step=step_id, at=self.now, wake=self.now, awaits="", arriving=True)
                if isinstance(step, WaitFor):
                    self._listens(step.wait_for)
                return
            self.count(f"in|{step_id}")
            following = self._begin(step_id, step, why)
            if following is None:
                return
            self.count(f"out|{step_id}")
            if self.run.state == "ended":
                return
            step_id, why = following[0], ""

    def _park(self) -> None:
        """Park the run while its journey is paused, and take it up again when it is not."""
        parked = self.run.state == "parked"
        if parked is not self.paused:
            self.set(state="parked" if self.paused else "active")
            self.count("parked", 1 if self.paused else -1)

    def _begin(self, step_id: str, step: Step, why: str) -> tuple[str | None] | None:
        """Begin a step; what follows it at once, and None where the run stands there."""
        done = ""
        following: tuple[str | None] | None = None
        match step:
            case Wait():
                self.note(step_id, why)
                self.stand(step_id, wakes_at(step.wait, self.run, step_id, self.now))
            case WaitFor():
                following = self._listen(step_id, step.wait_for, why)
            case Branch():
                way = next((way for way in step.branch if self._holds(way.if_) is not way.if_.negated), None)
                following = (step.else_ if way is None else way.next,)
            case Split():
                following, done = self._drawn(step_id, step)
            case TagStep() | UntagStep():
                name, given = (step.tag, True) if isinstance(step, TagStep) else (step.untag, False)
                self.effects.append(Tag(name, given))
                following, done = (step.next,), "tag" if given else "untag"
            case MessageStep():
                following, done = self._say(step_id, step, why)
            case TaskStep():
                following, done = self._ask(step_id, step, why)
            case EnterStep():
                cause = f"{self.run.run_id}|{step_id}|{self.run.seq}"
                self.effects.append(Enter(step.enter.journey, cause))
                following, done = (step.next,), "enter"
            case ExitStep():
                self.note(step_id, why)
                self.end(step.exit.reason)
                return (None,)
            case _:
                raise AssertionError(step)
        if following is not None:
            self.note(step_id, why, done)
        return following

    def _holds(self, condition: If) -> bool:
        """Whether a condition holds now, before it is turned round: what the run says itself nobody else is asked."""
        if condition.last is not None:
            return self.run.last == condition.last
        if condition.entered_with is not None:
            return matches(condition.entered_with, self.run.entered_with)
        return self.holds(condition)

    def _listen(self, step_id: str, awaited: Awaited, why: str) -> tuple[str | None] | None:
        """Wait for something, unless the run was told of it already since it began to wait for the same."""
        self._listens(awaited)
        found = next((fact for fact in self.run.recent if _is_awaited(self.run, awaited, fact)), None)
        if found is not None:
            self.take(found)
            return (awaited.then,)
        self.note(step_id, why)
        self.stand(step_id, self.now + length(awaited.timeout, self.run, step_id))
        return None

    def _listens(self, awaited: Awaited) -> None:
        """Listen to this from now on, unless the run does already; as it begins, from that by which it does."""
        what = _what(awaited)
        if self.run.listening != what:
            self.set(listening=what, listens_from=self.now if self.run.seq else self.run.hears_from or self.now)

    def take(self, fact: Heard) -> None:
        """Take the fact for what was waited for: it is so once, and what comes after it may be waited for next."""
        self.set(listens_from=fact.at, recent=[one for one in self.run.recent if one.cause != fact.cause])

    def _drawn(self, step_id: str, step: Split) -> tuple[tuple[str | None], str]:
        total = sum(arm.weight for arm in step.split)
        at = ids.shard(f"{self.run.journey_id}|{self.run.member_id}|{step_id}", total)
        frozen = self.run.arms.get(step_id)
        named = {arm.arm: arm for arm in step.split}
        if frozen in named:
            return (named[frozen].next,), f"arm:{frozen}"
        for arm in step.split:
            at -= arm.weight
            if at < 0:
                break
        self.set(arms={**self.run.arms, step_id: arm.arm})
        name = f"{step_id}:{arm.arm}"
        self.count(f"n|{name}")
        if self.run.converted_at is not None:
            self.count(f"conv|{name}")
        if self.run.revenue_fen:
            self.count(f"gmv|{name}", self.run.revenue_fen)
            self.count(f"gmv2|{name}", self.run.revenue_fen**2)
        return (arm.next,), f"arm:{arm.arm}"

    def _say(self, step_id: str, step: MessageStep, why: str) -> tuple[tuple[str | None] | None, str]:
        said = step.message
        waits = "wait" in (said.on_skip, said.on_cap)
        message_id = ids.derived("ms", self.run.run_id, step_id, str(self.run.seq))
        expires_at = self.now + timedelta(hours=said.expires_hours)
        self.effects.append(Say(message_id, said, expires_at, waits))
        if not waits:
            return (step.next,), "message"
        self.note(step_id, why, "message")
        self.stand(step_id, expires_at + _MESSAGE_SETTLED, awaits=message_id)
        return None, ""

    def _ask(self, step_id: str, step: TaskStep, why: str) -> tuple[tuple[str | None] | None, str]:
        work, waits = step.task, bool(step.on)
        task_id = ids.derived("tk", self.run.run_id, step_id, str(self.run.seq))
        due_at = self.now + timedelta(hours=work.due_hours)
        self.effects.append(Ask(task_id, work, due_at, waits))
        if not waits:
            return (step.next,), "task"
        self.note(step_id, why, "task")
        self.stand(step_id, due_at, awaits=task_id)
        return None, ""

    def advanced(self) -> Advanced:
        """Give what has come together."""
        self.set(seq=self.run.seq + 1)
        return Advanced(self.run, self.effects, self.counts)


def begun(plan: Plan, run: Run, now: datetime, holds: Holds) -> Advanced:
    """Let a run begin; one that is only looked at ends when its goal counts no more, or at once where there is none."""
    going = Going(plan, run, now, holds)
    arm = CONTROL if run.control else TREATED
    going.count("entered")
    going.count(f"n|{arm}")
    if run.held_out:
        going.count("holdout")
    if plan.goal is not None:
        going.set(goal_until=now + timedelta(days=plan.goal.within_days))
    if not run.control:
        going.arrive(plan.first, run.entered_by)
    elif going.run.goal_until is None:
        going.end(CONTROL)
    else:
        going.set(step="", wake=going.run.goal_until)
    return going.advanced()


def woken(plan: Plan, run: Run, now: datetime, holds: Holds, paused: bool = False) -> Advanced:
    """Go on with a run whose time has come: the wait is over, or it was arriving. While its journey is `paused` it is
    parked where it would go on."""
    going = Going(plan, run, now, holds, paused)
    step = plan.steps.get(run.step)
    if run.control:
        going.end(CONTROL)
    elif run.arriving or step is None:
        going.arrive(run.step, "")
    else:
        if run.awaits:
            going.set(last=_TIMEOUT)
        going.leave()
        following = step.wait_for.on_timeout if isinstance(step, WaitFor) else getattr(step, "next", None)
        going.arrive(following, _TIMEOUT if run.awaits or isinstance(step, WaitFor) else "")
    return going.advanced()


def granted(plan: Plan, run: Run, now: datetime, holds: Holds, outcome: str, paused: bool = False) -> Advanced:
    """Go on with a run that was to be given a coupon: `outcome` is "given", or the code of why it was not."""
    going = Going(plan, run, now, holds, paused)
    step = plan.steps[run.step]
    going.set(last=outcome)
    going.note(run.step, "", outcome)
    going.count(f"in|{run.step}")
    going.count(f"out|{run.step}")
    going.count(f"grants|{outcome}")
    if outcome == "given":
        going.count(f"given|{run.step}")
    going.arrive(getattr(step, "next", None))
    return going.advanced()


def settled(
    plan: Plan, run: Run, now: datetime, holds: Holds, awaited: str, outcome: str, paused: bool = False
) -> Advanced | None:
    """Go on with a run that waits for this message or task, of which this became; None where it does not."""
    if run.state == "ended" or not awaited or run.awaits != awaited:
        return None
    going = Going(plan, run, now, holds, paused)
    step = plan.steps.get(run.step)
    going.set(last=outcome)
    going.leave()
    following = getattr(step, "next", None)
    if isinstance(step, TaskStep):
        following = step.on.get(outcome, step.next)
    going.arrive(following, outcome)
    return going.advanced()


def heard(
    plan: Plan, run: Run, now: datetime, holds: Holds, fact: Heard, paused: bool = False, over: str = ""
) -> Advanced | None:  # fmt: skip
    """Go on with a run whose member did that: it may end, what it waits for may have come, its goal may be reached.
    None where it does not matter to the run, or where it was told of it before. `over`: why it ends in any case, since
    its journey has."""
    if fact.cause in run.heard or fact.at < (run.hears_from or run.entered_at):
        return None
    going = Going(plan, run, now, holds, paused)
    reckoned = goals.reckoned(plan.goal, run, fact)
    if reckoned is not None:
        going.set(**reckoned.changes)
        going.counts.update(reckoned.counts)
    if over and run.state != "ended":
        going.cut_off(over)
        moved = True
    else:
        moved = run.state != "ended" and not run.control and _moved(going, fact)
    if reckoned is None and not moved:
        return None
    going.set(heard=latest_causes([*run.heard, fact.cause], HEARD_MAX))
    return going.advanced()


def _moved(going: Going, fact: Heard) -> bool:
    """Let the run end, or go on, where that is what has happened."""
    plan, run = going.plan, going.run
    out = next((one for one in plan.exits if meant(run, fact, one.event, one.where, one.segment, one.left)), None)
    if out is not None:
        going.leave()
        going.end(out.reason, cut=True)
        return True
    step = plan.steps.get(run.step)
    if isinstance(step, WaitFor) and not run.arriving and _is_awaited(run, step.wait_for, fact):
        going.take(fact)
        going.leave()
        going.arrive(step.wait_for.then, fact.event)
        return True
    may_be = any(isinstance(one, WaitFor) and _is_meant_by(run, one.wait_for, fact) for one in plan.steps.values())
    if may_be:
        going.set(recent=latest([*run.recent, fact], RECENT_MAX))
    return may_be


def _is_meant_by(run: Run, awaited: Awaited, fact: Heard) -> bool:
    return meant(run, fact, awaited.event, awaited.where, awaited.segment)


def _is_awaited(run: Run, awaited: Awaited, fact: Heard) -> bool:
    """Whether this is what the run waits for at such a step, and not from before it began to."""
    return fact.at >= (run.listens_from or run.at) and _is_meant_by(run, awaited, fact)


def _what(awaited: Awaited) -> str:
    return f"{awaited.event}|{awaited.segment}|{sorted(awaited.where.items())}"


def stopped(plan: Plan, run: Run, now: datetime, reason: str) -> Advanced:
    """End a run for a reason outside it: an operator, the journey's end, the member's own."""
    going = Going(plan, run, now, lambda _: False)
    going.cut_off(reason)
    return going.advanced()
