"""Attempts are counted before what is typed is looked at, so that guesses made at the same time count, too.

Of logins an address has a counter for each name, and so has a browser that is known: nobody else's failures close the
door to who has none. What only somebody inside can try (codes of the second factor, recovery codes, no code at all,
one's own password) is counted by name, each apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.mall.operators.access.rules import DEVICE_FAILURES_MAX, LISTED_A_DAY, crowd_seconds, network
from chalicelib.mall.operators.rules import wait_seconds
from chalicelib.mall.operators.tables import ATTEMPTS, Operators, attempts_key
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import ConditionFailed, remove, write
from chalicelib.platform.store.versioned import TRIES_CROWDED, Conflict, retry

#: Failures are forgotten a day after the last one; those of a browser once it is not known any more.
_KEPT = timedelta(days=1)
_DEVICE_KEPT = timedelta(days=180)


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that counts as a failure until it is forgotten: where, the how many-th in a row and on this day."""

    key: tuple[str, str]
    in_a_row: int
    on_this_day: int = 0
    day_key: tuple[str, str] | None = None


def count_login(name: str, address: str, device: str) -> Attempt:
    """Count a login from that address, or by that browser, as `device` says ("" where it is not known).

    Raises `too_many_requests` where an address has failures of its own and has to wait.
    """
    if device and (attempt := _count_by(name, device, "device")) is not None:
        return attempt
    day = clock.day(clock.now()).isoformat()
    totals: list[int] = []

    def crowd() -> int:
        if not totals:
            totals.append(_add(attempts_key(name, "day", day), 1))
        return crowd_seconds(totals[0])

    key = attempts_key(name, "from", network(address))
    in_a_row = _count(key, crowd)
    return Attempt(key, in_a_row, totals[0], attempts_key(name, "day", day))


def count_code(name: str, device: str) -> Attempt:
    """Count a code of the second factor, of a browser that is known apart. Raises `too_many_requests`."""
    if device and (attempt := _count_by(name, device, "device-code")) is not None:
        return attempt
    return _count_of_name(name, "code")


def count_recovery(name: str, device: str) -> Attempt:
    """Count a recovery code, of a browser that is known apart. Raises `too_many_requests`."""
    if device and (attempt := _count_by(name, device, "device-recovery")) is not None:
        return attempt
    return _count_of_name(name, "recovery")


def count_missing_code(name: str) -> Attempt:
    """Count a right password without the code that it wants, with the others of the day; nobody waits for it."""
    key = attempts_key(name, "no-code", clock.day(clock.now()).isoformat())
    return Attempt(key, _add(key, 1))


def count_own_password(name: str) -> Attempt:
    """Count a password that an operator types who is inside already. Raises `too_many_requests`."""
    return _count_of_name(name, "password")


def forget(attempt: Attempt) -> None:
    """Take it back: it was right. While others try in the same moment, their failures stay counted."""
    with contextlib.suppress(ConditionFailed):
        remove(Operators, attempt.key, Operators.failures == attempt.in_a_row)
    if attempt.day_key is not None:
        _add(attempt.day_key, -1)


def unlock(name: str) -> int:
    """Forget all attempts under a name; how many counters there were."""
    counters = list(
        read.query_all(Operators, ATTEMPTS, where=Operators.name.startswith(attempts_key(name, "")[1]), consistent=True)
    )
    for counter in counters:
        remove(Operators, (ATTEMPTS, counter.name))
    return len(counters)


def _count_by(name: str, device: str, what: str) -> Attempt | None:
    """Count an attempt of a known browser; None when it has used up those that it is good for."""
    key = attempts_key(name, what, device)
    actions = [Operators.failures.add(1), Operators.expires.set(clock.now() + _DEVICE_KEPT)]
    left = Operators.failures.does_not_exist() | (Operators.failures < DEVICE_FAILURES_MAX)
    try:
        after = write(Operators, key, actions, left)
    except ConditionFailed:
        return None
    return Attempt(key, int(after["failures"]["N"]))


def _count_of_name(name: str, what: str) -> Attempt:
    key = attempts_key(name, what)
    return Attempt(key, _count(key, lambda: 0))


def _add(key: tuple[str, str], more: int) -> int:
    """Count without a condition, which nobody waits for; where DynamoDB is too busy with guessers, a great many."""
    actions = [Operators.failures.add(more), Operators.expires.set(clock.now() + _KEPT)]
    try:
        return int(write(Operators, key, actions)["failures"]["N"])
    except MallError:
        return LISTED_A_DAY + 1


def _count(key: tuple[str, str], more_seconds: Callable[[], int]) -> int:
    try:
        return retry(lambda: _count_once(key, more_seconds), TRIES_CROWDED)
    except MallError as fault:
        if fault.code != "conflict":
            raise
        raise MallError("too_many_requests", retry_after=1) from None


def _count_once(key: tuple[str, str], more_seconds: Callable[[], int]) -> int:
    now = clock.unix()
    item = read.get(Operators, *key)
    seen = 0
    unchanged = Operators.kind.does_not_exist()
    if item is not None:
        if item.locked_until > now:
            raise MallError("too_many_requests", retry_after=int(item.locked_until) - now)
        unchanged = (Operators.failures == item.failures) & (Operators.locked_until == item.locked_until)
        seen = int(item.failures) if item.expires.timestamp() > now else 0
    crowd = more_seconds()
    wait = max(wait_seconds(seen + 1), crowd if seen else 0)  # no failure before: it may be right, and sent twice
    changes = [
        Operators.failures.set(seen + 1),
        Operators.locked_until.set(now + wait),
        Operators.expires.set(clock.now() + _KEPT),
    ]
    try:
        write(Operators, key, changes, unchanged)
    except ConditionFailed as fault:
        raise Conflict from fault
    return seen + 1
