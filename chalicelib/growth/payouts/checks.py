"""The audit of withdrawals: each against its journal entries, its member's allowance and WeChat's books. Pure.

Its caller has read the tables (and, on one machine, asked the sandbox for its books).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from chalicelib.core.difference import Difference
from chalicelib.growth.payouts.limits.rules import Allowance, MonthSum
from chalicelib.growth.payouts.rules import STATES, Withdrawal
from chalicelib.ledger import rules as members
from chalicelib.ledger.rules import Entry


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
) -> list[Difference]:
    """Find every difference; none, when each withdrawal was paid exactly once or gave its money back exactly once, and
    none that has ended withholds anything. WeChat's books and the members' allowances are left out when None."""
    by_id = {one.withdrawal_id: one for one in withdrawals}
    posted: dict[str, list[Entry]] = {number: [] for number in by_id}
    found: list[Difference] = []
    for entry in entries:
        if entry.about in posted:
            posted[entry.about].append(entry)
        elif any(_is_of_withdrawals(posting.account) for posting in entry.postings):
            found.append(Difference(entry.about, f"entry {entry.cause} is of no withdrawal"))
    for one in by_id.values():
        found += _of_entries(one, posted[one.withdrawal_id])
    if transfers is not None:
        found += _of_transfers(by_id, {transfer.out_bill_no: transfer for transfer in transfers})
    by_member: dict[str, list[Withdrawal]] = {member_id: [] for member_id in allowances or {}}
    for one in by_id.values():
        by_member.setdefault(one.member_id, []).append(one)
    for member_id, allowance in (allowances or {}).items():
        found += _of_allowance(member_id, allowance, by_member[member_id])
    return found


def _is_of_withdrawals(account: str) -> bool:
    return account in (members.PAYOUTS, members.TAX, members.FEES) or account.endswith((":withdrawing", ":withdrawn"))


def _of_entries(one: Withdrawal, posted: list[Entry]) -> list[Difference]:
    """What must have been posted, to the fen, and was not; and what was, and must not."""
    about = one.withdrawal_id, one.member_id, one.created_at
    wanted = [members.withdrawal_begun(*about, one.amount_fen)]
    if one.state == "succeeded":
        wanted.append(members.withdrawal_paid(*about, one.amount_fen, one.tax_fen, one.fee_fen))
    elif one.state == "failed":
        wanted.append(members.withdrawal_failed(*about, one.amount_fen, one.tax_returned_fen))
    ours = {entry.cause: entry.postings for entry in wanted}
    theirs = {entry.cause: entry.postings for entry in posted}
    return [
        Difference(one.withdrawal_id, f"is {one.state}, and its entry {cause} is {_said(ours, theirs, cause)}")
        for cause in sorted(ours.keys() | theirs.keys())
        if ours.get(cause) != theirs.get(cause)
    ]


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
        if transfer.amount_fen != one.net_fen:
            found.append(Difference(number, f"we sent {one.net_fen} fen, WeChat says {transfer.amount_fen}"))
        state = STATES[transfer.state]
        # One that is open here may have failed there: it will be asked for. Money that is gone is another matter.
        if state != one.state and ("succeeded" in (state, one.state) or one.state in ("failed", "reviewing")):
            found.append(Difference(number, f"is {one.state}, WeChat says {transfer.state}"))
    return found + [
        Difference(number, "is succeeded, and WeChat has no such transfer")
        for number, one in ours.items()
        if one.state == "succeeded" and number not in theirs
    ]


def _of_allowance(member_id: str, allowance: Allowance, withdrawals: list[Withdrawal]) -> list[Difference]:
    """What is counted of a member's day, month and year, against the withdrawals that were made in them."""
    earlier = {name: MonthSum(0, 0) for name in allowance.earlier}
    recomputed = Allowance(day=allowance.day, earlier=earlier, taxed_by=allowance.taxed_by)
    for one in withdrawals:
        recomputed = recomputed.with_one(one)
        if one.state == "failed":
            recomputed = recomputed.without(one)
    if recomputed == allowance:
        return []
    return [Difference(member_id, f"its allowance is {allowance}, its withdrawals say {recomputed}")]
