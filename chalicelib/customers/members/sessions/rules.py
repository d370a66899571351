"""Which of a member's tokens were called in, before they end by themselves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError

#: So many single tokens are kept; with one more, all of the member's are called in.
CALLED_IN_MAX = 20

_MARK_LENGTH = 16


class CalledIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tokens of a member that are void: those issued before an instant; and single ones by their marks, each until
    the Unix second at which it ends by itself."""

    tokens_from: datetime | None = None
    tokens: Mapping[str, int] = {}


def mark(member_id: str, issued_at: datetime) -> str:
    """Name the token that the member was given at that instant: nobody makes a token out of it."""
    return ids.digest(f"{member_id}|{clock.stamp(issued_at)}".encode())[:_MARK_LENGTH]


def check_good(called_in: CalledIn | None, member_id: str, issued_at: datetime) -> None:
    """Raise `unauthenticated` for a token that was called in."""
    if called_in is None:
        return
    too_old = called_in.tokens_from is not None and issued_at < called_in.tokens_from
    if too_old or mark(member_id, issued_at) in called_in.tokens:
        raise MallError("unauthenticated")


def with_one(
    called_in: CalledIn | None, member_id: str, issued_at: datetime, ends_at: datetime, now: datetime
) -> CalledIn:
    """Call in one token. Those that have ended by themselves are forgotten; where there are too many all the same, all
    that the member has are called in."""
    before = called_in or CalledIn()
    living = {one: ends for one, ends in before.tokens.items() if ends > now.timestamp()}
    tokens = living | {mark(member_id, issued_at): int(ends_at.timestamp())}
    return all_until(before, now) if len(tokens) > CALLED_IN_MAX else CalledIn(before.tokens_from, tokens)


def all_until(called_in: CalledIn | None, now: datetime) -> CalledIn:
    """Call in every token that was issued up to now, also as of an instant a little ahead (`issued_at`)."""
    before = called_in or CalledIn()
    latest = now if before.tokens_from is None else max(now, before.tokens_from)
    return CalledIn(latest + timedelta(milliseconds=len(before.tokens) + 1))


def issued_at(called_in: CalledIn | None, member_id: str, now: datetime) -> datetime:
    """Give the instant as of which a new token is issued: now, or the first one after it that makes a good token, where
    others were called in in this very millisecond, or by a clock that is ahead."""
    if called_in is None:
        return now
    at = now if called_in.tokens_from is None else max(now, called_in.tokens_from)
    while mark(member_id, at) in called_in.tokens:
        at += timedelta(milliseconds=1)
    return at
