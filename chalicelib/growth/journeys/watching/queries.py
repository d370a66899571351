"""Reads of runs for operators."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from chalicelib.core.errors import MallError
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.refusals import NO_SUCH_RUN
from chalicelib.growth.journeys.runs.queries import runs_of, some_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.growth.journeys.views import RunView, run_view


def of_member(member_id: str) -> list[RunView]:
    """List the runs of a member, or of whom they were merged into, the latest first."""
    found = sorted(runs_of(resolved(member_id)), key=lambda run: run.entered_at, reverse=True)
    names = _names()
    return [run_view(run, names) for run in found]


def overview_of(member_id: str, ended: int, counted: int) -> tuple[list[RunView], dict[str, int], bool]:
    """List the runs that a member is in, and the latest of those that have ended, so many; count by state all, or so
    many of them; and whether these are all. As they were a moment ago: 0.5 RRU for some 3 runs."""
    found, is_all = some_of(member_id, counted)
    inside = sorted((run for run in found if run.state != "ended"), key=lambda run: run.entered_at, reverse=True)
    over = sorted((run for run in found if run.state == "ended"), key=_ended_at, reverse=True)
    names = _names() if found else {}
    shown = [run_view(run, names) for run in (*inside, *over[:ended])]
    return shown, dict(sorted(Counter(run.state for run in found).items())), is_all


def _ended_at(run: Run) -> datetime:
    return run.ended_at or run.at


def one(named: str) -> RunView:
    """Show a run with its steps. Raises `not_found`."""
    run = load(named)
    return run_view(run, _names(), run.passed)


def load(named: str) -> Run:
    """Find a run by what operators call it, "<member>-<run>": also of a member who was merged into another since.
    Raises `not_found`."""
    member_id, _, run_id = named.partition("-")
    if not member_id or not run_id:
        raise MallError("not_found", errors=(NO_SUCH_RUN.at("run_id"),))
    for each in dict.fromkeys((member_id, resolved(member_id))):
        found = next((run for run in runs_of(each) if run.run_id == run_id), None)
        if found is not None:
            return found
    raise MallError("not_found", errors=(NO_SUCH_RUN.at("run_id"),))


def _names() -> dict[str, str]:
    return {journey_id: known.journey.name for journey_id, known in books.book().journeys.items()}
