"""What distribution keeps of a member: whom they are bound to, and what they earned."""

from __future__ import annotations

from typing import Any

from chalicelib.core.errors import FieldError
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.queries import found
from chalicelib.customers.members.rules import masked
from chalicelib.growth.distribution.balances import service as balances
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.links.queries import links_of
from chalicelib.growth.distribution.tables import BINDING, DISTRIBUTOR, LINK, Distributors, Links
from chalicelib.ledger import queries as ledger_queries
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove

_PAGE = 100


def _binding(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, BINDING)
    if item is None:
        return [], None
    by = found(item.binding.inviter)
    to = masked("" if by is None else by.nickname)
    return [{"to": to, "bound_at": item.binding.bound_at, "until": item.binding.until}], None


def _links(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    tokens = links_of(member_id)
    made = read.batch_get([(Links, (token,)) for token in tokens], consistent=False)
    return [
        {"token": token, "page": item.link.page, "product_id": item.link.product_id, "channel": item.link.channel}
        for token, item in zip(tokens, made, strict=True)
        if item is not None
    ], None


def _forget_links(member_id: str) -> None:
    """What they shared goes on to open its page; whose it was is not kept together any more."""
    for token in links_of(member_id):
        remove(Distributors, (member_id, LINK + token))


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
    DataOwner("links", _links, erase=_forget_links),
)
