"""What an order asks of the wing that knows who brought its member: a small protocol that the wing above implements.

The chain of those whom the order pays is frozen on it when it is placed. What then happens to its money is told as
events, referred_order.confirmed, .refunded and .received, only for orders that have a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from chalicelib.jobs.declarations import Event
from chalicelib.jobs.events import emit
from chalicelib.members.rules import Profile
from chalicelib.orders.rules import Order
from chalicelib.store.read import Key
from chalicelib.store.transaction import Transaction


class Referral(msgspec.Struct, frozen=True):
    """Who brought the member, from level 1 up; and whatever `bind` needs to write, where the order is what binds."""

    chain: list[str] = []
    binding: Any = None


class Referrers(Protocol):
    """What the wing above knows."""

    def keys(self, member_id: str) -> list[Key]:
        """What must be read to know who brought the member; nothing while distribution is off."""

    def referral(self, profile: Profile, items: Sequence[Any]) -> Referral:
        """Whom an order of this member pays, from what was read at `keys`."""

    def bind(self, tx: Transaction, referral: Referral) -> None:
        """Bind the member as part of the order's transaction, which looks again when they were bound meanwhile."""


_referrers: Referrers | None = None


def register(referrers: Referrers) -> None:
    """Let these answer from now on."""
    global _referrers
    _referrers = referrers


def referrers() -> Referrers:
    """Those who were registered."""
    if _referrers is None:
        raise RuntimeError("no wing has registered its referrers")
    return _referrers


def publish(tx: Transaction, event: Event, order: Order, cause: str = "") -> None:
    """Tell what happened to the money of an order that somebody is paid for, as part of `tx`.

    `cause` begins with the order's id, where the same may happen to it more than once.
    """
    if order.chain:
        emit(tx, event, cause or order.order_id)
