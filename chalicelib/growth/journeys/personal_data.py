"""What journeys keep of a person: the ways that they went through them.

What counts for a person once goes on for who returns: how often they came into each journey, and what they got of all.
"""

from __future__ import annotations

from typing import Any

from chalicelib.core import clock
from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.journeys.absorbing.service import absorb
from chalicelib.growth.journeys.book import queries as book_queries
from chalicelib.growth.journeys.erasing.service import erase
from chalicelib.growth.journeys.exporting.views import run_of_mine
from chalicelib.growth.journeys.limits import queries as limits
from chalicelib.growth.journeys.limits.service import received_item
from chalicelib.growth.journeys.runs.queries import guards_of, runs_of
from chalicelib.growth.journeys.tables import GUARD_KEPT, JourneyRuns, has_key
from chalicelib.platform.store.transaction import save_new


def _runs(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    known = book_queries.book().journeys
    names = {journey_id: one.journey.name for journey_id, one in known.items()}
    return [run_of_mine(run, names.get(run.journey_id, "")) for run in runs_of(member_id)], None


def _hand_on(former: str, member_id: str) -> None:
    for part, guard in guards_of(former).items():
        item = JourneyRuns(member_id, part, entries=guard.entries)
        item.expires = clock.now() + GUARD_KEPT if has_key(part) else None
        item.left_at = clock.stamp(guard.left_at or clock.now())
        save_new(item)
    got = limits.received(former)
    if got.version:
        save_new(received_item(member_id, got.value, 1))


DATA_OWNERS = (DataOwner("journeys", _runs, absorb, erase=erase, hand_on=_hand_on),)
