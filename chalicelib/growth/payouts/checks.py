"""The audit of withdrawals: each against its journal entries, its member's allowance, what the law withholds of a
month, and WeChat's books. Pure; no formula of the rules is used.

Its caller has read the tables (and, on one machine, asked the sandbox for its books).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from chalicelib.core import clock
from chalicelib.core.difference import Difference
from chalicelib.growth.payouts.limits.rules import Allowance
from chalicelib.growth.payouts.rules import Withdrawal, WithdrawalRules
from chalicelib.ledger.checks import FEES, MERGED, PAYOUTS, TAX, WECHAT
from chalicelib.ledger.rules import Entry

#: So long after it was handed over a withdrawal must have ended: a transfer is over after a day, and WeChat tells of
#: one for 30.
ENDED_AFTER = timedelta(days=35)
#: What WeChat's word for a transfer comes to; the others are on their way.
_ENDS = {"SUCCESS": "succeeded", "FAIL": "failed", "CANCELLED": "failed"}
_WHOLE_BP = 10_000
_KINDS = ("available", "withdrawing", "withdrawn")


class Transfer(msgspec.Struct, frozen=True):
    """A transfer in WeChat's books, in whatever state."""

    out_bill_no: str
    amount_fen: int
    state: str


def audit_withdrawals(
    withdrawals: Iterable[Withdrawal],
    entries: Iterable[Entry],
    transfers: Iterable[Transfer] | None = None,
    allowances: Mapping[str, Allowance] | None = None,
    rules: Mapping[int, WithdrawalRules | None] | None = None,
    now: datetime | None = None,
    moved: Mapping[str, str] | None = None,
) -> list[Difference]:
    """Find every difference; none, when each withdrawal was paid exactly once or gave its money back exactly once, and
    none that has ended withholds anything.

    WeChat's books, the members' allowances, tax and fees by the settings (by version), and what is overdue `now`, are
    left out when None. `moved`: who turned out to be whom; what a member withdrew counts where an allowance is kept.
    """
    by_id = {one.withdrawal_id: one for one in withdrawals}
    posted: dict[str, list[Entry]] = {number: [] for number in by_id}
    found: list[Difference] = []
    for entry in entries:
        if entry.about in posted:
            posted[entry.about].append(entry)
        elif not entry.cause.startswith(MERGED) and any(_is_of_withdrawals(one.account) for one in entry.postings):
            found.append(Difference(entry.about, f"entry {entry.cause} is of no withdrawal"))
    for one in by_id.values():
        found += _of_entries(one, posted[one.withdrawal_id])
    if transfers is not None:
        found += _of_transfers(by_id, {transfer.out_bill_no: transfer for transfer in transfers})
    by_member: dict[str, list[Withdrawal]] = {member_id: [] for member_id in allowances or {}}
    for one in by_id.values():
        whose = one.member_id if one.member_id in by_member else (moved or {}).get(one.member_id, one.member_id)
        by_member.setdefault(whose, []).append(one)
    for member_id, allowance in (allowances or {}).items():
        found += _of_allowance(member_id, allowance, by_member[member_id])
    if rules is not None:
        found += [
            difference
            for member_id, its in by_member.items()
            for difference in _of_deductions(its, rules, _carried((allowances or {}).get(member_id)))
        ]
    if now is not None:
        found += [Difference(one.withdrawal_id, what) for one in by_id.values() for what in _overdue(one, now)]
    return found


def _is_of_withdrawals(account: str) -> bool:
    return account in (PAYOUTS, TAX, FEES) or account.endswith((":withdrawing", ":withdrawn"))


def _of_entries(one: Withdrawal, posted: list[Entry]) -> list[Difference]:
    """What must have been posted, to the fen, and was not; and what was, and must not."""
    account = one.asked_as or one.member_id
    available, withdrawing, withdrawn = (f"member:{account}:{kind}" for kind in _KINDS)
    begun = {available: one.amount_fen, withdrawing: -one.amount_fen}
    ours: dict[str, dict[str, int]] = {"begun": begun}
    if one.state == "succeeded":
        ours["paid"] = _moved({
            withdrawing: one.amount_fen, withdrawn: -one.amount_fen, PAYOUTS: one.amount_fen, TAX: -one.tax_fen,
            FEES: -one.fee_fen, WECHAT: one.tax_fen + one.fee_fen - one.amount_fen,
        })  # fmt: skip
    elif one.state == "failed":
        back = one.tax_returned_fen
        ours["failed"] = _moved({
            withdrawing: one.amount_fen, available: -one.amount_fen - back, withdrawn: back, PAYOUTS: -back, TAX: back,
        })  # fmt: skip
    theirs = {entry.cause: _postings(entry) for entry in posted}
    return [
        Difference(one.withdrawal_id, f"is {one.state}, and its entry {cause} is {_said(ours, theirs, cause)}")
        for cause in sorted(ours.keys() | theirs.keys())
        if ours.get(cause) != theirs.get(cause)
    ]


