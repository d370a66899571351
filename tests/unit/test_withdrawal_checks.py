"""The audit of withdrawals names whatever does not agree, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import clock
from chalicelib.growth.payouts.checks import Transfer, audit_withdrawals
from chalicelib.growth.payouts.limits.rules import Allowance, labour_tax, no_tax
from chalicelib.growth.payouts.rules import Withdrawal, WithdrawalRules, WithdrawalState
from chalicelib.ledger import rules as members
from chalicelib.ledger.rules import Entry

AT = datetime(2026, 11, 22, 4, tzinfo=UTC)
BEGUN = members.withdrawal_begun("w1", "m1", AT, 1000)
PAID = members.withdrawal_paid("w1", "m1", AT, 1000, 30, 5)
FAILED = members.withdrawal_failed("w1", "m1", AT, 1000)
ENDS = {"succeeded": PAID, "failed": FAILED}
THERE: dict[WithdrawalState, str] = {
    "awaiting_confirmation": "WAIT_USER_CONFIRM", "processing": "TRANSFERING", "succeeded": "SUCCESS", "failed": "FAIL",
}  # fmt: skip


def withdrawal(state: WithdrawalState) -> Withdrawal:
    return Withdrawal(
        withdrawal_id="w1", member_id="m1", openid="o1", state=state, first_state="processing", amount_fen=1000,
        tax_fen=30, fee_fen=5, rules_version=1, created_at=AT, submitted_at=AT,
    )  # fmt: skip


def entries(state: WithdrawalState) -> list[Entry]:
    return [BEGUN, ENDS[state]] if state in ENDS else [BEGUN]


def found(state: WithdrawalState, posted: list[Entry] | None = None, **more: Any) -> list[str]:
    told = audit_withdrawals([withdrawal(state)], entries(state) if posted is None else posted, **more)
    return [f"{one.about}: {one.what}" for one in told]


@pytest.mark.parametrize("state", THERE)
def test_what_agrees_is_not_named(state: WithdrawalState) -> None:
    month = clock.day(AT).month
    counted = Allowance(day=clock.day(AT), first_month=month) if state == "failed" else Allowance(
        day=clock.day(AT), count=1, fen=1000, month_fen=1000, month_tax_fen=30, year_fen=1000, year_tax_fen=30,
        first_month=month,
    )  # fmt: skip
    assert found(state, transfers=[Transfer("w1", 965, THERE[state])], allowances={"m1": counted}) == []


def test_one_that_was_refused_or_is_not_sent_yet_is_in_no_book_of_wechat_s() -> None:
    assert found("failed", transfers=[]) == found("reviewing", transfers=[]) == found("processing", transfers=[]) == []


def test_one_that_failed_there_and_is_open_here_will_be_asked_for() -> None:
    assert found("awaiting_confirmation", transfers=[Transfer("w1", 965, "FAIL")]) == []


@pytest.mark.parametrize(
    ("state", "posted", "said"),
    [
        ("succeeded", [BEGUN], "is succeeded, and its entry paid is missing"),
        ("failed", [BEGUN], "is failed, and its entry failed is missing"),
        ("failed", [BEGUN, FAILED, PAID], "is failed, and its entry paid is too many"),
        ("awaiting_confirmation", [BEGUN, PAID], "is awaiting_confirmation, and its entry paid is too many"),
        ("reviewing", [], "is reviewing, and its entry begun is missing"),
        (
            "succeeded",
            [BEGUN, members.withdrawal_paid("w1", "m1", AT, 1000, 30, 0)],
            "is succeeded, and its entry paid is another one",
        ),
    ],
)
def test_entries_that_are_missing_other_or_too_many_are_named(
    state: WithdrawalState, posted: list[Entry], said: str
) -> None:
    assert found(state, posted) == [f"w1: {said}"]


@pytest.mark.parametrize(
    ("state", "transfer", "said"),
    [
        ("failed", Transfer("w1", 965, "SUCCESS"), "is failed, WeChat says SUCCESS"),
        ("failed", Transfer("w1", 965, "WAIT_USER_CONFIRM"), "is failed, WeChat says WAIT_USER_CONFIRM"),
        ("awaiting_confirmation", Transfer("w1", 965, "SUCCESS"), "is awaiting_confirmation, WeChat says SUCCESS"),
        ("succeeded", Transfer("w1", 965, "FAIL"), "is succeeded, WeChat says FAIL"),
        ("succeeded", None, "is succeeded, and WeChat has no such transfer"),
        ("reviewing", Transfer("w1", 965, "WAIT_USER_CONFIRM"), "is reviewing, WeChat says WAIT_USER_CONFIRM"),
        ("succeeded", Transfer("w1", 1000, "SUCCESS"), "we sent 965 fen, WeChat says 1000"),
    ],
)
def test_what_wechat_s_books_say_otherwise_is_named(
    state: WithdrawalState, transfer: Transfer | None, said: str
) -> None:
    assert found(state, transfers=[] if transfer is None else [transfer]) == [f"w1: {said}"]


def test_a_transfer_that_is_not_ours_is_named() -> None:
    books = [Transfer("w1", 965, "SUCCESS"), Transfer("w2", 7, "WAIT_USER_CONFIRM")]
    assert found("succeeded", transfers=books) == ["w2: WeChat has a transfer of 7 fen that we do not have"]


def test_an_entry_of_no_withdrawal_is_named_and_others_are_not() -> None:
    foreign = msgspec.structs.replace(PAID, about="w9")
    other = members.earned("o1", 1, "m1", AT, 5)
    assert found("succeeded", [BEGUN, PAID, foreign, other]) == ["w9: entry paid is of no withdrawal"]


def test_an_allowance_that_counts_otherwise_is_named() -> None:
    counted = Allowance(day=clock.day(AT), count=2, fen=1000, month_fen=1000, month_tax_fen=30)
    assert found("succeeded", allowances={"m1": counted}) == [
        "m1: its allowance is 2 count, its withdrawals say 1",
        "m1: its allowance is 0 year_fen, its withdrawals say 1000",
        "m1: its allowance is 0 year_tax_fen, its withdrawals say 30",
        f"m1: its allowance is 0 first_month, its withdrawals say {clock.day(AT).month}",
    ]


# --- who leaves and returns -----------------------------------------------------------------------

#: Days that pass, and what is withdrawn then.
DEEDS = st.lists(st.tuples(st.sampled_from([0, 1, 9, 33, 95, 366]), st.integers(100, 900_000)), max_size=5)
SETTINGS = {1: WithdrawalRules(tax="none"), 2: WithdrawalRules(tax="labour")}


class Life:
    """What a person withdraws as one member, beginning with what was handed on to them; none of it has ended."""

    def __init__(self, member_id: str, day: datetime, allowance: Allowance) -> None:
        self.member_id, self.day, self.allowance = member_id, day, allowance
        self.asked: list[Withdrawal] = []

    def live(self, deeds: list[tuple[int, int]], version: int) -> None:
        taxed = SETTINGS[version].tax
        rule = labour_tax if taxed == "labour" else no_tax
        for days, fen in deeds:
            self.day += timedelta(days=days)
            before = self.allowance.on(clock.day(self.day))
            made = msgspec.structs.replace(
                withdrawal("processing"), withdrawal_id=f"{self.member_id}w{len(self.asked)}", amount_fen=fen,
                member_id=self.member_id, tax_fen=rule(fen, before), fee_fen=0, rules_version=version,
                created_at=self.day,
            )  # fmt: skip
            self.asked.append(made)
            self.allowance = before.with_one(made, taxed)

    def audited(self) -> list[str]:
        begun = [members.withdrawal_begun(one.withdrawal_id, one.member_id, AT, one.amount_fen) for one in self.asked]
        known = {self.member_id: self.allowance}
        told = audit_withdrawals(self.asked, begun, allowances=known, rules=SETTINGS)
        return [f"{one.about}: {one.what}" for one in told]


@given(st.lists(st.tuples(DEEDS, st.sampled_from(sorted(SETTINGS))), min_size=1, max_size=4))
def test_what_is_carried_over_from_the_member_before_is_no_difference(lives: list[tuple[Any, int]]) -> None:
    day, allowance = AT, Allowance(day=clock.day(AT))
    for number, (deeds, version) in enumerate(lives):
        life = Life(f"m{number}", day, allowance)
        life.live(deeds, version)
        assert life.audited() == []
        day, allowance = life.day, life.allowance.handed_on()


def test_what_is_carried_over_hides_nothing_that_was_counted_since() -> None:
    first = Life("m1", AT, Allowance(day=clock.day(AT)))
    first.live([(0, 80_000)], 2)
    second = Life("m2", AT, first.allowance.handed_on())
    second.live([(0, 80_000)], 2)
    assert [one.tax_fen for one in second.asked] == [16_000]
    counted = second.allowance
    second.allowance = msgspec.structs.replace(counted, count=1, month_fen=80_000)
    assert second.audited() == [
        "m2: its allowance is 1 count, its withdrawals say 2",
        "m2: its allowance is 80000 month_fen, its withdrawals say 160000",
    ]
    second.allowance = msgspec.structs.replace(counted, month_tax_fen=0, year_tax_fen=0)
    second.asked = [msgspec.structs.replace(second.asked[0], tax_fen=0)]
    assert second.audited() == ["m2 2026-11: 0 fen tax are withheld of 160000, by law 16000"]
