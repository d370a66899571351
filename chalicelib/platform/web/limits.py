"""Limits of calls: counted by the minute or the hour, for each member or operator.

It keeps one member from taking more than their share of the mall; one person with many accounts is met by the firewall,
and what must hold exactly (a coupon's limit, unpaid orders) by conditions where it is written. Every call of a member
is counted in the memory of the process, which costs nothing and bounds what one environment does for them; those that
cost the mall more are counted exactly, in the table. So are the calls by which operators look at persons: who was let
in once does not carry all of them away in an hour.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import write
from chalicelib.platform.web.tables import Limits

#: How often a member may make the same call within a minute, as one process counts it.
HERE_PER_MINUTE = 300
#: How often an operator may make the same call about one member within a minute.
PERSONS_PER_MINUTE = 300
#: How many pages of a list of members an operator may read within a minute, and how many members may they open whole
#: within an hour.
PAGES_OF_PERSONS_PER_MINUTE = 60
WHOLE_PERSONS_PER_HOUR = 300
#: What calls are counted in, in seconds.
MINUTE, HOUR = 60, 3_600
_ENTRIES_MAX = 50_000
_KEPT = timedelta(hours=1)


def count_call(what: str, who: str, most: int, seconds: int = MINUTE) -> None:
    """Count one call of `what` by `who`, of whom only a digest is kept, in this minute, or the time of so many seconds.

    Raises `too_many_requests` beyond so many in it; `retry_after` is when the next one begins, in seconds.
    """
    now = clock.unix()
    if _counted(what, who, now // seconds, seconds) > most:
        raise MallError("too_many_requests", retry_after=seconds - now % seconds)


def count_strictly(what: str, who: str, most: int, seconds: int) -> None:
    """Count one call as `count_call` does, and those of the time before this one with it: whenever so many seconds
    begin, there are no more in them. For what is guessed at."""
    now = clock.unix()
    times = _counted(what, who, now // seconds, seconds)
    before = read.get(Limits, _key(what, who, now // seconds - 1))
    if times + (0 if before is None else int(before.times)) > most:
        raise MallError("too_many_requests", retry_after=seconds - now % seconds)


def _counted(what: str, who: str, number: int, seconds: int) -> int:
    """Count one call in this time; how many there are in it then."""
    ends = clock.now() + timedelta(seconds=seconds) + _KEPT
    after = write(Limits, (_key(what, who, number),), [Limits.times.add(1), Limits.expires.set(ends)])
    return int(after["times"]["N"])


def _key(what: str, who: str, number: int) -> str:
    return f"{what}#{ids.digest(who.encode())}#{number}"


class _Minute:
    """What was counted in one minute; of the minutes before, nothing is kept."""

    number = 0
    times: ClassVar[dict[tuple[str, str], int]] = {}


def count_here(what: str, who: str) -> None:
    """Count one call of `what` by `who` in this process; nothing is written.

    Raises `too_many_requests` beyond HERE_PER_MINUTE, as `count_call` does.
    """
    now = clock.unix()
    if _Minute.number != now // MINUTE or len(_Minute.times) >= _ENTRIES_MAX:
        _Minute.number, _Minute.times = now // MINUTE, {}
    times = _Minute.times[what, who] = _Minute.times.get((what, who), 0) + 1
    if times > HERE_PER_MINUTE:
        raise MallError("too_many_requests", retry_after=MINUTE - now % MINUTE)
