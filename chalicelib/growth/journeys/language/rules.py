"""The language of journeys: entries, steps, exits and goals as data, and how they are read. Pure.

A definition names its steps by ids, and each step is known by its first word: `{"wait": {"days": 3}, "next": "hello"}`,
`{"grant": {"template": "ct.."}, "next": "tell"}`. Where no `next` is given the run ends there, as "done".
docs/journeys.md tells of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.core.errors import FieldError, MallError
from chalicelib.core.refusals import KINDS as NAMES_OF_KINDS
from chalicelib.core.refusals import REQUIRED, UNKNOWN_FIELD, WRONG_KIND
from chalicelib.growth.journeys.refusals import ONE_OF, SOME_WAIT, SPAN_ORDER
from chalicelib.growth.journeys.steps.rules import (
    DAYS_MAX,
    KINDS,
    WAYS_MAX,
    Branch,
    ClockTime,
    Days,
    Pause,
    Span,
    Step,
    StepId,
    Wait,
    WaitFor,
    Where,
    Word,
)
from chalicelib.platform.web.types import Id, Label, Line64, Line256, ShortText

#: Steps of a journey at most.
STEPS_MAX = 50


# how a run begins


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a definition."""


class OnEvent(_Part, frozen=True, kw_only=True):
    """A member did this, with these properties. `key` names one by which runs are told apart, such as a lobby: a member
    has one active run for each of its values."""

    event: Label
    where: Where = {}
    key: Label | None = None


class OnSegment(_Part, frozen=True, kw_only=True):
    """A member came into this segment; with `existing`, those who are in it as the journey is published, too."""

    segment: Id
    existing: bool = False


class OnSchedule(_Part, frozen=True, kw_only=True):
    """Every one of a segment, at each of these times: minute, hour, day of month, month, day of week, as cron writes
    them, in Asia/Shanghai."""

    schedule: Annotated[str, Meta(min_length=9, max_length=64)]
    audience: Id


class OnDate(_Part, frozen=True, kw_only=True):
    """So many days before (below 0) or after a day of the member's own, at this time of Asia/Shanghai. A birthday falls
    by the calendar that its member named; with `calendar` those come in who named that one."""

    date: Literal["birthday", "joined"]
    calendar: Literal["solar", "lunar"] | None = None
    offset_days: Annotated[int, Meta(ge=-30, le=DAYS_MAX)] = 0
    time: ClockTime = "10:00"


class ByCall(_Part, frozen=True, kw_only=True):
    """Those whom an operator names (`POST /v1/admin/journeys/{id}/enter`), or another journey."""

    api: Literal[True]


Entry = OnEvent | OnSegment | OnSchedule | OnDate | ByCall
ENTRIES: dict[str, type[Any]] = {
    "event": OnEvent, "segment": OnSegment, "schedule": OnSchedule, "date": OnDate, "api": ByCall,
}  # fmt: skip


class Again(_Part, frozen=True, kw_only=True):
    """When a member may come in again: so many days after they left, or up to so many times in all."""

    after_days: Days | None = None
    max: Annotated[int, Meta(ge=2, le=1000)] | None = None


class Exit(_Part, frozen=True, kw_only=True):
    """What ends a run wherever it is: that the member does this, comes into this segment, or leaves it."""

    reason: Word
    event: Label | None = None
    where: Where = {}
    segment: Id | None = None
    left: Id | None = None


class Goal(_Part, frozen=True, kw_only=True):
    """What a journey is for: that the member does this within so many days after they came in. It counts once a run."""

    event: Label
    where: Where = {}
    within_days: Annotated[int, Meta(ge=1, le=90)] = 30


