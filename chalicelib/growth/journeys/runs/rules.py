"""What a run is: where a member stands in a journey, since when, and what has happened to them in it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.journeys.listening.rules import Heard

State = Literal["active", "parked", "ended"]
#: By what a run began.
By = Literal["event", "segment", "schedule", "date", "api", "enter"]
#: How many steps a run remembers having passed, and how many facts having heard: the latest, so many of the mall's own
#: and as many of what clients tell.
PASSED_MAX = 64
HEARD_MAX = 32
RECENT_MAX = 4
#: The arms of every journey; those of a split are "<step>:<arm>".
CONTROL, TREATED = "control", "treated"


class Passed(msgspec.Struct, frozen=True, omit_defaults=True):
    """That a run came to a step, when, why, and what was done there."""

    step: str
    at: datetime
    why: str = ""
    done: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One member's way through a version of a journey.

    `seq` counts its changes: what was owed for an earlier one finds another and does nothing. `arriving`: the run has
    come to its step and not begun it yet; else it stands there until `wake`, or until what it waits for happens.
    A control run is only looked at.
    """

    run_id: str
    journey_id: str
    version: int
    member_id: str
    #: What tells it apart from the member's others in the journey, where the entry names a key.
    key: str = ""
    state: State = "active"
    step: str
    seq: int = 0
    arriving: bool = False
    entered_at: datetime
    entered_by: By
    #: When that happened by which it began, where that was before: what followed it counts, however late it is told.
    hears_from: datetime | None = None
    #: Since when it stands at its step.
    at: datetime
    #: What it waits for, or waited for last, and since when: who waits for the same again has never stopped, whatever
    #: was done in between.
    listening: str = ""
    listens_from: datetime | None = None
    wake: datetime | None = None
    #: The message or the task whose end it waits for.
    awaits: str = ""
    arms: dict[str, str] = {}
    control: bool = False
    #: It is only looked at because the person is held out of all journeys.
    held_out: bool = False
    #: What the event by which it began said, and what the last grant, message or task came to.
    entered_with: dict[str, str | int | bool] = {}
    last: str = ""
    reason: str = ""
    #: It ended by what happened outside it, such as an exit: what it has queued and was not sent yet is not sent.
    cut: bool = False
    ended_at: datetime | None = None
    #: Until when the goal counts, when it was reached, and what was paid until then, in fen.
    goal_until: datetime | None = None
    converted_at: datetime | None = None
    revenue_fen: int = 0
    passed: list[Passed] = []
    heard: list[str] = []
    #: What it was told of and did not wait for at that moment, and may wait for next.
    recent: list[Heard] = []


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """Which run of a journey is the member's active or parked one ("": none), how often they came in, and when they
    left last."""

    run_id: str = ""
    entries: int = 0
    left_at: datetime | None = None


def arms_of(run: Run) -> list[str]:
    """List the arms that a run counts for."""
    main = CONTROL if run.control else TREATED
    return [main, *(f"{step}:{arm}" for step, arm in run.arms.items())]


#: Which run it is: its member as they were when somebody noted it, its journey, and its own id.
Which = tuple[str, str, str]


def name_of(run: Run) -> str:
    """Write down which run it is, as jobs and messages name it."""
    return f"{run.member_id}|{run.journey_id}|{run.run_id}"


def read_name(text: str) -> Which:
    """Read which run it is; what else stands behind it is not read."""
    member_id, journey_id, run_id, *_ = text.split("|")
    return member_id, journey_id, run_id
