"""The audit of distribution: commissions, bindings and totals against the orders and the journal. Pure.

Every difference is named. The caller has read the tables; what a job is still to do may show as one for a moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from chalicelib.commerce.orders.accounting.rules import paid_for
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.difference import Difference
from chalicelib.growth.distribution.rules import (
    Binding,
    Commission,
    DistributionRules,
    DistributorRecord,
    MonthlySales,
    Rate,
    order_cap,
    rate,
    remaining_lines,
)
from chalicelib.ledger.rules import Balance, Entry, change_of, month


class BindingRecord(msgspec.Struct, frozen=True):
    """A binding with what is counted on it."""

    binding: Binding
    orders: int
    paid_fen: int


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of distribution, and its settings by version."""

    commissions: list[Commission] = []
    bindings: list[BindingRecord] = []
    distributors: list[DistributorRecord] = []
    #: Who counts as a customer of whom: distributor and member.
    customers: list[tuple[str, str]] = []
    sales: list[MonthlySales] = []
    rules: Mapping[int, DistributionRules | None] = {}


def audit(orders: Iterable[Order], entries: Iterable[Entry], records: Records) -> list[Difference]:
    """Find everything about distribution that does not agree."""
    by_id = {order.order_id: order for order in orders}
    by_order: dict[str, list[Commission]] = defaultdict(list)
    for commission in records.commissions:
        by_order[commission.order_id].append(commission)
    posted = _posted(entries)
    found: list[Difference] = []
    for order_id in sorted(by_order.keys() | posted.keys()):
        found += _order_differences(order_id, by_id.get(order_id), by_order[order_id], posted.get(order_id, {}))
    for commission in records.commissions:
        if commission.order_id in by_id:
            order = by_id[commission.order_id]
            found += _commission_differences(commission, by_order[commission.order_id], order)
            found += _version_differences(commission, order, records.rules.get(commission.rules_version))
    return (
        found
        + _rings(records.bindings)
        + _binding_differences(records)
        + _distributor_differences(records)
        + _board_differences(records)
    )


def _posted(entries: Iterable[Entry]) -> dict[str, dict[tuple[str, int], Balance]]:
    """By order, what the entries of its commissions come to, by member and level."""
    found: dict[str, dict[tuple[str, int], Balance]] = defaultdict(dict)
    for entry in entries:
        concerned = change_of(entry)
        if concerned is None or not entry.cause.startswith("commission:"):
            continue
        key = concerned.member_id, int(entry.cause.split(":")[1])
        before = found[entry.about].get(key, Balance())
        found[entry.about][key] = Balance(
            pending=before.pending + concerned.change.pending,
            available=before.available + concerned.change.available,
        )
    return found


def _order_differences(
    order_id: str,
    order: Order | None,
    made: list[Commission],
    posted: Mapping[tuple[str, int], Balance],
) -> list[Difference]:
    """All commissions of an order together: who earns, how much at most, and what was posted for it."""
    if order is None:
        return [Difference(order_id, "pays commissions, and is no order")]
    chain = dict(enumerate(order.chain, 1))
    found = [
        Difference(order_id, f"pays {one.member_id} on level {one.level}, who is not in its chain")
        for one in made
        if chain.get(one.level) != one.member_id
    ]
    if len(set(order.chain)) < len(order.chain) or order.member_id in order.chain[1:]:
        found.append(Difference(order_id, "has somebody twice in its chain"))
    earned = sum(one.earned_fen for one in made)
    for one in made:
        cap = order_cap(sum(line.paid_fen for line in one.lines), one.cap_bp, one.cap_fen)
        if earned > cap:
            found.append(Difference(order_id, f"pays {earned} fen of commissions, at most {cap} are allowed"))
        if earned != one.order_earned_fen:
            found.append(Difference(order_id, f"pays {earned} fen, level {one.level} says {one.order_earned_fen}"))
    expected = {(one.member_id, one.level): _balance_of(one) for one in made}
    for key in sorted(expected.keys() | posted.keys()):
        ours, theirs = expected.get(key, Balance()), posted.get(key, Balance())
        if ours != theirs:
            what = f"pending {ours.pending} available {ours.available}"
            said = f"pending {theirs.pending} available {theirs.available}"
            found.append(Difference(order_id, f"{key[0]} on level {key[1]}: {what}, the entries say {said}"))
    return found


def _balance_of(commission: Commission) -> Balance:
    """Where in its taker's account a commission stands."""
    amount = commission.amount_fen
    if commission.state == "available":
        return Balance(available=amount)
    return Balance(pending=amount)


def _commission_differences(commission: Commission, all_levels: list[Commission], order: Order) -> list[Difference]:
    """One commission, recomputed from what was paid for each line and not given back."""
    about = f"{commission.order_id} level {commission.level}"
    found: list[Difference] = []
    if commission.buyer_id != order.member_id:
        found.append(Difference(about, f"the buyer is {order.member_id}, not {commission.buyer_id}"))
    if [line.sku_id for line in commission.lines] != [line.sku_id for line in order.lines]:
        return [*found, Difference(about, "its lines are not those of the order")]
    alike = [one for one in all_levels if len(one.lines) == len(order.lines)]
    by_rule = remaining_lines(commission, alike, [line.base_fen for line in commission.lines])
    for line, ruled in zip(commission.lines, by_rule, strict=True):
        paid, remaining = _payable(order, line.sku_id), paid_for(order, line.sku_id)
        if line.paid_fen > paid:
            found.append(Difference(about, f"{line.sku_id}: of {line.paid_fen} fen paid, the order says {paid}"))
        if line.base_fen != remaining:
            found.append(Difference(about, f"{line.sku_id}: on {line.base_fen} fen, of the order {remaining} are left"))
        if line.earned_fen > line.full_fen or line.full_fen != line.by_rule(line.paid_fen):
            found.append(Difference(about, f"{line.sku_id}: {line.earned_fen} fen are not {line.rate_bp} basis points"))
        elif line.amount_fen != ruled.amount_fen:
            what = f"{line.amount_fen} fen are left, by the rule {ruled.amount_fen}"
            found.append(Difference(about, f"{line.sku_id}: {what}"))
    if commission.state == "reversed" and commission.base_fen:
        found.append(Difference(about, f"is reversed, and {commission.base_fen} fen were not given back"))
    if commission.state == "available" and order.received_at is None:
        found.append(Difference(about, "is available before the order was received"))
    return found


