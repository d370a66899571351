"""Whom group-buy tells of lobbies (messaging, journeys): that one more paid seat makes one full, that one has ended.

The port is implemented by the wings above and registered in app.py. What they add goes into the transaction in which
the lobby changes, mostly that of an order.
"""

from __future__ import annotations

from typing import Protocol

from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.platform.store.transaction import Transaction


class LobbyObserver(Protocol):
    """What a wing above does as lobbies change: one action at most, and none where it does not matter to anybody. It
    may be called again, as what decides may."""

    def lacks_one(self, tx: Transaction, lobby: Lobby) -> None:
        """By the payment of this transaction the lobby is one paid seat short of being full: told at each payment that
        makes it so, and one that was given up may be paid anew."""

    def ended(self, tx: Transaction, lobby: Lobby) -> None:
        """The lobby, which was open, has succeeded or failed; its orders are brought to their ends afterwards."""


_observers: tuple[LobbyObserver, ...] = ()


def register_observers(*observers: LobbyObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[LobbyObserver, ...]:
    """The registered observers; none unless some were registered."""
    return _observers


def tell(tx: Transaction, before: Lobby, after: Lobby) -> None:
    """Tell the observers, as part of `tx`, what the change of the lobby means to them; mostly nothing."""
    if before.state == "open" and after.state != "open":
        for each in observers():
            each.ended(tx, after)
    elif after.state == "open" and before.taken < after.taken == after.terms.size - 1:
        for each in observers():
            each.lacks_one(tx, after)