def _postings(entry: Entry) -> dict[str, int]:
    found: Counter[str] = Counter()
    for posting in entry.postings:
        found[posting.account] += posting.amount_fen
    return _moved(found)


def _moved(fen: Mapping[str, int]) -> dict[str, int]:
    return {account: amount for account, amount in fen.items() if amount}


def _said(ours: Mapping[str, object], theirs: Mapping[str, object], cause: str) -> str:
    if cause not in theirs:
        return "missing"
    return "another one" if cause in ours else "too many"


def _of_transfers(ours: Mapping[str, Withdrawal], theirs: Mapping[str, Transfer]) -> list[Difference]:
    found: list[Difference] = []
    for number, transfer in theirs.items():
        one = ours.get(number)
        if one is None:
            what = f"WeChat has a transfer of {transfer.amount_fen} fen that we do not have"
            found.append(Difference(number, what))
            continue
        if transfer.amount_fen != (net := _net(one)):
            found.append(Difference(number, f"we sent {net} fen, WeChat says {transfer.amount_fen}"))
        state = _ENDS.get(transfer.state, "open")
        # One that is open here may have failed there: it will be asked for. Money that is gone is another matter.
        if state != one.state and ("succeeded" in (state, one.state) or one.state in ("failed", "reviewing")):
            found.append(Difference(number, f"is {one.state}, WeChat says {transfer.state}"))
    return found + [
        Difference(number, "is succeeded, and WeChat has no such transfer")
        for number, one in ours.items()
        if one.state == "succeeded" and number not in theirs
    ]


def _net(one: Withdrawal) -> int:
    return one.amount_fen - one.tax_fen - one.fee_fen


def _of_allowance(member_id: str, allowance: Allowance, withdrawals: list[Withdrawal]) -> list[Difference]:
    """What is counted of a member's day, month and year, against the withdrawals that were made in them, and what was
    carried over from the member they were before."""
    day = allowance.day
    before = allowance.carried or Allowance(day=day)
    counted = before if before.day == day else Allowance(day=day)
    in_year = before if before.day.year == day.year else Allowance(day=day)
    carried = _carried(allowance)

    def sums(month: str) -> tuple[int, int]:
        (fen, tax), (more_fen, more_tax) = _paid(months[month]), carried.get(month, (0, 0))
        return fen + more_fen, tax + more_tax

    months: dict[str, list[Withdrawal]] = defaultdict(list)
    for one in withdrawals:
        months[_month(one)].append(one)
    this_year = [one for one in withdrawals if clock.day(one.created_at).year == day.year]
    today = [one for one in this_year if one.state != "failed" and clock.day(one.created_at) == day]
    asked_in = {clock.day(one.created_at).month for one in this_year} | ({in_year.first_month} - {0})
    month_fen, month_tax_fen = sums(day.isoformat()[:7])
    year_fen, year_tax_fen = _paid(this_year)
    right = {
        "count": len(today) + counted.count, "fen": sum(one.amount_fen for one in today) + counted.fen,
        "month_fen": month_fen, "month_tax_fen": month_tax_fen,
        "year_fen": year_fen + in_year.year_fen, "year_tax_fen": year_tax_fen + in_year.year_tax_fen,
        "first_month": min(asked_in, default=0),
    }  # fmt: skip
    says = {field: getattr(allowance, field) for field in right}
    for earlier, kept in allowance.earlier.items():
        says |= {f"fen in {earlier}": kept.fen, f"fen of tax in {earlier}": kept.tax_fen}
        fen, tax = sums(earlier)
        right |= {f"fen in {earlier}": fen, f"fen of tax in {earlier}": tax}
    return [
        Difference(member_id, f"its allowance is {fen} {field}, its withdrawals say {right[field]}")
        for field, fen in says.items()
        if fen != right[field]
    ]


