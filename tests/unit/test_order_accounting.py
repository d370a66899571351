"""An order's money in the journal: its price, and what coupons and promotions cost; its refunds take all of it back.
And whatever the journal says otherwise is named."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.accounting.rules import given_back, paid_for, sold
from chalicelib.commerce.orders.refunds.rules import apply_refund, new_refund, reduction, with_refund
from chalicelib.commerce.orders.rules import Order, OrderLine, Pieces, Refund, RefundState
from chalicelib.commerce.pricing.basket.rules import Discount, LineDiscount
from chalicelib.core.money import split_fen
from chalicelib.ledger import rules as members
from chalicelib.ledger.rules import (
    COUPONS,
    FREIGHT,
    GOODS,
    PROMOTIONS,
    REFUNDS_OWED,
    SURPLUS,
    WECHAT,
    Entry,
    Posting,
    Sale,
    balances,
    check,
    paid,
    paid_late,
    refund_granted,
    refund_paid,
    surplus_owed,
)
from tests.support.orders import NOW, line, order, send

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
    assert given_back(whole) == Sale()
    now = whole
    if data.draw(st.booleans()) and any(one.payable_fen for one in now.lines):
        lowered = next(one for one in now.lines if one.payable_fen)
        less = data.draw(st.integers(1, lowered.payable_fen))
        now = _granted(now, reduction("r", {lowered.sku_id: less}, 0, "why", NOW))
    number = 0
    while now.state != "closed":
        left_of = [one for one in now.lines if one.quantity > one.cancelled]
        one = data.draw(st.sampled_from(left_of))
        pieces = data.draw(st.integers(1, one.quantity - one.cancelled))
        now = _granted(now, new_refund(now, f"r{number}", [Pieces(one.sku_id, pieces)], "why", "", NOW))
        number += 1
        assert all(paid_for(now, one.sku_id) >= 0 for one in now.lines)
    assert given_back(now) == sale
    assert [paid_for(now, one.sku_id) for one in now.lines] == [0] * len(now.lines)


def _granted(before: Order, refund: Refund) -> Order:
    """The order with the refund granted, which took out of it what was paid for that and nothing below zero: but a fen
    of promotions, which are what coupons, rounded down, leave of all discounts, rounded down."""
    after = apply_refund(before, refund, False, "system", NOW)[0]
    part = given_back(after).less(given_back(before))
    assert part.paid_fen == refund.amount_fen
    assert min(part.goods_fen, part.freight_fen, part.coupons_fen, part.promotions_fen + 1) >= 0
    return after


def test_of_three_pieces_one_goes_back_with_a_third_of_what_came_off() -> None:
    """By hand: 3 pieces at 1,000, a coupon takes off 100, a promotion 50, and another coupon 300 of 800 freight."""
    discounts = [_discount("coupon", [100], 0), _discount("promotion", [50], 0), _discount("coupon", [], 300)]
    whole = msgspec.structs.replace(order(line("s0", 3, 2850, 150), freight_fen=500), discounts=discounts)
    assert sold(whole) == Sale(goods_fen=3000, freight_fen=800, coupons_fen=400, promotions_fen=50)
    one = apply_refund(whole, new_refund(whole, "r", [Pieces("s0", 1)], "why", "", NOW), False, "system", NOW)[0]
    assert given_back(one) == Sale(goods_fen=1000, coupons_fen=33, promotions_fen=17)
    rest = apply_refund(one, new_refund(one, "r2", None, "why", "", NOW), False, "system", NOW)[0]
    assert given_back(rest) == sold(whole)


@pytest.mark.parametrize(
    ("sent", "freight_fen"), [((), 800), ((("a", 1),), 0), ((("b", 1),), 0), ((("a", 2), ("b", 1)), 0)]
)
def test_a_coupon_on_the_freight_stays_spent_once_something_was_sent(
    sent: tuple[tuple[str, int], ...], freight_fen: int
) -> None:
    whole = msgspec.structs.replace(
        order(line("a", 2, 1000), line("b", 1, 500)), discounts=[_discount("coupon", [], 800)]
    )
    now = send(whole, *sent) if sent else whole
    part = _granted(now, new_refund(now, "r1", [Pieces("a", 2)], "why", "", NOW, by_mall=True))
    assert given_back(part) == Sale(goods_fen=1000)
    back = _granted(part, new_refund(part, "r2", None, "why", "", NOW, by_mall=True))
    assert given_back(back) == Sale(goods_fen=1500, freight_fen=freight_fen, coupons_fen=freight_fen)


@given(bought(), st.data())
def test_only_what_was_granted_is_given_back_whatever_else_was_asked_and_what_was_sent(
    whole: Order, data: st.DataObject
) -> None:
    """By a plain sum over what was granted: pieces that were sent and not, of lines with two discounts, beside refunds
    that are asked for and rejected."""
    now = whole
    granted: list[tuple[str, int, int]] = []
    freight_fen = 0
    for number in range(data.draw(st.integers(1, 8))):
        asked_of = [one for one in now.lines if _left_to_ask(now, one)]
        if not asked_of:
            break
        if data.draw(st.booleans()) and (to_ship := [one for one in now.lines if one.to_ship]):
            sent = data.draw(st.sampled_from(to_ship))
            now = send(now, (sent.sku_id, data.draw(st.integers(1, sent.to_ship))))
        one = data.draw(st.sampled_from(asked_of))
        part = Pieces(one.sku_id, data.draw(st.integers(1, _left_to_ask(now, one))))
        refund = new_refund(now, f"r{number}", [part], "why", "", NOW)
        answer = data.draw(st.sampled_from(["grant", "wait", "reject"])) if refund.state == "requested" else "grant"
        if answer == "grant":
            now = apply_refund(now, refund, data.draw(st.booleans()), "by", NOW)[0]
            granted += [(part.sku_id, part.quantity, refund.goods_fen)]
            freight_fen += refund.freight_fen
        else:
            now = with_refund(now, refund)
            if answer == "reject":
                now = with_refund(now, msgspec.structs.replace(refund, state="rejected"))
    discounts = coupons = 0
    for line_ in now.lines:
        back = sum(quantity for sku_id, quantity, _ in granted if sku_id == line_.sku_id)
        fen = sum(fen for sku_id, _, fen in granted if sku_id == line_.sku_id)
        assert (line_.cancelled + line_.returned, paid_for(now, line_.sku_id)) == (back, line_.payable_fen - fen)
        of_coupon = next((p.discount_fen for p in now.discounts[1].lines if p.sku_id == line_.sku_id), 0)
        discounts += line_.discount_fen * back // line_.quantity
        coupons += of_coupon * back // line_.quantity
    off_freight = now.discounts[2].discount_fen if now.state == "closed" and not now.shipments else 0
    assert given_back(now) == Sale(
        goods_fen=sum(fen for _, _, fen in granted) + discounts, freight_fen=freight_fen + off_freight,
        coupons_fen=coupons + off_freight, promotions_fen=discounts - coupons,
    )  # fmt: skip


def _left_to_ask(now: Order, one: OrderLine) -> int:
    asked = [part for refund in now.refunds if refund.state != "rejected" for part in refund.lines]
    return one.quantity - sum(part.quantity for part in asked if part.sku_id == one.sku_id)


class Posted(msgspec.Struct):
    """An order, and what was posted for it."""

    order: Order
    entries: list[Entry]

    def differences(self) -> list[str]:
        return [one.what for one in differences_of_order(self.order, self.entries)]


def posted(whole: Order) -> Posted:
    """The order as it was paid."""
    paid_now = msgspec.structs.replace(whole, paid_at=NOW, paid_fen=whole.payable_fen, transaction_id="t")
    sale = sold(paid_now)
    return Posted(paid_now, [paid("o", NOW, sale)] if sale != Sale() else [])


def refund_it(books: Posted, number: str, asked: list[Pieces] | None, is_paid_out: bool) -> None:
    """A refund is granted, and paid out."""
    refund = new_refund(books.order, number, asked, "why", "", NOW)
    after = apply_refund(books.order, refund, False, "system", NOW)[0]
    if (part := given_back(after).less(given_back(books.order))) != Sale():
        books.entries.append(refund_granted(number, "o", NOW, part))
    if is_paid_out:
        if refund.amount_fen:
            books.entries.append(refund_paid(number, "o", NOW, refund.amount_fen))
        done = msgspec.structs.replace(refund, state="succeeded")
        refunded_fen = after.refunded_fen + refund.amount_fen
        after = msgspec.structs.replace(with_refund(after, done), refunded_fen=refunded_fen)
    books.order = after


@given(bought(), st.data())
def test_books_that_were_kept_have_no_difference(whole: Order, data: st.DataObject) -> None:
    books = posted(whole)
    assert books.differences() == []
    for number in range(3):
        if books.order.state == "closed":
            break
        one = data.draw(st.sampled_from([one for one in books.order.lines if one.quantity > one.cancelled]))
        pieces = data.draw(st.integers(1, one.quantity - one.cancelled))
        asked = data.draw(st.sampled_from([None, [Pieces(one.sku_id, pieces)]]))
        refund_it(books, f"r{number}", asked, data.draw(st.booleans()))
        assert books.differences() == []


def _half_refunded() -> Posted:
    discounts = [_discount("coupon", [100], 0), _discount("promotion", [50], 0), _discount("coupon", [], 300)]
    whole = msgspec.structs.replace(order(line("s0", 3, 2850, 150), freight_fen=500), discounts=discounts)
    books = posted(whole)
    refund_it(books, "r1", [Pieces("s0", 1)], is_paid_out=True)
    refund_it(books, "r2", [Pieces("s0", 1)], is_paid_out=False)
    assert books.differences() == []
    return books


#: What the order above says of itself when two of its three pieces went back, one of them paid out.
STANDS = {
    WECHAT: ("paid", 3350, 1), REFUNDS_OWED: ("refunds owed", 950, -1), SURPLUS: ("payments without an order", 0, -1),
    GOODS: ("goods", 1000, -1), FREIGHT: ("freight", 800, -1), COUPONS: ("coupons", 334, 1),
    PROMOTIONS: ("promotions", 16, 1),
}  # fmt: skip


@pytest.mark.parametrize("account", STANDS)
def test_a_fen_in_another_account_is_named(account: str) -> None:
    books = _half_refunded()
    told = books.entries[0]
    books.entries[0] = Entry(
        told.cause, told.about, told.at, (*told.postings, Posting(account, 1), Posting("elsewhere", -1))
    )
    name, fen, sign = STANDS[account]
    assert books.differences() == [
        f"{name}: the order says {fen} fen, entries say {fen + sign}", "entry paid moves elsewhere",
    ]  # fmt: skip


@pytest.mark.parametrize("number", ["r1", "r2"])
def test_a_refund_that_the_journal_grants_otherwise_is_named(number: str) -> None:
    """The shopper is owed the same, and goods went back instead of what the coupon and the promotion took off."""
    books = _half_refunded()
    where = next(place for place, one in enumerate(books.entries) if one.cause == f"granted:{number}")
    books.entries[where] = refund_granted(number, "o", NOW, Sale(goods_fen=950))
    assert books.differences() == [
        "goods: the order says 1000 fen, entries say 1050",
        "coupons: the order says 334 fen, entries say 367",
        "promotions: the order says 16 fen, entries say 33",
    ]


def test_a_payment_that_came_too_late_sells_nothing() -> None:
    whole = order(line("a", 1, 1000), freight_fen=200, state="closed")
    refund = Refund(
        refund_id="r", state="approved", lines=[], goods_fen=1000, freight_fen=200, reason="", created_at=NOW, late=True
    )
    late = msgspec.structs.replace(whole, paid_at=NOW, paid_fen=1200, transaction_id="t", refunds=[refund])
    assert given_back(late) == Sale()
    came, goes = paid_late("o", NOW, 1200), surplus_owed("r", "o", NOW, 1200)
    assert Posted(late, [came, goes]).differences() == []
    as_sold = paid("o", NOW, Sale(goods_fen=1000, freight_fen=200))
    assert Posted(late, [as_sold, goes]).differences() == [
        "payments without an order: the order says 0 fen, entries say -1200",
        "goods: the order says 0 fen, entries say 1000",
        "freight: the order says 0 fen, entries say 200",
    ]


@pytest.mark.parametrize("state", get_args(RefundState))
def test_a_granted_refund_is_given_back_whatever_becomes_of_its_payment(state: RefundState) -> None:
    whole = order(line("a", 2, 1000), line("b", 1, 500))
    refund = msgspec.structs.replace(new_refund(whole, "r", [Pieces("a", 1)], "why", "", NOW), state=state)
    counts = state not in ("requested", "rejected")
    now = msgspec.structs.replace(whole, refunds=[refund])
    assert given_back(now) == Sale(goods_fen=500 if counts else 0)
    assert [paid_for(now, sku_id) for sku_id in "ab"] == [500 if counts else 1000, 500]


def test_refunds_above_what_was_paid_are_named() -> None:
    books = _half_refunded()
    refund_it(books, "r3", None, is_paid_out=True)
    assert books.differences() == []
    doubled = msgspec.structs.replace(books.order.refunds[1], goods_fen=2 * books.order.refunds[1].goods_fen)
    books.order = msgspec.structs.replace(
        books.order, refunds=[books.order.refunds[0], doubled, books.order.refunds[2]]
    )
    assert f"refunds of {3350 + 950} fen exceed 3350 paid" in books.differences()
    paid_less = msgspec.structs.replace(books.order, paid_fen=3349)
    assert "paid 3349 fen of 3350" in [one.what for one in differences_of_order(paid_less, books.entries)]


def test_what_is_withheld_stays_sold_as_goods_until_it_goes_back() -> None:
    whole = msgspec.structs.replace(order(line("a", 1, 1000), line("b", 1, 500), freight_fen=200), paid_at=NOW)
    less = msgspec.structs.replace(new_refund(whole, "r1", [Pieces("a", 1)], "why", "", NOW), withheld_fen=300)
    first = apply_refund(whole, less, False, "by", NOW)[0]
    assert (less.amount_fen, given_back(first)) == (700, Sale(goods_fen=700))
    assert (paid_for(first, "a"), paid_for(first, "b")) == (0, 500)
    rest = msgspec.structs.replace(new_refund(first, "r2", None, "why", "", NOW), withheld_fen=-300)
    assert rest.amount_fen == 1000
    assert given_back(apply_refund(first, rest, False, "by", NOW)[0]) == sold(whole)


def test_an_entry_that_does_not_sum_to_zero_or_concerns_two_members_is_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        check(Entry("c", "o", NOW, (Posting("wechat", 1),)))
    two = Entry("c", "o", NOW, (Posting("member:a:pending", 1), Posting("member:b:pending", -1)))
    with pytest.raises(ValueError, match="two members"):
        members.change_of(two)


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
    effects = [one for entry in entries if (one := members.change_of(entry)) is not None]
    assert all(one.turnover.net == one.change.owed for one in effects)
    assert sum(one.turnover.net for one in effects) == sum(one.change.owed for one in effects)
    assert sum(balances(entries).values()) == 0
