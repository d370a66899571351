"""Reads of the days that were compared and of the differences that were found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from chalicelib.core.errors import MallError
from chalicelib.insight.reconciliation.refusals import NO_SUCH_DIFFERENCE
from chalicelib.insight.reconciliation.rules import BillDifference, ComparedDay, DifferenceState, day_of
from chalicelib.insight.reconciliation.tables import RUN, Reconciliations
from chalicelib.platform.store import cursors, read
from chalicelib.platform.store.versioned import Versioned


def load(difference_id: str) -> Versioned[BillDifference]:
    """Find the difference. Raises `not_found`."""
    item = read.get(Reconciliations, day_of(difference_id), difference_id)
    if item is None or item.difference is None:
        raise MallError("not_found", errors=(NO_SUCH_DIFFERENCE.at("difference_id"),))
    return Versioned(item.difference, int(item.version))


def days_with_open(first: date) -> Iterator[date]:
    """Find the days from `first` on that have open differences, one read for each."""
    beyond = first.isoformat()
    while True:
        page, _ = read.query(
            Reconciliations, "open", index=Reconciliations.by_state, where=Reconciliations.since > beyond, limit=1
        )
        if not page:
            return
        found = day_of(page[0]["since"]["S"])
        yield date.fromisoformat(found)
        beyond = found + "~"


def differences(state: DifferenceState, limit: int, cursor: str | None) -> tuple[list[BillDifference], str | None]:
    """Read a page of the differences: open ones from the oldest day on, closed ones from the newest."""
    items, next_cursor = _page(state, limit, cursor, forward=state == "open")
    return [item.difference for item in items], next_cursor


def days(limit: int, cursor: str | None) -> tuple[list[ComparedDay], str | None]:
    """Read a page of the days that were compared, newest first."""
    items, next_cursor = _page(RUN, limit, cursor, forward=False)
    return [item.run for item in items], next_cursor


def _page(state: str, limit: int, cursor: str | None, forward: bool) -> tuple[list[Reconciliations], str | None]:
    listing = f"reconciliation:{state}"
    page, after = read.query(
        Reconciliations, state, index=Reconciliations.by_state, forward=forward, limit=limit,
        after=cursors.read(listing, cursor),
    )  # fmt: skip
    return [Reconciliations.from_raw_data(raw) for raw in page], cursors.write(listing, after)
