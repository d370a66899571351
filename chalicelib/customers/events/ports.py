"""What events ask of the wing above: to hear what a member did, as part of the transaction that keeps it.

app.py registers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.customers.events.rules import Event
from chalicelib.platform.store.transaction import Transaction


class EventObserver(Protocol):
    """What the wing above does as events are taken: everything that it adds goes into the same transaction, and it may
    be asked again when another writer was quicker."""

    def heard(self, tx: Transaction, member_id: str, events: Sequence[Event]) -> None:
        """The member did this, in the order of time, as part of `tx`; the events of one batch, at least one."""


_observer: EventObserver | None = None


def register_observer(observer: EventObserver) -> None:
    """Let this one hear from now on."""
    global _observer
    _observer = observer


def observer() -> EventObserver:
    """The registered observer. Raises RuntimeError when none was registered."""
    if _observer is None:
        raise RuntimeError("no wing has registered what it does as events are taken")
    return _observer
