"""What an order's item holds, until when it is paid, and what it was when it was placed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.orders.payment.rules import is_payable
from chalicelib.commerce.orders.rules import (
    ITEM_BYTES,
    Event,
    Order,
    OrderCoupon,
    Pieces,
    Reckoned,
    Refund,
    RefundLine,
    RefundState,
    Seat,
    Shipment,
    as_placed,
    check_room,
    shipped,
)
from chalicelib.core.errors import MallError
from tests.support.orders import NOW, line, order

KIB = 1024
#: What is kept free for an order's end, for a refund and a parcel of all that is left, and for each refund under way.
END, REFUND, PARCEL, OPEN, ASKED = 2 * KIB, 8 * KIB, 6 * KIB, 1280, 1280


def back(state: RefundState, *lines: tuple[str, int]) -> Refund:
    return Refund(
        refund_id="r", state=state, lines=[RefundLine(sku_id, quantity, 1) for sku_id, quantity in lines], goods_fen=1,
        freight_fen=0, reason="why", created_at=NOW,
    )  # fmt: skip


ALL = (("a", 2), ("b", 1))


@pytest.mark.parametrize(
    ("sent", "refunds", "kept_free"),
    [
        ((0, 0), [], END + REFUND + PARCEL),
        ((2, 0), [], END + REFUND + PARCEL),
        ((2, 1), [], END + REFUND),
        ((2, 1), [back("succeeded", ("a", 2))], END + REFUND),  # a piece is left
        ((2, 1), [back("succeeded", *ALL)], END),
        ((2, 1), [back("succeeded", ("a", 2)), back("succeeded", ("b", 1))], END),
        ((2, 1), [back("rejected", *ALL)], END + REFUND),
        ((2, 1), [back("rejected", *ALL), back("requested", *ALL)], END + OPEN + ASKED),
        ((2, 1), [back("approved", ("a", 1)), back("failed", ("a", 1)), back("succeeded", ("b", 1))], END + 2 * OPEN),
        (
            (0, 1),
            [back("processing", ("b", 1)), back("requested", ("a", 1))],
            END + REFUND + PARCEL + 2 * OPEN + ASKED,
        ),
    ],
)
def test_an_order_leaves_room_for_all_that_may_still_be_written_and_not_a_byte_more(
    sent: tuple[int, int], refunds: list[Refund], kept_free: int
) -> None:
    bought = order(line("a", 2, 200), line("b", 1, 100))
    lines = [msgspec.structs.replace(one, shipped=n) for one, n in zip(bought.lines, sent, strict=True)]
    bare = msgspec.structs.replace(bought, lines=lines, refunds=refunds, remark="x")
    room = ITEM_BYTES - kept_free - len(msgspec.json.encode(bare))
    full = msgspec.structs.replace(bare, remark="x" * (1 + room))
    assert check_room(full) is full
    with pytest.raises(MallError) as refusal:
        check_room(msgspec.structs.replace(bare, remark="x" * (2 + room)))
    assert [(told.field, told.reason.code) for told in refusal.value.errors] == [("order_id", "order_too_long")]


def test_pieces_that_are_not_sent_any_more_need_no_parcel() -> None:
    gone = msgspec.structs.replace(line("a", 2, 200), cancelled=2)
    bare = order(gone)
    room = ITEM_BYTES - END - REFUND - len(msgspec.json.encode(bare))
    check_room(msgspec.structs.replace(bare, body_digest="d" * (1 + room)))


# Its deadline


@pytest.mark.parametrize("word", ["SUCCESS", "REFUND", "USERPAYING", "PAYERROR", "NOTPAY", "CLOSED", None])
@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=70, microseconds=-1), timedelta(seconds=70)])
def test_an_order_may_be_paid_until_wechat_takes_no_payment_that_was_begun_in_time(
    word: str | None, late: timedelta
) -> None:
    """A minute after the order's own deadline, and ten seconds for WeChat's clock; what was begun counts always."""
    made = order(line("a", 1, 100), state="awaiting_payment")
    expected = {None: False, "CLOSED": False, "NOTPAY": late < timedelta(seconds=70)}.get(word, True)
    assert is_payable(made, word, made.pay_by + late) is expected
    assert (made.time_expire - made.pay_by, made.unpayable_from - made.pay_by) == (
        timedelta(seconds=60), timedelta(seconds=70),
    )  # fmt: skip


# Its parcels


def test_a_parcel_counts_for_the_pieces_in_it_alone_and_is_told_with_its_number() -> None:
    bought = order(line("a", 3, 300), line("b", 2, 200), line("c", 1, 100))
    one = Shipment(carrier="顺丰", tracking_no="SF1", lines=[Pieces("b", 2), Pieces("a", 1)], at=NOW)
    rest = Shipment(carrier="韵达", tracking_no="YD2", lines=[Pieces("a", 2), Pieces("c", 1)], at=NOW)
    part = shipped(bought, one, "operator:x")
    assert [each.shipped for each in part.lines] == [1, 2, 0]
    done = shipped(part, rest, "operator:y")
    assert (part.state, part.shipments, part.history[1:]) == (
        "awaiting_shipment", [one], [Event(NOW, "partly_shipped", "operator:x", "顺丰 SF1")],
    )  # fmt: skip
    assert (done.state, done.shipments, done.history[2:]) == (
        "shipped", [one, rest], [Event(NOW, "shipped", "operator:y", "韵达 YD2")],
    )  # fmt: skip
    assert [each.shipped for each in done.lines] == [3, 2, 1]


# How it was placed


@pytest.mark.parametrize("group", [None, Seat(lobby_id="g", activity_id="ga", size=2, leader=True)])
def test_whatever_happened_since_an_order_is_told_as_it_was_placed(group: Seat | None) -> None:
    placed = msgspec.structs.replace(
        order(line("a", 2, 200), line("b", 1, 100), state="awaiting_payment"), group=group, remark="x", chain=["m2"],
        coupons=[OrderCoupon("k", "t", 10, True), OrderCoupon("x", "t", 10, False)], free_freight={"t": 1},
    )  # fmt: skip
    happened: dict[str, Any] = {"shipped": 1, "cancelled": 1, "returned": 1, "restocked": 2, "reduced_fen": 5}
    now: Order = msgspec.structs.replace(
        placed, state="completed", lines=[msgspec.structs.replace(one, **happened) for one in placed.lines],
        history=[*placed.history, Event(NOW, "paid", "wechat"), Event(NOW, "completed", "system")], paid_fen=300,
        refunded_fen=100, transaction_id="t", paid_at=NOW, confirmed_at=NOW, received_at=NOW,
        shipments=[Shipment(carrier="c", tracking_no="n", lines=[], at=NOW)], refunds=[back("succeeded", *ALL)],
        group=None if group is None else msgspec.structs.replace(group, state="taken", over=True),
        coupons=[msgspec.structs.replace(one, came_back=True) for one in placed.coupons],
        reckoned=Reckoned(step=3, unit_price_fen=90),
    )  # fmt: skip
    assert as_placed(now) == placed
