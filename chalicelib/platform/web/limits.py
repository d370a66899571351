"""Limits of calls: counted by the minute, for each member.

It keeps one member from taking more than their share of the mall; one person with many accounts is met by the firewall,
and what must hold exactly (a coupon's limit, unpaid orders) by conditions where it is written.
"""

from __future__ import annotations

from datetime import timedelta

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.platform.store.transaction import write
from chalicelib.platform.web.tables import Limits

_SECONDS = 60
_KEPT = timedelta(hours=1)


def count_call(what: str, who: str, per_minute: int) -> None:
    """Count one call of `what` by `who`.

    Raises `too_many_requests` beyond so many in this minute; `retry_after` is when the next minute begins, in seconds.
    """
    now = clock.unix()
    key = (f"{what}#{who}#{now // _SECONDS}",)
    after = write(Limits, key, [Limits.times.add(1), Limits.expires.set(clock.now() + _KEPT)])
    if int(after["times"]["N"]) > per_minute:
        raise MallError("too_many_requests", retry_after=_SECONDS - now % _SECONDS)
