"""Reads of who may come in: what is known of a member's tokens, which every process remembers for a moment.

A token is admitted by what its call reads anyway (`admit_by`), else by the profile (`admit`): 0.5 read units, and none
within `cache_seconds`. So what was called in elsewhere may be good that long; in the process that called it in it is
void at once. A token whose member was merged into another is that one's, at two reads more that are remembered, too.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.core.errors import MallError
from chalicelib.customers.members.rules import Profile
from chalicelib.customers.members.sessions.rules import CalledIn, check_good
from chalicelib.customers.members.tables import MOVED, PROFILE, Members, profile_key
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.read import Key
from chalicelib.platform.web.tokens import Token

#: The group of memories that `cache.forget` forgets.
CACHE = "sessions"
#: Whom a member was merged into is one step away; what is remembered may be of the step before.
_HOPS_MAX = 3


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a member: which tokens were called in, whether they are blocked, or that they are gone; or
    whom they were merged into."""

    called_in: CalledIn | None = None
    blocked: bool = False
    gone: bool = False
    moved_to: str | None = None


def admit(token: Token) -> str:
    """Let the token in that a call came with, by what is known of its member; and give who that is: the member that it
    was made for, or whom they were merged into. Raises `unauthenticated` where it was called in, or the member is gone;
    `unavailable`."""
    member_id = token.subject
    for _ in range(_HOPS_MAX):
        found = known(member_id)
        if found.moved_to is None:
            _check(token, found)
            return member_id
        member_id = found.moved_to
    raise MallError("unauthenticated")


def admit_by(token: Token | None, item: Any) -> None:
    """Let the token in by an item of its member's that was read, their profile or their addresses: both say which
    tokens were called in. Where there is none: it may not have been there a moment ago, so the profile is looked for.
    Who did not call with a token (None) is let in. Raises as `admit` does."""
    if token is None:
        return
    if item is None:
        _admit_themselves(token)
        return
    if item.part == PROFILE:
        _check(token, remember(item.profile))
    else:
        check_good(item.called_in, token.subject, token.issued_at)


def read_with(token: Token | None, *keys: Key) -> list[Any]:
    """Read these items as they are now, and let the token in: by what is remembered, or by the profile, which is read
    in the same round trip. Raises as `admit` does."""
    if token is None:
        return read.batch_get(keys)
    if (remembered := cache.recall((CACHE, token.subject))) is not None:
        _check(token, remembered)
        return read.batch_get(keys)
    *found, member = read.batch_get([*keys, profile_key(token.subject)], behind=(Members,))
    admit_by(token, member)
    return found


def _admit_themselves(token: Token) -> None:
    """Let the token in where its member is nobody else by now: what was read was read of them."""
    if admit(token) != token.subject:
        raise MallError("unauthenticated")


def known(member_id: str) -> Known:
    """Tell what is known of the member's tokens, at most `cache_seconds` old. Raises `unavailable`."""
    return cache.remember((CACHE, member_id), lambda: _read(member_id))


def remember(profile: Profile) -> Known:
    """Remember for a moment what this profile, which was just read or written, says."""
    return cache.keep((CACHE, profile.member_id), Known(profile.called_in, profile.blocked is not None))


def remember_gone(member_id: str) -> None:
    """Remember that the member is gone: their tokens are nobody's."""
    cache.keep((CACHE, member_id), Known(gone=True))


def remember_moved(former: str, member_id: str) -> None:
    """Remember that the former member was merged into the other: their tokens are the other's."""
    cache.keep((CACHE, former), Known(moved_to=member_id))


def _read(member_id: str) -> Known:
    """Read the profile as it was a moment ago. Who has just joined may not have been there then: it is looked again,
    also for whom they were merged into."""
    item = read.get(Members, member_id, PROFILE, consistent=False)
    if item is None:
        item, moved = read.batch_get([profile_key(member_id), (Members, (member_id, MOVED))])
        if item is None:
            return Known(gone=True) if moved is None else Known(moved_to=moved.login_to or moved.moved_to)
    return remember(item.profile)


def _check(token: Token, found: Known) -> None:
    if found.gone or found.moved_to is not None:
        raise MallError("unauthenticated")
    check_good(found.called_in, token.subject, token.issued_at)
