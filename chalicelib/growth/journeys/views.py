"""What operators are shown of journeys, of runs, and of what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.growth.journeys.built_in.rules import BuiltIn, Slot, open_slots
from chalicelib.growth.journeys.language.rules import Definition
from chalicelib.growth.journeys.moving.rules import Kind, Move
from chalicelib.growth.journeys.report.rules import (
    ArmCount,
    Cost,
    SampleCheck,
    SendCount,
    StepCount,
    UpliftCount,
)
from chalicelib.growth.journeys.rules import Journey, State, Version
from chalicelib.growth.journeys.runs.rules import By, Passed, Run
from chalicelib.growth.journeys.runs.rules import State as RunState


class JourneyCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journey in a list; `version` is the one that holds (0: none yet), `has_draft` that another is being written."""

    journey_id: str
    name: str
    state: State
    version: int
    has_draft: bool
    built_in: str = ""
    made_at: datetime
    changed_at: datetime


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was published, when, and by whom."""

    version: int
    published_at: datetime
    published_by: str


class MembersNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """How many members must come in so that an uplift is seen in four of five such journeys, and so that anything is
    said of it at all (100 who reach the goal in the smaller arm): where `base_bp` reach it without the journey, and
    `uplift_bp` more with it, in basis points."""

    base_bp: int
    uplift_bp: int
    control_percent: int
    members: int
    members_for_verdict: int


class MovingView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A walk through those who are in the journey: whether it is `running`, and what it has done, by how and step."""

    kind: Kind
    running: bool
    begun_at: datetime
    version: int = msgspec.field(name="from", default=0)
    to: int = 0
    counts: dict[str, int] = {}
    by_step: list[MovedStep] = []


