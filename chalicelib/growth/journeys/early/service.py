"""What a member did is kept for a day where a run may begin by what they did before that: of two jobs that tell of them
the later may come first."""

from __future__ import annotations

from chalicelib.core import clock
from chalicelib.growth.journeys.early.queries import kept_of
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.tables import EARLY_KEPT, JourneyRuns, early_part
from chalicelib.platform.store.transaction import remove, save


def keep(member_id: str, fact: Heard) -> None:
    """Keep a fact for runs that are still to begin. Kept again it is the same."""
    save(JourneyRuns(member_id, early_part(fact), early=fact, expires=clock.now() + EARLY_KEPT))


def absorb(former: str, member_id: str) -> None:
    """Make the member's what is kept of the former one."""
    for fact in kept_of(former):
        keep(member_id, fact)
    erase(former)


def erase(member_id: str) -> None:
    """Forget what is kept of the member."""
    for fact in kept_of(member_id):
        remove(JourneyRuns, (member_id, early_part(fact)))
