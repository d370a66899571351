"""The steps of a journey and what stands in them, as data. Pure.

Each step is known by its first word: `{"wait": {"days": 3}, "next": "hello"}`, `{"grant": {"template": "ct.."}}`.
Where no step is named as the next the run ends there, as "done". docs/journeys.md tells of all of them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.growth.messaging.rules import Medium, Purpose
from chalicelib.platform.web.types import Id, Label, ShortText

#: Ways out of one step at most.
WAYS_MAX = 10
#: The longest wait, in days.
DAYS_MAX = 400

StepId = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+$(?!\n)")]
#: Why a run ends: a word of the merchant's own, for the report.
Word = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+$(?!\n)")]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)")]
#: Properties that an event must have. A text of "{name}" stands for what the event by which the run began says there.
Where = Annotated[dict[Label, Annotated[str, Meta(max_length=256)] | int | bool], Meta(max_length=5)]
Days = Annotated[int, Meta(ge=1, le=DAYS_MAX)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a definition."""


# how long


class Until(Part, frozen=True, kw_only=True):
    """The next time that a clock in Asia/Shanghai shows this, on one of these days of the week (1: Monday; any, where
    none is named)."""

    time: ClockTime
    weekdays: Annotated[list[Annotated[int, Meta(ge=1, le=7)]], Meta(max_length=7)] = []


class Span(Part, frozen=True, kw_only=True):
    """A time: so long, or so many days between these two, which are drawn for each run once and for all."""

    minutes: Annotated[int, Meta(ge=1, le=60 * 24 * DAYS_MAX)] | None = None
    hours: Annotated[int, Meta(ge=1, le=24 * DAYS_MAX)] | None = None
    days: Days | None = None
    between_days: Annotated[list[Days], Meta(min_length=2, max_length=2)] | None = None


class Before(Part, frozen=True, kw_only=True):
    """So many hours before an instant that the event by which the member came in says of itself, such as the end of a
    coupon (`valid_until`)."""

    prop: Label
    hours: Annotated[int, Meta(ge=0, le=24 * 30)] = 0


class Pause(Span, frozen=True, kw_only=True):
    """How long a `wait` is: a time, or until the beginning of a day of Asia/Shanghai, or until so long `before` an
    instant; and after that, where `until` is given, until a clock shows that."""

    until_date: date | None = None
    before: Before | None = None
    until: Until | None = None


# what is asked of a member


class If(Part, frozen=True, kw_only=True):
    """What must hold for a way to be taken: the member is in a segment, or has a tag; a rule of segments holds; what
    the last grant, message or task came to; a property of the event by which they came in. `negated` turns it round."""

    segment: Id | None = None
    tag: Label | None = None
    rule: dict[str, Any] | None = None
    last: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    entered_with: Where | None = None
    negated: bool = msgspec.field(name="not", default=False)


class Way(Part, frozen=True, kw_only=True):
    """One way out of a branch."""

    if_: If = msgspec.field(name="if")
    next: StepId | None = None


class Arm(Part, frozen=True, kw_only=True):
    """One way out of a split, and how much of those who come by take it."""

    arm: Word
    weight: Annotated[int, Meta(ge=1, le=100)]
    next: StepId | None = None


# what is done


class Grant(Part, frozen=True, kw_only=True):
    """A coupon of this template."""

    template: Id


class Said(Part, frozen=True, kw_only=True):
    """A message: a template of messages, which purpose it is for, by which media (those of the template, where none are
    named), and what its variables are. It is worth nothing after `expires_hours`.

    A message that is not sent is skipped, and the run goes on; with `on_skip: wait` it goes on only when it is known
    what became of the message. `on_cap: wait`: where a cap forbids it, the message waits for that to be over.
    """

    purpose: Purpose
    template: Id
    media: Annotated[list[Medium], Meta(max_length=5)] = []
    vars: Annotated[dict[Label, Annotated[str, Meta(max_length=256)]], Meta(max_length=20)] = {}
    expires_hours: Annotated[int, Meta(ge=1, le=168)] = 24
    on_skip: Literal["go_on", "wait"] = "go_on"
    on_cap: Literal["go_on", "wait"] = "go_on"


