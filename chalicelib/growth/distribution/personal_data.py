"""What distribution keeps of a member: whom they are bound to, and what they earned."""

from __future__ import annotations

from typing import Any

from chalicelib.core.errors import FieldError
from chalicelib.customers.members.ports import DataOwner
from chalicelib.growth.distribution.balances import service as balances
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.tables import BINDING, DISTRIBUTOR, Distributors
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction

_PAGE = 100


def _binding(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, BINDING)
    return [] if item is None else [{"bound_at": item.binding.bound_at, "until": item.binding.until}], None


def _distributor(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, DISTRIBUTOR)
    return [] if item is None else [item.distributor, ledger_queries.balance(member_id)], None


def _close(member_id: str, waive_balance: bool, tx: Transaction) -> FieldError | None:
    """Close the account, and suspend the distributor: nothing is earned, and nobody brought, by them any more. What was
    earned and paid stays in the journal."""
    service.leave(tx, member_id)
    return balances.close(member_id, waive_balance, tx)


def _account(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    return ledger_queries.page_of_member(member_id, _PAGE, position)


DATA_OWNERS = (
    DataOwner("bound_to", _binding),
    DataOwner("distributor", _distributor, close=_close),
    DataOwner("account", _account),
)
