"""What a member has withdrawn, by day, month and year, and a month reckoned anew by a rule that looks at the year."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.distribution.rules import Distributor, DistributorState
from chalicelib.growth.payouts.limits.rules import (
    TAXES,
    Allowance,
    MonthSum,
    check_limits,
    deductions,
    new_withdrawal,
    tax_to_return,
)
from chalicelib.growth.payouts.rules import NET_FEN_MIN, Tax, Withdrawal, WithdrawalRules, WithdrawalState

START = date(2026, 10, 5)
NOON = datetime(2026, 10, 5, 4, tzinfo=UTC)


def withdrawal(day: date, amount_fen: int, tax_fen: int) -> Withdrawal:
    return Withdrawal(
        withdrawal_id="w", member_id="m", openid="o", state="processing", first_state="processing",
        amount_fen=amount_fen, tax_fen=tax_fen, fee_fen=0, rules_version=1,
        created_at=datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
    )  # fmt: skip


class Account:
    """All withdrawals of a member as they are, in a list, and the allowance that is kept of them."""

    def __init__(self) -> None:
        self.day = START
        self.allowance = Allowance(day=START)
        self.asked: list[Withdrawal] = []
        self.kept: list[str] = []
        self.taxed_by: Tax = "none"

    def ask(self, amount_fen: int, tax_fen: int, rule: Tax) -> None:
        self.asked.append(withdrawal(self.day, amount_fen, tax_fen))
        self.allowance = self.allowance.with_one(self.asked[-1], rule)
        self.taxed_by = rule if rule != "none" else self.taxed_by

    def fail(self, number: int, returned: int) -> None:
        after = msgspec.structs.replace(self.asked[number], state="failed", tax_returned_fen=returned)
        self.asked[number] = after
        self.allowance = self.allowance.without(after)

    def wait(self, days: int) -> None:
        month = f"{self.day:%Y-%m}"
        self.day += timedelta(days=days)
        if month != f"{self.day:%Y-%m}" and self.of(month)[0]:
            self.kept = [*self.kept, month][-12:]
        self.allowance = self.allowance.on(self.day)

    def open(self) -> list[int]:
        return [number for number, one in enumerate(self.asked) if one.open]

    def of(self, when: str) -> tuple[int, int]:
        """What was withdrawn in a year, a month or on a day ("2026", "2026-11", "2026-11-03"), and the tax of it, less
        what was returned."""
        there = [one for one in self.asked if str(one.created_at).startswith(when)]
        standing, returned = [one for one in there if one.open], sum(one.tax_returned_fen for one in there)
        fen, tax_fen = sum(one.amount_fen for one in standing), sum(one.tax_fen for one in standing)
        return fen - returned, tax_fen - returned

    def told(self) -> Allowance:
        today = [one for one in self.asked if one.created_at.date() == self.day and one.open]
        months = [one.created_at.month for one in self.asked if one.created_at.year == self.day.year]
        (month_fen, month_tax), (year_fen, year_tax) = self.of(f"{self.day:%Y-%m}"), self.of(f"{self.day:%Y}")
        return Allowance(
            day=self.day, count=len(today), fen=sum(one.amount_fen for one in today), month_fen=month_fen,
            month_tax_fen=month_tax, year_fen=year_fen, year_tax_fen=year_tax, first_month=min(months, default=0),
            earlier={month: MonthSum(*self.of(month)) for month in self.kept}, taxed_by=self.taxed_by,
        )  # fmt: skip


RULES: st.SearchStrategy[Tax] = st.sampled_from(["none", "labour"])
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(30, 5_000), st.integers(0, 30)),
        st.tuples(st.just("fail"), st.integers(0, 20), st.integers(-20, 20)),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 9, 27, 33, 95, 366]), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(DEEDS, RULES)
def test_whatever_fails_when_it_is_known_what_was_withdrawn_on_a_day_in_a_month_and_a_year(
    deeds: list[tuple[str, int, int]], rule: Tax
) -> None:
    account = Account()
    for what, number, fen in deeds:
        if what == "ask":
            account.ask(number, fen, rule if fen % 2 else "none")
        elif what == "wait":
            account.wait(number)
        elif can_fail := [place for place in account.open() if f"{account.asked[place].created_at:%Y-%m}" in (
            f"{account.day:%Y-%m}", *account.kept)]:  # fmt: skip
            account.fail(can_fail[number % len(can_fail)], fen)
        assert account.allowance == account.told()
    months = {one.created_at.month for one in account.asked if one.created_at.year == account.day.year}
    assert account.allowance.months == account.day.month - min(months, default=account.day.month) + 1


def test_in_whatever_order_months_are_kept_the_oldest_goes_first() -> None:
    known = {f"2025-{month:02d}": MonthSum(month, 0) for month in (12, 2, 7, 11, 3, 1, 9, 5, 4, 8, 10, 6)}
    after = Allowance(day=START, month_fen=8, month_tax_fen=1, earlier=known).on(date(2026, 11, 1))
    assert after.earlier == {month: one for month, one in known.items() if month != "2025-01"} | {
        "2026-10": MonthSum(8, 1)
    }


def test_who_asked_in_an_earlier_month_than_was_noted_did_so() -> None:
    noted_since = Allowance(day=START, count=1, fen=50, month_fen=50, year_fen=50, first_month=10)
    august, last_year = withdrawal(date(2026, 8, 1), 30, 0), withdrawal(date(2025, 8, 1), 30, 0)
    assert noted_since.without(august).first_month == 8
    assert noted_since.without(last_year) == noted_since


# A month reckoned anew


def of_the_year(fen: int, months: int) -> int:
    """The tax on a year's sum of which 50 yuan a month are free: a tenth, above 300 yuan a third."""
    taxable = max(0, fen - 5_000 * months)
    return taxable // 10 if taxable <= 30_000 else 3_000 + (taxable - 30_000) // 3


