"""What operators send about journeys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.growth.journeys.language.rules import STEPS_MAX, Again, Exit, Goal
from chalicelib.growth.journeys.steps.rules import WAYS_MAX, StepId
from chalicelib.platform.web.types import Id, Label, Line64, Line256, ShortText

#: Members whom one request lets come in.
ENTERED_MAX = 1000
BODY_MAX = 384 * 1024

_STEPS = (
    'The steps by their ids, each known by its first word, such as {"grant": {"template": "ct.."}, "next": "tell"}. '
    "docs/journeys.md tells of all of them."
)
RawEntry = Annotated[
    dict[str, Any],
    Meta(description='How a run begins, such as {"event": "joined"}. docs/journeys.md tells of all ways.'),
]


class JourneyInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A journey to be drafted: its parts, or one that the mall brings with it (`built_in`), with what is chosen in its
    slots (`templates`: of coupons and messages, or a segment, or a tag). Where a name is given beside that, or another
    part but its entry and its steps, it has that instead of its own."""

    name: ShortText | None = None
    built_in: Line64 = ""
    templates: Annotated[dict[Label, Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=20)] = {}
    entry: RawEntry | None = None
    re_entry: Literal["never"] | Again = "never"
    audience: Id | None = None
    exclude: Id | None = None
    steps: Annotated[dict[StepId, dict[str, Any]], Meta(max_length=STEPS_MAX, description=_STEPS)] | None = None
    first: StepId | None = None
    exits: Annotated[list[Exit], Meta(max_length=WAYS_MAX)] = []
    goal: Goal | None = None
    control_percent: Annotated[int, Meta(ge=0, le=50)] = 0
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None
    note: Line256 = ""


class EndInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of those who are in the journey: they go on until they have passed through it, or leave it now."""

    runs: Literal["finish", "exit"]


class MigrateInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version's runs are taken over into the version that holds. Who stands at a step of the same id stays there;
    else the run goes to the step that `map` names, or it leaves (`exit`), or goes to the first step on its way that
    there still is (`nearest`). With `dry_run` it is only said how many would do what."""

    version: Annotated[int, Meta(ge=1)] = msgspec.field(name="from")
    mapped: Annotated[dict[StepId, StepId], Meta(max_length=STEPS_MAX)] = msgspec.field(name="map", default={})
    missing: Literal["exit", "nearest"] = "exit"
    dry_run: bool = False


class EnterInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to come in: these members, or those of an audience; one of the two."""

    members: Annotated[list[Id], Meta(min_length=1, max_length=ENTERED_MAX)] | None = None
    audience_id: Id | None = None


class ReportQuery(msgspec.Struct, kw_only=True):
    """Of which version; of all, where none is named."""

    version: Annotated[int, Meta(ge=1)] | None = None
