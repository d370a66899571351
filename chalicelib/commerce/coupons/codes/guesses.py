"""Wrong codes: counted for each member, whose codes are refused unread after too many in an hour; and for all members.

How many there are in all matters only to members with wrong codes of their own: nobody who enters right ones is
hindered by others. A wrong code costs two writes, one beyond the limit none.
"""

from __future__ import annotations

from chalicelib.commerce.coupons.refusals import CODES_AT_ONCE, TOO_MANY_WRONG_CODES, WRONG_CODE
from chalicelib.commerce.coupons.rules import (
    GUESS_PRESSURE,
    GUESSES_MAX,
    GUESSES_UNDER_PRESSURE,
    PRESSURE_SECONDS,
    Guesses,
)
from chalicelib.commerce.coupons.tables import CouponCounters, Coupons, guesses_key, guesses_of, window_key
from chalicelib.core import clock, ids
from chalicelib.core.errors import MallError
from chalicelib.platform.store import cache, read
from chalicelib.platform.store.transaction import ConditionFailed, Transaction, write

_SHARDS = 4
_TRIES = 5
_CACHE = "coupon-guesses"


def check(guesses: Guesses) -> None:
    """Let the member's codes be read on. Raises `too_many_requests`, which says when the next one is read."""
    current = guesses.at(clock.unix())
    if current.is_spent(False) or (current.is_spent(True) and _under_pressure()):
        seconds = current.window_ends - clock.unix()
        error = TOO_MANY_WRONG_CODES.at("code", minutes=-(-seconds // 60))
        raise MallError("too_many_requests", errors=(error,), retry_after=seconds)


def confirm(tx: Transaction, member_id: str, guesses: Guesses) -> None:
    """Add a condition to `tx`: the member still has guesses. It serialises codes that are entered at the same time.

    `guesses` are those that `check` let pass. Where they were so few that the pressure did not matter, the condition
    leaves the member as many as under pressure: if other wrong codes of theirs came in between, this one is to be
    entered again, and `check` looks at the pressure then. `tx` fails with `too_many_requests`. One action.
    """
    few = not guesses.at(clock.unix()).is_spent(under_pressure=True)
    most = GUESSES_UNDER_PRESSURE if few else GUESSES_MAX
    some = Coupons.window_ends.does_not_exist() | (Coupons.window_ends <= clock.unix()) | (Coupons.wrong_codes < most)
    tx.check(*guesses_key(member_id), some, _entered_at_once())


def count(member_id: str, guesses: Guesses) -> MallError:
    """Count a wrong code of this member, who had `guesses` before it. Returns the refusal, `code_unknown`.

    Raises `too_many_requests` when other wrong codes of theirs came in between and were too many, and `unavailable`.
    """
    key = guesses_key(member_id)
    for _ in range(_TRIES):
        more = guesses.one_more(clock.unix())
        unchanged = Coupons.window_ends.does_not_exist()
        if guesses.window_ends:
            unchanged = (Coupons.window_ends == guesses.window_ends) & (Coupons.wrong_codes == guesses.wrong_codes)
        actions = [
            Coupons.wrong_codes.set(more.wrong_codes), Coupons.window_ends.set(more.window_ends),
            Coupons.expires.set(clock.from_ms(more.window_ends * 1000)),
        ]  # fmt: skip
        try:
            write(*key, actions, unchanged)
        except ConditionFailed:
            guesses = guesses_of(read.get(Coupons, *key[1]))
            check(guesses)
            continue
        _count_in_all(member_id)
        return MallError("code_unknown", errors=(WRONG_CODE.at("code"),))
    raise _entered_at_once()


def _entered_at_once() -> MallError:
    return MallError("too_many_requests", errors=(CODES_AT_ONCE.at("code"),), retry_after=1)


def _count_in_all(member_id: str) -> None:
    """Count a wrong code among those of all members, in shards; a crash loses one, a lost answer may count it twice."""
    window = clock.unix() // PRESSURE_SECONDS
    ends = clock.from_ms((window + 2) * PRESSURE_SECONDS * 1000)
    key = window_key(window, ids.shard(member_id, _SHARDS))
    write(*key, [CouponCounters.wrong_codes.add(1), CouponCounters.expires.set(ends)])


def _under_pressure() -> bool:
    """Whether all members entered too many wrong codes in these ten minutes or the ten before; up to a second old."""
    window = clock.unix() // PRESSURE_SECONDS
    return max(_in_all(window), _in_all(window - 1)) > GUESS_PRESSURE


def _in_all(window: int) -> int:
    def load() -> int:
        items = read.batch_get([window_key(window, shard) for shard in range(_SHARDS)], consistent=False)
        return sum(0 if item is None else int(item.wrong_codes) for item in items)

    return cache.remember((_CACHE, str(window)), load)
