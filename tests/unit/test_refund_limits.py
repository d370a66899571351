"""WeChat takes fifty refunds of an order: whatever is granted, rejected or closed, there are no more, and all of the
order can go back. And an order's item holds all that must still be written of it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.accounting.rules import GRANTED
from chalicelib.commerce.orders.refunds.rules import (
    REFUNDS_MAX,
    apply_refund,
    check_number,
    new_refund,
    push_anew,
    reduction,
    step_refund,
    with_refund,
)
from chalicelib.commerce.orders.rules import (
    ITEM_BYTES,
    LINES_MAX,
    PARCELS_MAX,
    Order,
    Pieces,
    Refund,
    Shipment,
    check_room,
    noted,
    pieces_to_ship,
    shipped,
    step,
)
from chalicelib.core.errors import MallError
from tests.support.orders import NOW, ask, line, order, send

#: Characters that take the most bytes, in a name and in a reason.
LONG, REASON = "𠮷" * 64, "𠮷" * 256
ALL = 100


def numbers(bought: Order) -> int:
    """The numbers that WeChat has had of the order."""
    return sum(1 + one.closed for one in bought.refunds if one.state in GRANTED and one.amount_fen)


moves = st.lists(
    st.tuples(st.sampled_from(["ask", "mall", "approve", "reject", "close", "lower"]), st.integers(0, 9)), max_size=40
)


def played(now: Order, kind: str, what: int, number: str) -> Order:
    waiting = [one for one in now.refunds if one.state == "requested"]
    if kind in ("ask", "mall"):
        asked = [Pieces("ab"[what % 2], 1 + what // 5)] if what else None
        refund = new_refund(now, number, asked, "why", "d", NOW, kind == "mall")
        return with_refund(now, refund) if refund.state == "requested" else granted(now, refund)
    if kind == "lower":
        return granted(now, reduction(number, {"a": 1}, 0, "why", NOW))
    if kind == "close" and now.refunds:
        one = now.refunds[what % len(now.refunds)]
        if one.state == "approved" and one.amount_fen:
            closed = step_refund(one, "fail", outcome="CLOSED")
            return with_refund(now, push_anew(with_refund(now, closed), closed))
    if kind in ("approve", "reject") and waiting:
        one = waiting[what % len(waiting)]
        return granted(now, one) if kind == "approve" else with_refund(now, step_refund(one, "reject"))
    return now


def granted(now: Order, refund: Refund) -> Order:
    check_number(now, refund)
    return apply_refund(now, refund, False, "by", NOW)[0]


@given(st.integers(REFUNDS_MAX - 6, REFUNDS_MAX - 1), moves)
def test_wechat_is_never_given_more_numbers_than_it_takes_and_the_last_takes_all(
    before: int, steps: list[tuple[str, int]]
) -> None:
    now = send(order(line("a", 40, 4000), line("b", 40, 4000)), ("b", 40))
    past = ask(now, "", ("a", 1))
    now = msgspec.structs.replace(
        now, refunds=[msgspec.structs.replace(past, refund_id=f"p{n}", lines=[]) for n in range(before)]
    )
    for number, (kind, what) in enumerate(steps):
        known = now
        try:
            now = played(now, kind, what, f"r{number}")
        except MallError as fault:
            assert fault.code in ("refund_limit", "invalid", "nothing_to_refund", "order_state")
        renumbered = sum(one.closed for one in now.refunds) > sum(one.closed for one in known.refunds)
        assert numbers(now) <= REFUNDS_MAX
        if numbers(known) < numbers(now) == REFUNDS_MAX and not renumbered:
            assert now.state == "closed"
    if now.state != "closed" and numbers(now) < REFUNDS_MAX:
        for one in now.refunds:
            if one.state == "requested":
                now = with_refund(now, step_refund(one, "reject"))
        rest = new_refund(now, "rest", None, "why", "d", NOW, by_mall=True)
        assert granted(now, rest).state == "closed"


def test_what_wechat_has_closed_may_have_the_last_number_and_none_after_it() -> None:
    bought = order(line("a", 90, 9000))
    past = ask(bought, "", ("a", 1))
    refunds = [msgspec.structs.replace(past, refund_id=f"p{n}", lines=[]) for n in range(REFUNDS_MAX - 1)]
    refunds[0] = msgspec.structs.replace(refunds[0], state="failed", outcome="CLOSED")
    bought = msgspec.structs.replace(bought, refunds=refunds)
    anew = push_anew(bought, refunds[0])
    assert (anew.state, anew.closed, anew.number) == ("approved", 1, "p0-2")
    again = msgspec.structs.replace(anew, state="failed", outcome="CLOSED")
    with pytest.raises(MallError) as refusal:
        push_anew(with_refund(msgspec.structs.replace(bought, refunds=[again, *refunds[1:]]), again), again)
    assert (refusal.value.code, refusal.value.data) == ("refund_limit", {"limit": REFUNDS_MAX})


def test_a_gift_goes_back_however_many_numbers_wechat_has_had() -> None:
    bought = order(line("a", 90, 9000), line("gift", 1, 0))
    past = ask(bought, "", ("a", 1))
    full = [msgspec.structs.replace(past, refund_id=f"p{n}", lines=[]) for n in range(REFUNDS_MAX)]
    bought = msgspec.structs.replace(bought, refunds=full)
    assert granted(bought, ask(bought, "r", ("gift", 1))).lines[1].cancelled == 1
    with pytest.raises(MallError) as refusal:
        check_number(bought, msgspec.structs.replace(past, refund_id="r"))
    assert refusal.value.code == "refund_limit"


# How long an order's item may become


def largest() -> Order:
    """An order of as many lines, with names and kinds as long as may be, sent in as many parcels."""
    lines = [
        msgspec.structs.replace(
            line(f"p{'x' * 24}-{'y' * 8}{number:02d}", ALL, 99_900_000, 1000), product_id="p" + "x" * 24, name=LONG,
            specs={LONG[:-1] + str(kind): LONG for kind in range(4)}, picture_url="u" * 512, pool="x" * 24,
        )
        for number in range(LINES_MAX)
    ]  # fmt: skip
    bought = msgspec.structs.replace(order(*lines, freight_fen=99_900), paid_at=NOW, remark=REASON)
    for number in range(PARCELS_MAX):
        parcel = [Pieces(one.sku_id, 1) for one in bought.lines] if number < PARCELS_MAX - 1 else None
        taken = pieces_to_ship(bought, parcel)
        carried = Shipment(carrier=LONG, tracking_no=f"{LONG[:-2]}{number:02d}", lines=taken, at=NOW)
        bought = check_room(shipped(bought, carried, "operator:" + "x" * 24))
    return bought


def asked_and_granted(now: Order, number: int, asked: list[Pieces] | None) -> Order:
    """The order with one more refund that is asked for, and granted, by the longest words."""
    refund = new_refund(now, f"o{'x' * 24}-{number:012d}", asked, REASON, "d" * 24, NOW)
    now = check_room(noted(with_refund(now, refund), "refund_requested", "member", NOW))
    return granted(now, refund)


def ended(now: Order) -> Order:
    """The order when all that it owes was paid out, not at once, and it is completed."""
    for one in now.refunds:
        if one.state == "requested":
            rejected = step_refund(one, "reject", finished_at=NOW)
            now = noted(with_refund(now, rejected), "refund_rejected", "operator:" + "x" * 24, NOW, REASON)
            continue
        failed = step_refund(one, "fail", outcome="NOT_ENOUGH" * 2)
        now = noted(with_refund(now, failed), "refund_failed", "wechat", NOW)
        handed = step_refund(failed, "hand_over", outcome="")
        now = noted(with_refund(now, handed), "refund_processing", "wechat", NOW)
        done = step_refund(handed, "pay_out", finished_at=NOW)
        now = noted(with_refund(now, done), "refund_succeeded", "wechat", NOW)
    if now.state != "closed":
        now = step(now, "receive", "received_by_time", "system", NOW + timedelta(days=10))
        now = step(now, "complete", "completed", "system", NOW + timedelta(days=17))
    return now


def test_of_the_largest_order_all_refunds_can_be_written_and_paid_out() -> None:
    now = largest()
    for number in range(REFUNDS_MAX - 1):
        now = asked_and_granted(now, number, [Pieces(now.lines[number].sku_id, ALL)])
        assert now.state == "shipped"
    now = ended(asked_and_granted(now, REFUNDS_MAX, None))
    assert (now.state, len(now.refunds)) == ("closed", REFUNDS_MAX)
    assert len(msgspec.json.encode(now)) < ITEM_BYTES - 1024


@pytest.mark.parametrize("decided", [True, False])
def test_where_refunds_of_all_lines_grow_too_long_the_next_is_refused_and_all_the_rest_still_goes_back(
    decided: bool,
) -> None:
    now, refused = largest(), 0
    for number in range(REFUNDS_MAX - 1):
        asked = [Pieces(one.sku_id, 1) for one in now.lines]
        try:
            if decided:
                now = asked_and_granted(now, number, asked)
            else:
                refund = new_refund(now, f"o{'x' * 24}-{number:012d}", asked, REASON, "d" * 24, NOW)
                now = check_room(noted(with_refund(now, refund), "refund_requested", "member", NOW))
        except MallError as fault:
            assert (fault.code, fault.errors[0].reason.code) == ("invalid", "order_too_long")
            refused += 1
    assert refused
    assert len(msgspec.json.encode(ended(now))) < ITEM_BYTES - 1024
    if decided:
        now = ended(asked_and_granted(now, REFUNDS_MAX, None))
        assert now.state == "closed"
        assert len(msgspec.json.encode(now)) < ITEM_BYTES - 1024


def test_however_much_was_refunded_the_last_parcel_can_be_sent() -> None:
    whole = largest()
    unsent = [msgspec.structs.replace(one, shipped=0) for one in whole.lines]
    now = msgspec.structs.replace(whole, state="awaiting_shipment", shipments=[], lines=unsent, freight_fen=0)
    for number in range(REFUNDS_MAX - 1):
        asked = [Pieces(one.sku_id, 1) for one in now.lines]
        refund = new_refund(now, f"o{'x' * 24}-{number:012d}", asked, REASON, "d" * 24, NOW)
        try:
            now = check_room(granted(now, refund))
        except MallError:
            break
    rest = Shipment(carrier=LONG, tracking_no=LONG, lines=pieces_to_ship(now, None), at=NOW)
    sent = check_room(shipped(now, rest, "operator:" + "x" * 24))
    assert len(msgspec.json.encode(ended(sent))) < ITEM_BYTES - 1024
