"""What an order asks of the wing that keeps the lobbies. That wing lies above this one, and registers itself.

Everything it does goes into the order's own transaction, so that an order and its seat never disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from chalicelib.core.errors import MallError, invalid
from chalicelib.orders.rules import Order, Pieces, Seat, Size
from chalicelib.store.read import Key
from chalicelib.store.transaction import Transaction
from chalicelib.web.types import Id


class GroupInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How an order takes part in a group-buy: `{activity_id, size}` opens a lobby, `{lobby_id}` joins one."""

    activity_id: Id | None = None
    size: Size | None = None
    lobby_id: Id | None = None


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """What taking part means for an order: fen by SKU, the pool its pieces come from, its seat and time to pay.

    `terms` is the groups' own business: they get it back when the seat is held.
    """

    prices: Mapping[str, int]
    pool: str
    pay_by: datetime
    seat: Seat
    terms: Any


class Groups(Protocol):
    """What the wing above does for an order of a group. Orders it is given are as they were before the change."""

    def keys(self, member_id: str, asked: GroupInput) -> list[Key]:
        """What must be read to know the deal."""

    def deal(
        self, member_id: str, order_id: str, asked: GroupInput, pieces: Sequence[Pieces], items: Sequence[Any]
    ) -> Deal:
        """The deal, from what was read at `keys`.

        Raises `not_found`, `activity_over`, `lobby_over`, `lobby_full`, `already_in_lobby`, `not_for_you`,
        `purchase_limit`, `invalid`.
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
        """The member gives up a paid seat. Raises `order_state` once the lobby has ended."""


#: What a process remembers of activities and lobbies for a moment; who changes an order of a group forgets it.
CACHE = "groupbuy"

_groups: Groups | None = None


def register(groups: Groups) -> None:
    """Let these groups answer from now on."""
    global _groups
    _groups = groups


def groups() -> Groups:
    """The registered groups."""
    if _groups is None:
        raise RuntimeError("no wing has registered its groups")
    return _groups


def check(asked: GroupInput | None) -> None:
    """Raises `invalid` unless it says either which lobby to join or which activity's lobby to open."""
    if asked is None:
        return
    if (asked.lobby_id is None) == (asked.activity_id is None):
        raise invalid("group", "name either an activity_id (and a size), to open a lobby, or a lobby_id, to join one")
    if asked.lobby_id is not None and asked.size is not None:
        raise invalid("group.size", "a lobby has its size already")


def refusal(failed: Sequence[object]) -> MallError | None:
    """The first refusal among what failed in a transaction, if one of them is."""
    return next((one for one in failed if isinstance(one, MallError)), None)
