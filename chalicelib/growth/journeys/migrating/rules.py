"""Taking runs over into another version of their journey. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from chalicelib.growth.journeys.language.rules import Plan
from chalicelib.growth.journeys.runs.rules import Run, arms_of
from chalicelib.growth.journeys.stepping.rules import Going
from chalicelib.growth.journeys.steps.rules import Step, Wait, WaitFor, ways
from chalicelib.growth.journeys.timing.rules import length, wakes_at


class Migrated(msgspec.Struct, frozen=True):
    """A run in another version: what it is then, and what is counted of the version it leaves and of the other."""

    run: Run
    left: dict[str, int]
    joined: dict[str, int]
    how: Literal["stays", "mapped", "nearest", "ended"]


def migrated(
    old: Plan, new: Plan, run: Run, now: datetime, mapped: Mapping[str, str], missing: Literal["exit", "nearest"]
) -> Migrated:
    """Take a run over into another version. It stays at a step that has the same id there, and a wait is as long as it
    is there, from when it began, but not over before now; else it goes to the step that `mapped` names, or with
    `nearest` to the first on its way that the other version has; else it ends, as "journey_changed". What lies behind
    it is not done again."""
    before, moved = _left_by(run), msgspec.structs.replace(run, version=new.version)
    going = Going(new, moved, now, lambda _: False)
    if not run.arriving and run.step:
        before[f"out|{run.step}"] = 1
    step, there = old.steps.get(run.step), new.steps.get(run.step)
    how: Literal["stays", "mapped", "nearest", "ended"] = "stays"
    if run.control:
        pass
    elif there is not None and (type(there) is type(step) or run.arriving):
        _stay(going, there)
    else:
        how = "mapped" if run.step in mapped else "nearest"
        to = mapped.get(run.step) or (_nearest(old, new, run.step) if missing == "nearest" else None)
        if to is None or to not in new.steps:
            how = "ended"
            going.end("journey_changed", cut=True)
        else:
            going.set(step=to, at=now, wake=now, awaits="", arriving=True)
            going.note(to, "migrated")
    for name, n in _left_by(run).items():
        going.count(name, -n)
    if run.state == "parked" and going.run.state == "ended":
        going.counts["parked"] = 0
    return Migrated(going.advanced().run, before, {name: n for name, n in going.counts.items() if n}, how)


def _left_by(run: Run) -> dict[str, int]:
    """What a version counts no more of a run that leaves it for another."""
    counts = {"entered": -1}
    if run.state == "parked":
        counts["parked"] = -1
    if run.held_out:
        counts["holdout"] = -1
    for arm in arms_of(run):
        counts[f"n|{arm}"] = -1
        if run.converted_at is not None:
            counts[f"conv|{arm}"] = -1
        if run.revenue_fen:
            counts[f"gmv|{arm}"] = -run.revenue_fen
            counts[f"gmv2|{arm}"] = -(run.revenue_fen**2)
    return counts


def _stay(going: Going, step: Step) -> None:
    """Stand at the step of the same id; a wait is measured anew."""
    run, wake = going.run, going.run.wake
    if run.arriving:
        return
    going.count(f"in|{run.step}")
    if isinstance(step, Wait):
        wake = max(going.now, wakes_at(step.wait, run, run.step, run.at))
    elif isinstance(step, WaitFor):
        wake = max(going.now, run.at + length(step.wait_for.timeout, run, run.step))
    going.set(wake=wake)


def _nearest(old: Plan, new: Plan, step_id: str) -> str | None:
    """Find the first step behind this one, by the old version, that the new one has."""
    seen, ahead = {step_id}, [step_id]
    while ahead:
        step = old.steps.get(ahead.pop(0))
        following = [one for one in (ways(step) if step is not None else []) if one is not None and one not in seen]
        found = next((one for one in following if one in new.steps), None)
        if found is not None:
            return found
        seen.update(following)
        ahead += following
    return None
