"""What may happen to a withdrawal: only what the table of its states says, and what is refused is told why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import MallError, Reason
from chalicelib.growth.payouts.refusals import ACTIONS, CANCEL_IT, CONCLUDE_IT, FIELDS, REVIEW_IT, WECHAT_WILL_TELL
from chalicelib.growth.payouts.refusals import ON_ITS_WAY as TRANSFER_ON_ITS_WAY
from chalicelib.growth.payouts.refusals import STATES as STATE_TERMS
from chalicelib.growth.payouts.rules import (
    GUARDS,
    STATES,
    TRANSITIONS,
    UNKNOWN_AT_WECHAT,
    WECHAT_EVENTS,
    Action,
    Withdrawal,
    WithdrawalEvent,
    WithdrawalState,
    approved,
    can_be_cancelled,
    cancel_requested,
    check_action,
    ended,
    is_forgotten,
    progressed,
    refused,
    step,
    waiting_for,
)

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
ENDS = ("succeeded", "failed")


def withdrawal(state: WithdrawalState = "processing", **more: object) -> Withdrawal:
    submitted_at = None if state == "reviewing" else NOON
    made = Withdrawal(
        withdrawal_id="w1", member_id="m1", openid="o1", state=state, first_state="processing", amount_fen=10_000,
        tax_fen=0, fee_fen=0, rules_version=1, created_at=NOON, submitted_at=submitted_at,
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


WITHDRAWALS = st.builds(
    withdrawal,
    st.sampled_from(sorted(TRANSITIONS)),
    package_info=st.sampled_from(["", "package"]),
    outcome=st.sampled_from(["", "NOT_ENOUGH", UNKNOWN_AT_WECHAT]),
    cancel_requested_at=st.sampled_from([None, NOON]),
)
INSTANTS = st.sampled_from([NOON, LATER])
Change = Callable[[Withdrawal, datetime], Withdrawal]
EVENTS: tuple[WithdrawalEvent, ...] = get_args(WithdrawalEvent)
CHANGES: dict[str, Change] = {
    **{event: lambda one, at, event=event: step(one, event) for event in EVENTS},  # type: ignore[misc]
    **{f"{event} at last": lambda one, at, event=event: ended(one, event, at) for event in ("reject", "pay", "fail")},  # type: ignore[misc]
    **{
        word: lambda one, at, word=word: progressed(one, word, "p")  # type: ignore[misc]
        for word, state in STATES.items()
        if state not in ENDS
    },
    "approved": lambda one, at: approved(one, "op", at),
    "cancel requested": lambda one, at: cancel_requested(one, "why", "op", at),
    "waiting": lambda one, at: waiting_for(one, "NOT_ENOUGH"),
    "refused": lambda one, at: refused(one, "NO_AUTH", at),
}


def test_every_state_can_be_reached_and_an_end_is_never_left() -> None:
    reached = {"reviewing", "processing"} | {after for follow in TRANSITIONS.values() for after in follow.values()}
    assert reached == set(TRANSITIONS) == set(get_args(WithdrawalState))
    assert tuple(state for state, follow in TRANSITIONS.items() if not follow) == ENDS
    assert set(STATES.values()) == set(TRANSITIONS) - {"reviewing"}


def test_an_event_leads_to_one_state_and_each_has_its_place() -> None:
    after: dict[str, set[str]] = {}
    for follow in TRANSITIONS.values():
        for event, state in follow.items():
            after.setdefault(event, set()).add(state)
    assert set(after) == set(EVENTS)
    assert [event for event, states in after.items() if len(states) > 1] == []
    assert {word: after[event] for word, event in WECHAT_EVENTS.items()} == {
        word: {state} for word, state in STATES.items()
    }


@given(WITHDRAWALS, st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), INSTANTS), max_size=12))
def test_whatever_happens_only_transitions_of_the_table_do(one: Withdrawal, steps: list[tuple[str, datetime]]) -> None:
    for name, at in steps:
        try:
            after = CHANGES[name](one, at)
        except MallError as refused:
            assert refused.code == "withdrawal_state"
            assert refused.data == {"state": one.state}
            (error,) = refused.errors
            assert (error.field, error.data()["state"]) == ("withdrawal_id", one.state)
            continue
        assert after.state in (one.state, *TRANSITIONS[one.state].values())
        assert one.open or after == one
        one = after


@given(WITHDRAWALS, st.sampled_from(EVENTS))
def test_what_the_table_does_not_have_is_refused_with_its_event(one: Withdrawal, event: WithdrawalEvent) -> None:
    if event in TRANSITIONS[one.state]:
        assert step(one, event).state == TRANSITIONS[one.state][event]
        return
    with pytest.raises(MallError) as refused:
        step(one, event)
    assert refused.value.errors[0].data() == {"state": one.state, "action": event}


ALLOWED: dict[Action, Withdrawal] = {
    "approve": withdrawal("reviewing"),
    "reject": withdrawal("reviewing"),
    "cancel": withdrawal("awaiting_confirmation", package_info="p"),
    "conclude": withdrawal(submitted_at=NOON - timedelta(days=30), outcome=UNKNOWN_AT_WECHAT),
}


@pytest.mark.parametrize("action", get_args(Action))
def test_what_an_operator_may_do_is_let_through(action: Action) -> None:
    check_action(ALLOWED[action], action, NOON)


ON_ITS_WAY = withdrawal("processing", package_info="p")
REFUSED: list[tuple[Action, Withdrawal, str, str]] = [
    ("approve", withdrawal("processing"), "cancel_withdrawal_instead",
     "提现已在处理中，不能通过审核，可在收款确认前取消"),
    ("reject", withdrawal("awaiting_confirmation"), "cancel_withdrawal_instead",
     "提现正等待收款确认，不能驳回，可在收款确认前取消"),
    ("reject", ON_ITS_WAY, "withdrawal_state", "提现已在处理中，不能驳回"),
    ("reject", withdrawal("succeeded"), "withdrawal_state", "提现已到账，不能驳回"),
    ("cancel", withdrawal("reviewing"), "review_withdrawal_first", "提现还在审核中，不能取消，请通过或驳回"),
    ("cancel", ON_ITS_WAY, "transfer_on_its_way", "提现已在处理中，收款人已确认，不能取消，请等待微信的结果"),
    ("cancel", withdrawal(submitted_at=NOON - timedelta(days=30)), "conclude_withdrawal_instead",
     "微信已查不到这笔转账，不能取消，请在商户平台查看后登记转账结果"),
    ("cancel", withdrawal("failed"), "withdrawal_state", "提现已失败，款项已退回余额，不能取消"),
    ("conclude", withdrawal("reviewing"), "review_withdrawal_first", "提现还在审核中，不能登记转账结果，请通过或驳回"),
    ("conclude", withdrawal("processing", outcome="NOT_ENOUGH"), "wechat_will_tell",
     "提现已在处理中，不能登记转账结果，请等待微信的结果"),
    ("conclude", withdrawal("succeeded"), "withdrawal_state", "提现已到账，不能登记转账结果"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "one", "code", "zh"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_an_operator_may_not_do_is_told_with_what_to_do_instead(
    action: Action, one: Withdrawal, code: str, zh: str
) -> None:
    with pytest.raises(MallError) as refused:
        check_action(one, action, NOON)
    assert refused.value.errors[0].reason.code == code  # type: ignore[union-attr]
    assert refused.value.text("zh", FIELDS) == zh
    assert refused.value.text("en", FIELDS)


def test_every_state_and_action_has_its_words() -> None:
    assert set(STATE_TERMS) == set(TRANSITIONS)
    assert set(ACTIONS) == {*GUARDS, *EVENTS}
    assert set(GUARDS) == set(get_args(Action))
    terms = [*STATE_TERMS.items(), *ACTIONS.items()]
    assert all(code == term.code for code, term in terms)


def test_every_guard_answers_for_every_state() -> None:
    for state, action in product(TRANSITIONS, GUARDS):
        GUARDS[action](withdrawal(state), NOON)


def test_wechat_s_silence_says_nothing_once_it_may_have_forgotten() -> None:
    made = withdrawal()
    assert made.is_queryable(NOON + timedelta(days=29, seconds=-1))
    assert not made.is_queryable(NOON + timedelta(days=29))
    assert not withdrawal("reviewing").is_queryable(NOON)


SENT = st.none() | st.integers(0, 7200).map(lambda seconds: NOON + timedelta(seconds=seconds))


@given(SENT, SENT, st.integers(0, 20_000))
def test_that_wechat_knows_of_none_is_final_ten_minutes_after_the_last_request_of_any_kind(
    sent_at: datetime | None, cancel_requested_at: datetime | None, seconds: int
) -> None:
    made = withdrawal(sent_at=sent_at, cancel_requested_at=cancel_requested_at)
    now = NOON + timedelta(seconds=seconds)
    requests = [at for at in (sent_at, cancel_requested_at) if at is not None]
    over = bool(requests) and all(now - at >= timedelta(seconds=600) for at in [NOON, *requests])
    assert made.has_never_been(now) is over
    final_from = max(NOON, *requests) + timedelta(seconds=600) if requests else None
    assert made.silent_from() == final_from
    assert final_from is None or made.has_never_been(final_from)
    assert not made.has_never_been(NOON + timedelta(days=29))


def test_while_it_is_still_sent_nothing_is_final() -> None:
    assert withdrawal().silent_from() is None
    assert not withdrawal().has_never_been(LATER)
    assert not withdrawal("reviewing", sent_at=NOON).has_never_been(NOON + timedelta(hours=1))


def test_what_is_refused_is_sent_no_more_until_wechat_knows_of_it() -> None:
    silent = refused(withdrawal(), "NO_AUTH", NOON)
    assert (silent.sent_at, silent.outcome, silent.state) == (NOON, "NO_AUTH", "processing")
    assert progressed(silent, "WAIT_USER_CONFIRM", "p").sent_at is None
    called_off = msgspec.structs.replace(silent, cancel_requested_at=NOON)
    assert progressed(called_off, "CANCELING", None).sent_at == NOON
    assert silent.at_first() == withdrawal()


# What a change leaves of a withdrawal


def replaced(before: Withdrawal, **changes: Any) -> Withdrawal:
    return msgspec.structs.replace(before, **changes)


#: Of which everything is known that can be.
WAITING = withdrawal(
    "awaiting_confirmation", tax_fen=1_600, fee_fen=30, cancel_requested_at=NOON, sent_at=NOON, package_info="old",
    outcome="NOT_ENOUGH", reason="why", decided_by="op", notify_to="https://mall",
)  # fmt: skip


def test_what_is_sent_is_the_amount_less_tax_and_fee() -> None:
    assert (WAITING.net_fen, withdrawal().net_fen, withdrawal(fee_fen=7).net_fen) == (8_370, 10_000, 9_993)
    assert {state: withdrawal(state).open for state in TRANSITIONS} == {
        state: state not in ENDS for state in TRANSITIONS
    }


def test_at_its_end_nothing_is_left_to_confirm_and_why_is_told_if_anything() -> None:
    paid = replaced(WAITING, state="succeeded", finished_at=LATER, outcome="", package_info="")
    assert ended(WAITING, "pay", LATER) == paid
    failed = replaced(paid, state="failed", outcome="ACCOUNT_FROZEN", reason="sorry", decided_by="op2")
    assert ended(WAITING, "fail", LATER, outcome="ACCOUNT_FROZEN", reason="sorry", decided_by="op2") == failed
    back = replaced(failed, tax_returned_fen=-5)
    assert back.at_first() == replaced(
        WAITING, state="processing", cancel_requested_at=None, sent_at=None, package_info="", outcome="", reason="",
        decided_by="",
    )  # fmt: skip


@pytest.mark.parametrize("is_called_off", [True, False])
@pytest.mark.parametrize(
    ("word", "package_info", "state", "outcome", "kept"),
    [
        ("ACCEPTED", None, "processing", "", "old"),
        ("PROCESSING", "", "processing", "PROCESSING", "old"),
        ("WAIT_USER_CONFIRM", "new", "awaiting_confirmation", "", "new"),
        ("TRANSFERING", None, "processing", "", "old"),
        ("CANCELING", None, "processing", "", "old"),
    ],
)
def test_what_wechat_says_of_a_transfer_that_goes_on_is_taken_over(
    word: str, package_info: str | None, state: str, outcome: str, kept: str, is_called_off: bool
) -> None:
    before = WAITING if is_called_off else replaced(WAITING, cancel_requested_at=None)
    after = progressed(before, word, package_info)
    sent_at = NOON if is_called_off else None
    assert after == replaced(before, state=state, package_info=kept, outcome=outcome, sent_at=sent_at)
    assert progressed(after, word, package_info) is after


def test_who_decided_when_is_kept() -> None:
    asked = withdrawal("reviewing")
    assert approved(asked, "op", LATER) == replaced(asked, state="processing", submitted_at=LATER, decided_by="op")
    waiting = replaced(WAITING, cancel_requested_at=None)
    assert cancel_requested(waiting, "a mistake", "op2", LATER - timedelta(days=2)) == replaced(
        waiting, cancel_requested_at=LATER - timedelta(days=2), outcome="", reason="a mistake", decided_by="op2"
    )


def test_a_decision_that_is_not_allowed_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(MallError) as refusal:
        approved(withdrawal("awaiting_confirmation"), "op", NOON)
    assert refusal.value.errors[0].reason == CANCEL_IT
    with pytest.raises(MallError) as refusal:
        cancel_requested(withdrawal("reviewing"), "why", "op", NOON)
    assert refusal.value.errors[0].reason == REVIEW_IT


@pytest.mark.parametrize("state", ["reviewing", "processing", "awaiting_confirmation"])
def test_why_an_open_withdrawal_does_not_go_on_is_noted_once(state: WithdrawalState) -> None:
    one = replaced(WAITING, state=state)
    assert refused(one, "NO_AUTH", LATER) == replaced(one, sent_at=LATER, outcome="NO_AUTH")
    assert waiting_for(one, "NO_AUTH") == replaced(one, outcome="NO_AUTH")
    assert waiting_for(one, "NOT_ENOUGH") is one


@pytest.mark.parametrize("state", ENDS)
def test_of_one_that_has_ended_nothing_is_noted(state: WithdrawalState) -> None:
    one = replaced(WAITING, state=state)
    assert refused(one, "NO_AUTH", LATER) is waiting_for(one, "NO_AUTH") is waiting_for(one, "NOT_ENOUGH") is one


FORGOTTEN = NOON + timedelta(days=29)


@pytest.mark.parametrize(
    ("one", "now", "cancel", "conclude"),
    [
        (withdrawal(), NOON, None, WECHAT_WILL_TELL),
        (withdrawal("processing", package_info="p"), NOON, TRANSFER_ON_ITS_WAY, WECHAT_WILL_TELL),
        (withdrawal("awaiting_confirmation", package_info="p"), NOON, None, WECHAT_WILL_TELL),
        (withdrawal(outcome=UNKNOWN_AT_WECHAT), FORGOTTEN - timedelta(seconds=1), None, WECHAT_WILL_TELL),
        (withdrawal(outcome=UNKNOWN_AT_WECHAT), FORGOTTEN, CONCLUDE_IT, None),
        (withdrawal("processing", package_info="p"), FORGOTTEN, CONCLUDE_IT, WECHAT_WILL_TELL),
        (withdrawal("reviewing", outcome=UNKNOWN_AT_WECHAT), FORGOTTEN, REVIEW_IT, REVIEW_IT),
    ],
)
def test_while_wechat_answers_it_is_asked_and_then_an_operator_concludes(
    one: Withdrawal, now: datetime, cancel: Reason | None, conclude: Reason | None
) -> None:
    assert (can_be_cancelled(one, now), is_forgotten(one, now)) == (cancel, conclude)
