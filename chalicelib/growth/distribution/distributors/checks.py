"""What is counted of distributors and their customers, recomputed from the commissions. Pure; no formula of the rules
is used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.growth.distribution.commissions.checks import base_of
from chalicelib.growth.distribution.rules import (
    Binding,
    Commission,
    DistributionRules,
    DistributorRecord,
    MonthlySales,
)
from chalicelib.ledger.checks import REWARDS, WRITTEN_OFF, on
from chalicelib.ledger.rules import Entry


class BindingRecord(msgspec.Struct, frozen=True):
    """A binding with what is counted on it."""

    binding: Binding
    orders: int
    paid_fen: int


def rings(bindings: Sequence[BindingRecord]) -> list[Difference]:
    """Find members who brought themselves, by the bindings that held when the last of all was made: whose clock now is,
    does not matter then."""
    if not bindings:
        return []
    now = max(one.binding.bound_at for one in bindings)
    held = [one.binding for one in bindings if not one.binding.ended]
    bound = [one for one in held if one.until is None or now < one.until]
    above = {one.member_id: one.inviter for one in bound}
    found: list[Difference] = []
    done: set[str] = set()
    for start in above:
        way: list[str] = []
        current = start
        while current in above and current not in done:
            done.add(current)
            way.append(current)
            current = above[current]
        if current in way:
            ring = way[way.index(current) :]
            found.append(Difference(current, f"brought themselves, in a ring of {len(ring)}"))
    return found


def binding_differences(bindings: Iterable[BindingRecord], commissions: Iterable[Commission]) -> list[Difference]:
    """Compare what customers have bought since they were bound with the commissions that counted it. Of one who turned
    out to be another too, what either bought for the other's inviter may count or not: all of it at most."""
    found: list[Difference] = []
    by_buyer: dict[tuple[str, str], list[Commission]] = defaultdict(list)
    for commission in commissions:
        if commission.own_customer:
            by_buyer[commission.buyer_id, commission.member_id].append(commission)
    for one in bindings:
        binding = one.binding
        if binding.ended:
            continue  # nothing counts on it any more
        if binding.also:
            if one.orders > sum(len(by_buyer[each, binding.inviter]) for each in (binding.member_id, *binding.also)):
                found.append(Difference(binding.member_id, f"is counted {one.orders} orders, more than they paid for"))
            continue
        counted = [c for c in by_buyer[binding.member_id, binding.inviter] if c.created_at >= binding.bound_at]
        orders, paid = len(counted), sum(map(base_of, counted))
        if (one.orders, one.paid_fen) != (orders, paid):
            what = f"is counted {one.orders} orders of {one.paid_fen} fen"
            found.append(Difference(binding.member_id, f"{what}, the commissions say {orders} of {paid}"))
    return found


def total_differences(
    distributors: Iterable[DistributorRecord], customers: Sequence[tuple[str, str]], commissions: Iterable[Commission],
    carried: Sequence[tuple[str, str]] = (),
) -> list[Difference]:  # fmt: skip
    """Compare what distributors brought and was kept, by which tiers are reached, with the commissions. Who was
    `carried` over from an account before counts for nothing."""
    sales: Counter[str] = Counter()
    released: Counter[str] = Counter()
    reversed_: Counter[str] = Counter()
    bought, taken_back = set[tuple[str, str]](), set[tuple[str, str]]()
    for one in commissions:
        if one.own_customer and one.state == "available" and not one.uncounted:
            sales[one.member_id] += base_of(one)
            released[one.member_id] += bool(base_of(one))
            bought.add((one.member_id, one.buyer_id))
        elif one.own_customer and one.state == "reversed":
            reversed_[one.member_id] += 1  # maybe after it was released: what once counted stays counted
            taken_back.add((one.member_id, one.buyer_id))
    named = set(customers)
    found = [
        Difference(who, f"{whose} bought and kept, and is no customer")
        for who, whose in sorted(bought - named - set(carried))
    ]
    for who, whose in sorted(named - bought - taken_back):
        found.append(Difference(who, f"{whose} is a customer, and the commissions say nothing of it"))
    counted = Counter(who for who, _ in customers)
    for record in distributors:
        who, has = record.distributor.member_id, record.totals
        if has.sales_fen != sales[who]:
            found.append(Difference(who, f"has sold {has.sales_fen} fen, the commissions say {sales[who]}"))
        if not released[who] <= has.orders <= released[who] + reversed_[who]:
            found.append(Difference(who, f"has {has.orders} orders, the commissions say {released[who]}"))
        if has.customers != counted[who]:
            found.append(Difference(who, f"has {has.customers} customers, and {counted[who]} are named"))
    return found


def board_differences(sales: Iterable[MonthlySales], commissions: Iterable[Commission]) -> list[Difference]:
    """Compare leaderboards with the commissions that counted for them."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in commissions:
        if one.on_board:
            counted[one.member_id, clock.day(one.created_at).isoformat()[:7]] += base_of(one)
    stored = {(one.member_id, one.month): one.sales_fen for one in sales}
    return [
        Difference(
            f"{who} {name}", f"sales of {stored.get((who, name), 0)} fen, the commissions say {counted[who, name]}"
        )
        for who, name in sorted(stored.keys() | counted.keys())
        if stored.get((who, name), 0) != counted[who, name]
    ]


def charge_differences(entries: Iterable[Entry]) -> list[Difference]:
    """Hold what was charged to distributors who returned against the debts that were written off before: each once at
    most, and never another sum."""
    written_off: Counter[int] = Counter()
    found: list[Difference] = []
    for entry in sorted(entries, key=lambda one: (one.at, one.cause == "charged")):
        fen = on(entry, WRITTEN_OFF)
        if fen > 0:
            written_off[fen] += 1
        elif entry.cause == "charged":
            if not written_off[-fen]:
                found.append(Difference(entry.about, f"is charged a debt of {-fen} fen, which was never written off"))
            written_off[-fen] -= 1
    return found


def reward_differences(
    distributors: Iterable[DistributorRecord], entries: Iterable[Entry], rules: Iterable[DistributionRules]
) -> list[Difference]:
    """Hold each reward against the tiers that its distributor was rewarded for, and what the settings ever gave for
    them."""
    gives: dict[str, set[int]] = defaultdict(set)
    for held in rules:
        for tier in held.tiers:
            gives[tier.tier_id].add(tier.reward_fen)
    paid: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if on(entry, REWARDS) > 0:
            paid[entry.about].append(entry)
    found: list[Difference] = []
    for record in distributors:
        who = record.distributor.member_id
        told = _reward_faults(record.distributor.rewarded, paid.get(who, []), gives)
        found += [Difference(who, what) for what in told]
    return found


def _reward_faults(rewarded: Sequence[str], posted: Sequence[Entry], gives: dict[str, set[int]]) -> Iterator[str]:
    times = Counter(entry.cause.split(":")[1] for entry in posted)
    for tier in sorted(times):  # one that was passed over on the way up has no entry
        if times[tier] > rewarded.count(tier):
            yield f"was rewarded for {tier} {rewarded.count(tier)} times, the entries say {times[tier]}"
    for entry in posted:
        tier, fen = entry.cause.split(":")[1], on(entry, REWARDS)
        if fen not in gives[tier]:
            yield f"was rewarded for {tier} with {fen} fen, which the settings never gave"
