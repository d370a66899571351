"""Two operators agree on what is above the sum: whatever they press, nobody gives more than it back alone."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.agreement.rules import (
    SECOND_OPERATOR,
    agreed,
    decided_fen,
    made_by_operator,
    taken_back,
    waits,
)
from chalicelib.commerce.orders.refunds.rules import REJECTED_MAX, new_refund, with_refund
from chalicelib.commerce.orders.rules import Order, Pieces, Refund
from chalicelib.core.errors import MallError
from tests.support.orders import NOW, ask, line, order, send

ANN, BOB, EVE = "operator:ann", "operator:bob", "operator:eve"


def sent() -> Order:
    """An order of twenty pieces of 100 fen each, all of them sent."""
    return send(order(line("a", 20, 2000)))


def asked(before: Order, number: str, pieces: int) -> Refund:
    return ask(before, number, ("a", pieces))


def decide(before: Order, refund: Refund, operator: str, above_fen: int | None, restock: bool = False) -> Order:
    """The order with the refund decided: it waits, or is granted."""
    after = agreed(before, refund, restock, operator, above_fen, NOW)
    state = "requested" if waits(before, after, above_fen) else "approved"
    known = before if before.refund(refund.refund_id) else with_refund(before, refund)
    return with_refund(known, msgspec.structs.replace(after, state=state))


def state_of(found: Order, number: str) -> tuple[str, list[str]]:
    refund = found.refund(number)
    assert refund is not None
    return refund.state, [one.by for one in refund.agreed]


def test_up_to_the_sum_one_operator_decides() -> None:
    found = decide(sent(), asked(sent(), "r", 5), ANN, 500)
    assert state_of(found, "r") == ("approved", [ANN])


def test_above_it_another_must_agree() -> None:
    found = decide(sent(), asked(sent(), "r", 5), ANN, 499)
    assert state_of(found, "r") == ("requested", [ANN])
    again = found.refund("r")
    assert again is not None
    with pytest.raises(MallError, match="second_operator"):
        decide(found, again, ANN, 499)
    assert state_of(decide(found, again, BOB, 499), "r") == ("approved", [ANN, BOB])


def test_without_a_sum_nobody_waits_also_who_had_to_before() -> None:
    assert state_of(decide(sent(), asked(sent(), "r", 20), ANN, None), "r") == ("approved", [ANN])
    found = decide(sent(), asked(sent(), "r", 5), ANN, 0)
    again = found.refund("r")
    assert again is not None
    assert state_of(decide(found, again, ANN, None), "r") == ("approved", [ANN])


def test_parts_of_one_order_count_together() -> None:
    found = decide(sent(), asked(sent(), "r1", 3), ANN, 500)
    found = decide(found, asked(found, "r2", 3), ANN, 500)
    assert state_of(found, "r2") == ("requested", [ANN])
    assert (decided_fen(found, ANN), decided_fen(found, ANN, "r2"), decided_fen(found, BOB)) == (600, 300, 0)
    found = decide(found, asked(found, "r3", 5), BOB, 500)
    assert state_of(found, "r3") == ("approved", [BOB])


@pytest.mark.parametrize("changed", ["amount", "restock"])
def test_what_has_changed_since_voids_the_first_decision(changed: str) -> None:
    found = decide(sent(), asked(sent(), "r", 5), ANN, 100)
    now = found.refund("r")
    assert now is not None
    if changed == "amount":
        now = msgspec.structs.replace(now, withheld_fen=-7)
    after = decide(found, now, BOB, 100, restock=changed == "restock")
    assert state_of(after, "r") == ("requested", [BOB])


def test_an_order_whose_lobby_is_open_needs_no_second_operator() -> None:
    before = order(line("a", 20, 2000), state="awaiting_group")
    assert state_of(decide(before, asked(before, "r", 20), ANN, 0), "r") == ("approved", [ANN])


def test_a_first_decision_is_taken_back() -> None:
    found = decide(sent(), asked(sent(), "r", 5), ANN, 100)
    refund = found.refund("r")
    assert refund is not None
    back = taken_back(refund, NOW)
    assert (back.state, back.agreed) == ("requested", [])
    assert taken_back(back, NOW) is back
    made = taken_back(made_by_operator(refund), NOW)
    assert (made.state, made.agreed, made.because, made.finished_at) == ("rejected", [], SECOND_OPERATOR, NOW)
    assert taken_back(made, NOW) is made
    with pytest.raises(MallError, match="order_state"):
        taken_back(msgspec.structs.replace(refund, state="approved"), NOW)


def test_what_operators_did_not_agree_on_does_not_count_as_a_member_s_rejected_request() -> None:
    found = sent()
    for number in range(REJECTED_MAX):
        made = made_by_operator(new_refund(found, f"r{number}", [Pieces("a", 1)], "", "", NOW, by_mall=True))
        found = with_refund(with_refund(found, made), msgspec.structs.replace(made, state="rejected"))
    assert asked(found, "r", 1).state == "requested"


_DEEDS = st.tuples(
    st.sampled_from([ANN, BOB, EVE]), st.sampled_from(["ask", "decide", "back"]), st.integers(0, 5),
    st.integers(1, 8), st.booleans(),
)  # fmt: skip


@given(st.lists(_DEEDS, max_size=40), st.integers(0, 2100))
def test_whatever_they_press_nobody_gives_back_more_than_the_sum_alone(
    deeds: list[tuple[str, str, int, int, bool]], above_fen: int
) -> None:
    found = sent()
    for operator, deed, number, pieces, restock in deeds:
        refund = found.refund(f"r{number}")
        try:
            if deed == "ask" and refund is None:
                found = with_refund(found, asked(found, f"r{number}", pieces))
            elif deed == "decide" and refund is not None and refund.state == "requested":
                found = decide(found, refund, operator, above_fen, restock)
            elif deed == "back" and refund is not None:
                found = with_refund(found, taken_back(refund, NOW + timedelta(minutes=1)))
        except MallError:
            continue
    granted = [refund for refund in found.refunds if refund.state == "approved"]
    for operator in (ANN, BOB, EVE):
        alone = [refund for refund in granted if {one.by for one in refund.agreed} == {operator}]
        assert sum(refund.amount_fen for refund in alone) <= above_fen
    for refund in granted:
        assert all(one.amount_fen == refund.amount_fen for one in refund.agreed)
        assert len({one.by for one in refund.agreed}) == len(refund.agreed)
