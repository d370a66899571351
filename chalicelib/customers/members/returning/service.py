"""Commands about who leaves and returns: their identity is remembered by a keyed digest, and what is counted for them
once is handed on from the member they were to the one they become."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock, ids
from chalicelib.core.settings import identity_key
from chalicelib.customers.members.identities.rules import is_login
from chalicelib.customers.members.ports import data_owners
from chalicelib.customers.members.returning.rules import Before, kept_block
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.settings import MEMBERS
from chalicelib.customers.members.tables import Identities, blocked_identity, identities_of, left_identity
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import Conflict


def remember(tx: Transaction, person: Profile) -> None:
    """Remember, as part of the deletion `tx`, who leaves: for the days of the settings; for ever that they are blocked.

    Nothing of the person is in it, and nobody who reads it can find out or try out whose it is. Each login of theirs is
    remembered, and that they follow the official account: by whichever they come again, they are known.
    """
    until = clock.now() + timedelta(days=MEMBERS.fresh().returning_days)
    blocked = kept_block(person.blocked)
    logins = [identity for identity in identities_of(person) if is_login(identity)]
    older = read.batch_get([(Identities, (blocked_identity(identity),)) for identity in logins])
    for identity in logins:
        left = Identities(left_identity(identity), member_id=person.member_id)
        left.until, left.blocked = clock.stamp(until), blocked
        left.expires = until if blocked is None else None
        tx.put(left)
    for item in older:  # so few: a person with many logins has room for little else in a transaction
        if item is not None:
            tx.delete(Identities, (item.identity,))


def next_member(identity: str, before: Before) -> str:
    """Name the member whom the person becomes who has this identity. Who returns has one id however often they try, so
    that what is handed on to it is so once; who only reads the tables cannot find it out."""
    former = before.known(clock.now())
    if former is None:
        return ids.new("m")
    return ids.derived("m", ids.keyed(identity_key(), f"next:{identity}"), former)


def hand_on(former: str, member_id: str) -> None:
    """Have every wing count for this member, who is about to join, what it counted for the one they were. Done again,
    nothing changes. Raises `unavailable`."""
    for owner in data_owners():
        owner.hand_on(former, member_id)


def forget(tx: Transaction, identity: str, before: Before) -> None:
    """Forget, as part of `tx` by which the person joins, that they were here; `tx` fails with Conflict where they have
    joined and left once more meanwhile."""
    if before.member_id is not None and before.until is not None:
        same = (Identities.member_id == before.member_id) & (Identities.until == clock.stamp(before.until))
        tx.delete(Identities, (left_identity(identity),), same, Conflict)
    if before.by_older:
        tx.delete(Identities, (blocked_identity(identity),))