def by_the_year(amount_fen: int, before: Allowance) -> int:
    return max(0, of_the_year(before.year_fen + amount_fen, before.months) - before.year_tax_fen)


@pytest.fixture(autouse=True, scope="module")
def _a_rule_by_the_year() -> Iterator[None]:
    with patch.dict(TAXES, labour=by_the_year):
        yield


def short_of(account: Account, failed: Withdrawal, fen: int, tax_fen: int) -> int:
    """What more the month of that withdrawal would have to withhold if so much was withdrawn in it and withheld: from
    the list of all withdrawals. Of an earlier year nothing is known but the month."""
    made = failed.created_at
    year_fen = year_tax = 0
    months = 1
    if made.year == account.day.year:
        for month in range(1, made.month):
            of_month = account.of(f"{made.year}-{month:02d}")
            year_fen, year_tax = year_fen + of_month[0], year_tax + of_month[1]
        months += made.month - min(one.created_at.month for one in account.asked if one.created_at.year == made.year)
    return max(0, of_the_year(year_fen + fen, months) - year_tax) - tax_fen


#: What is asked for in a month, each by a rule, and which of all that are open fail then.
ASKED = st.lists(
    st.tuples(st.integers(30, 40_000), st.sampled_from(["labour", "labour", "labour", "none"])), max_size=4
)
MONTHS = st.lists(st.tuples(ASKED, st.lists(st.integers(0, 99), max_size=3)), min_size=1, max_size=5)


@settings(max_examples=100)
@given(MONTHS)
def test_what_comes_back_of_a_month_s_tax_is_just_so_much_that_it_withholds_what_is_due(
    months: list[tuple[list[tuple[int, Tax]], list[int]]],
) -> None:
    account = Account()
    for asked, failing in months:
        for fen, rule in asked:
            tax_fen = TAXES[rule](fen, account.allowance)
            if fen - tax_fen >= NET_FEN_MIN:
                account.ask(fen, tax_fen, rule)
        for number in failing:
            if still := [one for one in account.open() if _is_kept(account, one)]:
                one = still[number % len(still)]
                account.fail(one, _checked_return(account, one))
        account.wait(30)


def _is_kept(account: Account, number: int) -> bool:
    return f"{account.asked[number].created_at:%Y-%m}" in (f"{account.day:%Y-%m}", *account.kept)


