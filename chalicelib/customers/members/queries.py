"""Reads of members: profiles, address books, and all members in the order of joining."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Addresses, Profile
from chalicelib.customers.members.sessions import queries as sessions
from chalicelib.customers.members.tables import ADDRESSES, MOVED, PROFILE, Members, roster
from chalicelib.platform.store import read
from chalicelib.platform.store.versioned import Versioned
from chalicelib.platform.web.tokens import Token


def profile(member_id: str, token: Token | None = None) -> Profile:
    """Find the member, who called with this `token`. Raises `unauthenticated` when there is none, or it was called in:
    the token outlived them, or its time."""
    item = read.get(Members, member_id, PROFILE)
    if item is None:
        raise MallError("unauthenticated")
    sessions.admit_by(token, item)
    return item.profile


def current(member_id: str) -> Profile | None:
    """Find the member as they are now; None when there is none."""
    item = read.get(Members, member_id, PROFILE)
    return None if item is None else item.profile


def found(member_id: str) -> Profile | None:
    """Find the member, as they were a moment ago, for others to see, or whom they were merged into; None when there is
    none."""
    item = read.get(Members, member_id, PROFILE, consistent=False)
    if item is None and (now := resolved(member_id)) != member_id:
        item = read.get(Members, now, PROFILE, consistent=False)
    return None if item is None else item.profile


def resolved(member_id: str) -> str:
    """Tell who a member is by now: whom they were merged into, or themselves. One read unit; asked where a member is
    not found."""
    item = read.get(Members, member_id, MOVED)
    return member_id if item is None or not item.moved_to else str(item.moved_to)


def merged(member_ids: Sequence[str]) -> dict[str, str]:
    """Find whom these members were merged into, of those who were. One BatchGet."""
    items = read.batch_get([(Members, (member_id, MOVED)) for member_id in member_ids])
    return {item.member_id: str(item.moved_to) for item in items if item is not None and item.moved_to}


def same_person(member_id: str, other: str) -> bool:
    """Tell whether the first member is the other, or was merged into them: what was theirs is the other's, also before
    it is moved. Read only where they differ."""
    return member_id == other or (bool(other) and resolved(member_id) == other)


def is_theirs(owner: str, caller: str) -> bool:
    """Tell whether what is the owner's is the caller's, as `same_person`; also where the caller was merged this very
    moment. Read only where they differ."""
    return owner == caller or same_person(owner, resolved(caller))


def admit(member_id: str) -> None:
    """Raise `member_blocked` for a member whom an operator has blocked: for what reads no profile otherwise. A block of
    this very second may be missed."""
    if sessions.known(member_id).blocked:
        raise MallError("member_blocked")


def blocked_at(member_id: str) -> datetime | None:
    """Tell since when the member is blocked; None when they are not, or are gone."""
    item = read.get(Members, member_id, PROFILE)
    return None if item is None or item.profile.blocked is None else item.profile.blocked.at


def everybody(shard: int, joined_before: datetime, after: str, limit: int) -> tuple[list[str], str | None]:
    """List ids of members of one of the `member_shards`, in the order of joining, and where to go on (None: no more).

    They joined before that instant, and stand behind the position `after` ("" at first). From an index: members who
    joined in the last moment may be missing; members who were erased are not among them. Raises `unavailable`.
    """
    where = Members.joined.between(after + " ", clock.stamp(joined_before))
    items, rest = read.query(Members, roster(shard), index=Members.by_joining, where=where, limit=limit)
    return [raw["member_id"]["S"] for raw in items], items[-1]["joined"]["S"] if rest is not None else None


def stored_profile(member_id: str) -> Versioned[Profile]:
    """Find the member with the version of their profile. Raises `unauthenticated` when there is none."""
    item = read.get(Members, member_id, PROFILE)
    if item is None:
        raise MallError("unauthenticated")
    return Versioned(item.profile, int(item.version))


def addresses(member_id: str) -> Addresses:
    """Find the member's address book. Raises `unauthenticated` when there is no such member."""
    return stored_addresses(member_id).value


def stored_addresses(member_id: str) -> Versioned[Addresses]:
    """Find the member's address book with its version. Raises `unauthenticated` when there is no such member."""
    item = read.get(Members, member_id, ADDRESSES)
    if item is None:
        raise MallError("unauthenticated")
    return Versioned(item.addresses, int(item.version))
