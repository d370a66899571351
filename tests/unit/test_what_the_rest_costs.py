"""What stays of an order after a refund, reckoned alone: by line, promotion, template and coupon; and whether it is."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from chalicelib.commerce.orders.conditions.rules import (
    Dearer,
    asks_for_terms,
    granted_in_full,
    has_terms,
    held_to_conditions,
    reckoned_anew,
)
from chalicelib.commerce.orders.refunds.rules import new_refund
from chalicelib.commerce.orders.rules import Order, Pieces, Refund, Seat
from chalicelib.commerce.pricing.basket.rules import Discount
from chalicelib.commerce.pricing.freight.rules import FreightRule, FreightTemplate
from chalicelib.commerce.pricing.promotions.rules import AddOn, PiecesPercent, Promotion, ThresholdOff
from tests.support.conditions import Bought, bought
from tests.support.orders import ask, line, order, send
from tests.support.pricing import NOW, RUNS, held, item, percents, prices, thresholds


def free_from(fen: int, first_fen: int = 800) -> FreightTemplate:
    return FreightTemplate(name="t", rules=[FreightRule(first_fen=first_fen, free_from_fen=fen)])


def dearer(books: Bought, *pieces: tuple[str, int]) -> Dearer | None:
    """What the rest costs more after these pieces went back, whatever becomes of the refund."""
    return reckoned_anew(books.order, ask(books.order, "r", *pieces), books.terms)


# When it is asked for


def off(source: Literal["promotion", "coupon"], kind: str) -> Discount:
    return Discount(source=source, id=kind, name="n", kind=kind, discount_fen=1, lines=[])


TEN = off("coupon", "amount_off")
SEAT = Seat(lobby_id="l", activity_id="g", size=2)


@pytest.mark.parametrize(
    ("discounts", "free", "group", "hangs"),
    [
        ([], {}, None, False),
        ([], {"default": 3}, None, True),
        ([], {"default": 3}, SEAT, False),
        ([TEN], {}, None, False),
        ([TEN, off("coupon", "bundle")], {}, None, False),
        ([off("promotion", "new_customer_price")], {}, None, False),
        ([off("promotion", "leader_price")], {}, None, False),
        ([off("promotion", "bundle")], {}, None, True),
        ([off("promotion", "bundle")], {}, SEAT, False),
        ([TEN, off("promotion", "new_customer_price"), off("promotion", "add_on")], {}, None, True),
    ],
)
def test_a_price_hangs_on_the_rest_by_a_promotion_with_a_condition_or_free_freight(
    discounts: list[Discount], free: dict[str, int], group: Seat | None, hangs: bool
) -> None:
    one = msgspec.structs.replace(
        order(line("a", 2, 200), line("b", 1, 100)), discounts=discounts, free_freight=free, group=group
    )
    assert has_terms(one) is hangs
    part, line_gone = ask(one, "r", ("a", 1)), ask(one, "r", ("a", 2))
    assert [asks_for_terms(one, each, by_mall=False) for each in (part, line_gone)] == [hangs, hangs]


@pytest.mark.parametrize(
    ("state", "kept_fen", "by_mall", "pieces", "asks"),
    [
        ("approved", 0, False, (("a", 2),), True),
        ("requested", 0, False, (("a", 2),), False),  # a person decides anyway
        ("approved", 0, False, (("a", 2), ("b", 1)), False),  # nothing stays
        ("approved", 0, True, (("a", 2),), False),  # the mall keeps nothing
        ("approved", 1, True, (("a", 2),), True),  # save what an earlier refund kept
        ("requested", 1, True, (("a", 1),), True),
        ("approved", 1, True, (("a", 2), ("b", 1)), False),
    ],
)
def test_terms_are_read_only_where_they_matter(
    state: Any, kept_fen: int, by_mall: bool, pieces: tuple[tuple[str, int], ...], asks: bool
) -> None:
    one = msgspec.structs.replace(order(line("a", 2, 200), line("b", 1, 100)), free_freight={"default": 1})
    asked = msgspec.structs.replace(ask(one, "r", *pieces), state=state)
    earlier = Refund(
        refund_id="r0", state="approved", lines=[], goods_fen=0, freight_fen=0, reason="", created_at=NOW,
        withheld_fen=kept_fen,
    )  # fmt: skip
    one = msgspec.structs.replace(one, refunds=[earlier])
    assert asks_for_terms(one, asked, by_mall) is asks


# What it comes to


def test_of_two_promotions_and_a_coupon_each_line_loses_its_own_part() -> None:
    """3 at 1000, 1 at 2000 and 1 at 500: ten percent off from two pieces on, then 400 off from 4000, then a coupon."""
    offers: dict[str, Promotion] = {
        "p": PiecesPercent(tiers=percents((2, 10)), **RUNS),
        "q": ThresholdOff(tiers=thresholds((4000, 400)), **RUNS),
    }
    coupon = held("k", kind="amount_off", amount_fen=410, threshold_fen=1)
    books = bought([item("a", 3, 1000), item("b", 1, 2000), item("c", 1, 500)], offers, [coupon])
    assert sum(one.payable_fen for one in books.order.lines) == books.order.paid_fen
    for pieces in ((("a", 1),), (("a", 3),), (("b", 1),), (("c", 1),), (("a", 2), ("c", 1)), (("b", 1), ("c", 1))):
        left = {one.sku_id: one.quantity - dict(pieces).get(one.sku_id, 0) for one in books.order.lines}
        at = {"a": 1000, "b": 2000, "c": 500}
        amounts = {sku_id: at[sku_id] * number for sku_id, number in left.items() if number}
        many = sum(left.values()) >= 2
        cost = sum(fen - fen // 10 for fen in amounts.values()) if many else sum(amounts.values())
        cost -= 400 if cost >= 4000 else 0
        refund = ask(books.order, "r", *pieces)
        of_coupon = {part.sku_id: part.discount_fen for part in books.order.discounts[-1].lines}
        quantities = {one.sku_id: one.quantity for one in books.order.lines}
        kept = books.order.paid_fen - refund.goods_fen
        kept += sum(-(-fen * left[sku_id] // quantities[sku_id]) for sku_id, fen in of_coupon.items())
        found = dearer(books, *pieces)
        assert found is not None
        assert (found.goods_fen, found.freight_fen, found.slack_fen) == (cost - kept, 0, 2 * len(amounts))


def test_rounding_is_a_fen_for_each_promotion_on_a_line_that_stays_and_one_where_there_is_none() -> None:
    offers: dict[str, Promotion] = {
        "p": PiecesPercent(tiers=percents((1, 10)), **RUNS),
        "q": ThresholdOff(tiers=thresholds((1, 2)), **RUNS),
    }
    coupon = held("k", kind="amount_off", amount_fen=5, threshold_fen=1)
    books = bought([item("a", 2, 1000), item("b", 2, 1000), item("free", 2, 0)], offers, [coupon])
    slack = {"a": 2, "b": 2, "free": 1}
    for gone in ([], ["a"], ["free"], ["a", "b"], ["b", "free"]):
        found = dearer(books, *((sku_id, 2) for sku_id in gone), *((s, 1) for s in ["a", "b"] if s not in gone))
        assert found is not None
        assert found.slack_fen == sum(fen for sku_id, fen in slack.items() if sku_id not in gone)


@pytest.mark.parametrize(
    ("pieces", "freight_fen"),
    [
        ((("a", 1),), 0),  # 30000 of a stay
        ((("a", 2),), 800),
        ((("a", 4),), 0),  # nothing of that template stays
        ((("b", 1),), 0),  # it was charged by its own template, and counts for no other
        ((("c", 1),), 70),
        ((("a", 2), ("c", 1)), 870),
        ((("a", 4), ("c", 1)), 70),
    ],
)
def test_freight_comes_back_for_each_template_whose_own_goods_are_not_dear_enough_any_more(
    pieces: tuple[tuple[str, int], ...], freight_fen: int
) -> None:
    templates = {
        "default": free_from(30000),
        "small": free_from(2000, 70),
        "charged": FreightTemplate(name="t", rules=[FreightRule(first_fen=500)]),
    }
    items = [
        item("a", 4, 10000), item("b", 2, 20000, template_id="charged"), item("c", 2, 1000, template_id="small"),
    ]  # fmt: skip
    books = bought(items, templates=templates)
    assert (books.order.freight_fen, sorted(books.order.free_freight)) == (500, ["default", "small"])
    lines_left = sum(dict(pieces).get(one.sku_id, 0) < one.quantity for one in items)
    assert dearer(books, *pieces) == Dearer(0, freight_fen, lines_left)


def test_what_cannot_be_reckoned_as_it_was_placed_is_not_reckoned() -> None:
    books = bought([item("a", 2, 20000), item("b", 1, 10)], templates={"default": free_from(30000)})
    assert dearer(books, ("a", 1)) == Dearer(0, 800, 2)
    nowhere = {"default": FreightTemplate(name="t", rules=[FreightRule()], unserved=["310000"])}
    for terms in (
        msgspec.structs.replace(books.terms, templates=nowhere),
        msgspec.structs.replace(books.terms, templates={**books.terms.templates, "other": free_from(1)}),
        msgspec.structs.replace(books.terms, templates={"default": free_from(40011)}),
        msgspec.structs.replace(books.terms, items=books.terms.items[:1]),
    ):
        assert reckoned_anew(books.order, ask(books.order, "r", ("a", 1)), terms) is None


# What becomes of it


def tiers() -> Bought:
    """Four at 1000: from 4000 on 1200 off, from 3000 on 500, from 2000 on 100. So they cost 700 each."""
    off_by = thresholds((2000, 100), (3000, 500), (4000, 1200))
    return bought([item("a", 4, 1000)], {"p": ThresholdOff(tiers=off_by, **RUNS)})


def test_each_refund_keeps_what_the_rest_costs_more_beside_what_was_kept_before() -> None:
    """What stays costs 2500, 1900, 1000 alone; of it 2100, 1400 and 700 stay paid."""
    books = tiers()
    told = [books.ask(f"r{number}", ("a", 1), deducts=True) for number in range(4)]
    assert [(one.state, one.withheld_fen, one.amount_fen) for one in told] == [
        ("approved", 400, 300), ("approved", 100, 600), ("approved", -200, 900), ("approved", -300, 1000),
    ]  # fmt: skip


@pytest.mark.parametrize(("missing_fen", "state"), [(0, "approved"), (1, "approved"), (2, "requested")])
def test_what_stays_within_rounding_of_what_was_kept_is_granted(missing_fen: int, state: str) -> None:
    """One promotion is on the one line that stays: a fen."""
    extra = AddOn(prices=prices(x=100), limit=2, threshold_fen=9900, **RUNS)
    books = bought([item("big", 1, 10000), item("x", 2, 5000), item("y", 1, 50)], {"p": extra})
    first = books.new("r1", [Pieces("big", 1)], deducts=True)
    books.add(msgspec.structs.replace(first, withheld_fen=first.withheld_fen - missing_fen))
    refund = books.ask("r2", ("y", 1))
    assert (refund.state, refund.withheld_fen) == (state, 0)


def test_a_refund_that_only_waits_is_written_so_from_the_start() -> None:
    books = tiers()
    asked = ask(books.order, "r", ("a", 1))
    waits = held_to_conditions(books.order, asked, books.terms, deducts=False)
    assert waits == msgspec.structs.replace(
        asked, state="requested", first_state="requested", because="promotion_condition"
    )
    assert held_to_conditions(books.order, waits, books.terms, deducts=True) is waits


def mall_refund(bought: Order, *pieces: tuple[str, int]) -> Refund:
    refund = new_refund(bought, "r", [Pieces(*each) for each in pieces], "why", "d", NOW, by_mall=True)
    return granted_in_full(bought, refund, None)


def test_the_mall_gives_freight_back_with_the_last_pieces_of_what_was_not_sent() -> None:
    bought = order(line("a", 2, 200), line("b", 1, 100), freight_fen=800)
    parts: list[tuple[tuple[str, int], ...]] = [(("a", 1),), (("a", 2),), (("b", 1),), (("a", 2), ("b", 1))]
    assert [mall_refund(bought, *each).freight_fen for each in parts] == [0, 0, 0, 800]
    undecided = msgspec.structs.replace(ask(bought, "r", ("a", 2), ("b", 1)), state="requested", freight_fen=800)
    known = msgspec.structs.replace(bought, refunds=[undecided])
    assert granted_in_full(known, undecided, None).freight_fen == 800
    assert granted_in_full(send(known, ("b", 1)), undecided, None).freight_fen == 0