def _checked_return(account: Account, number: int) -> int:
    failed = account.asked[number]
    fen, tax_fen = account.of(f"{failed.created_at:%Y-%m}")
    others_fen, others_tax = fen - failed.amount_fen, tax_fen - failed.tax_fen

    def short(returned: int) -> int:
        return short_of(account, failed, others_fen - returned, others_tax - returned)

    returned = tax_to_return(failed, account.allowance)
    if account.taxed_by == "none" or short(0) == 0:
        assert returned == 0
    elif short(0) < 0:
        assert returned > 0
        assert (short(returned), short(returned - 1)) == (0, -1)
    elif short_of(account, failed, fen, tax_fen) > 0:
        assert returned == min(0, others_tax)  # something was taken out untaxed
    else:
        assert -failed.tax_fen <= returned < 0
        assert (short(returned), short(returned + 1)) == (0, 1)
    return returned


# One withdrawal


@pytest.mark.parametrize(
    ("amount_fen", "fee_bp", "fee_fen"), [(10, 0, 0), (10, 999, 0), (11, 1_000, 1), (9, 0, None), (10, 1_000, None)]
)
def test_ten_fen_are_to_be_sent_at_least(amount_fen: int, fee_bp: int, fee_fen: int | None) -> None:
    before, rules = Allowance(day=START), WithdrawalRules(fee_bp=fee_bp)
    if fee_fen is not None:
        assert deductions(amount_fen, before, rules) == (0, fee_fen)
        return
    with pytest.raises(MallError) as refused:
        deductions(amount_fen, before, rules)
    (error,) = refused.value.errors
    assert (refused.value.code, error.field, error.data()["limit_fen"]) == ("invalid", "amount_fen", 10)


def test_where_more_than_a_day_s_limit_was_withdrawn_nothing_remains_of_it() -> None:
    with pytest.raises(MallError) as refused:
        check_limits(100, Allowance(day=START, count=1, fen=501), WithdrawalRules(per_day_fen=500))
    told = refused.value.errors[0].data()
    assert (told["limit_fen"], told["remaining_fen"]) == (500, 0)


@pytest.mark.parametrize(
    ("of_whom", "amount_fen", "review_from_fen", "state"),
    [
        ("active", 19_999, 20_000, "processing"),
        ("active", 20_000, 20_000, "reviewing"),
        ("active", 199_999, None, "processing"),
        ("active", 100, 0, "reviewing"),
        ("suspended", 19_999, 20_000, "reviewing"),
        ("suspended", 20_000, 20_000, "reviewing"),
        ("suspended", 100, None, "reviewing"),
    ],
)
def test_what_is_asked_for_is_kept_whole_and_submitted_unless_it_is_to_be_reviewed(
    of_whom: DistributorState, amount_fen: int, review_from_fen: int | None, state: WithdrawalState
) -> None:
    who = Distributor(member_id="m1", state=of_whom, invite_code="i", applied_at=NOON)
    rules = WithdrawalRules(review_from_fen=review_from_fen, tax="labour", fee_bp=100)
    before = Allowance(day=START, year_fen=4_000, first_month=10)
    assert new_withdrawal("w1", amount_fen, who, "openid", before, rules, 7, NOON) == Withdrawal(
        withdrawal_id="w1", member_id="m1", openid="openid", state=state, first_state=state, amount_fen=amount_fen,
        tax_fen=of_the_year(4_000 + amount_fen, 1), fee_fen=amount_fen // 100, rules_version=7, created_at=NOON,
        submitted_at=NOON if state == "processing" else None,
    )  # fmt: skip


def test_what_is_above_a_limit_is_not_made() -> None:
    who = Distributor(member_id="m1", state="active", invite_code="i", applied_at=NOON)
    with pytest.raises(MallError) as refused:
        new_withdrawal("w1", 99, who, "openid", Allowance(day=START), WithdrawalRules(), 7, NOON)
    assert (refused.value.code, refused.value.data) == ("withdrawal_limit", {"limit": "min_fen"})


def test_who_waits_to_be_approved_is_told_so() -> None:
    who = Distributor(member_id="m1", state="pending", invite_code="i", applied_at=NOON)
    with pytest.raises(MallError) as refused:
        new_withdrawal("w1", 1_000, who, "openid", Allowance(day=START), WithdrawalRules(), 7, NOON)
    assert (refused.value.code, refused.value.data, refused.value.errors[0].field) == (
        "distributor_state", {"state": "pending"}, "member_id",
    )  # fmt: skip
