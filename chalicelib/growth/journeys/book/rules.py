"""What the book says of journeys. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from chalicelib.growth.journeys.goals.rules import MONEY
from chalicelib.growth.journeys.language.rules import OnEvent, OnSchedule, Plan
from chalicelib.growth.journeys.listening.rules import Listens
from chalicelib.growth.journeys.rules import Journey
from chalicelib.growth.journeys.steps.rules import Branch, TagStep, UntagStep
from chalicelib.growth.segments.language.rules import HasTag, InSegment, leaves_of, parsed

#: Journeys at most that have not ended, drafts with them; and with those that have.
JOURNEYS_MAX = 200
ALL_MAX = 1000
#: The longest that a goal counts, and some.
_GOALS_COUNT = timedelta(days=91)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A journey as it is, how often it was changed (0: it is not kept yet), and what any of its versions listens to."""

    journey: Journey
    changes: int = 0
    listens: Listens = Listens()


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """All journeys by their ids; `mark` is another at every change of what the mall goes by."""

    journeys: dict[str, Known] = {}
    mark: str = ""

    def live(self) -> list[Journey]:
        """List the journeys into which members come."""
        return [known.journey for known in self.journeys.values() if known.journey.state == "live"]

    def is_full(self) -> bool:
        """Say whether there is no room for another journey."""
        open_ones = sum(known.journey.state != "ended" for known in self.journeys.values())
        return open_ones >= JOURNEYS_MAX or len(self.journeys) >= ALL_MAX

    def listening_to(self, event: str) -> list[str]:
        """Name the journeys one of whose runs may have to do with an event of this name."""
        return [one for one, known in self.journeys.items() if event in known.listens.events]

    def following(self, segment_id: str) -> list[str]:
        """Name the journeys one of whose runs may have to do with this segment."""
        return [one for one, known in self.journeys.items() if segment_id in known.listens.segments]


def listens_of(plan: Plan) -> Listens:
    """Say what a version listens to: for a goal also to what is paid."""
    money = MONEY if plan.goal is not None else ()
    return Listens(sorted({*plan.events(), *money}), sorted(set(plan.segments())))


def united(several: Iterable[Listens]) -> Listens:
    """Say what any of these listens to."""
    several = list(several)
    return Listens(
        sorted({name for one in several for name in one.events}),
        sorted({segment_id for one in several for segment_id in one.segments}),
    )


def listened(book: Book, now: datetime) -> Listens:
    """Say what any journey listens to: also one that has ended, as long as goals of those who were in it may count."""
    return united(
        known.listens
        for known in book.journeys.values()
        if known.journey.state != "ended" or now - known.journey.changed_at <= _GOALS_COUNT
    )


def names(plan: Plan, segment_id: str, tag: str) -> bool:
    """Say whether a version names the segment, or the tag of this name ("": none)."""
    definition, entry = plan.definition, plan.entry
    segments = {*plan.segments(), definition.audience, definition.exclude}
    tags: set[str | None] = set()
    if isinstance(entry, OnSchedule):
        segments.add(entry.audience)
    for step in plan.steps.values():
        if isinstance(step, TagStep | UntagStep):
            tags.add(step.tag if isinstance(step, TagStep) else step.untag)
        for way in step.branch if isinstance(step, Branch) else ():
            segments.add(way.if_.segment)
            tags.add(way.if_.tag)
            for _, leaf in leaves_of(parsed(way.if_.rule)) if way.if_.rule is not None else ():
                segments.add(leaf.segment if isinstance(leaf, InSegment) else None)
                tags.add(leaf.tag if isinstance(leaf, HasTag) else None)
    return segment_id in segments or (tag != "" and tag in tags)


def enters_by(plan: Plan, event: str) -> OnEvent | None:
    """Give the entry of a version by which an event of this name leads into it; None where it does not."""
    return plan.entry if isinstance(plan.entry, OnEvent) and plan.entry.event == event else None


def is_open(journey: Journey, plan: Plan, now: datetime) -> bool:
    """Say whether members come into the journey at `now`, which has this plan."""
    starts_at, ends_at = plan.definition.starts_at, plan.definition.ends_at
    begun = starts_at is None or starts_at <= now
    return journey.state == "live" and begun and (ends_at is None or now < ends_at)
