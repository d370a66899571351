"""How much a member may withdraw, by what they withdrew before, and what is kept back of it. Pure; amounts are fen.

Beside the merchant's limits of one withdrawal and of a day: income tax, by the rule that the merchant has set, and fee.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from datetime import date, datetime

import msgspec

from chalicelib.core import clock
from chalicelib.core.errors import FieldError, MallError, invalid
from chalicelib.growth.distribution.rules import Distributor
from chalicelib.growth.payouts.refusals import (
    ABOVE_MAX,
    BELOW_MIN,
    NOT_APPROVED_YET,
    TOO_LITTLE_LEFT,
    TOO_MANY_TODAY,
    TOO_MUCH_TODAY,
    money,
)
from chalicelib.growth.payouts.rules import NET_FEN_MIN, Tax, Withdrawal, WithdrawalRules, WithdrawalState

_WHOLE_BP = 10_000
#: Of how many months before this one it is kept what was withdrawn in them: what is open so long is concluded by hand.
_MONTHS_KEPT = 12


class MonthSum(msgspec.Struct, frozen=True):
    """What was withdrawn in a month and has not failed, and the tax kept back of it."""

    fen: int
    tax_fen: int


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What a member has withdrawn on a day, in its month and its year, that has not failed: how often, how much, which
    tax. What was returned of a month's tax is out of both again. `first_month` is the year's first (1-12, 0: none) in
    which they asked for any, whatever became of it. `earlier`: the months before, by name ("2026-11"), in which
    something may still fail; `taxed_by`: the last rule that kept anything back; none is known of what was kept back
    before versions that write it, which was by the only rule there was. `carried`: what of all this they had withdrawn
    as the member they were before they returned.
    """

    day: date
    count: int = 0
    fen: int = 0
    month_fen: int = 0
    month_tax_fen: int = 0
    year_fen: int = 0
    year_tax_fen: int = 0
    first_month: int = 0
    earlier: dict[str, MonthSum] = {}
    taxed_by: Tax = "none"
    carried: Allowance | None = None

    @property
    def months(self) -> int:
        """The months of the year from the first one on, this one included."""
        return self.day.month - (self.first_month or self.day.month) + 1

    def on(self, today: date) -> Allowance:
        """Take it to a later day: a new day begins with nothing, a new month and a new year as well."""
        if today <= self.day:
            return self
        if _month(today) == _month(self.day):
            return msgspec.structs.replace(self, day=today, count=0, fen=0)
        earlier = self.earlier
        if self.month_fen:
            over = earlier | {_month(self.day): MonthSum(self.month_fen, self.month_tax_fen)}
            earlier = dict(sorted(over.items())[-_MONTHS_KEPT:])
        if today.year != self.day.year:
            return Allowance(day=today, earlier=earlier, taxed_by=self.taxed_by, carried=self.carried)
        return msgspec.structs.replace(self, day=today, count=0, fen=0, month_fen=0, month_tax_fen=0, earlier=earlier)

    def with_one(self, withdrawal: Withdrawal, rule: Tax = "none") -> Allowance:
        """Count this withdrawal, of which tax was kept back by that rule."""
        after = self._plus(withdrawal, 1, withdrawal.amount_fen, withdrawal.tax_fen)
        return after if rule == "none" else msgspec.structs.replace(after, taxed_by=rule)

    def without(self, withdrawal: Withdrawal) -> Allowance:
        """Count this withdrawal, which has failed, no more; nor what came back with it of its month's tax."""
        returned = withdrawal.tax_returned_fen
        return self._plus(withdrawal, -1, -withdrawal.amount_fen - returned, -withdrawal.tax_fen - returned)

    def handed_on(self) -> Allowance:
        """Let it go on for the member whom the person becomes who has returned."""
        return msgspec.structs.replace(self, carried=msgspec.structs.replace(self, carried=None))

    def plus(self, other: Allowance) -> Allowance:
        """Add up what was withdrawn by these two up to the same day."""
        added = ("count", "fen", "month_fen", "month_tax_fen", "year_fen", "year_tax_fen")
        months = sorted({**self.earlier, **other.earlier})[-_MONTHS_KEPT:]
        nothing = MonthSum(0, 0)
        pairs = {name: (self.earlier.get(name, nothing), other.earlier.get(name, nothing)) for name in months}
        firsts = [month for month in (self.first_month, other.first_month) if month]
        before = (self.carried, other.carried)
        return Allowance(
            day=self.day,
            **{field: getattr(self, field) + getattr(other, field) for field in added},
            first_month=min(firsts, default=0),
            earlier={name: MonthSum(a.fen + b.fen, a.tax_fen + b.tax_fen) for name, (a, b) in pairs.items()},
            taxed_by=other.taxed_by if self.taxed_by == "none" else self.taxed_by,
            carried=joined(*before) if None not in before else before[0] or before[1],  # type: ignore[arg-type]
        )

    def month_of(self, withdrawal: Withdrawal) -> MonthSum | None:
        """Give what was withdrawn in the month of this withdrawal; None where that is not kept any more."""
        name = _month(clock.day(withdrawal.created_at))
        return MonthSum(self.month_fen, self.month_tax_fen) if name == _month(self.day) else self.earlier.get(name)

    def _plus(self, withdrawal: Withdrawal, one: int, fen: int, tax_fen: int) -> Allowance:
        """Count it once more or less, in what is kept of its day, its month and its year."""
        made = clock.day(withdrawal.created_at)
        name, in_day, in_year = _month(made), made == self.day, made.year == self.day.year
        in_month, known = name == _month(self.day), self.earlier.get(name)
        later = {} if known is None else {name: MonthSum(known.fen + fen, known.tax_fen + tax_fen)}
        return Allowance(
            day=self.day,
            count=self.count + one * in_day,
            fen=self.fen + one * withdrawal.amount_fen * in_day,
            month_fen=self.month_fen + fen * in_month,
            month_tax_fen=self.month_tax_fen + tax_fen * in_month,
            year_fen=self.year_fen + fen * in_year,
            year_tax_fen=self.year_tax_fen + tax_fen * in_year,
            first_month=min(self.first_month or made.month, made.month) if in_year else self.first_month,
            earlier=self.earlier | later,
            taxed_by=self.taxed_by,
            carried=self.carried,
        )