def _version_differences(commission: Commission, order: Order, rules: DistributionRules | None) -> list[Difference]:
    """What a commission was made by, against the settings that held then."""
    about, version = f"{commission.order_id} level {commission.level}", commission.rules_version
    if rules is None:
        return [Difference(about, f"was made by version {version} of the settings, which is not kept")]
    found: list[Difference] = []
    if not rules.runs_in(order.address.region_code) or commission.level > rules.levels:
        found.append(Difference(about, f"version {version} pays no such level, or nobody there"))
    frozen = commission.freeze_days, commission.cap_bp, commission.cap_fen
    if frozen != (rules.freeze_days, rules.order_cap_bp, rules.order_cap_fen):
        found.append(Difference(about, f"its days or its cap are not those of version {version}"))
    for line in commission.lines:
        own_bp = line.rate_bp if line.source == "product" else None
        if rate(own_bp, rules.tier(commission.tier), commission.level, rules) != Rate(line.rate_bp, line.source):
            what = f"{line.sku_id}: {line.rate_bp} basis points of the {line.source} are not of version {version}"
            found.append(Difference(about, what))
    return found


def _payable(order: Order, sku_id: str) -> int:
    return next(line.payable_fen for line in order.lines if line.sku_id == sku_id)


def _rings(bindings: Sequence[BindingRecord]) -> list[Difference]:
    """Members who brought themselves, by the bindings that held when the last of all was made: whose clock now is,
    does not matter then."""
    if not bindings:
        return []
    now = max(one.binding.bound_at for one in bindings)
    above = {one.binding.member_id: one.binding.inviter for one in bindings if one.binding.live(now)}
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


def _binding_differences(records: Records) -> list[Difference]:
    """What customers have bought since they were bound, by the commissions that counted it."""
    found: list[Difference] = []
    by_buyer: dict[tuple[str, str], list[Commission]] = defaultdict(list)
    for commission in records.commissions:
        if commission.own_customer:
            by_buyer[commission.buyer_id, commission.member_id].append(commission)
    for one in records.bindings:
        binding = one.binding
        counted = [c for c in by_buyer[binding.member_id, binding.inviter] if c.created_at >= binding.bound_at]
        orders, paid = len(counted), sum(c.base_fen for c in counted)
        if (one.orders, one.paid_fen) != (orders, paid):
            what = f"is counted {one.orders} orders of {one.paid_fen} fen"
            found.append(Difference(binding.member_id, f"{what}, the commissions say {orders} of {paid}"))
    return found


def _distributor_differences(records: Records) -> list[Difference]:
    """What distributors brought and was kept: by which tiers are reached."""
    sales: Counter[str] = Counter()
    released: Counter[str] = Counter()
    reversed_: Counter[str] = Counter()
    bought, taken_back = set[tuple[str, str]](), set[tuple[str, str]]()
    for one in records.commissions:
        if one.own_customer and one.state == "available" and not one.uncounted:
            sales[one.member_id] += one.base_fen
            released[one.member_id] += bool(one.base_fen)
            bought.add((one.member_id, one.buyer_id))
        elif one.own_customer and one.state == "reversed":
            reversed_[one.member_id] += 1  # maybe after it was released: what once counted stays counted
            taken_back.add((one.member_id, one.buyer_id))
    named = set(records.customers)
    found = [Difference(who, f"{whose} bought and kept, and is no customer") for who, whose in sorted(bought - named)]
    for who, whose in sorted(named - bought - taken_back):
        found.append(Difference(who, f"{whose} is a customer, and the commissions say nothing of it"))
    customers = Counter(who for who, _ in records.customers)
    for record in records.distributors:
        who, has = record.distributor.member_id, record.totals
        if has.sales_fen != sales[who]:
            found.append(Difference(who, f"has sold {has.sales_fen} fen, the commissions say {sales[who]}"))
        if not released[who] <= has.orders <= released[who] + reversed_[who]:
            found.append(Difference(who, f"has {has.orders} orders, the commissions say {released[who]}"))
        if has.customers != customers[who]:
            found.append(Difference(who, f"has {has.customers} customers, and {customers[who]} are named"))
    return found


def _board_differences(records: Records) -> list[Difference]:
    """Leaderboards, by the commissions that counted for them."""
    counted: Counter[tuple[str, str]] = Counter()
    for one in records.commissions:
        if one.on_board:
            counted[one.member_id, month(one.created_at)] += one.base_fen
    stored = {(one.member_id, one.month): one.sales_fen for one in records.sales}
    return [
        Difference(
            f"{who} {name}", f"sales of {stored.get((who, name), 0)} fen, the commissions say {counted[who, name]}"
        )
        for who, name in sorted(stored.keys() | counted.keys())
        if stored.get((who, name), 0) != counted[who, name]
    ]
