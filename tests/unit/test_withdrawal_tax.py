"""What a month withholds: income tax on what was paid in it, however it was split and whatever failed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.growth.payouts.limits.rules import (
    Allowance,
    MonthSum,
    deductions,
    labour_tax_of,
    no_tax,
    tax_to_return,
)
from chalicelib.growth.payouts.rules import AMOUNT_FEN_MAX, Tax, Withdrawal, WithdrawalRules

START = date(2026, 11, 22)
#: Amounts of which something is left to send, whatever is kept back.
AMOUNTS = st.integers(30, AMOUNT_FEN_MAX)


class Member:
    """Who withdraws, with what has become of each withdrawal, and the balance that all of it comes to."""

    def __init__(self) -> None:
        self.allowance = Allowance(day=START)
        self.day = START
        self.open: list[Withdrawal] = []
        self.paid: list[Withdrawal] = []
        self.failed: list[Withdrawal] = []

    def ask(self, amount_fen: int, tax: Tax = "labour") -> Withdrawal:
        before = self.allowance.on(self.day)
        tax_fen, fee_fen = deductions(amount_fen, before, WithdrawalRules(tax=tax, fee_bp=100))
        made = Withdrawal(
            withdrawal_id="w", member_id="m", openid="o", state="processing", first_state="processing",
            amount_fen=amount_fen, tax_fen=tax_fen, fee_fen=fee_fen, rules_version=1,
            created_at=datetime(self.day.year, self.day.month, self.day.day, 4, tzinfo=UTC),
        )  # fmt: skip
        self.allowance = before.with_one(made, tax)
        self.open.append(made)
        return made

    def pay(self, number: int) -> None:
        self.paid.append(self.open.pop(number))

    def fail(self, number: int) -> int:
        """It fails; what comes back of the tax of its month."""
        made = self.open.pop(number)
        returned = tax_to_return(made, self.allowance)
        after = msgspec.structs.replace(made, state="failed", tax_returned_fen=returned)
        self.allowance = self.allowance.without(after)
        self.failed.append(after)
        return returned

    def of_month(self, month: int) -> tuple[int, int]:
        """What was paid in a month or will be, and what is withheld of it."""
        standing = [one for one in self.open + self.paid if one.created_at.month == month]
        returned = sum(one.tax_returned_fen for one in self.failed if one.created_at.month == month)
        gross, tax = sum(one.amount_fen for one in standing), sum(one.tax_fen for one in standing)
        return gross - returned, tax - returned


deeds = st.one_of(
    st.tuples(st.just("ask"), AMOUNTS), st.tuples(st.sampled_from(["pay", "fail"]), st.integers(0, 20)),
    st.tuples(st.just("next month"), st.just(0)),
)  # fmt: skip


@given(st.lists(deeds, max_size=40))
def test_whatever_fails_a_month_withholds_the_tax_on_what_was_paid_in_it_to_the_fen(
    played: list[tuple[str, int]],
) -> None:
    member = Member()
    for what, number in played:
        if what == "ask":
            made = member.ask(number)
            assert made.net_fen >= 10
        elif what == "next month":
            member.day = date(2026, 12, 3)
        elif member.open and what == "pay":
            member.pay(number % len(member.open))
        elif member.open:
            before = member.open[number % len(member.open)]
            returned = member.fail(number % len(member.open))
            assert before.amount_fen + returned >= before.net_fen + before.fee_fen
        for month in (11, 12):
            paid, withheld = member.of_month(month)
            assert 0 <= withheld == labour_tax_of(paid)
    month = member.allowance
    assert (month.month_fen, month.month_tax_fen) == member.of_month(month.day.month)
    assert month.year_fen == sum(member.of_month(month)[0] for month in (11, 12))
    assert month.year_tax_fen == sum(member.of_month(month)[1] for month in (11, 12))


def test_what_was_withheld_because_of_a_withdrawal_that_fails_is_returned() -> None:
    member = Member()
    assert [member.ask(80_000).tax_fen for _ in range(2)] == [0, 16_000]
    assert member.fail(0) == 16_000
    assert member.of_month(11) == (64_000, 0)


def test_when_the_other_fails_too_what_was_returned_is_taken_off_what_comes_back() -> None:
    member = Member()
    member.ask(80_000), member.ask(80_000)
    assert [member.fail(0), member.fail(0)] == [16_000, -16_000]
    assert member.of_month(11) == (0, 0)


def test_where_the_others_were_kept_back_too_little_without_it_that_is_taken_off() -> None:
    member = Member()
    assert [member.ask(fen).tax_fen for fen in (199_999, 199_999, 199_999)] == [23_999, 40_000, 32_000]
    # Of 4,000 yuan 800 are free; of 6,000 a fifth was, which the third was reckoned with.
    assert member.fail(1) == -9_524
    paid, withheld = member.of_month(11)
    assert withheld == labour_tax_of(paid)


@pytest.mark.parametrize("number", [0, 1])
def test_what_was_taken_out_untaxed_is_not_made_up_for_when_something_fails(number: int) -> None:
    member = Member()
    member.ask(150_000, "none")
    member.ask(150_000)
    member.ask(10_000)
    member.fail(number)
    paid, withheld = member.of_month(11)
    assert 0 <= withheld <= labour_tax_of(paid)


def test_what_was_returned_is_never_kept_though_the_rule_came_in_the_middle_of_the_month() -> None:
    member = Member()
    member.ask(199_999, "none")
    member.pay(0)
    member.ask(100_000)
    member.fail(0)
    assert member.of_month(11) == (199_999, 0)


def test_what_was_withheld_too_much_comes_back_also_when_the_rule_is_none_by_then() -> None:
    member = Member()
    member.ask(80_000), member.ask(80_000)
    member.ask(50_000, "none")
    member.fail(2)
    assert member.fail(0) == 16_000


def test_of_a_month_that_is_not_kept_any_more_nothing_is_reckoned_anew() -> None:
    member = Member()
    member.ask(80_000), member.ask(80_000)
    stored_before = msgspec.structs.replace(member.allowance.on(date(2026, 12, 1)), earlier={})
    assert tax_to_return(member.open[0], stored_before) == 0
    assert stored_before.month_of(member.open[0]) is None
    of_older_version = msgspec.structs.replace(member.allowance, taxed_by="none")
    assert tax_to_return(member.open[0], of_older_version) == tax_to_return(member.open[0], member.allowance) > 0


def test_twelve_months_are_kept() -> None:
    known = Allowance(day=START, month_fen=5)
    for month in range(1, 13):
        known = msgspec.structs.replace(known.on(date(2027, month, 1)), month_fen=month)
    assert known.earlier == {"2026-11": MonthSum(5, 0)} | {
        f"2027-{month:02d}": MonthSum(month, 0) for month in range(1, 12)
    }
    assert "2026-11" not in known.on(date(2028, 1, 1)).earlier


def test_where_no_tax_is_withheld_nothing_is() -> None:
    assert [no_tax(amount, Allowance(day=START)) for amount in (0, 1, AMOUNT_FEN_MAX)] == [0, 0, 0]
