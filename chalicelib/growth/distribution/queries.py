"""Reads of distributors and commissions for operators: where every fen comes from, and whether it all agrees."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import invalid
from chalicelib.customers.members.queries import resolved
from chalicelib.growth.distribution.commissions.queries import records
from chalicelib.growth.distribution.commissions.views import explained
from chalicelib.growth.distribution.distributors import queries as distributor_queries
from chalicelib.growth.distribution.distributors.queries import nicknames
from chalicelib.growth.distribution.inputs import Sort
from chalicelib.growth.distribution.refusals import ORDER_MEMBER_OR_DAY
from chalicelib.growth.distribution.rules import Commission, DistributorRecord, DistributorState
from chalicelib.growth.distribution.settings import DISTRIBUTION
from chalicelib.growth.distribution.tables import (
    Commissions,
    Distributors,
    binding_key,
    day_shard,
    distributor_key,
    record_of,
    shards,
    state_shard,
)
from chalicelib.growth.distribution.views import (
    AccountCheck,
    AdminCommission,
    AdminDistributor,
    AdminDistributorDetail,
    AdminLedgerLine,
    BindingView,
    tier_progress,
)
from chalicelib.ledger import queries as ledger_queries
from chalicelib.ledger.checks import audit_balances
from chalicelib.ledger.rules import Balance, Entry, change_of
from chalicelib.platform.store import cursors, read


def in_state(
    state: DistributorState, sort: Sort, limit: int, cursor: str | None
) -> tuple[list[AdminDistributor], str | None]:
    """List a page of the distributors in a state: those who applied first before the others, or those who have sold
    most. One whose sales change meanwhile may be on two pages, or on none. Raises `cursor_invalid`."""
    listing = f"distributors:{state}:{sort}"
    under = [state_shard(state, shard) for shard in shards()]
    after = cursors.read(listing, cursor)
    position: Any
    if sort == "sales":
        by_sales = Distributors.by_sales
        page, position = read.ranked(
            Distributors, under, index=by_sales, along=Distributors.sales_fen, limit=limit, after=after
        )
    else:
        by_state = Distributors.by_state
        page, position = read.merged(
            Distributors, under, index=by_state, along=Distributors.since, limit=limit, after=after
        )
    return _rows([raw["member_id"]["S"] for raw in page]), cursors.write(listing, position)


def _rows(member_ids: list[str]) -> list[AdminDistributor]:
    items = read.batch_get([distributor_key(member_id) for member_id in member_ids])
    names, balances = nicknames(member_ids, for_operators=True), ledger_queries.balances(member_ids)
    return [
        AdminDistributor(**_fields(record_of(item), names[item.member_id], balances[item.member_id]))
        for item in items
        if item is not None
    ]


def _fields(record: DistributorRecord, nickname: str, balance: Balance) -> dict[str, Any]:
    distributor = record.distributor
    same = ("member_id", "state", "tier", "applied_at")
    return {
        "distributor_id": distributor.member_id,
        **{name: getattr(distributor, name) for name in same},
        **msgspec.structs.asdict(record.totals),
        "earned_fen": sum(msgspec.structs.astuple(balance)),
        **{f"{kind}_fen": fen for kind, fen in msgspec.structs.asdict(balance).items()},
        "nickname": nickname,
    }


def detail(member_id: str) -> AdminDistributorDetail:
    """Show all that there is of a distributor. Raises `not_found` for a member who never applied."""
    record = distributor_queries.find(member_id).value
    distributor = record.distributor
    member_id = distributor.member_id
    return AdminDistributorDetail(
        **_fields(record, nicknames([member_id], for_operators=True)[member_id], ledger_queries.balance(member_id)),
        invite_code=distributor.invite_code,
        rewarded=distributor.rewarded,
        tier_progress=tier_progress(distributor.tier, record.totals, DISTRIBUTION.current()),
        tie=tie_of(member_id),
    )


def tie_of(member_id: str) -> BindingView | None:
    """Show to whom the member is bound; None where that is nobody."""
    item = read.get(Distributors, *binding_key(member_id)[1])
    if item is None:
        return None
    binding = item.binding
    return BindingView(
        inviter=binding.inviter, token=binding.token, bound_at=binding.bound_at, until=binding.until,
        live=binding.live(clock.now()), orders=int(item.orders or 0), paid_fen=int(item.paid_fen or 0),
    )  # fmt: skip


def explain(member_id: str, limit: int, cursor: str | None) -> tuple[list[AdminLedgerLine], str | None]:
    """List a page of the entries that a distributor's balance comes to, the latest first.

    Raises `not_found` for a member who never applied, `cursor_invalid`.
    """
    member_id = distributor_queries.load(member_id).member_id
    entries, after = ledger_queries.page_of_member(member_id, limit, cursor)
    return [_line(entry) for entry in entries], after


def _line(entry: Entry) -> AdminLedgerLine:
    concerned = change_of(entry)
    assert concerned is not None
    what = explained(entry, concerned)
    return AdminLedgerLine(
        at=entry.at, what=what, about=entry.about, cause=entry.cause, note=entry.note, postings=list(entry.postings)
    )  # fmt: skip


def audit(member_id: str) -> AccountCheck:
    """Recompute a distributor's balance and months from their entries. What is posted meanwhile may show as different:
    then look again. Raises `not_found` for a member who never applied, `too_many_entries` for an account that takes too
    long."""
    member_id = distributor_queries.load(member_id).member_id
    entries = ledger_queries.all_of_member(member_id)
    balances = {member_id: ledger_queries.balance(member_id)}
    months = {member_id: ledger_queries.months(member_id, clock.day(clock.now()))}
    found = audit_balances(entries, balances, months, only=balances.keys())
    return AccountCheck(len(entries), found)


def commissions(
    order_id: str | None, member_id: str | None, day: date | None, limit: int, cursor: str | None
) -> tuple[list[AdminCommission], str | None]:
    """List the commissions of an order by level, or a page of a distributor's or a day's (Asia/Shanghai), the latest
    first.

    Raises `invalid` unless one of the three is named, `cursor_invalid`.
    """
    if [order_id, member_id, day].count(None) != 2:
        raise invalid(ORDER_MEMBER_OR_DAY.at("order_id"))
    if order_id is not None:
        return [_record(item.commission) for item in read.query_all(Commissions, order_id, consistent=True)], None
    listing = f"admin-commissions:{member_id}:{day}"
    behind = cursors.read(listing, cursor)
    after: Any
    if member_id is not None:
        member_id = resolved(member_id)
        by_member = Commissions.by_member
        page, after = read.query(Commissions, member_id, index=by_member, forward=False, limit=limit, after=behind)
    else:
        assert day is not None
        page, after = read.merged(
            Commissions, (day_shard(day, shard) for shard in shards()), index=Commissions.by_day,
            along=Commissions.made, after=behind, limit=limit, forward=False,
        )  # fmt: skip
    return [_record(one) for one in records(page) if one is not None], cursors.write(listing, after)


def _record(commission: Commission) -> AdminCommission:
    return AdminCommission(**{name: getattr(commission, name) for name in AdminCommission.__struct_fields__})
