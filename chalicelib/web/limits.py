"""How often somebody may do something: counted by the minute, for each of them. Table `limits`.

| who asks | how | units |
|---|---|---|
| once more, and how often was it | Update <what>#<who>#<minute>, ADD 1 | 1 WRU |

It keeps one member from taking more than their share of the mall; who comes from many accounts is met by the firewall,
and what must hold exactly (a coupon's limit, unpaid orders) by conditions where it is written.
"""

from __future__ import annotations

from datetime import timedelta

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute

from chalicelib.core import clock
from chalicelib.core.errors import MallError
from chalicelib.store.base import Table, TableMeta, name
from chalicelib.store.transaction import write

_SECONDS = 60
_KEPT = timedelta(hours=1)


class Limits(Table):
    """How often somebody did something in one minute; rubbish an hour later."""

    class Meta(TableMeta):
        table_name = name("limits")

    key = UnicodeAttribute(hash_key=True)
    times = NumberAttribute()
    expires = TTLAttribute()


def once_more(what: str, who: str, per_minute: int) -> None:
    """Count it. Raises `too_many_requests` beyond so many in this minute, saying when the next one begins."""
    now = clock.unix()
    key = (f"{what}#{who}#{now // _SECONDS}",)
    after = write(Limits, key, [Limits.times.add(1), Limits.expires.set(clock.now() + _KEPT)])
    if int(after["times"]["N"]) > per_minute:
        raise MallError("too_many_requests", retry_after=_SECONDS - now % _SECONDS)