class MovedStep(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of a step stay, go to the step that is named for it, go to the nearest, or end; "": of those who
    are only looked at."""

    step: str
    stays: int
    mapped: int
    nearest: int
    ended: int


class MigrationView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What taking runs over has done by now, or would do (`dry_run`): of `looked_at` runs, which are all where `whole`,
    how many do what."""

    dry_run: bool = False
    running: bool = False
    version: int = msgspec.field(name="from")
    to: int
    counts: dict[str, int]
    by_step: list[MovedStep]
    looked_at: int | None = None
    whole: bool | None = None


class JourneyView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journey: the definition that holds, the draft that is being written, and what is wrong with that still, as
    publishing it would say."""

    journey_id: str
    name: str
    state: State
    version: int
    built_in: str = ""
    made_at: datetime
    changed_at: datetime
    definition: Definition | None = None
    draft: Definition | None = None
    versions: list[VersionView] = []
    problems: list[dict[str, Any]] = []
    members_needed: MembersNeeded | None = None
    moving: list[MovingView] = []


class PublishedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The version that holds from now on."""

    journey_id: str
    version: int
    members_needed: MembersNeeded | None = None


class SlotView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be chosen in a built-in journey, at which steps: of a coupon how many percent off, with what ceiling
    some take, and for how many days; of a message its purpose."""

    slot: str
    kind: str
    what: dict[str, str]
    steps: list[str]
    percent_off: int = 0
    ceiling_fen_hint: int = 0
    valid_days_hint: int = 0
    purpose: str = ""


class BuiltInView(msgspec.Struct, frozen=True, kw_only=True):
    """A journey that the mall brings with it: its name and what it does in both languages, its slots, and itself."""

    built_in: str
    name: dict[str, str]
    what: dict[str, str]
    slots: list[SlotView]
    definition: dict[str, Any]


class PassedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That a run came to a step ("": its end), when, why, and what was done there."""

    step: str
    at: datetime
    why: str = ""
    done: str = ""


class RunView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member's run: where it stands since when and until when, by what it began, which arms it counts for, what came
    of it, and every step of it, the latest 64."""

    run_id: str
    member_id: str
    journey_id: str
    journey: str
    version: int
    key: str = ""
    state: RunState
    step: str
    at: datetime
    wake: datetime | None = None
    entered_at: datetime
    entered_by: By
    entered_with: dict[str, str | int | bool] = {}
    control: bool = False
    arms: dict[str, str] = {}
    last: str = ""
    reason: str = ""
    ended_at: datetime | None = None
    converted_at: datetime | None = None
    revenue_fen: int = 0
    passed: list[PassedView] = []


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of those who came into a version of a journey (null: into any): entered = active + parked + all that
    ended. `held_out` are those of the control group who are held out of all journeys. `sends` are of all versions."""

    version: int | None
    as_of: datetime
    entered: int
    active: int
    parked: int
    ended: dict[str, int]
    held_out: int
    by_step: list[StepCount]
    arms: list[ArmCount]
    uplift: UpliftCount | None
    srm: SampleCheck | None
    sends: dict[str, SendCount]
    grants: dict[str, int]
    cost: Cost
    cost_fen: int


def journey_card(journey: Journey) -> JourneyCard:
    """Show a journey in a list."""
    return JourneyCard(
        journey_id=journey.journey_id, name=journey.name, state=journey.state, version=journey.version,
        has_draft=journey.draft is not None, built_in=journey.built_in, made_at=journey.made_at,
        changed_at=journey.changed_at,
    )  # fmt: skip


def version_view(version: Version) -> VersionView:
    """Show a version in a list."""
    return VersionView(
        version=version.version, published_at=version.published_at, published_by=version.published_by
    )  # fmt: skip


def moved_steps(counts: dict[str, int]) -> tuple[dict[str, int], list[MovedStep]]:
    """Take what is counted as "<how>|<step>" apart: by how, and by step."""
    whole: dict[str, int] = {}
    steps: dict[str, dict[str, int]] = {}
    for name, n in counts.items():
        how, _, step = name.partition("|")
        whole[how] = whole.get(how, 0) + n
        steps.setdefault(step, {})[how] = n
    hows = ("stays", "mapped", "nearest", "ended")
    by_step = [MovedStep(step=step, **{how: of.get(how, 0) for how in hows}) for step, of in sorted(steps.items())]
    return {how: whole.get(how, 0) for how in hows}, by_step


def moving_view(move: Move, running: bool, counts: dict[str, int]) -> MovingView:
    """Show a walk."""
    whole, by_step = moved_steps(counts) if move.kind == "migrate" else ({}, [])
    return MovingView(
        kind=move.kind, running=running, begun_at=move.begun_at, version=move.version,
        to=move.to if move.kind == "migrate" else 0, counts=whole, by_step=by_step,
    )  # fmt: skip


def built_in_view(built_in: BuiltIn) -> BuiltInView:
    """Show a journey that the mall brings with it."""
    return BuiltInView(
        built_in=built_in.key,
        name={"zh": built_in.name_zh, "en": built_in.name_en},
        what={"zh": built_in.zh, "en": built_in.en},
        slots=[_slot_view(built_in, slot) for slot in built_in.slots],
        definition=built_in.definition,
    )


def _slot_view(built_in: BuiltIn, slot: Slot) -> SlotView:
    steps = [step_id for step_id, step in built_in.definition["steps"].items() if slot.name in open_slots(step)]
    return SlotView(
        slot=slot.name, kind=slot.kind, what={"zh": slot.zh, "en": slot.en}, steps=steps, percent_off=slot.percent_off,
        ceiling_fen_hint=slot.ceiling_fen, valid_days_hint=slot.valid_days, purpose=slot.purpose or "",
    )  # fmt: skip


def run_view(run: Run, names: dict[str, str], passed: Sequence[Passed] = ()) -> RunView:
    """Show a run, with its steps where these are given; `names` are those of the journeys that there are."""
    return RunView(
        run_id=f"{run.member_id}-{run.run_id}", member_id=run.member_id, journey_id=run.journey_id,
        journey=names.get(run.journey_id, ""), version=run.version, key=run.key, state=run.state, step=run.step,
        at=run.at, wake=run.wake, entered_at=run.entered_at, entered_by=run.entered_by, entered_with=run.entered_with,
        control=run.control, arms=run.arms, last=run.last, reason=run.reason, ended_at=run.ended_at,
        converted_at=run.converted_at, revenue_fen=run.revenue_fen,
        passed=[PassedView(step=one.step, at=one.at, why=one.why, done=one.done) for one in passed],
    )  # fmt: skip
