"""What may happen to an order, and what its refunds give back: however it goes on, its pieces and its fen add up."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.checks import Counted, audit
from chalicelib.commerce.orders.refunds.rules import REFUNDS_MAX, REJECTED_MAX, apply_refund, with_refund
from chalicelib.commerce.orders.rules import (
    TRANSITIONS,
    Event,
    Order,
    Pieces,
    RefundLine,
    RefundState,
    State,
    as_placed,
    closed,
    noted,
    pieces_fault,
    pieces_to_ship,
    step,
)
from chalicelib.commerce.pricing.basket.rules import Discount, LineDiscount
from chalicelib.core.errors import MallError
from chalicelib.core.money import split_fen
from tests.support.orders import NOW, ask, grant, line, order, send

ACTIONS = sorted({action for actions in TRANSITIONS.values() for action in actions})
STATES: list[State] = list(TRANSITIONS)


def code(refusal: pytest.ExceptionInfo[MallError]) -> str:
    return refusal.value.code


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_goes_where_the_table_says_or_nowhere(state: State, action: str) -> None:
    before = order(line("a", 1, 100), state=state)
    after = TRANSITIONS[state].get(action)
    if after is None:
        with pytest.raises(MallError) as refusal:
            step(before, action, "what", "by", NOW)
        assert (code(refusal), refusal.value.data) == ("order_state", {"state": state})
        return
    done = step(before, action, "what", "by", NOW, "note")
    assert done.state == after
    assert done.history == [*before.history, Event(NOW, "what", "by", "note")]
    assert msgspec.structs.replace(done, state=state, history=before.history) == before


def test_the_table_has_these_ways_and_no_other() -> None:
    ways = {(state, action, after) for state, actions in TRANSITIONS.items() for action, after in actions.items()}
    assert ways == {
        ("awaiting_payment", "pay", "awaiting_shipment"),
        ("awaiting_payment", "take_seat", "awaiting_group"),
        ("awaiting_payment", "close", "closed"),
        ("awaiting_group", "proceed", "awaiting_shipment"),
        ("awaiting_group", "refund_all", "closed"),
        ("closed", "take_seat", "awaiting_group"),  # paid late, and a seat is free
        ("awaiting_shipment", "ship", "shipped"),
        ("awaiting_shipment", "refund_all", "closed"),
        ("shipped", "receive", "received"),
        ("shipped", "refund_all", "closed"),
        ("received", "complete", "completed"),
        ("received", "refund_all", "closed"),
        ("completed", "refund_all", "closed"),  # only the mall itself gives back then
    }
    assert set(STATES) == {
        "awaiting_payment",
        "awaiting_group",
        "awaiting_shipment",
        "shipped",
        "received",
        "completed",
        "closed",
    }


def test_the_audit_names_what_is_counted_wrong_of_a_member() -> None:
    welcome = Discount(
        source="promotion", id="p", name="新客价", kind="new_customer_price", discount_fen=1,
        lines=[LineDiscount("a", 1)],
    )  # fmt: skip
    first = msgspec.structs.replace(order(line("a", 1, 9, 1), state="awaiting_payment"), discounts=[welcome])
    second = msgspec.structs.replace(first, order_id="o2")
    over = msgspec.structs.replace(closed(first, "closed_unpaid", "system", NOW), order_id="o3")

    def told(*orders: Order, **counted: Counted) -> list[str]:
        return [f"{one.about}: {one.what}" for one in audit(orders, [], unpaid=counted)]

    assert told(first, over, m=Counted(1, "o")) == []
    assert told(over, m=Counted(0)) == []
    assert told(first) == [
        "m: 0 unpaid orders are counted, there are 1", "m:  is kept as a new customer's, orders say o",
    ]  # fmt: skip
    assert told(over, m=Counted(1, "o3")) == [
        "m: 1 unpaid orders are counted, there are 0", "m: o3 is kept as a new customer's, orders say ",
    ]  # fmt: skip
    assert "o: has the price for new customers, as o2 has" in told(first, second, m=Counted(2, "o2"))


def test_an_order_that_is_closed_unpaid_frees_all_its_pieces() -> None:
    done = closed(order(line("a", 2, 100), line("b", 3, 50), state="awaiting_payment"), "closed_unpaid", "system", NOW)
    assert (done.state, [one.restocked for one in done.lines]) == ("closed", [2, 3])
    with pytest.raises(MallError) as refusal:
        closed(done, "again", "system", NOW)
    assert code(refusal) == "order_state"


@pytest.mark.parametrize("state", ["awaiting_payment", "shipped", "received", "completed", "closed"])
def test_only_what_waits_for_it_is_sent(state: State) -> None:
    with pytest.raises(MallError) as refusal:
        pieces_to_ship(order(line("a", 1, 100), state=state), None)
    assert code(refusal) == "order_state"


def test_a_parcel_takes_what_is_asked_or_all_that_is_left_and_never_more() -> None:
    bought = order(line("a", 2, 100), line("b", 1, 50))
    part = send(bought, ("a", 1))
    assert (part.state, [one.to_ship for one in part.lines]) == ("awaiting_shipment", [1, 1])
    assert part.history[-1].what == "partly_shipped"
    for pieces, field in (
        ((("a", 2),), "lines[0].quantity"),
        ((("a", 1), ("a", 1)), "lines[1].sku_id"),
        ((("b", 1), ("c", 1)), "lines[1].sku_id"),
    ):
        with pytest.raises(MallError) as refusal:
            send(part, *pieces)
        assert (code(refusal), refusal.value.errors[0].field) == ("invalid", field)
    assert pieces_to_ship(part, None) == [Pieces("a", 1), Pieces("b", 1)]
    rest = send(part, ("b", 1))
    assert pieces_to_ship(rest, None) == [Pieces("a", 1)]  # and not none of the other
    assert send(part).state == "shipped"


def test_what_is_wrong_with_the_pieces_asked_for_is_said() -> None:
    remaining = {"a": 2, "b": 1}
    for asked, field, reason in (
        ([Pieces("a", 3)], "lines[0].quantity", "fewer_remain"),
        ([Pieces("b", 1), Pieces("c", 1)], "lines[1].sku_id", "nothing_remains"),
        ([Pieces("b", 1), Pieces("b", 1)], "lines[1].sku_id", "named_twice"),
    ):
        fault = pieces_fault(asked, remaining)
        assert fault is not None and (fault.field, fault.reason.code) == (field, reason)
    assert pieces_fault([Pieces("a", 2), Pieces("b", 1)], remaining) is None


def test_an_order_knows_its_refunds_its_pieces_and_whether_it_has_a_new_customers_price() -> None:
    bought = send(order(line("a", 3, 300), line("b", 1, 100)))
    for number in ("r1", "r2"):
        bought = with_refund(bought, ask(bought, number, ("a", 1)))
    assert (bought.refund("r2"), bought.refund("r3")) == (bought.refunds[1], None)
    assert bought.pieces == [Pieces("a", 3), Pieces("b", 1)]
    first = bought.refunds[0]
    numbers = [msgspec.structs.replace(first, closed=closed).number for closed in range(3)]
    assert numbers == ["r1", "r1-2", "r1-3"]
    states = {one: msgspec.structs.replace(first, state=one).open for one in get_args(RefundState)}
    assert {one for one, is_open in states.items() if is_open} == {"requested", "approved", "processing"}
    offs = [
        Discount(source=source, id=kind, name="n", kind=kind, discount_fen=1, lines=[])
        for source, kind in (("coupon", "amount_off"), ("promotion", "new_customer_price"), ("promotion", "bundle"))
    ]  # fmt: skip
    for chosen, newcomer in ((offs, True), (offs[1:2], True), (offs[:1] + offs[2:], False), ([], False)):
        assert msgspec.structs.replace(bought, discounts=chosen).newcomer is newcomer


@pytest.mark.parametrize(
    ("state", "expected"),
    [("awaiting_payment", "order_state"), ("closed", "order_state"), ("completed", "refund_window_over")],
)
def test_nothing_is_refunded_that_was_not_paid_or_is_over(state: State, expected: str) -> None:
    with pytest.raises(MallError) as refusal:
        ask(order(line("a", 1, 100), state=state), "r")
    assert code(refusal) == expected


def test_freight_goes_back_with_the_last_pieces_when_nothing_was_sent() -> None:
    bought = order(line("a", 2, 100), line("b", 1, 50), freight_fen=800)
    assert ask(bought, "r").freight_fen == 800
    first = ask(bought, "r1", ("a", 2))
    assert (first.goods_fen, first.freight_fen) == (100, 0)
    rest = ask(grant(bought, first), "r2", ("b", 1))
    assert (rest.goods_fen, rest.freight_fen) == (50, 800)


def test_freight_stays_once_a_parcel_has_left() -> None:
    bought = send(order(line("a", 2, 100), line("b", 1, 50), freight_fen=800), ("b", 1))
    assert ask(bought, "r", ("a", 2)).freight_fen == 0
    assert ask(send(bought), "r").freight_fen == 0


def test_what_was_not_sent_is_granted_at_once_and_anything_else_is_asked_for() -> None:
    bought = send(order(line("a", 3, 300)), ("a", 1))
    assert [ask(bought, "r", ("a", n)).state for n in (1, 2, 3)] == ["approved", "approved", "requested"]
    mixed = send(order(line("a", 1, 100), line("b", 1, 100)), ("b", 1))
    for both in ((("a", 1), ("b", 1)), (("b", 1), ("a", 1)), ()):
        assert ask(mixed, "r", *both).state == "requested"
    assert ask(send(bought), "r", ("a", 1)).state == "requested"


def test_sent_goods_are_free_again_only_where_they_came_back() -> None:
    bought = send(order(line("a", 3, 300)), ("a", 2))
    for restock, back in ((True, 3), (False, 1)):
        after, pieces = apply_refund(bought, ask(bought, "r"), restock, "op", NOW)
        assert pieces == [Pieces("a", back)]
        assert [(one.cancelled, one.returned, one.restocked) for one in after.lines] == [(1, 2, back)]
        assert after.state == "closed"


def test_when_nothing_more_is_to_be_sent_the_order_is_shipped() -> None:
    bought = send(order(line("a", 2, 200)), ("a", 1))
    after = grant(bought, ask(bought, "r", ("a", 1)))
    assert (after.state, after.history[-1]) == (
        "shipped",
        Event(NOW, "shipped", "system", "其余商品已退款，没有待发货的商品"),
    )


def test_an_order_has_no_more_refunds_than_wechat_makes() -> None:
    bought = order(line("a", REFUNDS_MAX + 1, 5100))
    for number in range(REFUNDS_MAX - 1):
        bought = grant(bought, ask(bought, f"r{number}", ("a", 1)))
    with pytest.raises(MallError) as refusal:
        ask(bought, "the last", ("a", 1))
    assert code(refusal) == "refund_limit"
    bought = grant(bought, ask(bought, "the last", ("a", 2)))
    assert (bought.state, len(bought.refunds)) == ("closed", REFUNDS_MAX)


def test_a_repeated_request_is_answered_as_the_first_one_was() -> None:
    placed = order(line("a", 2, 200), state="awaiting_payment")
    paid = step(msgspec.structs.replace(placed, paid_fen=200, paid_at=NOW, transaction_id="t"), "pay", "paid", "w", NOW)
    parted = send(paid, ("a", 1))
    done = grant(parted, ask(parted, "r", ("a", 1)))
    assert as_placed(done) == as_placed(placed) == placed


def test_the_same_refund_takes_its_own_place() -> None:
    bought = order(line("a", 3, 300))
    for number in ("r1", "r2", "r3"):
        bought = with_refund(bought, ask(bought, number, ("a", 1)))
    changed = msgspec.structs.replace(bought.refunds[1], state="succeeded")
    assert [refund.state for refund in with_refund(bought, changed).refunds] == ["approved", "succeeded", "approved"]


# However it goes on

prices = st.integers(0, 100_000)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    count = draw(st.integers(1, 3))
    quantities = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    amounts = [quantity * draw(prices) for quantity in quantities]
    discounts = split_fen(draw(st.integers(0, sum(amounts))), amounts)
    lines = [
        line(f"s{i}", quantity, amount - discount, discount)
        for i, (quantity, amount, discount) in enumerate(zip(quantities, amounts, discounts, strict=True))
    ]
    return order(*lines, freight_fen=draw(prices))


pieces_of_a_line = st.tuples(st.integers(0, 2), st.integers(1, 6))
moves = st.one_of(
    st.tuples(st.just("ask"), st.lists(pieces_of_a_line, max_size=3)),
    st.tuples(st.just("ship"), st.lists(pieces_of_a_line, max_size=3)),
    st.tuples(st.sampled_from(["approve", "restock", "reject"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["receive", "complete"]), st.none()),
)


def play(before: Order, move: tuple[str, object], number: str) -> Order:
    """The order after the move, as the mall would make it; as it was where the rules refuse."""
    kind, what = move
    try:
        if kind == "ship":
            return send(before, *((f"s{i}", quantity) for i, quantity in what))  # type: ignore[attr-defined]
        if kind == "ask":
            refund = ask(before, number, *((f"s{i}", quantity) for i, quantity in what))  # type: ignore[attr-defined]
            to_ship = {one.sku_id: one.to_ship for one in before.lines}
            assert (refund.state == "approved") is all(x.quantity <= to_ship[x.sku_id] for x in refund.lines)
            return with_refund(before, refund) if refund.state == "requested" else grant(before, refund)
        if kind == "complete" and any(refund.state == "requested" for refund in before.refunds):
            return before  # completion waits for the decision
        if kind in ("receive", "complete"):
            return step(before, kind, kind, "by", NOW)
    except MallError as fault:
        assert fault.code in ("order_state", "invalid", "nothing_to_refund", "refund_window_over")
        return before
    waiting = [refund for refund in before.refunds if refund.state == "requested"]
    if not waiting:
        return before
    refund = waiting[what % len(waiting)]  # type: ignore[operator]
    if kind == "reject":
        return noted(with_refund(before, msgspec.structs.replace(refund, state="rejected")), "no", "op", NOW)
    return grant(before, refund, restock=kind == "restock")


def check(now: Order) -> None:
    """What holds of every paid order, always."""
    counted = [refund for refund in now.refunds if refund.state != "rejected"]
    decided = [refund for refund in counted if refund.state == "approved"]
    for one in now.lines:
        asked = [x for refund in counted for x in refund.lines if x.sku_id == one.sku_id]
        back = [x for refund in decided for x in refund.lines if x.sku_id == one.sku_id]
        assert sum(x.quantity for x in asked) <= one.quantity
        assert sum(x.amount_fen for x in asked) <= one.payable_fen
        assert all(x.amount_fen >= 0 and x.quantity > 0 for x in asked)
        assert one.cancelled + one.returned == sum(x.quantity for x in back) <= one.quantity
        assert one.shipped + one.cancelled + one.to_ship == one.quantity
        assert one.to_ship >= 0
        assert 0 <= one.returned <= one.shipped
        assert one.cancelled <= one.restocked <= one.cancelled + one.returned
        if sum(x.quantity for x in asked) == one.quantity:
            assert sum(x.amount_fen for x in asked) == one.payable_fen
    assert sum(refund.amount_fen for refund in counted) <= now.paid_fen
    assert all(refund.goods_fen == sum(x.amount_fen for x in refund.lines) for refund in counted)
    freight = [refund.freight_fen for refund in counted if refund.freight_fen]
    assert freight in ([], [now.freight_fen])
    assert not (freight and now.shipments)
    all_back = all(one.cancelled + one.returned == one.quantity for one in now.lines)
    assert (now.state == "closed") is all_back
    assert (now.state == "awaiting_shipment") is any(one.to_ship for one in now.lines)
    assert sum(pieces.quantity for parcel in now.shipments for pieces in parcel.lines) == sum(
        one.shipped for one in now.lines
    )


@given(orders(), st.lists(moves, max_size=25))
def test_however_it_is_sent_and_refunded_pieces_and_fen_add_up(bought: Order, played: list[tuple[str, object]]) -> None:
    for number, move in enumerate(played):
        bought = play(bought, move, f"r{number}")
        check(bought)


@given(orders(), st.lists(pieces_of_a_line, max_size=20))
def test_an_order_refunded_whole_in_any_split_gives_back_exactly_what_was_paid(
    bought: Order, parts: list[tuple[int, int]]
) -> None:
    for number, part in enumerate(parts):
        bought = play(bought, ("ask", [part]), f"r{number}")
    bought = play(bought, ("ask", []), "the rest")
    assert sum(refund.amount_fen for refund in bought.refunds) == bought.payable_fen == bought.paid_fen
    assert sum(refund.freight_fen for refund in bought.refunds) == bought.freight_fen
    assert (bought.state, all(one.restocked == one.quantity for one in bought.lines)) == ("closed", True)


@given(orders(), st.lists(st.lists(pieces_of_a_line, min_size=1, max_size=3), max_size=6), st.data())
def test_an_order_sent_and_refunded_whole_gives_back_the_goods_and_keeps_the_freight(
    bought: Order, parts: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    bought = send(bought)
    for number, part in enumerate(parts):
        bought = play(bought, ("ask", part), f"r{number}")
        if bought.state == "shipped":
            rejected = sum(refund.state == "rejected" for refund in bought.refunds)
            last = rejected == REJECTED_MAX - 1  # one more, and the rest could not be asked for
            answers = ["approve", "restock"] if last else ["approve", "restock", "reject"]
            bought = play(bought, (data.draw(st.sampled_from(answers)), 0), "")
    if bought.state != "closed":
        bought = play(bought, ("ask", []), "the rest")
        while any(refund.state == "requested" for refund in bought.refunds):
            bought = play(bought, ("approve", 0), "")
    back = [refund for refund in bought.refunds if refund.state == "approved"]
    assert bought.state == "closed"
    assert sum(refund.amount_fen for refund in back) == bought.payable_fen - bought.freight_fen


def test_a_refused_part_does_not_change_what_the_whole_gives_back() -> None:
    bought = send(order(line("a", 3, 100)))
    for number in ("r1", "r2", "r3"):
        bought = with_refund(bought, ask(bought, number, ("a", 1)))
    assert [refund.lines for refund in bought.refunds] == [
        [RefundLine("a", 1, 33)], [RefundLine("a", 1, 33)], [RefundLine("a", 1, 34)],
    ]  # fmt: skip
    for refused in bought.refunds[:2]:
        bought = with_refund(bought, msgspec.structs.replace(refused, state="rejected"))
    assert ask(bought, "rest").amount_fen == 66
