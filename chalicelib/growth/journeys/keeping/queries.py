"""Reads of a run with all that it needs to go on: its plan, its member, and whether its journey is paused."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.tables import profile_key
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.rules import State
from chalicelib.growth.journeys.runs.rules import Run, Which
from chalicelib.growth.journeys.tables import run_key
from chalicelib.platform.store import read


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is, its plan, its member, and the state of its journey."""

    run: Run
    plan: Plan
    member: Profile
    journey: State

    @property
    def paused(self) -> bool:
        """Whether the run is parked where it would go on."""
        return self.journey == "paused"


def standing(which: Which) -> Standing | None:
    """Read a run with what it needs; None where there is no such run, or no such member: they have left, or become
    another."""
    keys = [run_key(*which), profile_key(which[0])]
    item, profile = read.batch_get(keys)
    return None if item is None or profile is None else standing_of(item.run, profile.profile)


def standing_of(run: Run, member: Profile) -> Standing:
    """Put a run that was read together with what it needs."""
    known = book_queries.book().journeys.get(run.journey_id)
    if known is None:  # it is newer than the book that this process remembers
        known = book_queries.refreshed().journeys.get(run.journey_id)
    state: State = known.journey.state if known is not None else "ended"
    return Standing(run=run, plan=book_queries.plan(run.journey_id, run.version), member=member, journey=state)


def standings(runs: Sequence[Run]) -> tuple[list[Standing], list[Run]]:
    """Put runs that were read together with what they need, and give those whose members are not there."""
    members = read.batch_get([profile_key(run.member_id) for run in runs])
    there = [standing_of(run, item.profile) for run, item in zip(runs, members, strict=True) if item is not None]
    return there, [run for run, item in zip(runs, members, strict=True) if item is None]
