"""Reads of the days that were compared and of the differences that were found."""

from __future__ import annotations

from chalicelib.insight.reconciliation.rules import BillDifference, ComparedDay, DifferenceState
from chalicelib.insight.reconciliation.tables import RUN, Reconciliations
from chalicelib.platform.store import cursors, read


def differences(state: DifferenceState, limit: int, cursor: str | None) -> tuple[list[BillDifference], str | None]:
    """A page of the differences: open ones from the oldest day on, closed ones from the newest."""
    items, next_cursor = _page(state, limit, cursor, forward=state == "open")
    return [item.difference for item in items], next_cursor


def days(limit: int, cursor: str | None) -> tuple[list[ComparedDay], str | None]:
    """A page of the days that were compared, newest first."""
    items, next_cursor = _page(RUN, limit, cursor, forward=False)
    return [item.run for item in items], next_cursor


def _page(state: str, limit: int, cursor: str | None, forward: bool) -> tuple[list[Reconciliations], str | None]:
    listing = f"reconciliation:{state}"
    page, after = read.query(
        Reconciliations, state, index=Reconciliations.by_state, forward=forward, limit=limit,
        after=cursors.read(listing, cursor),
    )  # fmt: skip
    return [Reconciliations.from_raw_data(raw) for raw in page], cursors.write(listing, after)
