"""The audit of journeys: what is counted of them against the runs, and which run is a member's active one. Pure; every
difference is named.

Who has left is counted as such and has no run any more, and runs are deleted some months after their end: so what is
counted is held against those that are in a journey now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from chalicelib.core.difference import Difference
from chalicelib.growth.journeys.runs.rules import Guard, Run

_VersionOf = tuple[str, int]


class GuardRecord(msgspec.Struct, frozen=True):
    """What a guard says of a member in a journey; `place` is its key in the table, behind the member's."""

    member_id: str
    place: str
    guard: Guard


class RunRecord(msgspec.Struct, frozen=True):
    """A run, the place of its guard, and how the indexes list it: by which stamp it wakes, and whether it is in."""

    run: Run
    guard_place: str
    wakes: str | None
    is_listed: bool


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """All that journeys keep of members; `stamps` writes when each run that waits is to wake, by its id."""

    runs: list[RunRecord] = []
    guards: list[GuardRecord] = []
    counts: dict[_VersionOf, dict[str, int]] = {}
    stamps: dict[str, str] = {}


def audit(records: Records) -> list[Difference]:
    """Find every difference."""
    return [*_guards(records), *_listed(records), *_counted(records)]


def _guards(records: Records) -> Iterator[Difference]:
    """Each run that is active or parked is the one that its guard names, and each guard names such a run: so of one
    member, journey and key no two are."""
    inside = {
        (one.run.member_id, one.guard_place): one.run.run_id for one in records.runs if one.run.state != "ended"
    }  # fmt: skip
    named = {(one.member_id, one.place): one.guard for one in records.guards}
    for one in records.runs:
        run, guard = one.run, named.get((one.run.member_id, one.guard_place), Guard())
        if run.state != "ended" and guard.run_id != run.run_id:
            yield Difference(run.run_id, f"is {run.state}, and its guard names {guard.run_id or 'none'}")
    for key, guard in named.items():
        if guard.run_id and inside.get(key) != guard.run_id:
            yield Difference(key[0], f"{key[1]} names {guard.run_id}, which is not active")
    entries = Counter((one.run.member_id, one.guard_place) for one in records.runs)
    for key, count in entries.items():
        if named.get(key, Guard()).entries < count:
            yield Difference(key[0], f"{key[1]} counts fewer entries than the {count} runs that there are")


def _listed(records: Records) -> Iterator[Difference]:
    """Each run is listed as it is: in its journey until it ends, and by its instant while it waits."""
    for one in records.runs:
        run = one.run
        waits = run.state == "active" and not run.arriving and run.wake is not None
        stamp = records.stamps.get(run.run_id) if waits else None
        if one.wakes != stamp:
            yield Difference(run.run_id, f"is listed to wake at {one.wakes}, and wakes at {stamp}")
        if one.is_listed is (run.state == "ended"):
            yield Difference(run.run_id, f"is {run.state}, and is {'' if one.is_listed else 'not '}listed")


def _counted(records: Records) -> Iterator[Difference]:
    runs: dict[_VersionOf, list[Run]] = defaultdict(list)
    for one in records.runs:
        runs[one.run.journey_id, one.run.version].append(one.run)
    for version in sorted(runs.keys() | records.counts.keys()):
        about = f"{version[0]}#{version[1]}"
        for what in _differing(records.counts.get(version, {}), runs.get(version, [])):
            yield Difference(about, what)


def _differing(counts: Mapping[str, int], runs: list[Run]) -> Iterator[str]:
    """What is counted of a version, against its runs: who came in is in it, or has left for a reason."""
    inside = [run for run in runs if run.state != "ended"]
    ended = sum(n for name, n in counts.items() if name.startswith("ended|"))
    if counts.get("entered", 0) - ended != len(inside):
        yield f"counts {counts.get('entered', 0)} who came in and {ended} who left, and {len(inside)} are in it"
    parked = sum(run.state == "parked" for run in inside)
    if counts.get("parked", 0) != parked:
        yield f"counts {counts.get('parked', 0)} who are parked, and {parked} are"
    stands = Counter(run.step for run in inside if not run.arriving and run.step)
    steps = {name.partition("|")[2] for name in counts if name.startswith(("in|", "out|"))} | stands.keys()
    for step in sorted(steps):
        waiting = counts.get(f"in|{step}", 0) - counts.get(f"out|{step}", 0)
        if waiting != stands[step]:
            yield f"counts {waiting} at the step {step}, and {stands[step]} are there"
    arms = {name.partition("|")[2] for name in counts if name.startswith(("n|", "conv|"))}
    for arm in sorted(arms):
        members, converted = counts.get(f"n|{arm}", 0), counts.get(f"conv|{arm}", 0)
        if not 0 <= converted <= members:
            yield f"counts {converted} of {members} in the arm {arm} who reached the goal"
