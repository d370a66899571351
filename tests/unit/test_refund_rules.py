"""The states of refunds, and what is told of an order or a refund whose state does not allow what is asked."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.refunds.rules import (
    GUARDS,
    REFUND_BEGINS,
    REFUND_GUARDS,
    REFUND_TRANSITIONS,
    REFUNDABLE,
    REFUNDS_MAX,
    REJECTED_MAX,
    RefundRequest,
    apply_refund,
    new_refund,
    step_refund,
    with_refund,
)
from chalicelib.commerce.orders.refusals import (
    ACTIONS,
    FIELDS,
    ORDER_ADVICE,
    REFUND_ACTIONS,
    REFUND_ADVICE,
    REFUND_STATES,
    STATES,
    order_state,
    refund_state,
)
from chalicelib.commerce.orders.rules import TRANSITIONS, Order, Pieces, Refund, RefundState, State
from chalicelib.core.errors import MallError
from tests.support.orders import NOW, ask, line, order, send

STATES_OF_REFUNDS: list[RefundState] = list(get_args(RefundState))
ACTIONS_OF_REFUNDS = sorted({action for actions in REFUND_TRANSITIONS.values() for action in actions})


def refund(state: RefundState, outcome: str = "") -> Refund:
    return msgspec.structs.replace(ask(order(line("a", 9, 900)), "r", ("a", 1)), state=state, outcome=outcome)


# The table of states


def test_the_table_of_refunds_has_these_ways_and_no_other() -> None:
    ways = {
        (state, action, after) for state, actions in REFUND_TRANSITIONS.items() for action, after in actions.items()
    }
    assert ways == {
        ("requested", "approve", "approved"),
        ("requested", "reject", "rejected"),
        ("approved", "hand_over", "processing"),
        ("approved", "pay_out", "succeeded"),  # a gift given back, or WeChat was quick
        ("approved", "fail", "failed"),
        ("processing", "hand_over", "processing"),
        ("processing", "pay_out", "succeeded"),
        ("processing", "fail", "failed"),
        ("failed", "ask_again", "processing"),
        ("failed", "push_anew", "approved"),
        ("failed", "hand_over", "processing"),
        ("failed", "pay_out", "succeeded"),  # it was seen to in WeChat Pay's console
        ("failed", "fail", "failed"),  # for another reason
    }
    assert set(REFUND_TRANSITIONS) == set(STATES_OF_REFUNDS)
    assert set(REFUND_GUARDS) <= set(ACTIONS_OF_REFUNDS)


@pytest.mark.parametrize("state", STATES_OF_REFUNDS)
@pytest.mark.parametrize("action", ACTIONS_OF_REFUNDS)
@pytest.mark.parametrize("outcome", ["", "ABNORMAL", "CLOSED"])
def test_a_refund_goes_where_the_table_says_or_nowhere(state: RefundState, action: str, outcome: str) -> None:
    before = refund(state, outcome)
    after = REFUND_TRANSITIONS[state].get(action)
    if after is None or (action == "push_anew" and outcome != "CLOSED"):  # two numbers may both be paid
        with pytest.raises(MallError) as refusal:
            step_refund(before, action, outcome="x")
        assert (refusal.value.code, refusal.value.data) == ("order_state", {"state": state})
        assert [error.field for error in refusal.value.errors] == ["refund_id"]
        return
    assert step_refund(before, action, outcome="x") == msgspec.structs.replace(before, state=after, outcome="x")


@given(st.sampled_from(STATES_OF_REFUNDS), st.sampled_from(STATES_OF_REFUNDS))
def test_an_order_takes_a_refund_only_in_a_state_that_may_follow(before: RefundState, after: RefundState) -> None:
    empty = order(line("a", 9, 900))
    has = msgspec.structs.replace(empty, refunds=[refund(before)])
    follows = after == before or after in REFUND_TRANSITIONS[before].values()
    for bought, allowed in ((empty, after in REFUND_BEGINS), (has, follows)):
        if allowed:
            assert with_refund(bought, refund(after)).refunds == [refund(after)]
        else:
            with pytest.raises(ValueError, match="refund r cannot be"):
                with_refund(bought, refund(after))


def test_what_was_granted_is_not_granted_again() -> None:
    bought = order(line("a", 3, 300))
    after, _ = apply_refund(bought, ask(bought, "r", ("a", 1)), False, "op", NOW)
    with pytest.raises(MallError) as refusal:
        apply_refund(after, after.refunds[0], False, "op", NOW)
    assert refusal.value.code == "order_state"


moves = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 3)),
    st.tuples(st.just("by_mall"), st.integers(1, 3)),
    st.tuples(st.just("ship"), st.integers(1, 3)),
    st.tuples(st.sampled_from(ACTIONS_OF_REFUNDS), st.integers(0, 5)),
)


def played(before: Order, move: tuple[str, int], number: str) -> Order:
    """The order after the move; as it was where the rules refuse."""
    kind, what = move
    try:
        if kind == "ship":
            return send(before, ("a", what))
        if kind in ("ask", "by_mall"):
            asked = [Pieces("a", what)]
            made = new_refund(before, number, asked, "why", "digest", NOW, kind == "by_mall")
            if made.state == "requested":
                return with_refund(before, made)
            return apply_refund(before, made, False, "by", NOW)[0]
        if not before.refunds:
            return before
        one = before.refunds[what % len(before.refunds)]
        if kind == "approve":
            return apply_refund(before, one, True, "by", NOW)[0]
        outcome = ("ABNORMAL", "CLOSED")[what % 2] if kind == "fail" else ""
        return with_refund(before, step_refund(one, kind, outcome=outcome))
    except MallError as fault:
        assert fault.code in ("order_state", "invalid", "nothing_to_refund")
        return before


@given(st.lists(moves, max_size=30))
def test_only_ways_of_the_table_are_ever_gone(steps: list[tuple[str, int]]) -> None:
    now = order(line("a", 9, 900))
    for number, move in enumerate(steps):
        after = played(now, move, f"r{number}")
        known = {one.refund_id: one for one in now.refunds}
        assert set(known) <= {one.refund_id for one in after.refunds}
        for one in after.refunds:
            was = known.get(one.refund_id)
            if was is None:
                assert one.state in REFUND_BEGINS
            elif one != was:
                assert one.state in REFUND_TRANSITIONS[was.state].values()
                if (was.state, one.state) == ("failed", "approved"):
                    assert was.outcome == "CLOSED"
        now = after


# What must hold of what is asked back

PAID = msgspec.structs.replace(order(line("a", 2, 200), line("b", 1, 100)), paid_at=NOW)


def asked_of(bought: Order, at: Any = NOW, by_mall: bool = False, **pieces: int) -> RefundRequest:
    asked = [Pieces(sku_id, quantity) for sku_id, quantity in (pieces or {"a": 2, "b": 1}).items()]
    remaining = {one.sku_id: one.quantity for one in bought.lines}
    return RefundRequest(order=bought, pieces=asked, remaining=remaining, at=at, by_mall=by_mall)


def state_of(state: State, **changes: Any) -> Order:
    return msgspec.structs.replace(PAID, state=state, **changes)


MANY = [msgspec.structs.replace(refund("succeeded"), refund_id=f"r{number}") for number in range(REFUNDS_MAX)]
#: Two numbers fewer, of which WeChat has closed one.
RENUMBERED = [msgspec.structs.replace(MANY[2], closed=1), *MANY[3:]]
#: Refunds of gifts, which never go to WeChat.
GIFTS = [msgspec.structs.replace(one, refund_id=f"g{one.refund_id}", goods_fen=0) for one in MANY]
MANY_REFUNDS = "too_many_refunds"
REJECTED = [msgspec.structs.replace(refund("rejected"), refund_id=f"r{number}") for number in range(REJECTED_MAX)]


@pytest.mark.parametrize(
    ("asked", "guard", "code", "reason"),
    [
        (asked_of(state_of("awaiting_payment")), "under_way", "order_state", "cancel_instead"),
        (asked_of(state_of("closed")), "under_way", "order_state", "order_state"),
        (asked_of(state_of("completed")), "window_open", "refund_window_over", "completed_since"),
        (asked_of(PAID, NOW + REFUNDABLE), "window_open", "refund_window_over", "paid_too_long_ago"),
        (asked_of(PAID, NOW + REFUNDABLE, True), "window_open", "refund_window_over", "paid_too_long_ago"),
        (asked_of(state_of("shipped", refunds=REJECTED)), "not_rejected_too_often", "invalid", "rejected_too_often"),
        (asked_of(state_of("shipped", refunds=MANY), NOW, True), "takes_another_part", "refund_limit", MANY_REFUNDS),
        (asked_of(state_of("shipped", refunds=MANY[1:]), a=1), "takes_another_part", "refund_limit", MANY_REFUNDS),
        (asked_of(state_of("shipped", refunds=RENUMBERED), a=1), "takes_another_part", "refund_limit", MANY_REFUNDS),
        (
            msgspec.structs.replace(asked_of(PAID), remaining={}), "something_remains", "nothing_to_refund",
            "nothing_to_refund",
        ),
        (asked_of(PAID, a=3), "pieces_remain", "invalid", "fewer_remain"),
        (asked_of(PAID, c=1), "pieces_remain", "invalid", "nothing_remains"),
        (asked_of(state_of("awaiting_group"), a=2), "whole_while_lobby_open", "invalid", "whole_while_lobby_open"),
    ],
)  # fmt: skip
def test_the_first_guard_that_does_not_hold_is_the_answer(
    asked: RefundRequest, guard: str, code: str, reason: str
) -> None:
    refusals = [(one.__name__, refusal) for one in GUARDS if (refusal := one(asked)) is not None]
    name, refusal = refusals[0]
    assert (name, refusal.code, refusal.errors[0].reason.code) == (guard, code, reason)


@pytest.mark.parametrize(
    "asked",
    [
        asked_of(PAID),
        asked_of(PAID, a=1),
        asked_of(PAID, NOW + REFUNDABLE - timedelta(seconds=1)),
        asked_of(state_of("completed"), NOW, True),
        asked_of(state_of("shipped", refunds=REJECTED), NOW, True),
        asked_of(state_of("shipped", refunds=REJECTED[1:])),
        asked_of(state_of("shipped", refunds=MANY[1:])),
        asked_of(state_of("shipped", refunds=MANY[2:]), a=1),
        asked_of(state_of("shipped", refunds=[*MANY[2:], *REJECTED[1:], *GIFTS]), a=1),
        asked_of(state_of("shipped", refunds=MANY, lines=[line("a", 2, 0), line("b", 1, 100)]), a=1),
        asked_of(state_of("awaiting_group")),
    ],
)
def test_what_every_guard_lets_pass(asked: RefundRequest) -> None:
    assert [guard.__name__ for guard in GUARDS if guard(asked) is not None] == []


def test_the_bounds_are_wechats_and_the_malls_own() -> None:
    assert (50, timedelta(days=365), 5) == (REFUNDS_MAX, REFUNDABLE, REJECTED_MAX)


def test_of_what_is_all_asked_back_nothing_more_can_be_asked() -> None:
    bought = send(PAID)
    bought = with_refund(bought, ask(bought, "r1"))
    for by_mall in (True, False):
        for asked in (None, []):
            with pytest.raises(MallError) as refusal:
                new_refund(bought, "r2", asked, "why", "digest", NOW, by_mall)
            assert refusal.value.code == "nothing_to_refund"


# What people read


def told(refusal: MallError, field: str, state: str, action: str) -> tuple[str, str]:
    """Both texts of the refusal, which must be whole, and name the state and the action to machines."""
    (error,) = refusal.errors
    assert (refusal.code, refusal.data, error.field) == ("order_state", {"state": state}, field)
    assert error.data() == {"state": state, "action": action}
    zh, en = refusal.text("zh", FIELDS), refusal.text("en", FIELDS)
    assert re.search(r"[\u4e00-\u9fff]", zh) and not re.search(r"[A-Za-z{}]", zh), zh
    assert not re.search(r"[\u4e00-\u9fff{}_]", en) and en[0].isupper(), en
    return zh, en


@pytest.mark.parametrize("state", list(get_args(State)))
@pytest.mark.parametrize("action", list(ACTIONS))
def test_each_state_and_action_of_an_order_is_told_in_both_languages(state: str, action: str) -> None:
    zh, en = told(order_state(state, action), "order_id", state, action)
    assert STATES[state].zh in zh and STATES[state].en in en
    assert ACTIONS[action].zh in zh or (state, action) in ORDER_ADVICE


@pytest.mark.parametrize("state", STATES_OF_REFUNDS)
@pytest.mark.parametrize("action", list(REFUND_ACTIONS))
def test_each_state_and_action_of_a_refund_is_told_in_both_languages(state: str, action: str) -> None:
    zh, en = told(refund_state(state, action), "refund_id", state, action)
    assert REFUND_STATES[state].zh in zh and REFUND_ACTIONS[action].zh in zh
    assert REFUND_STATES[state].en in en and REFUND_ACTIONS[action].en in en


def test_the_words_cover_the_tables() -> None:
    assert set(STATES) == set(TRANSITIONS) == set(get_args(State))
    assert {action for actions in TRANSITIONS.values() for action in actions} <= set(ACTIONS)
    assert set(REFUND_STATES) == set(STATES_OF_REFUNDS)
    assert set(REFUND_ACTIONS) == set(ACTIONS_OF_REFUNDS)
    assert all(state in STATES and action in ACTIONS for state, action in ORDER_ADVICE)
    assert all(state in REFUND_STATES and action in REFUND_ACTIONS for state, action in REFUND_ADVICE)


@pytest.mark.parametrize(
    ("state", "action", "zh", "en"),
    [
        (
            "awaiting_shipment", "cancel", "订单已付款，不能取消，可申请退款",
            "The order is paid and cannot be cancelled; ask for a refund",
        ),
        (
            "awaiting_payment", "refund", "订单尚未付款，不能退款，可直接取消订单",
            "The order is not paid yet and cannot be refunded; it can be cancelled",
        ),
        (
            "closed", "pay", "订单已关闭，不能付款，请重新下单",
            "The order is closed and cannot be paid; place a new one",
        ),
        (
            "awaiting_shipment", "receive", "订单已付款，不能确认收货，请等待发货",
            "The order is paid and cannot be confirmed as received; wait until it is shipped",
        ),
        (
            "awaiting_group", "ship", "订单已付款，正在等待成团，不能发货，请等待拼团结果",
            "The order is waiting for its group and cannot be shipped; wait for the end of its group",
        ),
    ],
)  # fmt: skip
def test_what_people_most_often_ask_in_vain(state: str, action: str, zh: str, en: str) -> None:
    assert told(order_state(state, action), "order_id", state, action) == (zh, en)
