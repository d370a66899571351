"""Wrong codes: counted per member, who is not listened to any more after too many of them in an hour; and in all.

Whether there are many in all matters only for members with wrong codes of their own: who enters a right one is never
hindered by others. A wrong code costs two writes, one beyond the limit none.
"""

from __future__ import annotations

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
    """Whether this member's codes are looked at. Raises `too_many_requests`, which says when they are again."""
    current = guesses.at(clock.unix())
    if current.is_spent(False) or (current.is_spent(True) and _under_pressure()):
        raise MallError("too_many_requests", retry_after=current.window_ends - clock.unix())


def confirm(tx: Transaction, member_id: str, guesses: Guesses) -> None:
    """That the member, whose wrong codes `check` let pass, has guesses left, as part of `tx`, so that of many codes at
    once none is one too many.

    Who had so few that the pressure was not asked about is held to what it leaves: should others of theirs have come in
    between, they are asked to come again, and it is asked about then. `tx` fails with `too_many_requests` otherwise.
    One action of it.
    """
    few = not guesses.at(clock.unix()).is_spent(under_pressure=True)
    most = GUESSES_UNDER_PRESSURE if few else GUESSES_MAX
    some = Coupons.window_ends.does_not_exist() | (Coupons.window_ends <= clock.unix()) | (Coupons.wrong_codes < most)
    tx.check(*guesses_key(member_id), some, MallError("too_many_requests", retry_after=1))


def count(member_id: str, guesses: Guesses) -> MallError:
    """Count a wrong code of this member, who had so many before; what they are told.

    Raises `too_many_requests` when others of theirs came in between and used them up, and `unavailable`.
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
        return MallError("code_unknown")
    raise MallError("too_many_requests", retry_after=1)


def _count_in_all(member_id: str) -> None:
    """In shards, and not to the last one: a crash loses one, a lost answer may count one twice."""
    window = clock.unix() // PRESSURE_SECONDS
    ends = clock.from_ms((window + 2) * PRESSURE_SECONDS * 1000)
    key = window_key(window, ids.shard(member_id, _SHARDS))
    write(*key, [CouponCounters.wrong_codes.add(1), CouponCounters.expires.set(ends)])


def _under_pressure() -> bool:
    """Whether too many wrong codes came from everybody in these ten minutes or the ten before; up to a second old."""
    window = clock.unix() // PRESSURE_SECONDS
    return max(_in_all(window), _in_all(window - 1)) > GUESS_PRESSURE


def _in_all(window: int) -> int:
    def load() -> int:
        items = read.batch_get([window_key(window, shard) for shard in range(_SHARDS)], consistent=False)
        return sum(0 if item is None else int(item.wrong_codes) for item in items)

    return cache.remember((_CACHE, str(window)), load)
