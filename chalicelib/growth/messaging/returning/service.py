"""Giving back what a message had taken, where its call surely had no effect."""

from __future__ import annotations

from chalicelib.customers.members.queries import resolved
from chalicelib.growth.messaging.carrying.rules import Letter
from chalicelib.growth.messaging.contacts import queries as contact_queries
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.contacts.rules import closed, given_back
from chalicelib.growth.messaging.rules import Message, Reserved
from chalicelib.growth.messaging.tables import Contacts, MessageCounts, allowance_part, spend_key
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def give_back(tx: Transaction, message: Message, spent: Letter | None) -> None:
    """Give back as part of `tx` what the message has taken. Where its platform says that the allowance or the window is
    used up (`spent`), that is gone instead. Of who is gone there is nothing to give back to."""
    reserved = message.reserved
    assert reserved is not None
    _to_contact(tx, message, reserved, spent)
    if reserved.openid:
        _to_allowance(tx, reserved, spent)
    if reserved.fen:
        tx.update(MessageCounts, spend_key(reserved.day, reserved.shard), [MessageCounts.spent.add(-reserved.fen)])


def _to_contact(tx: Transaction, message: Message, reserved: Reserved, spent: Letter | None) -> None:
    member_id = resolved(reserved.member_id)
    found = contact_queries.stored(member_id)
    if not found.version:
        return
    after = given_back(found.value, message)
    if spent is not None and reserved.window:
        after = closed(after, "oa" if reserved.window == "oa" else "mini")
    if after is not found.value:
        contacts.write(tx, member_id, found.version, after)


def _to_allowance(tx: Transaction, reserved: Reserved, spent: Letter | None) -> None:
    part = allowance_part(reserved.openid, reserved.template_id)
    for member_id in dict.fromkeys((reserved.holder, resolved(reserved.holder))):
        item = read.get(Contacts, member_id, part)
        if item is None:
            continue
        change = Contacts.left.add(1) if spent is None else Contacts.left.set(0)
        tx.update(Contacts, (member_id, part), [change], Contacts.left == int(item.left), Conflict)
        return
