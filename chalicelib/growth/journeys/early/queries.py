"""Reads of what was told early."""

from __future__ import annotations

from datetime import datetime

from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.tables import EARLY, JourneyRuns
from chalicelib.platform.store import read


def kept_of(member_id: str) -> list[Heard]:
    """List all that is kept of a member, in the order in which it happened."""
    where = JourneyRuns.part.startswith(EARLY)
    return [item.early for item in read.query_all(JourneyRuns, member_id, where=where, consistent=True)]


def since(member_id: str, at: datetime) -> list[Heard]:
    """List what was told early that happened then or later."""
    return [fact for fact in kept_of(member_id) if fact.at >= at]
