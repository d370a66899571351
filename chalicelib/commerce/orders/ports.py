"""What orders ask of the wings above: seats of lobbies (group-buy) and who brought the member (distribution); and whom
they tell of every change of an order (segments, messaging, journeys).

Each port is implemented by its wing and registered in app.py. Everything that an implementation does goes into the
order's own transaction, so that an order and its seat, or its chain of commissions, never disagree. What happens to the
money of an order with a chain is told as events referred_order.*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chalicelib.commerce.orders.inputs import GroupInput
from chalicelib.commerce.orders.placement.rules import Deal, Referral
from chalicelib.commerce.orders.rules import Order, Pieces, Refund, Seat
from chalicelib.customers.members.rules import Profile
from chalicelib.platform.store.read import Key, ReadSet
from chalicelib.platform.store.transaction import Transaction


class Referrers(Protocol):
    """What the wing above knows of who brought a member."""

    def keys(self, member_id: str) -> list[Key]:
        """List what must be read to know who brought the member; nothing while distribution is off."""

    def referral(self, profile: Profile, found: ReadSet) -> Referral:
        """Say whom an order of this member pays, from what was found at `keys`.

        A part of the gathering: it may read on from there (who stands above, by which links the member came).
        """

    def bind(self, tx: Transaction, referral: Referral, order_id: str) -> None:
        """Bind the member as part of the order's transaction, which looks again when they were bound meanwhile; until
        the order is closed unpaid, if it ever is."""


_referrers: Referrers | None = None


def register_referrers(referrers: Referrers) -> None:
    """Let these answer from now on."""
    global _referrers
    _referrers = referrers


def referrers() -> Referrers:
    """Those who were registered."""
    if _referrers is None:
        raise RuntimeError("no wing has registered its referrers")
    return _referrers


class Groups(Protocol):
    """What the wing above does for an order of a group. Orders it is given are as they were before the change."""

    def keys(self, member_id: str, asked: GroupInput) -> list[Key]:
        """List what must be read to know the deal."""

    def deal(self, member_id: str, order_id: str, asked: GroupInput, pieces: Sequence[Pieces], found: ReadSet) -> Deal:
        """Make the deal, from what was found at `keys`. A part of the gathering: it may read on from there.

        Raises `not_found`, `activity_over`, `lobby_over`, `lobby_full`, `already_in_lobby`, `not_for_you`,
        `purchase_limit`, `too_many_unpaid`, `invalid`.
        """

    def hold(self, tx: Transaction, order: Order, deal: Deal) -> None:
        """Hold the seat as part of `tx`; what may fail there carries a MallError, or means to look again."""

    def check_open(self, order: Order) -> None:
        """Raises `lobby_over` when the order's seat is worth nothing any more, so that nobody begins to pay for it."""

    def take(self, tx: Transaction, order: Order) -> Seat:
        """The order is paid: take the seat that it holds. Its state says whether that was still possible."""

    def retake(self, tx: Transaction, order: Order) -> Seat | None:
        """An order closed unpaid is paid after all: take a seat if one is free; None, and nothing in `tx`, if not."""

    def release(self, tx: Transaction, order: Order) -> Seat:
        """The order closes unpaid: its seat is free again."""

    def leave(self, tx: Transaction, order: Order) -> Seat:
        """The order is refunded whole while it waits: its seat is given up, or its part in a draw. Raises `order_state`
        once the lobby has ended, or the draw has begun."""

    def give_back(self, tx: Transaction, order: Order, refund: Refund) -> None:
        """The refund of an order whose lobby has ended is granted: its pieces count no more for the member."""


#: What a process remembers of activities and lobbies for a moment; who changes an order of a group forgets it.
CACHE = "groupbuy"

_groups: Groups | None = None


def register_groups(groups: Groups) -> None:
    """Let these groups answer from now on."""
    global _groups
    _groups = groups


def groups() -> Groups:
    """The registered groups."""
    if _groups is None:
        raise RuntimeError("no wing has registered its groups")
    return _groups


class OrderObserver(Protocol):
    """What a wing above makes of what a member's orders say of them."""

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        """An order changes: add to `tx` what follows for its member, mostly nothing. It may be called again, as what
        decides may."""


#: How many actions all observers together add to the transaction of an order at most, also where they are told of
#: coupons in it: what is known of the member with the jobs that follow from it, and a job of each who sends or acts.
OBSERVED_MAX = 6

_observers: tuple[OrderObserver, ...] | None = None


def register_observers(*observers: OrderObserver) -> None:
    """Tell these observers from now on, in this order, and no others."""
    global _observers
    _observers = observers


def observers() -> tuple[OrderObserver, ...]:
    """The registered observers. Raises RuntimeError when none were registered."""
    if _observers is None:
        raise RuntimeError("no wing has registered its observers of orders")
    return _observers


class PlacementObserver(Protocol):
    """What a wing above makes of an order that is placed."""

    def placed(self, tx: Transaction, order: Order) -> None:
        """The order is placed: add to `tx` what follows, one action at most and mostly none. It may be called again, as
        what decides may."""


_placement_observers: tuple[PlacementObserver, ...] = ()


def register_placement_observers(*observers: PlacementObserver) -> None:
    """Tell these of placed orders from now on, in this order, and no others."""
    global _placement_observers
    _placement_observers = observers


def placement_observers() -> tuple[PlacementObserver, ...]:
    """The registered ones; none unless some were registered."""
    return _placement_observers
