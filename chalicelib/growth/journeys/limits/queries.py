"""Reads of what a person got of journeys."""

from __future__ import annotations

from chalicelib.growth.journeys.limits.rules import Received
from chalicelib.growth.journeys.tables import GRANTS, JourneyRuns
from chalicelib.platform.store import read
from chalicelib.platform.store.versioned import Versioned


def received(member_id: str) -> Versioned[Received]:
    """Read what a member got of journeys; version 0 where that is nothing yet."""
    item = read.get(JourneyRuns, member_id, GRANTS)
    return Versioned(Received(), 0) if item is None else Versioned(item.received, int(item.version))