def joined(first: Allowance, second: Allowance) -> Allowance:
    """Make one of what two members have withdrawn who turned out to be one person: their limits count both. What was
    kept back of each stays; no tax is made up for that would have been due of both together."""
    today = max(first.day, second.day)
    return first.on(today).plus(second.on(today))


def _month(day: date) -> str:
    return day.isoformat()[:7]


def new_withdrawal(
    withdrawal_id: str, amount_fen: int, distributor: Distributor, openid: str, before: Allowance,
    rules: WithdrawalRules, rules_version: int, now: datetime,
) -> Withdrawal:  # fmt: skip
    """Make the withdrawal that a distributor asks for; it is to be reviewed where it is large or they are suspended.

    Raises `distributor_state` while they wait to be approved, `withdrawal_limit`, `invalid`.
    """
    if distributor.state == "pending":
        error = NOT_APPROVED_YET.at("member_id")
        raise MallError("distributor_state", errors=(error,), state=distributor.state)
    check_limits(amount_fen, before, rules)
    tax, fee = deductions(amount_fen, before, rules)
    is_large = rules.review_from_fen is not None and amount_fen >= rules.review_from_fen
    state: WithdrawalState = "reviewing" if is_large or distributor.state == "suspended" else "processing"
    return Withdrawal(
        withdrawal_id=withdrawal_id, member_id=distributor.member_id, openid=openid, state=state, first_state=state,
        amount_fen=amount_fen, tax_fen=tax, fee_fen=fee, rules_version=rules_version, created_at=now,
        submitted_at=now if state == "processing" else None,
    )  # fmt: skip


def check_limits(amount_fen: int, before: Allowance, rules: WithdrawalRules) -> None:
    """Refuse an amount that may not be withdrawn on that day, naming the limit. Raises `withdrawal_limit`."""
    if fault := _broken_limit(amount_fen, before, rules):
        limit, error = fault
        raise MallError("withdrawal_limit", limit=limit, errors=(error,))


def _broken_limit(amount_fen: int, before: Allowance, rules: WithdrawalRules) -> tuple[str, FieldError] | None:
    """The first limit that the amount breaks, and what to say of it."""
    if amount_fen < rules.min_fen:
        return "min_fen", BELOW_MIN.at("amount_fen", **money(limit=rules.min_fen))
    if amount_fen > rules.max_fen:
        return "max_fen", ABOVE_MAX.at("amount_fen", **money(limit=rules.max_fen))
    if before.count >= rules.per_day:
        return "per_day", TOO_MANY_TODAY.at("amount_fen", limit=rules.per_day, count=before.count)
    if before.fen + amount_fen > rules.per_day_fen:
        amounts = money(limit=rules.per_day_fen, remaining=max(0, rules.per_day_fen - before.fen))
        return "per_day_fen", TOO_MUCH_TODAY.at("amount_fen", **amounts)
    return None


