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


_observers: tuple[EventObserver, ...] | None = None


def register_observers(*observers: EventObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[EventObserver, ...]:
    """The registered observers. Raises RuntimeError when none were registered."""
    if _observers is None:
        raise RuntimeError("no wing has registered its observers of events")
    return _observers


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
