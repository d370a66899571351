"""Writing what a person got of journeys."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock
from chalicelib.growth.journeys.limits.rules import DAYS, Received
from chalicelib.growth.journeys.tables import GRANTS, JourneyRuns
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict, Versioned


def put(tx: Transaction, member_id: str, before: Versioned[Received], after: Received) -> None:
    """Write what the member got as part of `tx`, under the version that was read. It goes when nothing counts."""
    item = received_item(member_id, after, before.version + 1)
    if before.version:
        tx.put(item, JourneyRuns.version == before.version, Conflict)
    else:
        tx.create(item, Conflict)


def received_item(member_id: str, received: Received, version: int) -> JourneyRuns:
    """Make the item of what a member got."""
    item = JourneyRuns(member_id, GRANTS, received=received, version=version)
    item.expires = clock.now() + timedelta(days=DAYS + 1)
    return item
