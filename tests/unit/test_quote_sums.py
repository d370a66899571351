"""What promotions take off, for any purchase, against sums that are made in another way; a whole quote by hand; and
coupons that have next to nothing to take off."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import Scope
from chalicelib.commerce.pricing.basket.rules import Discount, Item, LineDiscount
from chalicelib.commerce.pricing.discounts.rules import CouponDiscount, UnusableCoupon
from chalicelib.commerce.pricing.promotions.rules import (
    AddOn,
    Bundle,
    NewCustomerPrice,
    PiecesPercent,
    Promotion,
    ThresholdOff,
)
from chalicelib.commerce.pricing.rules import Quote, QuoteLine
from tests.support.pricing import PUDONG, RUNS, held, item, percents, pieces, price, prices, thresholds

_fen = st.integers(0, 30)
_lines = st.lists(st.tuples(st.integers(1, 5), _fen), min_size=1, max_size=4)
_named = st.dictionaries(st.sampled_from("abcd"), _fen, min_size=1)
_tiers = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 100)), min_size=1, max_size=4)


def bought(lines: list[tuple[int, int]]) -> list[Item]:
    """Up to four lines of SKUs a, b, c, d; a and b are tea."""
    tea = {"a", "b"}
    return [
        item(sku, quantity, fen, categories=("tea",) if sku in tea else ())
        for sku, (quantity, fen) in zip("abcd", lines, strict=False)
    ]


def saved(items: list[Item], running: Promotion) -> int:
    return price(items, promotions={"p": running}, new_customer=True).discount_fen


@given(_lines, _named, st.integers(1, 9), st.integers(0, 60), st.booleans())
def test_an_add_on_and_a_new_customer_s_price_save_as_much_as_so_many_pieces_can(
    lines: list[tuple[int, int]], named: dict[str, int], limit: int, threshold: int, narrow: bool
) -> None:
    items, scope = bought(lines), Scope(categories=["tea"]) if narrow else Scope()
    cheaper = [
        one.unit_price_fen - named[one.sku_id] for one in items if one.sku_id in named for _ in range(one.quantity)
    ]
    others = [one for one in items if one.sku_id not in named and (not narrow or "tea" in one.categories)]
    reached = bool(others) and sum(one.amount_fen for one in others) >= threshold
    most = sum(heapq.nlargest(limit, [0, *(fen for fen in cheaper if fen > 0)]))
    added = AddOn(prices=prices(**named), limit=limit, threshold_fen=threshold, scope=scope, **RUNS)
    assert saved(items, added) == (most if reached else 0)
    assert saved(items, NewCustomerPrice(prices=prices(**named), **RUNS)) == max([0, *cheaper])


@given(_lines, st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1), _fen)
def test_a_bundle_saves_on_each_set_what_its_pieces_cost_more(
    lines: list[tuple[int, int]], of: dict[str, int], fen: int
) -> None:
    items = bought(lines)
    left, sets, worth = {one.sku_id: one.quantity for one in items}, 0, 0
    while all(left.get(sku, 0) >= number for sku, number in of.items()):
        left = {sku: number - of.get(sku, 0) for sku, number in left.items()}
        sets += 1
        worth += sum(one.unit_price_fen * of.get(one.sku_id, 0) for one in items)
    assert saved(items, Bundle(pieces=pieces(**of), price_fen=fen, **RUNS)) == max(0, worth - sets * fen)


@given(_lines, _tiers, st.booleans())
def test_of_the_tiers_that_are_reached_the_best_holds(
    lines: list[tuple[int, int]], tiers: list[tuple[int, int]], every: bool
) -> None:
    items = [one for one in bought(lines) if one.categories]
    total, number = sum(one.amount_fen for one in items), sum(one.quantity for one in items)
    scope = Scope(categories=["tea"])
    percent = max([0, *(off for least, off in tiers if number >= least)])
    by_pieces = PiecesPercent(tiers=percents(*tiers), scope=scope, **RUNS)
    assert saved(bought(lines), by_pieces) == total * percent // 100
    times = [(total // least if every else 1) * off for least, off in tiers if total >= least]
    by_amount = ThresholdOff(tiers=thresholds(*tiers), every=every, scope=scope, **RUNS)
    assert saved(bought(lines), by_amount) == min(total, max([0, *times]))


def test_a_quote_tells_all_of_a_purchase() -> None:
    """A tenth off from 50.00 on, which are 5.00; then 4.50; the freight of three pieces is 11.00, less 5.00."""
    running: dict[str, Promotion] = {
        "p": ThresholdOff(tiers=thresholds((5000, 500)), **RUNS),
        "far": ThresholdOff(tiers=thresholds((5001, 900)), **RUNS),
        "new": NewCustomerPrice(prices=prices(a=1), **RUNS),
    }
    wallet = [
        held("f", kind="free_shipping", ceiling_fen=500), held("m", kind="amount_off", amount_fen=450),
        held("n", kind="amount_off", amount_fen=440), held("z", kind="exchange", amount_fen=2701),
        held("y", kind="exchange", scope=Scope(products=["p-c"])),
    ]  # fmt: skip
    told = price(
        [item("a", 2, 1000), item("b", 1, 3000)], *wallet, chosen=["f", "m"], region=PUDONG, promotions=running,
        versions={"p": 3, "far": 4},
    )  # fmt: skip

    def off(source: str, name: str, of: str, kind: str, fen: int, version: int = 0, **lines: int) -> Discount:
        return Discount(
            source=source, id=of, name=name, kind=kind, discount_fen=fen, version=version,  # type: ignore[arg-type]
            lines=[LineDiscount(sku, part) for sku, part in lines.items()],
        )  # fmt: skip

    assert told == Quote(
        lines=[
            QuoteLine(
                sku_id="a", quantity=2, unit_price_fen=1000, amount_fen=2000, discount_fen=380, payable_fen=1620
            ),
            QuoteLine(
                sku_id="b", quantity=1, unit_price_fen=3000, amount_fen=3000, discount_fen=570, payable_fen=2430
            ),
        ],
        goods_fen=5000, discount_fen=950, freight_fen=600, payable_fen=4650,
        discounts=[
            off("promotion", "n", "p", "threshold_off", 500, 3, a=200, b=300),
            off("coupon", "coupon m", "m", "amount_off", 450, a=180, b=270),
            off("coupon", "coupon f", "f", "free_shipping", 500),
        ],
        coupons=[CouponDiscount("m", 450), CouponDiscount("f", 500)],
        usable_coupons=[CouponDiscount("f", 500), CouponDiscount("m", 450), CouponDiscount("n", 440)],
        unusable_coupons=[UnusableCoupon("y", "scope"), UnusableCoupon("z", "nothing_to_take_off")],
    )  # fmt: skip


def test_a_promotion_whose_version_nobody_kept_has_none() -> None:
    running: dict[str, Promotion] = {"p": Bundle(pieces=pieces(a=2), price_fen=1, **RUNS)}
    [bundle] = price([item("a", 2, 1)], promotions=running, versions={"q": 7}).discounts
    assert (bundle.discount_fen, bundle.version) == (1, 0)


@pytest.mark.parametrize(
    ("amount_fen", "after_main", "off"), [(2999, 3000, 1), (3000, 3000, 0), (3002, 3000, 0), (9, 1500, 1491)]
)
def test_an_exchange_never_costs_more_than_the_piece_does_by_now(amount_fen: int, after_main: int, off: int) -> None:
    piece = held("x", kind="exchange", amount_fen=amount_fen, stacking="extra")
    main = held("m", kind="amount_off", amount_fen=3000 - after_main)
    told = price([item("a", 1, 3000)], main, piece, chosen="best")
    assert sum(one.discount_fen for one in told.coupons) == 3000 - after_main + off
    assert told.payable_fen == after_main - off


@pytest.mark.parametrize(("left_by_main", "off"), [(2001, 1), (2000, 0), (1999, 0), (1990, 0)])
def test_what_the_main_coupon_left_below_the_price_of_an_exchange_stays_as_it_is(left_by_main: int, off: int) -> None:
    main = held("m", kind="amount_off", amount_fen=3000 - left_by_main)
    told = price([item("a", 1, 3000)], main, held("x", kind="exchange", amount_fen=2000, stacking="extra"))
    assert [one.discount_fen for one in told.coupons] == [3000 - left_by_main, off]
    assert told.payable_fen == left_by_main - off


def test_a_coupon_for_a_single_fen_is_used_too() -> None:
    wallet = [held("m", kind="amount_off", amount_fen=1), held("x", kind="amount_off", amount_fen=1, stacking="extra")]
    told = price([item("a", 1, 100)], *wallet, chosen="best")
    assert told.coupons == [CouponDiscount("m", 1), CouponDiscount("x", 1)]
    assert price([item("a", 1, 100)], wallet[0], chosen="best").coupons == [CouponDiscount("m", 1)]


@pytest.mark.parametrize(
    ("floor_bp", "amount_fen", "payable"),
    [
        (0, 0, [0, 900]), (0, 500, [500, 900]), (4500, 0, [1000, 405]), (5000, 0, [1000, 450]),
        (5000, 449, [1000, 450]), (5000, 450, [1000, 450]), (5000, 500, [1000, 500]), (4500, 600, [1000, 600]),
    ],
)  # fmt: skip
def test_an_exchange_respects_the_floor_and_takes_the_piece_that_it_makes_cheapest(
    floor_bp: int, amount_fen: int, payable: list[int]
) -> None:
    """The dearer piece has the price of a group, half of its own: with a floor of half, nothing more comes off it."""
    items = [item("a", 1, 1000, group=True, sale_price_fen=2000), item("b", 1, 900)]
    told = price(items, held("x", kind="exchange", amount_fen=amount_fen), floor_bp=floor_bp)
    assert [line.payable_fen for line in told.lines] == payable