def deductions(amount_fen: int, before: Allowance, rules: WithdrawalRules) -> tuple[int, int]:
    """Compute tax and fee of a withdrawal, in fen, after what was withdrawn before it. Raises `invalid` when too little
    remains to be sent."""
    tax = TAXES[rules.tax](amount_fen, before)
    fee = amount_fen * rules.fee_bp // _WHOLE_BP
    if amount_fen - tax - fee < NET_FEN_MIN:
        raise invalid(TOO_LITTLE_LEFT.at("amount_fen", **money(limit=NET_FEN_MIN)))
    return tax, fee


# --- income tax -----------------------------------------------------------------------------------


#: What is withheld of an amount, given what was withdrawn before it in its month and its year, what was withheld of
#: that, and how many months of the year it has been: what rules by payment, by month and by the year so far need.
TaxRule = Callable[[int, Allowance], int]


def tax_to_return(failed: Withdrawal, before: Allowance) -> int:
    """Reckon anew the month of a withdrawal that has failed: what the others of it were kept back because of it, in
    fen. It goes back to the balance, and so counts as not withdrawn; then the month withholds exactly what all that was
    paid in it would as one.

    Below zero, and no more than its own tax, where they were kept back too little without it: the fifth that is free
    from 4,000 yuan on is theirs no more. That comes off what it gives back. What was taken out untaxed, before the mall
    withheld anything, is not made up for.
    """
    month = before.month_of(failed)
    if month is None:
        return 0
    others_fen, others_tax = month.fen - failed.amount_fen, month.tax_fen - failed.tax_fen
    start = _before_month(before, failed, month)

    rule = TAXES["labour" if before.taxed_by == "none" else before.taxed_by]

    def due(fen: int) -> int:
        return rule(fen, start)

    def short(returned: int) -> int:
        """What more would be due if so much were returned: it never falls as more is, and rises by 1 fen at most."""
        return due(others_fen - returned) - (others_tax - returned)

    if short(0) <= 0:
        return bisect_left(range(others_tax), 0, key=short)
    if month.tax_fen < due(month.fen):
        return min(0, others_tax)
    least = -failed.tax_fen
    return least + bisect_right(range(least, 0), 0, key=short) - 1


def _before_month(allowance: Allowance, failed: Withdrawal, month: MonthSum) -> Allowance:
    """The allowance as it was before anything was withdrawn in the month of that withdrawal."""
    made = clock.day(failed.created_at)
    if made.year != allowance.day.year:
        return Allowance(day=made)
    later = [one for name, one in allowance.earlier.items() if name > _month(made)]
    if _month(made) != _month(allowance.day):
        later.append(MonthSum(allowance.month_fen, allowance.month_tax_fen))
    return Allowance(
        day=made,
        year_fen=allowance.year_fen - month.fen - sum(one.fen for one in later),
        year_tax_fen=allowance.year_tax_fen - month.tax_fen - sum(one.tax_fen for one in later),
        first_month=allowance.first_month,
    )


def no_tax(_amount_fen: int, _before: Allowance) -> int:
    """Withhold nothing."""
    return 0


def labour_tax(amount_fen: int, before: Allowance) -> int:
    """Withhold income tax on labour remuneration, by calendar month (State Taxation Administration, announcement 61 of
    2018).

    That is the month's tax so far, less what was withheld: rounded down on the month's sum, so that however a sum is
    split, all parts together withhold exactly what it would as one. What was taken out before the mall withheld
    anything is not made up for; what was withheld too much, because something failed and was not reckoned anew, is set
    off.
    """
    owed_before = labour_tax_of(before.month_fen)
    return max(0, labour_tax_of(before.month_fen + amount_fen) - max(before.month_tax_fen, owed_before))


#: Of the taxable part: the fen above which a bracket holds, its percentage, and the fen that are deducted.
_BRACKETS = ((5_000_000, 40, 700_000), (2_000_000, 30, 200_000), (0, 20, 0))
_FREE_FEN = 80_000
_FREE_UP_TO_FEN = 400_000


def labour_tax_of(month_fen: int) -> int:
    """Compute the tax on a month's remuneration, in fen: 800 yuan of it are free, above 4,000 a fifth; 20, 30 or 40 %
    of the rest."""
    taxable = max(0, month_fen - _FREE_FEN) if month_fen <= _FREE_UP_TO_FEN else month_fen * 4 // 5
    percent, off = next((percent, off) for above, percent, off in _BRACKETS if taxable > above or not above)
    return taxable * percent // 100 - off


TAXES: Mapping[str, TaxRule] = {"none": no_tax, "labour": labour_tax}
