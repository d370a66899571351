"""What it costs by AWS's prices that two members become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.cost.quota_page import HOME
from bench.cost.usage import Mall, Prices, bill
from bench.markdown import table

_THOUSAND = 1_000
#: What moves one of each, in write units: an order and a commission with the entries of an index, in transactions; a
#: batch of events and of an unused coupon what they are.
_ORDER, _COMMISSION, _BATCH, _COUPON = 8, 4, 6, 6
#: The code, the redirect, profiles, jobs, notes of how far it is, and what there is one of.
_ONCE = 250

Money = Callable[[float, str, Prices], str]


def section(malls: Mapping[str, Mall], listed: Prices, money: Money) -> str:
    """Tell of a thousand merges, and what one comes to by what there is."""
    found = malls[HOME].found.merge
    writes = sum(found.writes.values())
    coupons = found.orders // 5 + 10
    computed = (
        found.orders * _ORDER + found.commissions * _COMMISSION + found.batches * _BATCH + coupons * _COUPON + _ONCE
    )
    used = {"dynamodb_read": found.reads * _THOUSAND, "dynamodb_write": writes * _THOUSAND}
    rows = [
        (
            f"{_THOUSAND:,} members become others, with {found.orders} orders each",
            *(money(sum(bill(used, region, listed).values()), region, listed) for region in malls),
        )
    ]
    head = ("", *(listed.regions[region].name for region in malls))
    return f"""## Two members who become one

DynamoDB's requests of what [bench.md](bench.md#two-members-who-become-one) measured:

{table(head, rows)}

By what there is: {_ORDER} WRU for an order, {_COMMISSION} for a commission, {_BATCH} for a batch of events, {_COUPON}
for a coupon, and some {_ONCE} in any case: {computed:,.0f} computed, {writes:,.0f} measured. It is done step by step in
the lane of what is owed to very many, once for each merge."""
