"""Reads of whether what runs have owed is still wanted."""

from __future__ import annotations

from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.runs.queries import find
from chalicelib.growth.journeys.runs.rules import read_name


def is_wanted(name: str) -> bool:
    """Say whether what the run of this name has queued is to go out: not once it was cut off, or its journey with it.
    Of a run that is not known any more nothing is said against it."""
    run = find(*read_name(name)) if name else None
    if run is None:
        return True
    known = book_queries.book().journeys.get(run.journey_id)
    is_over = run.state != "ended" and known is not None and known.journey.state == "ended"
    return not run.cut and not is_over
