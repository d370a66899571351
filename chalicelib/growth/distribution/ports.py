"""Whom distribution tells of its distributors (segments): rules may ask whether a member is one.

The port is implemented by that wing and registered in app.py. What it adds goes into the transaction in which a
distributor's state changes.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.growth.distribution.rules import DistributorState
from chalicelib.platform.store.transaction import Transaction


class DistributorObserver(Protocol):
    """What the wing above keeps of a member as a distributor."""

    def changed(self, tx: Transaction, member_id: str, state: DistributorState | None) -> None:
        """The member is a distributor in this state from now on, or (None) leaves the mall: add to `tx` what follows.
        It may be called again, as what decides may."""


_observers: tuple[DistributorObserver, ...] | None = None


def register_observers(*observers: DistributorObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[DistributorObserver, ...]:
    """The registered observers. Raises RuntimeError when none were registered."""
    if _observers is None:
        raise RuntimeError("no wing has registered its observers of distributors")
    return _observers
