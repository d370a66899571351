"""The audit of distribution: commissions, bindings and totals against the orders and the journal. Pure; no formula of
the rules is used.

Every difference is named. The caller has read the tables; what a job is still to do may show as one for a moment.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from chalicelib.commerce.orders.refunds.checks import left_of
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.difference import Difference
from chalicelib.growth.distribution.commissions.checks import (
    amount_of,
    cap_faults,
    commission_differences,
    is_capped,
    pays_there,
    product_rate_faults,
    version_differences,
)
from chalicelib.growth.distribution.distributors.checks import (
    BindingRecord,
    binding_differences,
    board_differences,
    charge_differences,
    reward_differences,
    rings,
    total_differences,
)
from chalicelib.growth.distribution.rules import (
    Commission,
    DistributionRules,
    DistributorRecord,
    MonthlySales,
    SalesTotals,
)
from chalicelib.ledger.checks import of_members
from chalicelib.ledger.rules import Entry

#: Commissions are made at the latest so long after their order counts as sold, however long workers were away.
_MADE_WITHIN = timedelta(days=1)


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of distribution, and its settings by version; `since` when each version held, as far as it is
    known."""

    commissions: list[Commission] = []
    bindings: list[BindingRecord] = []
    distributors: list[DistributorRecord] = []
    #: Who counts as a customer of whom: distributor and member.
    customers: list[tuple[str, str]] = []
    #: Who counted as one as somebody else, before they returned or turned out to be the same, and is not counted again.
    carried: list[tuple[str, str]] = []
    sales: list[MonthlySales] = []
    #: Who turned out to be whom.
    moved: Mapping[str, str] = {}
    rules: Mapping[int, DistributionRules | None] = {}
    since: Mapping[int, datetime] = {}


def audit(orders: Iterable[Order], entries: Iterable[Entry], records: Records) -> list[Difference]:
    """Find everything about distribution that does not agree."""
    by_id = {order.order_id: order for order in orders}
    journal = list(entries)
    by_order: dict[str, list[Commission]] = defaultdict(list)
    for commission in records.commissions:
        by_order[commission.order_id].append(commission)
    posted = _posted(journal)
    moved = _moved(records)
    found: list[Difference] = []
    for order_id in sorted(by_order.keys() | posted.keys()):
        its = _order_faults(by_id.get(order_id), by_order[order_id], posted.get(order_id, {}))
        found += [Difference(order_id, what) for what in its]
    for commission in records.commissions:
        if commission.order_id in by_id:
            order, its_order = by_id[commission.order_id], by_order[commission.order_id]
            found += commission_differences(commission, order, is_capped(its_order), moved)
            found += version_differences(commission, order, records.rules.get(commission.rules_version))
    for order in by_id.values():
        its = _missing(order, by_order[order.order_id], records, moved)
        found += [Difference(order.order_id, what) for what in its]
    held = [rules for rules in records.rules.values() if rules is not None]
    persons = _persons(records, moved)
    return (
        found
        + _ties(records, moved)
        + total_differences(persons.distributors, persons.customers, persons.commissions, persons.carried)
        + board_differences(persons.sales, persons.commissions)
        + reward_differences(records.distributors, journal, held)
        + charge_differences(journal)
    )


def _moved(records: Records) -> dict[str, str]:
    """Who turned out to be whom: by members, and, of distributors, by what stayed of them."""
    distributors = [one.distributor for one in records.distributors]
    moved = {one.member_id: one.merged_into for one in distributors if one.merged_into} | dict(records.moved)
    for former in moved:
        while moved[former] in moved:
            moved[former] = moved[moved[former]]
    return moved


def _ties(records: Records, moved: Mapping[str, str]) -> list[Difference]:
    """Ties whose inviter turned out to be another count what was earned as either."""
    bindings = [
        msgspec.structs.replace(
            one, binding=msgspec.structs.replace(one.binding, inviter=moved.get(whose := one.binding.inviter, whose))
        )
        for one in records.bindings
    ]
    paid = (
        msgspec.structs.replace(one, member_id=moved.get(one.member_id, one.member_id)) for one in records.commissions
    )
    return rings(records.bindings) + binding_differences(bindings, paid)


