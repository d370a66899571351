"""Reads of how members may be written to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chalicelib.customers.members.rules import Profile
from chalicelib.growth.messaging.contacts.rules import joined
from chalicelib.growth.messaging.rules import Allowance, Contact
from chalicelib.growth.messaging.tables import ALLOWANCE, ME, Contacts, allowance_of, contact_key
from chalicelib.platform.store import read
from chalicelib.platform.store.versioned import Versioned


class Reach(msgspec.Struct, frozen=True):
    """How a member may be written to, with the version of their own item (0: there is none), and what they have let
    through."""

    contact: Contact
    version: int
    allowances: list[Allowance]


def stored(member_id: str) -> Versioned[Contact]:
    """Find how the member may be written to, with its version; 0 where nothing was ever said or sent."""
    item = read.get(*_placed(member_id))
    return Versioned(Contact(), 0) if item is None else Versioned(item.contact, int(item.version))


def _placed(member_id: str) -> tuple[type[Contacts], str, str]:
    table, key = contact_key(member_id)
    assert table is Contacts
    return Contacts, key[0], key[1]


def reach(profile: Profile) -> Reach:
    """Find how the member may be written to. What is theirs of a member who turned out to be them, and is not moved
    yet, is joined to it, so that no opt-out and no send is overlooked meanwhile."""
    own = _parts(profile.member_id)
    contact, version = (own[0].contact, int(own[0].version)) if own[0] is not None else (Contact(), 0)
    allowances = own[1]
    for former in (one.member_id for one in profile.absorbed if not one.settled):
        item, theirs = _parts(former)
        allowances = [*allowances, *theirs]
        if item is not None:
            contact = joined(contact, item.contact)
    return Reach(contact, version, allowances)


def _parts(member_id: str) -> tuple[Contacts | None, list[Allowance]]:
    me: Contacts | None = None
    allowances: list[Allowance] = []
    for item in read.query_all(Contacts, member_id, consistent=True):
        if item.part == ME:
            me = item
        elif item.part.startswith(ALLOWANCE):
            allowances.append(allowance_of(item))
    return me, allowances


def allowances_of(profile: Profile) -> Sequence[Allowance]:
    """List what the member has let through."""
    return reach(profile).allowances
