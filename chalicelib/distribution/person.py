"""What distribution keeps of a member: whom they are bound to, and what they earned."""

from __future__ import annotations

from typing import Any

from chalicelib.distribution import service
from chalicelib.distribution.tables import DISTRIBUTOR, TIE, Distributors
from chalicelib.ledger import service as ledger
from chalicelib.members.person import keeps
from chalicelib.store import read

_PAGE = 100


def _tie(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, TIE)
    return [] if item is None else [{"bound_at": item.tie.bound_at, "until": item.tie.until}], None


def _distributor(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, DISTRIBUTOR)
    return [] if item is None else [item.distributor, ledger.balance(member_id)], None


def _owed(member_id: str) -> bool:
    """Whether they have something to withdraw, or it is on its way."""
    balance = ledger.balance(member_id)
    return balance.pending > 0 or balance.available > 0 or balance.withdrawing > 0


def _erase(member_id: str) -> None:
    """Nobody is brought by them any more. What was earned and paid stays in the journal."""
    if read.get(Distributors, member_id, DISTRIBUTOR) is not None:
        service.suspend(member_id)


keeps("bound_to", _tie)
keeps("distributor", _distributor, _owed, _erase)
keeps("account", lambda member_id, position: ledger.of_member(member_id, _PAGE, position))