def _carried(allowance: Allowance | None) -> dict[str, tuple[int, int]]:
    """What the person had taken out in each month, and the tax on it, as the member they were before they returned."""
    before = None if allowance is None else allowance.carried
    if before is None:
        return {}
    found = {month: (kept.fen, kept.tax_fen) for month, kept in before.earlier.items()}
    return found | {before.day.isoformat()[:7]: (before.month_fen, before.month_tax_fen)}


def _paid(withdrawals: Iterable[Withdrawal]) -> tuple[int, int]:
    """What was taken out with these and has not failed, and the tax on it; tax that was returned is out of
    both."""
    fen = tax = 0
    for one in withdrawals:
        stands = one.state != "failed"
        fen += one.amount_fen * stands - one.tax_returned_fen
        tax += one.tax_fen * stands - one.tax_returned_fen
    return fen, tax


def _month(one: Withdrawal) -> str:
    return clock.day(one.created_at).isoformat()[:7]


def _of_deductions(
    withdrawals: list[Withdrawal],
    rules: Mapping[int, WithdrawalRules | None],
    carried: Mapping[str, tuple[int, int]],
) -> list[Difference]:
    """Each fee by the settings of its version; and the tax of each month by what was taken out in it, by the member or,
    `carried` over, by the one they were before."""
    found: list[Difference] = []
    months: dict[tuple[str, str], list[Withdrawal]] = defaultdict(list)
    for one in withdrawals:
        held = rules.get(one.rules_version)
        if held is None:
            what = f"was made by version {one.rules_version} of the settings, which is not kept"
            found.append(Difference(one.withdrawal_id, what))
            continue
        fee = one.amount_fen * held.fee_bp // _WHOLE_BP
        if one.fee_fen != fee:
            found.append(Difference(one.withdrawal_id, f"its fee is {one.fee_fen} fen, by the settings {fee}"))
        if held.tax == "none" and one.tax_fen:
            found.append(Difference(one.withdrawal_id, f"{one.tax_fen} fen tax are withheld, by the settings none"))
        months[one.member_id, _month(one)].append(one)
    for (member_id, month), its in months.items():
        taxes = {held.tax for one in its if (held := rules.get(one.rules_version)) is not None}
        if taxes == {"labour"}:
            before = carried.get(month, (0, 0))
            found += [Difference(f"{member_id} {month}", what) for what in _tax_faults(its, before)]
    return found


def _tax_faults(month: list[Withdrawal], before: tuple[int, int]) -> Iterator[str]:
    """The tax on a month is that on the sum of what was taken out in it, in whatever parts, and whatever failed.
    Nothing is said where what was taken out `before` was not taxed so: the mall withheld nothing then. Of two members
    who turned out to be one each was taxed for themselves, which is no more than what is due of both."""
    fen_before, tax_before = before
    if tax_before != _labour_tax(fen_before):
        return
    fen, tax = _paid(month)
    fen, tax = fen + fen_before, tax + tax_before
    is_apart = len({one.asked_as or one.member_id for one in month}) > 1
    if tax > _labour_tax(fen) or (tax != _labour_tax(fen) and not is_apart):
        yield f"{tax} fen tax are withheld of {fen}, by law {_labour_tax(fen)}"


def _labour_tax(fen: int) -> int:
    """Income tax on labour remuneration of a month: 800 yuan are free up to 4,000, above that a fifth; of what remains
    20 %, above 20,000 yuan 30 % less 2,000, above 50,000 yuan 40 % less 7,000. Rounded down to the fen."""
    taxable = max(0, fen - 80_000) if fen <= 400_000 else fen - -(-fen // 5)
    if taxable > 5_000_000:
        return taxable * 2 // 5 - 700_000
    if taxable > 2_000_000:
        return taxable * 3 // 10 - 200_000
    return taxable // 5


def _overdue(one: Withdrawal, now: datetime) -> Iterator[str]:
    since = one.submitted_at
    if one.state in ("processing", "awaiting_confirmation") and since is not None and now - since > ENDED_AFTER:
        yield f"is {one.state} since {since:%Y-%m-%d}"
