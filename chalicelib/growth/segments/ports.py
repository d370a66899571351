"""Whom segments tell that members come onto their lists and leave them (journeys).

The port is implemented by the wings above and registered in app.py. What they add goes into the transaction in which
the lists change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.platform.store.transaction import Transaction


class ListObserver(Protocol):
    """What a wing above does as lists change."""

    def moved(self, tx: Transaction, member_id: str, entered: Sequence[str], left: Sequence[str]) -> None:
        """The member comes onto these lists and leaves those, by the ids of segments and tags, at least one: add to
        `tx` what follows. It may be called again, as what decides may. Of who is erased nothing is told."""


#: How many actions all observers together add for a member to the transaction at most.
OBSERVED_MAX = 1

_observers: tuple[ListObserver, ...] = ()


def register_observers(*observers: ListObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[ListObserver, ...]:
    """The registered observers; none unless some were registered."""
    return _observers