def _persons(records: Records, moved: Mapping[str, str]) -> Records:
    """Take all under the ids of members who turned out to be others for theirs: while it is moved, half is there."""
    if not moved:
        return records

    def who(member_id: str) -> str:
        return moved.get(member_id, member_id)

    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for one in records.distributors:
        totals[who(one.distributor.member_id)].update(msgspec.structs.asdict(one.totals))
    sales: Counter[tuple[str, str]] = Counter()
    for sold in records.sales:
        sales[who(sold.member_id), sold.month] += sold.sales_fen
    return msgspec.structs.replace(
        records,
        commissions=[
            msgspec.structs.replace(one, member_id=who(one.member_id), buyer_id=who(one.buyer_id))
            for one in records.commissions
        ],
        distributors=[
            msgspec.structs.replace(one, totals=SalesTotals(**totals[one.distributor.member_id]))
            for one in records.distributors
            if who(one.distributor.member_id) == one.distributor.member_id
        ],
        customers=[(who(one), who(whose)) for one, whose in records.customers],
        carried=[(who(one), who(whose)) for one, whose in records.carried],
        sales=[MonthlySales(member_id, month, fen) for (member_id, month), fen in sales.items()],
    )


#: Fen by kind of account: pending, available.
_Standing = dict[tuple[str, int], Counter[str]]


def _posted(entries: Iterable[Entry]) -> dict[str, _Standing]:
    """By order, what the entries of its commissions come to, by member and level."""
    found: dict[str, _Standing] = defaultdict(lambda: defaultdict(Counter))
    for entry in entries:
        if entry.cause.startswith("commission:"):
            for member_id, change in of_members(entry).items():
                found[entry.about][member_id, int(entry.cause.split(":")[1])].update(change)
    return found


def _order_faults(order: Order | None, made: Sequence[Commission], posted: _Standing) -> Iterator[str]:
    """All commissions of an order together: who earns, how much at most, and what was posted for it."""
    if order is None:
        yield "pays commissions, and is no order"
        return
    chain = dict(enumerate(order.chain, 1))
    for one in made:
        if chain.get(one.level) != (one.earned_as or one.member_id):
            yield f"pays {one.member_id} on level {one.level}, who is not in its chain"
    if len(set(order.chain)) < len(order.chain) or (order.placed_as or order.member_id) in order.chain[1:]:
        yield "has somebody twice in its chain"
    yield from cap_faults(made)
    yield from product_rate_faults(made)
    expected = {(one.member_id, one.level): one for one in made}
    # Of one whom it was not made for: what was posted to them before, and whoever they were meanwhile.
    passed_on = {one.level: one.member_id for one in made if one.earned_as}
    came: _Standing = defaultdict(Counter)
    for (member_id, level), fen in posted.items():
        came[passed_on.get(level, member_id), level].update(fen)
    for key in sorted(expected.keys() | came.keys()):
        ours = Counter[str]()
        if key in expected:
            ours["available" if expected[key].state == "available" else "pending"] = amount_of(expected[key])
        theirs = came.get(key, Counter())
        if any(ours[kind] != theirs[kind] for kind in {*ours, *theirs}):
            what = f"pending {ours['pending']} available {ours['available']}"
            said = f"pending {theirs['pending']} available {theirs['available']}"
            yield f"{key[0]} on level {key[1]}: {what}, the entries say {said}"


def _missing(order: Order, made: Sequence[Commission], records: Records, moved: Mapping[str, str]) -> Iterator[str]:
    """Whom an order that counts as sold should pay, and does not: distributors of its chain who have been active since
    before, on levels that every version of the settings pays that may have held."""
    at = order.confirmed_at
    if at is None or not order.chain or not sum(left_of(order, line) for line in order.lines):
        return
    held = _held(records, at)
    active = {
        one.distributor.member_id
        for one in records.distributors
        if one.distributor.state == "active"
        and one.distributor.active_since is not None
        and one.distributor.active_since < at
    }
    paid = {one.level for one in made}
    chain = [moved.get(one, one) for one in order.chain]
    for level, member_id in enumerate(chain, 1):
        if member_id in chain[: level - 1]:
            continue  # they turned out to be one: paid once
        pays = bool(held) and all(pays_there(one, order.address.region_code) and level <= one.levels for one in held)
        if pays and member_id in active and level not in paid:
            yield f"pays {member_id} nothing on level {level}"


def _held(records: Records, at: datetime) -> list[DistributionRules]:
    """The settings that may have held when the commissions of an order were made that was sold then; none where that is
    not known."""
    if not records.since:
        return []
    before = [since for since in records.since.values() if since <= at]
    if not before:
        return []
    begins, ends = max(before), at + _MADE_WITHIN
    versions = [version for version, since in records.since.items() if begins <= since <= ends]
    return [rules for version in versions if (rules := records.rules.get(version)) is not None]
