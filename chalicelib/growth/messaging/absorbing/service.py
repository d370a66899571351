"""What was said by and sent to one member becomes another's, who is the same person. Done again, nothing changes."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from chalicelib.growth.messaging import queries
from chalicelib.growth.messaging.contacts import queries as contact_queries
from chalicelib.growth.messaging.contacts import service as contacts
from chalicelib.growth.messaging.contacts.rules import HEARD_MAX, joined
from chalicelib.growth.messaging.listing.queries import ids_of
from chalicelib.growth.messaging.rules import Heard
from chalicelib.growth.messaging.tables import ALLOWANCE, ME, Contacts, Messages, message_item
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, commit, retry

#: So many messages are moved in one step.
_PAGE = 25


def absorb_messages(former: str, member_id: str, position: str | None) -> str | None:
    """Make some of the former member's messages the member's, those behind a place in their list; each keeps its id,
    and all that became of it. Raises `conflict`, `unavailable`."""
    message_ids, after = ids_of(former, _PAGE, position)
    for message_id in message_ids:
        retry(functools.partial(_hand_over, message_id, member_id), TRIES_CROWDED)
    return after


def _hand_over(message_id: str, member_id: str) -> None:
    found = queries.find(message_id)
    if found is None or found.value.member_id == member_id:
        return
    tx = Transaction()
    after = msgspec.structs.replace(found.value, member_id=member_id)
    tx.put(message_item(after, found.version + 1), Messages.version == found.version, Conflict)
    commit(tx)


def absorb_contact(former: str, member_id: str, _position: str | None) -> None:
    """Give the member what the former one had let through, what they did not want and what was sent to them: opt-outs
    of either hold, and all counts for caps. Raises `conflict`, `unavailable`."""
    for item in read.query_all(Contacts, former, where=Contacts.part.startswith(ALLOWANCE), consistent=True):
        retry(functools.partial(_move_allowance, former, member_id, item.part), TRIES_CROWDED)
    retry(functools.partial(_join, former, member_id), TRIES_CROWDED)


def _move_allowance(former: str, member_id: str, part: str) -> None:
    theirs, own = read.batch_get([(Contacts, (former, part)), (Contacts, (member_id, part))])
    if theirs is None:
        return
    tx = Transaction()
    as_read = (Contacts.left == int(theirs.left)) & (Contacts.version == int(theirs.version))
    tx.delete(Contacts, (former, part), as_read, Conflict)
    if own is None:
        tx.create(Contacts(member_id, part, left=theirs.left, heard=theirs.heard, version=theirs.version), Conflict)
    else:
        marks = list(dict.fromkeys([*_marks(own), *_marks(theirs)]))[-HEARD_MAX:]
        changes = [
            Contacts.left.add(int(theirs.left)),
            Contacts.heard.set(Heard(marks)),
            Contacts.version.set(int(own.version) + 1),
        ]
        tx.update(Contacts, (member_id, part), changes, Contacts.version == int(own.version), Conflict)
    commit(tx)


def _marks(item: Any) -> list[str]:
    return [] if item.heard is None else item.heard.marks


def _join(former: str, member_id: str) -> None:
    theirs, own = contact_queries.stored(former), contact_queries.stored(member_id)
    if not theirs.version:
        return
    tx = Transaction()
    tx.delete(Contacts, (former, ME), Contacts.version == theirs.version, Conflict)
    contacts.write(tx, member_id, own.version, joined(own.value, theirs.value))
    commit(tx)
