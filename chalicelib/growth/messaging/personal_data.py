"""What is kept of a person about messages: those to them, what they want, what was sent to them and what they let
through.

Who leaves takes their messages and what platforms call them with them; when something was sent to them, and what they
did not want, stays without them for so long as they would be known, and counts on for who returns. What was counted
stays counted.
"""

from __future__ import annotations

import functools
from datetime import timedelta
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.customers.members.ports import DataOwner
from chalicelib.customers.members.settings import MEMBERS
from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.absorbing.service import absorb_contact, absorb_messages
from chalicelib.growth.messaging.contacts.queries import stored
from chalicelib.growth.messaging.listing.queries import ids_of, of
from chalicelib.growth.messaging.preferences.rules import refusals, said_nothing
from chalicelib.growth.messaging.rules import Contact
from chalicelib.growth.messaging.states import service as states
from chalicelib.growth.messaging.tables import ALLOWANCE, ME, Contacts, Messages, allowance_of, ref_of
from chalicelib.growth.messaging.views import exported
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove, save, save_new
from chalicelib.platform.store.versioned import TRIES_CROWDED, commit, retry

_PAGE = 100


def _messages(member_id: str, position: str | None) -> tuple[list[Any], str | None]:
    found, position = ids_of(member_id, _PAGE, position)
    return [exported(one) for one in of(found)], position


def _forget_messages(member_id: str) -> None:
    position: str | None = None
    while True:
        message_ids, position = ids_of(member_id, _PAGE, position)
        for message_id in message_ids:
            retry(functools.partial(_forget, message_id), TRIES_CROWDED)
        if position is None:
            return


def _forget(message_id: str) -> None:
    found = queries.find(message_id)
    if found is None:
        return
    message = found.value
    if message.ref and message.medium is not None:
        remove(Messages, (ref_of(message.medium, message.ref),))
    tx = Transaction()
    states.forget(tx, found)
    commit(tx)


def _contact(member_id: str, _position: str | None) -> tuple[list[Any], str | None]:
    contact = stored(member_id).value
    allowances = [
        {"template_id": one.template_id, "openid": one.openid, "left": one.left}
        for one in map(allowance_of, _allowances(member_id))
    ]
    shown = {
        "preferences": contact.preferences, "said": contact.said, "sends": contact.log, "official_account": contact.oa,
        "mini_program": contact.mini, "allowances": allowances,
    }  # fmt: skip
    return ([] if contact == Contact() and not allowances else [shown]), None


def _allowances(member_id: str) -> list[Contacts]:
    where = Contacts.part.startswith(ALLOWANCE)
    return list(read.query_all(Contacts, member_id, where=where, consistent=True))


def _forget_contact(member_id: str) -> None:
    """Forget the openids, and keep what caps and opt-outs need for who returns, as long as they would be known as who
    they were; nothing where there is neither."""
    for item in _allowances(member_id):
        remove(Contacts, (member_id, item.part))
    found = stored(member_id)
    if not found.version:
        return
    refused = refusals(found.value)
    kept = Contact(preferences=refused.preferences, said=refused.said, log=found.value.log)
    if not kept.log and said_nothing(kept.preferences):
        remove(Contacts, (member_id, ME))
        return
    item = Contacts(member_id, ME, contact=kept, version=found.version + 1)
    item.expires = clock.now() + timedelta(days=MEMBERS.fresh().returning_days)
    save(item)


def _hand_on(former: str, member_id: str) -> None:
    found = stored(former)
    if found.version:
        kept = msgspec.structs.replace(found.value, oa=None, mini=None, heard=[])
        save_new(Contacts(member_id, ME, contact=kept, version=1))


DATA_OWNERS = (
    DataOwner("messages", _messages, absorb_messages, erase=_forget_messages),
    DataOwner("message_preferences", _contact, absorb_contact, erase=_forget_contact, hand_on=_hand_on),
)
