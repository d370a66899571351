"""An order's money in the journal: its price, and what coupons and promotions cost; its refunds take all of it back."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.money import split_fen
from chalicelib.ledger import members
from chalicelib.ledger.rules import Entry, Posting, Sale, balances, check, paid, refund_granted
from chalicelib.orders.books import given_back, paid_for, sold
from chalicelib.orders.refund_rules import granted, new_refund, reduction
from chalicelib.orders.rules import Order, Pieces
from chalicelib.pricing.basket import Discount, LineDiscount
from tests.unit.test_order_rules import NOW, line, order

FEN = st.integers(0, 20_000)


@st.composite
def bought(draw: st.DrawFn) -> Order:
    """An order with a promotion, a coupon, and one for its freight, of which nothing was sent."""
    quantities = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    coupons = [draw(FEN) for _ in quantities]
    promotions = [draw(FEN) for _ in quantities]
    freight, freight_off = draw(FEN), draw(FEN)
    lines = [
        line(f"s{number}", quantity, draw(FEN), coupons[number] + promotions[number])
        for number, quantity in enumerate(quantities)
    ]
    discounts = [
        _discount("promotion", promotions, 0),
        _discount("coupon", coupons, 0),
        _discount("coupon", [], freight_off),
    ]
    return msgspec.structs.replace(order(*lines, freight_fen=freight), discounts=discounts)


def _discount(source: str, by_line: list[int], freight_fen: int) -> Discount:
    return Discount(
        source=source, id="i", name="n", kind="k", discount_fen=sum(by_line) + freight_fen,  # type: ignore[arg-type]
        lines=[LineDiscount(f"s{number}", fen) for number, fen in enumerate(by_line) if fen],
    )  # fmt: skip


@given(bought(), st.data())
def test_refunds_in_any_parts_take_back_the_whole_sale_and_never_more(whole: Order, data: st.DataObject) -> None:
    sale = sold(whole)
    assert sale.paid_fen == whole.payable_fen
    now, back = whole, Sale()
    if data.draw(st.booleans()) and any(one.payable_fen for one in now.lines):
        lowered = next(one for one in now.lines if one.payable_fen)
        less = data.draw(st.integers(1, lowered.payable_fen))
        refund = reduction("r", {lowered.sku_id: less}, 0, "why", NOW)
        back = _plus(back, given_back(now, refund))
        now = granted(now, refund, False, "system", NOW)[0]
    number = 0
    while now.state != "closed":
        left = [one for one in now.lines if one.quantity > one.cancelled]
        one = data.draw(st.sampled_from(left))
        pieces = data.draw(st.integers(1, one.quantity - one.cancelled))
        refund = new_refund(now, f"r{number}", [Pieces(one.sku_id, pieces)], "why", "", NOW)
        part = given_back(now, refund)
        assert part.paid_fen == refund.amount_fen
        assert min(msgspec.structs.astuple(part)) >= 0
        back = _plus(back, part)
        now, number = granted(now, refund, False, "system", NOW)[0], number + 1
        assert all(paid_for(now, one.sku_id) >= 0 for one in now.lines)
    assert back == sale
    assert [paid_for(now, one.sku_id) for one in now.lines] == [0] * len(now.lines)


def _plus(one: Sale, other: Sale) -> Sale:
    return Sale(**{part: getattr(one, part) + getattr(other, part) for part in Sale.__struct_fields__})


@given(bought())
def test_what_was_paid_and_what_was_given_back_of_it_leave_nothing_but_what_is_owed(whole: Order) -> None:
    if sold(whole) == Sale():
        return
    refund = new_refund(whole, "r", None, "why", "", NOW)
    entries = [paid("o", NOW, sold(whole)), refund_granted("r", "o", NOW, given_back(whole, refund))]
    left = {account: fen for account, fen in balances(entries).items() if fen}
    assert left == ({"wechat": whole.payable_fen, "refunds:owed": -whole.payable_fen} if whole.payable_fen else {})


def test_a_coupon_on_the_freight_stays_spent_once_something_was_sent() -> None:
    whole = msgspec.structs.replace(
        order(line("a", 1, 1000)), discounts=[_discount("coupon", [], 800)], state="received", shipments=[]
    )
    refund = new_refund(whole, "r", None, "why", "", NOW + timedelta(days=1), by_mall=True)
    assert given_back(whole, refund) == Sale(goods_fen=1000, freight_fen=800, coupons_fen=800)
    sent = msgspec.structs.replace(whole, shipments=[object()])  # type: ignore[list-item]
    assert given_back(sent, refund) == Sale(goods_fen=1000)


def test_an_entry_that_does_not_sum_to_zero_or_concerns_two_members_is_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        check(Entry("c", "o", NOW, (Posting("wechat", 1),)))
    two = Entry("c", "o", NOW, (Posting("member:a:pending", 1), Posting("member:b:pending", -1)))
    with pytest.raises(ValueError, match="two members"):
        members.effect(two)


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=20), st.integers(0, 10_000))
def test_what_a_member_is_owed_follows_from_what_came_and_went(amounts: list[int], tax_bp: int) -> None:
    entries: list[Entry] = []
    for number, fen in enumerate(amounts):
        order_id, back = f"o{number}", split_fen(fen, [3, 7])[0]
        entries.append(members.earned(order_id, 1, "m", NOW, fen))
        if back:
            entries.append(members.reversed_to(order_id, 1, "m", NOW, back, fen - back, "pending"))
        entries.append(members.released(order_id, 1, "m", NOW, fen - back))
        entries.append(members.withdrawal_begun(f"w{number}", "m", NOW, fen - back))
        tax = (fen - back) * tax_bp // 10_000
        ended = members.withdrawal_paid(f"w{number}", "m", NOW, fen - back, tax, 0)
        entries.append(ended if number % 2 else members.withdrawal_failed(f"w{number}", "m", NOW, fen - back))
    effects = [one for entry in entries if (one := members.effect(entry)) is not None]
    assert all(one.turnover.net == one.change.owed for one in effects)
    assert sum(one.turnover.net for one in effects) == sum(one.change.owed for one in effects)
    assert sum(balances(entries).values()) == 0