class Work(Part, frozen=True, kw_only=True):
    """A task for the staff, such as a call: what to do and to say, for whom, within how many hours, and what may come
    of it ("done", where nothing is named)."""

    title: ShortText
    script: Annotated[str, Meta(max_length=1000)] = ""
    assignee: Literal["follower", "rule"] = "follower"
    due_hours: Annotated[int, Meta(ge=1, le=24 * 30)] = 48
    outcomes: Annotated[list[Word], Meta(max_length=WAYS_MAX)] = []


class Named(Part, frozen=True, kw_only=True):
    """Another journey."""

    journey: Id


class Why(Part, frozen=True, kw_only=True):
    """Why the run ends."""

    reason: Word


class Awaited(Part, frozen=True, kw_only=True):
    """What is waited for: that the member does something, or comes into a segment; and for how long at most."""

    event: Label | None = None
    where: Where = {}
    segment: Id | None = None
    timeout: Span
    then: StepId | None = None
    on_timeout: StepId | None = None


# steps


class Wait(Part, frozen=True, kw_only=True):
    """Nothing happens for that long."""

    wait: Pause
    next: StepId | None = None


class WaitFor(Part, frozen=True, kw_only=True):
    """Nothing happens until that happens, or the time is over."""

    wait_for: Awaited


class Branch(Part, frozen=True, kw_only=True):
    """The first way whose condition holds, or else the other."""

    branch: Annotated[list[Way], Meta(min_length=1, max_length=WAYS_MAX)]
    else_: StepId | None = msgspec.field(name="else", default=None)


class Split(Part, frozen=True, kw_only=True):
    """A way by lot, the same for the member however often it is asked for."""

    split: Annotated[list[Arm], Meta(min_length=2, max_length=WAYS_MAX)]


class GrantStep(Part, frozen=True, kw_only=True):
    """The member gets a coupon."""

    grant: Grant
    next: StepId | None = None


class TagStep(Part, frozen=True, kw_only=True):
    """The member gets a tag."""

    tag: Label
    next: StepId | None = None


class UntagStep(Part, frozen=True, kw_only=True):
    """A tag is taken away from the member."""

    untag: Label
    next: StepId | None = None


class MessageStep(Part, frozen=True, kw_only=True):
    """The member is told something."""

    message: Said
    next: StepId | None = None


class TaskStep(Part, frozen=True, kw_only=True):
    """Somebody of the staff gets a task. Where `on` names steps for outcomes the run waits for one of them, until the
    task is due; `next` follows else."""

    task: Work
    on: Annotated[dict[Word, StepId], Meta(max_length=WAYS_MAX)] = {}
    next: StepId | None = None


class EnterStep(Part, frozen=True, kw_only=True):
    """The member comes into another journey too, if that takes them."""

    enter: Named
    next: StepId | None = None


class ExitStep(Part, frozen=True, kw_only=True):
    """The run ends."""

    exit: Why


Step = Wait | WaitFor | Branch | Split | GrantStep | TagStep | UntagStep | MessageStep | TaskStep | EnterStep | ExitStep
KINDS: dict[str, type[Any]] = {
    "wait": Wait, "wait_for": WaitFor, "branch": Branch, "split": Split, "grant": GrantStep, "tag": TagStep,
    "untag": UntagStep, "message": MessageStep, "task": TaskStep, "enter": EnterStep, "exit": ExitStep,
}  # fmt: skip


def ways(step: Step) -> list[str | None]:
    """List the steps that may follow a step; None: the run ends there."""
    if isinstance(step, WaitFor):
        return [step.wait_for.then, step.wait_for.on_timeout]
    if isinstance(step, Branch):
        return [*(way.next for way in step.branch), step.else_]
    if isinstance(step, Split):
        return [arm.next for arm in step.split]
    if isinstance(step, ExitStep):
        return []
    if isinstance(step, TaskStep):
        return [*step.on.values(), step.next]
    return [step.next]


def stands(step: Step) -> bool:
    """Say whether a run stands at the step for some time."""
    return isinstance(step, Wait | WaitFor) or (isinstance(step, TaskStep) and bool(step.on))
