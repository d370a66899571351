"""What distribution keeps of a member: whom they are bound to, their links, and what they earned."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import FieldError
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.queries import current, found
from chalicelib.customers.members.rules import stranger_name
from chalicelib.growth.distribution.absorbing.service import absorb_account, absorb_distributor, absorb_links
from chalicelib.growth.distribution.balances import service as balances
from chalicelib.growth.distribution.distributors import service
from chalicelib.growth.distribution.links.queries import links_of
from chalicelib.growth.distribution.tables import (
    BINDING,
    DISTRIBUTOR,
    LINK,
    Distributors,
    Links,
    binding_item,
    customer_item,
    debt_item,
    debt_key,
)
from chalicelib.growth.distribution.ties.service import absorb_tie
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger import service as ledger
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove, save_new, write
from chalicelib.platform.store.versioned import Conflict, commit

_PAGE = 100


def _binding(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, BINDING)
    if item is None:
        return [], None
    by = found(item.binding.inviter)
    to = stranger_name(by)
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
    """What they shared goes on to open the mall's page, without the words that were theirs to write; which links were
    theirs is not kept together any more."""
    for token in links_of(member_id):
        found = read.get(Links, token)
        if found is not None:
            write(Links, (token,), [Links.link.set(msgspec.structs.replace(found.link, page=None, channel=None))])
        remove(Distributors, (member_id, LINK + token))


def _distributor(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    item = read.get(Distributors, member_id, DISTRIBUTOR)
    return [] if item is None else [item.distributor, ledger_queries.balance(member_id)], None


def _close(member_id: str, waive_balance: bool, tx: Transaction) -> FieldError | None:
    """Close the account, and suspend the distributor: nothing is earned, and nobody brought, by them any more. What was
    earned and paid stays in the journal."""
    service.leave(tx, member_id)
    return balances.close(member_id, waive_balance, tx)


def _hand_on_binding(former: str, member_id: str) -> None:
    """Whom they were bound to, they are bound to; and they count for that distributor's tier once."""
    bound = read.get(Distributors, former, BINDING)
    if bound is None or not bound.binding.held:
        return
    if bound.binding.live(clock.now()):
        again = msgspec.structs.replace(bound.binding, member_id=member_id, order_id="")
        save_new(binding_item(again, 1))
    inviter = bound.binding.inviter
    if read.get(Distributors, inviter, customer_item(inviter, former).part) is not None:
        counted = customer_item(inviter, member_id)
        counted.carried = True
        save_new(counted)


def _hand_on_debt(former: str, member_id: str) -> None:
    """What they owed as they left, and have not been charged since. It is owed once, whoever they become: who comes
    again by each of several logins is several members."""
    owed = read.get(Distributors, *debt_key(former)[1])
    if owed is None or not owed.debt_fen:
        return
    tx = Transaction()
    tx.create(debt_item(member_id, int(owed.debt_fen)), Conflict)
    tx.put(debt_item(former, 0), Distributors.debt_fen == int(owed.debt_fen), Conflict)
    with contextlib.suppress(Conflict):  # what is there already stays as it is
        commit(tx)


def _erase_account(member_id: str) -> None:
    ledger.forget_notes(member_id)


def _account(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    """Show the entries of the member, and then of each who turned out to be them."""
    profile = current(member_id)
    people = [member_id, *(one.member_id for one in (profile.absorbed if profile is not None else ()))]
    place, _, cursor = (position or "0|").partition("|")
    number = int(place)
    if number >= len(people):
        return [], None
    entries, after = ledger_queries.page_of_member(people[number], _PAGE, cursor or None)
    if after is not None:
        return entries, f"{number}|{after}"
    return entries, f"{number + 1}|" if number + 1 < len(people) else None


DATA_OWNERS = (
    DataOwner("bound_to", _binding, absorb_tie, hand_on=_hand_on_binding),
    DataOwner("distributor", _distributor, absorb_distributor, close=_close, hand_on=_hand_on_debt),
    DataOwner("account", _account, absorb_account, erase=_erase_account),
    DataOwner("links", _links, absorb_links, erase=_forget_links),
)
