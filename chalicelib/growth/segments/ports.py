"""Whom segments tell that members come onto their lists and leave them, and whom they ask what names a segment
(journeys).

The ports are implemented by the wings above and registered in app.py. What observers add goes into the transaction in
which the lists change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


#: Names what of a wing above names this segment, or the tag of this name ("": none), such as "journey:ID".
Users = Callable[[str, str], list[str]]

_users: tuple[Users, ...] = ()


def register_users(*users: Users) -> None:
    """Ask these from now on before a segment or a tag is taken away, and no others."""
    global _users
    _users = users


def users_above(segment_id: str, tag: str) -> list[str]:
    """Name what of the wings above names a segment, or its tag."""
    return [user for each in _users for user in each(segment_id, tag)]
