"""What events ask of the wings above: to hear what a member did, and by which way they came, as part of the transaction
that keeps it.

app.py registers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.customers.events.rules import Event
from chalicelib.customers.members.rules import Source
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


class Arrivals(Protocol):
    """What the wing above keeps of the ways by which members come, as their clients tell of it afterwards."""

    def came(self, tx: Transaction, member_id: str, source: Source | None, events: Sequence[Event]) -> None:
        """The member did this, in the order of time, in a session that they came to from this source (None: unknown);
        add to `tx` what is kept of it. It may be called again when another writer was quicker."""


_arrivals: Arrivals | None = None


def register_arrivals(arrivals: Arrivals) -> None:
    """Tell these from now on."""
    global _arrivals
    _arrivals = arrivals


def arrivals() -> Arrivals:
    """The registered arrivals. Raises RuntimeError when none were registered."""
    if _arrivals is None:
        raise RuntimeError("no wing has registered what it keeps of arrivals")
    return _arrivals
