"""The audit of balances: recompute each from the entries, and name every difference. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.ledger.rules import Balance, Entry, Month, Turnover, change_of, month


def audit_balances(
    entries: Iterable[Entry], balances: Mapping[str, Balance], months: Mapping[str, Iterable[Month]]
) -> list[Difference]:
    """List every difference of members' balances and months, by member, from what their entries come to."""
    now: dict[str, Balance] = {}
    by_month: dict[tuple[str, str], Month] = {}
    for entry in entries:
        told = change_of(entry)
        if told is None:
            continue
        now[told.member_id] = _sum(now.get(told.member_id, Balance()), told.change)
        if told.turnover != Turnover():
            key = told.member_id, month(entry.at)
            by_month[key] = _counted(by_month.get(key, Month(key[1], Turnover(), {})), told.turnover, entry)
    found = [
        Difference(member_id, f"has {_said(balances.get(member_id))}, its entries say {_said(now.get(member_id))}")
        for member_id in sorted(balances.keys() | now.keys())
        if balances.get(member_id, Balance()) != now.get(member_id, Balance())
    ]
    kept = {(member_id, one.month): one for member_id, all_months in months.items() for one in all_months}
    found += [
        Difference(f"{member_id} {name}", f"{_said(ours)}, its entries say {_said(theirs)}")
        for member_id, name in sorted(kept.keys() | by_month.keys())
        if (ours := kept.get((member_id, name))) != (theirs := by_month.get((member_id, name)))
    ]
    for member_id in sorted(balances.keys() | months.keys()):
        found += of_statement(member_id, balances.get(member_id, Balance()), months.get(member_id, ()))
    return found


def of_statement(member_id: str, balance: Balance, months: Iterable[Month]) -> list[Difference]:
    """Check a member's balance against what came and went in all their months."""
    closing = sum(one.turnover.net for one in months)
    if closing == balance.owed:
        return []
    return [Difference(member_id, f"statements close with {closing} fen, the balance is {balance.owed}")]


def _sum(one: Balance, other: Balance) -> Balance:
    return Balance(**{kind: getattr(one, kind) + getattr(other, kind) for kind in Balance.__struct_fields__})


def _counted(before: Month, turnover: Turnover, entry: Entry) -> Month:
    days = dict(before.days)
    if turnover.earned or turnover.reversed:
        day = clock.day(entry.at).day
        days[day] = days.get(day, 0) + turnover.earned - turnover.reversed
    return Month(before.month, before.turnover.plus(turnover), days)


def _said(told: object) -> str:
    if told is None:
        return "nothing"
    fields = msgspec.json.decode(msgspec.json.encode(told))
    return " ".join(f"{name} {fen}" for name, fen in fields.items() if fen) or "nothing"
