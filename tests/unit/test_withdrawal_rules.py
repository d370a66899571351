"""What is kept back of a withdrawal, and what may be withdrawn on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError
from chalicelib.growth.distribution.rules import Distributor
from chalicelib.growth.payouts.limits.rules import (
    TAXES,
    Allowance,
    MonthSum,
    check_limits,
    deductions,
    labour_tax,
    labour_tax_of,
    new_withdrawal,
)
from chalicelib.growth.payouts.refusals import FIELDS
from chalicelib.growth.payouts.rules import AMOUNT_FEN_MAX, Withdrawal, WithdrawalRules, check, quarter_of

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
TODAY = date(2026, 11, 22)
NOTHING = Allowance(day=TODAY)
AMOUNTS = st.integers(1, AMOUNT_FEN_MAX)
#: Up to 100,000 yuan in a month: into the highest bracket.
SUMS = st.integers(0, 10_000_000)


def withdrawal(amount_fen: int = 10_000, at: datetime = NOON, tax_fen: int = 0) -> Withdrawal:
    return Withdrawal(
        withdrawal_id="w1", member_id="m1", openid="o1", state="processing", first_state="processing",
        amount_fen=amount_fen, tax_fen=tax_fen, fee_fen=0, rules_version=1, created_at=at, submitted_at=at,
    )  # fmt: skip


# --- income tax -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yuan", "tax_yuan"),
    [
        (0, 0),
        (800, 0),
        (801, 0.20),
        (2_000, 240),
        (4_000, 640),
        (4_001, 640.16),
        (4_000.06, 640),  # a fifth is free, the rest and its tax are rounded down
        (10_000, 1_600),
        (25_000, 4_000),  # 20,000 taxable: the end of the first bracket
        (30_000, 5_200),  # 24,000 taxable: 30 % less 2,000
        (62_500, 13_000),  # 50,000 taxable
        (100_000, 25_000),  # 80,000 taxable: 40 % less 7,000
    ],
)
def test_labour_remuneration_is_taxed_as_announcement_61_of_2018_says(yuan: float, tax_yuan: float) -> None:
    assert labour_tax_of(round(yuan * 100)) == round(tax_yuan * 100)


@pytest.mark.parametrize(
    ("amount", "withheld", "tax"), [(10_000, 16_000, 0), (90_000, 17_000, 1_000), (90_000, 0, 18_000)]
)
def test_what_was_withheld_too_much_before_is_set_off_and_no_tax_is_below_zero(
    amount: int, withheld: int, tax: int
) -> None:
    assert labour_tax(amount, Allowance(day=TODAY, month_fen=80_000, month_tax_fen=withheld)) == tax


@given(SUMS, SUMS)
def test_who_gets_more_in_a_month_pays_no_less_tax_and_is_left_no_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert labour_tax_of(less) <= labour_tax_of(more)
    assert less - labour_tax_of(less) <= more - labour_tax_of(more)


@given(st.lists(AMOUNTS, min_size=1, max_size=60))
def test_however_a_month_is_split_the_same_is_withheld_to_the_fen(parts: list[int]) -> None:
    month = NOTHING
    for part in parts:
        tax = labour_tax(part, month)
        assert 0 <= tax <= part
        month = month.with_one(withdrawal(part, tax_fen=tax))
    assert (month.month_fen, month.month_tax_fen) == (sum(parts), labour_tax_of(sum(parts)))


@given(AMOUNTS, SUMS)
def test_what_was_taken_out_untaxed_before_the_mall_withheld_is_not_made_up_for(amount: int, before: int) -> None:
    untaxed = Allowance(day=TODAY, month_fen=before)
    assert labour_tax(amount, untaxed) == labour_tax_of(before + amount) - labour_tax_of(before)


@given(AMOUNTS, SUMS, st.sampled_from(sorted(TAXES)), st.integers(0, 1000))
def test_what_is_deductions_and_what_is_sent_make_the_amount(amount: int, month: int, tax: str, fee_bp: int) -> None:
    before = Allowance(day=TODAY, month_fen=month, month_tax_fen=TAXES[tax](month, NOTHING))
    rules = msgspec.convert({"tax": tax, "fee_bp": fee_bp}, WithdrawalRules)
    try:
        tax_fen, fee_fen = deductions(amount, before, rules)
    except MallError as fault:
        assert (fault.code, fault.errors[0].field) == ("invalid", "amount_fen")
        assert amount < 30
        return
    assert tax_fen >= 0
    assert fee_fen == amount * fee_bp // 10_000
    assert amount - tax_fen - fee_fen >= 10


#: Of the year's taxable sum: from so many yuan on, so many percent, less so many yuan.
BRACKETS = ((960_000, 45, 181_920), (660_000, 35, 85_920), (420_000, 30, 52_920), (300_000, 25, 31_920),
            (144_000, 20, 16_920), (36_000, 10, 2_520), (0, 3, 0))  # fmt: skip


def by_the_year(amount_fen: int, before: Allowance) -> int:
    """A rule that a merchant may plug in: cumulative withholding (State Taxation Administration, announcement 16 of
    2025). A fifth of the year's sum is cost, 5,000 yuan of each month are free; of the rest by the table, less what was
    withheld."""
    taxable = max(0, (before.year_fen + amount_fen) * 4 // 5 - 500_000 * before.months)
    percent, off = next((percent, off) for above, percent, off in BRACKETS if taxable > above * 100 or not above)
    return max(0, taxable * percent // 100 - off * 100 - before.year_tax_fen)


def of_a_month(before: Allowance, month: int, yuan: int) -> tuple[Allowance, float]:
    """So much is withdrawn in a month, in parts; what stands afterwards, and what was withheld in yuan."""
    at = datetime(2026, month, 3, 4, tzinfo=UTC)
    before, withheld = before.on(at.date()), 0
    left = yuan * 100
    while left:
        part = min(left, AMOUNT_FEN_MAX)
        tax, _ = deductions(part, before, WithdrawalRules(tax="labour"))
        before, withheld, left = before.with_one(withdrawal(part, at, tax)), withheld + tax, left - part
    return before, withheld / 100


def test_a_rule_by_the_year_so_far_can_be_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TAXES, "labour", by_the_year)  # type: ignore[arg-type]
    so_far = Allowance(day=date(2026, 1, 31))
    withheld = []
    for month, yuan in ((3, 15_000), (4, 15_000), (6, 60_000), (7, 1_000)):
        so_far, tax = of_a_month(so_far, month, yuan)
        withheld.append(tax)
    # 15,000 * 0.8 - 5,000 = 7,000 at 3 %; twice that; 90,000 * 0.8 - 4 * 5,000 = 52,000 at 10 % less 2,520 is 2,680;
    # 91,000 * 0.8 - 25,000 = 47,800 makes 2,260, and more was withheld
    assert withheld == [210, 210, 2_260, 0]
    assert (so_far.months, so_far.first_month, so_far.year_fen, so_far.year_tax_fen) == (5, 3, 9_100_000, 268_000)
    assert (so_far.month_fen, so_far.month_tax_fen) == (100_000, 0)
    new_year = so_far.on(date(2027, 1, 1))
    assert (new_year.year_fen, new_year.year_tax_fen, new_year.months) == (0, 0, 1)


def test_a_rule_that_would_take_it_all_lets_nothing_be_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TAXES, "labour", lambda amount, _: amount + 1)  # type: ignore[arg-type]
    with pytest.raises(MallError, match="invalid"):
        deductions(10_000, NOTHING, WithdrawalRules(tax="labour"))


def test_too_little_left_to_send_is_refused() -> None:
    before = Allowance(day=TODAY, month_fen=10_000_000, month_tax_fen=labour_tax_of(10_000_000))
    rules = WithdrawalRules(tax="labour", fee_bp=1000)
    assert deductions(30, before, rules) == (9, 3)
    with pytest.raises(MallError, match="invalid"):
        deductions(14, before, rules)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount_fen", "before", "limit"),
    [
        (99, NOTHING, "min_fen"),
        (100, NOTHING, None),
        (5_001, NOTHING, "max_fen"),
        (5_000, NOTHING, None),
        (100, Allowance(day=TODAY, count=2, fen=200), None),
        (100, Allowance(day=TODAY, count=3, fen=300), "per_day"),
        (2_000, Allowance(day=TODAY, count=1, fen=5_000), None),
        (2_001, Allowance(day=TODAY, count=1, fen=5_000), "per_day_fen"),
    ],
)
def test_a_limit_that_is_broken_is_named(amount_fen: int, before: Allowance, limit: str | None) -> None:
    rules = WithdrawalRules(max_fen=5_000, per_day=3, per_day_fen=7_000)
    if limit is None:
        check_limits(amount_fen, before, rules)
        return
    with pytest.raises(MallError) as refused:
        check_limits(amount_fen, before, rules)
    assert (refused.value.code, refused.value.data["limit"]) == ("withdrawal_limit", limit)
    assert refused.value.errors[0].field == "amount_fen"


@pytest.mark.parametrize(
    ("amount_fen", "before", "zh", "en", "data"),
    [
        (99, NOTHING, "单笔最低提现 1.00 元", "One withdrawal is of 1.00 yuan at least",
         {"limit_fen": 100, "limit_yuan": "1.00"}),
        (5_001, NOTHING, "单笔最高提现 50.00 元", "One withdrawal is of 50.00 yuan at most",
         {"limit_fen": 5_000, "limit_yuan": "50.00"}),
        (100, Allowance(day=TODAY, count=3, fen=300), "每天最多提现 3 次，今天已提现 3 次，请明天再来",
         "At most 3 withdrawals a day, and there were 3 today; come back tomorrow", {"limit": 3, "count": 3}),
        (2_001, Allowance(day=TODAY, count=1, fen=5_005), "每天最多提现 70.00 元，今天还可提现 19.95 元",
         "At most 70.00 yuan a day, of which 19.95 can be withdrawn today",
         {"limit_fen": 7_000, "limit_yuan": "70.00", "remaining_fen": 1_995, "remaining_yuan": "19.95"}),
    ],
)  # fmt: skip
def test_a_limit_is_told_in_yuan_and_given_in_fen(
    amount_fen: int, before: Allowance, zh: str, en: str, data: dict[str, object]
) -> None:
    with pytest.raises(MallError) as refused:
        check_limits(amount_fen, before, WithdrawalRules(max_fen=5_000, per_day=3, per_day_fen=7_000))
    assert (refused.value.text("zh", FIELDS), refused.value.text("en", FIELDS)) == (zh, en)
    assert refused.value.errors[0].data() == data


@pytest.mark.parametrize(
    ("state", "amount_fen", "expected"),
    [
        ("active", 999, "processing"),
        ("active", 1_000, "reviewing"),
        ("suspended", 999, "reviewing"),
        ("pending", 999, None),
    ],
)
def test_much_money_and_suspended_distributors_are_reviewed_and_pending_ones_wait(
    state: str, amount_fen: int, expected: str | None
) -> None:
    distributor = Distributor(member_id="m1", state=state, invite_code="i", applied_at=NOON)  # type: ignore[arg-type]
    asked = "w1", amount_fen, distributor, "o1", NOTHING, WithdrawalRules(review_from_fen=1_000), 7, NOON
    if expected is None:
        with pytest.raises(MallError) as refused:
            new_withdrawal(*asked)
        assert (refused.value.code, refused.value.errors[0].reason.code) == (  # type: ignore[union-attr]
            "distributor_state",
            "withdraw_once_approved",
        )
        return
    made = new_withdrawal(*asked)
    assert (made.state, made.first_state, made.submitted_at) == (
        expected,
        expected,
        NOON if expected == "processing" else None,
    )
    assert (made.rules_version, made.net_fen, made.at_first()) == (7, amount_fen, made)


def test_a_day_begins_with_nothing_a_month_and_a_year_too_and_time_never_goes_back() -> None:
    year = {"year_fen": 5_000, "year_tax_fen": 50, "first_month": 2}
    before = Allowance(day=TODAY, count=3, fen=300, month_fen=900, month_tax_fen=9, **year)
    assert before.on(TODAY) == before
    assert before.on(date(2026, 11, 23)) == Allowance(day=date(2026, 11, 23), month_fen=900, month_tax_fen=9, **year)
    kept = {"2026-11": MonthSum(900, 9)}
    assert before.on(date(2026, 12, 1)) == Allowance(day=date(2026, 12, 1), earlier=kept, **year)
    assert before.on(date(2027, 1, 1)) == Allowance(day=date(2027, 1, 1), earlier=kept)
    assert before.on(date(2027, 11, 22)) == Allowance(day=date(2027, 11, 22), earlier=kept)
    assert before.on(date(2026, 11, 21)) == before


def test_what_fails_is_given_back_to_the_day_the_month_and_the_year_in_which_it_was_made() -> None:
    made = withdrawal(100, tax_fen=7)
    november = {"first_month": 11}
    assert NOTHING.with_one(made).without(made) == Allowance(day=TODAY, **november)
    tomorrow = NOTHING.with_one(made).on(date(2026, 11, 23))
    later = tomorrow.with_one(withdrawal(50, NOON + timedelta(days=1), 1))
    of_later = {"month_fen": 50, "month_tax_fen": 1, "year_fen": 50, "year_tax_fen": 1} | november
    assert later.without(made) == Allowance(day=later.day, count=1, fen=50, **of_later)
    december = later.on(date(2026, 12, 1))
    kept = {"2026-11": MonthSum(50, 1)}
    assert december.without(made) == Allowance(day=december.day, year_fen=50, year_tax_fen=1, earlier=kept, **november)
    january = december.on(date(2027, 1, 1))
    assert january.without(made) == Allowance(day=january.day, earlier=kept)
    assert msgspec.structs.replace(january, earlier={}).without(made) == Allowance(day=january.day)


def test_no_mall_can_send_what_wechat_would_not_take() -> None:
    for field, value in (("max_fen", 200_000), ("min_fen", 29), ("fee_bp", 1001), ("tax", "guess"), ("per_day", 0)):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({field: value}, WithdrawalRules)
    with pytest.raises(MallError, match="invalid"):
        check(WithdrawalRules(min_fen=200, max_fen=199))
    check(WithdrawalRules(min_fen=200, max_fen=200))


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first_month", "quarter"), [(1, "2026-Q1"), (4, "2026-Q2"), (7, "2026-Q3"), (10, "2026-Q4")])
def test_a_quarter_is_three_months_and_begins_at_midnight_in_shanghai(first_month: int, quarter: str) -> None:
    begins = datetime(2026, first_month, 1, tzinfo=UTC) - timedelta(hours=8)
    ends = datetime(2026 + first_month // 10, (first_month + 2) % 12 + 1, 1, tzinfo=UTC) - timedelta(hours=8, seconds=1)
    middle = datetime(2026, first_month + 1, 15, tzinfo=UTC)
    assert [quarter_of(at) for at in (begins, middle, ends)] == [quarter] * 3
    assert quarter not in (quarter_of(begins - timedelta(seconds=1)), quarter_of(ends + timedelta(seconds=1)))
