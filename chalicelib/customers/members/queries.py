"""Reads of members: profiles, address books, and all members in the order of joining."""

from __future__ import annotations

from datetime import datetime

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Addresses, Profile
from chalicelib.customers.members.tables import ADDRESSES, PROFILE, Members, roster
from chalicelib.platform.store import read


def profile(member_id: str) -> Profile:
    """The member. Raises `unauthenticated` when there is none: the token outlived them."""
    return stored_profile(member_id).profile


def found(member_id: str) -> Profile | None:
    """The member, as they were a moment ago, for others to see; None when there is none."""
    item = read.get(Members, member_id, PROFILE, consistent=False)
    return None if item is None else item.profile


def everybody(shard: int, joined_before: datetime, after: str, limit: int) -> tuple[list[str], str | None]:
    """Ids of members of one of the `member_shards`, in the order of joining, and where to go on (None: no more).

    Those who joined before that instant, from the position `after` on ("" at first). From an index: who joined in the
    last moment may be missing. Ids of members who are gone since are not. Raises `unavailable`.
    """
    where = Members.joined.between(after + " ", clock.stamp(joined_before))
    items, rest = read.query(Members, roster(shard), index=Members.by_joining, where=where, limit=limit)
    return [raw["member_id"]["S"] for raw in items], items[-1]["joined"]["S"] if rest is not None else None


def stored_profile(member_id: str) -> Members:
    """Read the item of the profile. Raises `unauthenticated` when there is no such member."""
    item = read.get(Members, member_id, PROFILE)
    if item is None:
        raise MallError("unauthenticated")
    return item


def addresses(member_id: str) -> Addresses:
    """The member's address book. Raises `unauthenticated` when there is no such member."""
    return stored_addresses(member_id).addresses


def stored_addresses(member_id: str) -> Members:
    """Read the item of the address book. Raises `unauthenticated` when there is no such member."""
    item = read.get(Members, member_id, ADDRESSES)
    if item is None:
        raise MallError("unauthenticated")
    return item
