"""What a refund takes of an order's lines and leaves of them, whatever of them was sent and given back before."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.refunds.rules import (
    REFUNDS_MAX,
    apply_refund,
    check_number,
    freight_left,
    left_after,
    new_refund,
    reduction,
    takes_another_part,
    withheld,
)
from chalicelib.commerce.orders.refunds.rules import RefundRequest as Asked
from chalicelib.commerce.orders.rules import Event, Order, OrderLine, Pieces, Refund, RefundLine, RefundState
from chalicelib.core.errors import MallError
from chalicelib.core.money import yuan
from tests.support.orders import NOW, line, order

LONG_AGO = [Event(NOW, "placed", "member")]


def refund(number: str, *lines: tuple[str, int, int], state: RefundState = "approved", **more: Any) -> Refund:
    """The refund of these pieces of SKUs, for so many fen."""
    parts = [RefundLine(*each) for each in lines]
    return Refund(
        refund_id=number, state=state, lines=parts, goods_fen=sum(part.amount_fen for part in parts), reason="why",
        created_at=NOW, **{"freight_fen": 0, **more},
    )  # fmt: skip


@st.composite
def used_lines(draw: st.DrawFn) -> list[OrderLine]:
    """Lines that were sent and given back in part, and whose prices were lowered."""
    lines = []
    for number in range(draw(st.integers(1, 4))):
        quantity = draw(st.integers(1, 6))
        sent = draw(st.integers(0, quantity))
        cancelled, returned = draw(st.integers(0, quantity - sent)), draw(st.integers(0, sent))
        restocked = cancelled + draw(st.integers(0, returned))
        payable_fen = draw(st.integers(0, 5000))
        lines.append(
            msgspec.structs.replace(
                line(f"s{number}", quantity, payable_fen), shipped=sent, cancelled=cancelled, returned=returned,
                restocked=restocked, reduced_fen=draw(st.integers(0, payable_fen)),
            )
        )  # fmt: skip
    return lines


@given(used_lines(), st.booleans(), st.data())
def test_pieces_that_were_not_sent_go_first_and_only_what_is_at_hand_again_goes_into_stock(
    lines: list[OrderLine], restock: bool, data: st.DataObject
) -> None:
    left = {one.sku_id: one.quantity - one.cancelled - one.returned for one in lines}
    taken = {sku_id: data.draw(st.integers(0, number)) for sku_id, number in left.items()}
    unsent = any(one.to_ship for one in lines)
    before = order(*lines, state="awaiting_shipment" if unsent else "received")
    asked = refund("r", *((sku_id, number, 7) for sku_id, number in taken.items() if number))
    assert left_after(before, asked) == {sku_id: number - taken[sku_id] for sku_id, number in left.items()}
    after, back = apply_refund(before, asked, restock, "operator:x", NOW)
    into_stock = {}
    for was, now in zip(lines, after.lines, strict=True):
        cancelled, returned = now.cancelled - was.cancelled, now.returned - was.returned
        assert cancelled + returned == taken[was.sku_id] and min(cancelled, returned) >= 0
        assert now.to_ship == was.to_ship - cancelled >= 0 and (returned == 0 or now.to_ship == 0)
        into_stock[was.sku_id] = cancelled + returned * restock
        assert now == msgspec.structs.replace(
            was, cancelled=now.cancelled, returned=now.returned, restocked=was.restocked + into_stock[was.sku_id]
        )
    assert back == [Pieces(sku_id, number) for sku_id, number in into_stock.items() if number]
    note = f"退款 {yuan(asked.amount_fen)} 元，原路退回" if asked.amount_fen else ""
    events = [*LONG_AGO, Event(NOW, "refund_granted", "operator:x", note, asked.refund_id)]
    state = before.state
    if taken == left:
        state, events = "closed", [*events, Event(NOW, "closed_refunded", "system")]
    elif unsent and not any(one.to_ship for one in after.lines):
        state, events = "shipped", [*events, Event(NOW, "shipped", "system", "其余商品已退款，没有待发货的商品")]
    assert after == msgspec.structs.replace(before, state=state, lines=after.lines, refunds=[asked], history=events)


@given(used_lines(), st.data())
def test_a_price_that_is_lowered_takes_no_piece_and_of_each_line_its_own_part(
    lines: list[OrderLine], data: st.DataObject
) -> None:
    before = order(*lines, state="received")
    lowered = {one.sku_id: data.draw(st.integers(0, 99)) for one in lines}
    made = reduction("r", lowered, 5, "why", NOW)
    assert made == Refund(
        refund_id="r", state="approved", goods_fen=sum(lowered.values()), freight_fen=5, reason="why", created_at=NOW,
        lines=[RefundLine(sku_id, 0, fen) for sku_id, fen in lowered.items() if fen],
    )  # fmt: skip
    whole_left = any(one.cancelled + one.returned < one.quantity for one in lines)
    if whole_left:
        after, back = apply_refund(before, made, True, "system", NOW)
        assert (back, [one.reduced_fen for one in after.lines]) == (
            [], [one.reduced_fen + lowered[one.sku_id] for one in lines],
        )  # fmt: skip
        assert [msgspec.structs.replace(one, reduced_fen=0) for one in after.lines] == [
            msgspec.structs.replace(one, reduced_fen=0) for one in lines
        ]


def test_a_refund_says_what_it_gives_back_of_each_line_and_how_it_was_asked_for() -> None:
    lowered = msgspec.structs.replace(line("b", 4, 400), reduced_fen=100)
    bought = order(line("a", 3, 100), lowered, line("c", 1, 0), freight_fen=800)
    bought = msgspec.structs.replace(bought, refunds=[refund("r0", ("a", 1, 33)), refund("x", ("b", 0, 100))])
    asked = [Pieces("b", 1), Pieces("a", 2)]
    assert new_refund(bought, "r1", asked, "why", "digest", NOW) == refund(
        "r1", ("b", 1, 75), ("a", 2, 67), body_digest="digest"
    )
    assert new_refund(bought, "r1", None, "why", "digest", NOW) == refund(
        "r1", ("a", 2, 67), ("b", 4, 300), ("c", 1, 0), body_digest="digest", freight_fen=800
    )
    sent = [msgspec.structs.replace(one, shipped=one.quantity) for one in bought.lines]
    gone = msgspec.structs.replace(bought, lines=sent, state="shipped", shipments=[object()])
    assert new_refund(gone, "r1", asked, "why", "digest", NOW) == refund(
        "r1", ("b", 1, 75), ("a", 2, 67), body_digest="digest", state="requested", first_state="requested"
    )
    assert new_refund(gone, "r1", asked, "why", "digest", NOW, by_mall=True).state == "approved"


@pytest.mark.parametrize(
    ("states", "freight_fen"),
    [
        (["approved", "approved"], 800),
        (["approved", "requested"], 0),
        (["requested", "succeeded"], 0),
        (["rejected", "failed"], 800),
        (["succeeded", "rejected", "processing"], 800),
    ],
)
def test_freight_goes_back_with_the_last_pieces_when_nothing_is_undecided(
    states: list[RefundState], freight_fen: int
) -> None:
    bought = order(*(line(f"s{number}", 1, 100) for number in range(4)), freight_fen=800)
    refunds = [refund(f"r{number}", (f"s{number}", 1, 100), state=state) for number, state in enumerate(states)]
    bought = msgspec.structs.replace(bought, refunds=refunds)
    kept = {part.sku_id for each in refunds if each.state != "rejected" for part in each.lines}
    rest = [Pieces(one.sku_id, 1) for one in bought.lines if one.sku_id not in kept]
    assert new_refund(bought, "r", rest, "why", "d", NOW).freight_fen == freight_fen
    assert new_refund(bought, "r", rest[:-1], "why", "d", NOW).freight_fen == 0


def test_freight_that_went_back_is_not_there_again_and_what_was_rejected_never_went() -> None:
    bought = msgspec.structs.replace(
        order(line("a", 1, 100), freight_fen=800),
        refunds=[
            refund("r1", ("a", 1, 1), freight_fen=300, withheld_fen=20),
            refund("r2", state="rejected", freight_fen=100),
            refund("r3", state="requested", freight_fen=150, withheld_fen=-5),
        ],
    )
    assert (freight_left(bought), withheld(bought)) == (350, 15)
    assert [one.amount_fen for one in bought.refunds] == [1 + 300 - 20, 100, 150 + 5]


# The numbers that WeChat takes

PAST = [refund(f"p{number}", ("a", 0, 1), state="succeeded") for number in range(REFUNDS_MAX)]
GIFT = refund("g", ("gift", 1, 0), state="requested")


def with_past(number: int, *more: Refund) -> Order:
    lines = [line("a", 2, 200), msgspec.structs.replace(line("low", 1, 100), reduced_fen=100), line("gift", 1, 0)]
    return msgspec.structs.replace(order(*lines), refunds=[*PAST[:number], *more])


@pytest.mark.parametrize(
    ("bought", "asked", "fits"),
    [
        (with_past(50), {"gift": 1}, True),
        (with_past(50), {"low": 1}, True),  # all that was paid for it went back already
        (with_past(50), {"gift": 1, "low": 1}, True),
        (with_past(50), {"gift": 1, "a": 1}, False),
        (with_past(50), {"c": 1, "low": 1}, True),  # another guard's
        (with_past(49), {"a": 1, "low": 1, "gift": 1}, False),
        (with_past(49), {"a": 2, "low": 1, "gift": 1}, True),
        (with_past(50), {"a": 2, "low": 1, "gift": 1}, False),
        (with_past(48), {"a": 1}, True),
        (with_past(48, GIFT), {"a": 1}, False),  # the freight may go back with it
        (with_past(48, msgspec.structs.replace(GIFT, state="approved")), {"a": 1}, True),
        (with_past(48, msgspec.structs.replace(PAST[49], state="rejected", closed=3)), {"a": 1}, True),
        (with_past(46, msgspec.structs.replace(PAST[49], closed=1)), {"a": 1}, True),
        (with_past(46, msgspec.structs.replace(PAST[49], closed=2)), {"a": 1}, False),
    ],
)
def test_wechat_has_numbers_for_all_that_may_go_to_it(bought: Order, asked: dict[str, int], fits: bool) -> None:
    remaining = {one.sku_id: one.quantity for one in bought.lines}
    wanted = [Pieces(*each) for each in asked.items()]
    refusal = takes_another_part(Asked(order=bought, pieces=wanted, remaining=remaining, at=NOW, by_mall=False))
    assert (refusal is None) is fits
    if refusal is not None:
        assert (refusal.code, refusal.data) == ("refund_limit", {"limit": REFUNDS_MAX})


@pytest.mark.parametrize(
    ("past", "undecided", "parts", "fits"),
    [
        (48, 9, (("a", 1, 100),), True),
        (49, 0, (("a", 1, 100),), False),
        (49, 0, (("a", 2, 200),), False),  # the other lines stay
        (49, 9, (("a", 2, 200), ("low", 1, 0), ("gift", 1, 0)), True),
        (50, 0, (("a", 2, 200), ("low", 1, 0), ("gift", 1, 0)), False),
        (50, 0, (("gift", 1, 0),), True),
    ],
)
def test_what_others_only_ask_for_takes_no_number_from_what_is_granted(
    past: int, undecided: int, parts: tuple[tuple[str, int, int], ...], fits: bool
) -> None:
    others = [refund(f"u{number}", ("a", 1, 1), state="requested") for number in range(undecided)]
    bought, granted = with_past(past, *others), refund("r", *parts)
    if fits:
        check_number(bought, granted)
        return
    with pytest.raises(MallError) as refusal:
        check_number(bought, granted)
    assert refusal.value.code == "refund_limit"
