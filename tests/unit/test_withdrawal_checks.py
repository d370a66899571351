"""The audit of withdrawals names whatever does not agree, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from chalicelib.core import clock
from chalicelib.growth.payouts.checks import Transfer, audit_withdrawals
from chalicelib.growth.payouts.limits.rules import Allowance
from chalicelib.growth.payouts.rules import Withdrawal, WithdrawalState
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