class Definition(_Part, frozen=True, kw_only=True):
    """A journey as it is written down: `entry` and `steps` are read by `plan_of`.

    `audience` and `exclude` are segments: who is not in the one, or is in the other, does not come in. Of those who
    come in `control_percent` are only looked at. Of two journeys whose messages meet at a cap the one with the higher
    `priority` comes first.
    """

    name: ShortText
    entry: dict[str, Any]
    re_entry: Literal["never"] | Again = "never"
    audience: Id | None = None
    exclude: Id | None = None
    steps: Annotated[dict[StepId, dict[str, Any]], Meta(min_length=1, max_length=STEPS_MAX)]
    first: StepId
    exits: Annotated[list[Exit], Meta(max_length=WAYS_MAX)] = []
    goal: Goal | None = None
    control_percent: Annotated[int, Meta(ge=0, le=50)] = 0
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Line256 = ""
    built_in: Line64 = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A definition, read: what the mall goes by."""

    journey_id: str
    version: int
    definition: Definition
    entry: Entry
    steps: dict[str, Step]

    @property
    def first(self) -> str:
        """Name the step with which a run begins."""
        return self.definition.first

    @property
    def goal(self) -> Goal | None:
        """Give what the journey is for."""
        return self.definition.goal

    @property
    def exits(self) -> list[Exit]:
        """Give what ends a run wherever it is."""
        return self.definition.exits

    def events(self) -> Iterator[str]:
        """Name the events that the journey listens to."""
        if isinstance(self.entry, OnEvent):
            yield self.entry.event
        if self.goal is not None:
            yield self.goal.event
        yield from (one.event for one in self.exits if one.event)
        for step in self.steps.values():
            if isinstance(step, WaitFor) and step.wait_for.event:
                yield step.wait_for.event

    def segments(self) -> Iterator[str]:
        """Name the segments whose comers and leavers the journey listens to."""
        if isinstance(self.entry, OnSegment):
            yield self.entry.segment
        for one in self.exits:
            yield from (each for each in (one.segment, one.left) if each)
        for step in self.steps.values():
            if isinstance(step, WaitFor) and step.wait_for.segment:
                yield step.wait_for.segment


def plan_of(journey_id: str, version: int, definition: Definition) -> Plan:
    """Read a definition. Raises `malformed`, naming the place, for what is no entry or no step."""
    entry: Entry = _read(definition.entry, ENTRIES, "entry")
    steps: dict[str, Step] = {}
    for step_id, raw in definition.steps.items():
        path = f"steps.{step_id}"
        step: Step = _read(raw, KINDS, path)
        _check_parts(step, path)
        steps[step_id] = step
    for at, one in enumerate(definition.exits):
        _one_of(f"exits[{at}]", ("event", "segment", "left"), one)
    return Plan(journey_id=journey_id, version=version, definition=definition, entry=entry, steps=steps)


def _read(raw: Mapping[str, Any], kinds: Mapping[str, type[Any]], path: str) -> Any:
    if not isinstance(raw, dict):
        raise _malformed(WRONG_KIND.at(path, kind=NAMES_OF_KINDS["object"]))
    kind = next((kind for word, kind in kinds.items() if word in raw), None)
    if kind is None:
        unknown = next(iter(raw), None)
        raise _malformed(REQUIRED.at(path) if unknown is None else UNKNOWN_FIELD.at(f"{path}.{unknown}"))
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as fault:
        from chalicelib.platform.web.problems import from_validation  # only who is answered has a definition like that

        errors = from_validation(fault).errors
        raise _malformed(*(msgspec.structs.replace(one, field=_joined(path, one.field)) for one in errors)) from None


def _joined(path: str, field: str) -> str:
    return f"{path}.{field}" if field and not field.startswith("[") else f"{path}{field}"


def _malformed(*errors: FieldError) -> MallError:
    return MallError("malformed", errors=errors)


def _check_parts(step: Step, path: str) -> None:
    """Refuse what the types allow and means nothing. Raises `malformed`."""
    if isinstance(step, Wait):
        _check_span(step.wait, f"{path}.wait", at_least=0)
        if step.wait == Pause():
            raise _malformed(SOME_WAIT.at(f"{path}.wait"))
    if isinstance(step, WaitFor):
        _check_span(step.wait_for.timeout, f"{path}.wait_for.timeout", at_least=1)
        _one_of(f"{path}.wait_for", ("event", "segment"), step.wait_for)
    if isinstance(step, Branch):
        for at, way in enumerate(step.branch):
            _one_of(f"{path}.branch[{at}].if", ("segment", "tag", "rule", "last", "entered_with"), way.if_)


def _check_span(span: Span, path: str, at_least: int) -> None:
    named: list[object] = [span.minutes, span.hours, span.days, span.between_days]
    named += [getattr(span, "until_date", None), getattr(span, "before", None)]
    count = sum(one is not None for one in named)
    if not at_least <= count <= 1:
        raise _malformed(ONE_OF.at(path, names="minutes, hours, days, between_days, until_date, before"))
    if span.between_days is not None and span.between_days[0] > span.between_days[1]:
        raise _malformed(SPAN_ORDER.at(f"{path}.between_days"))


def _one_of(path: str, names: tuple[str, ...], part: msgspec.Struct) -> None:
    if sum(getattr(part, name) is not None for name in names) != 1:
        raise _malformed(ONE_OF.at(path, names=", ".join(names)))


def matches(where: Mapping[str, object], props: Mapping[str, object]) -> bool:
    """Say whether an event with these properties is one that is asked for."""
    return all(
        name in props and props[name] == value and isinstance(props[name], bool) is isinstance(value, bool)
        for name, value in where.items()
    )
