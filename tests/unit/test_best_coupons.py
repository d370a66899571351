"""The best combination of coupons: as good as any that can be tried, and found in no time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commerce.coupons.rules import COUPONS_MAX, Held, Scope
from chalicelib.commerce.coupons.wallet.queries import READY_MAX
from chalicelib.commerce.pricing.basket.rules import Item
from chalicelib.commerce.pricing.promotions.rules import Promotion, ThresholdOff
from chalicelib.commerce.pricing.rules import Quote
from chalicelib.core.errors import MallError
from tests.support.pricing import (
    DAY,
    NOW,
    PUDONG,
    RUNS,
    baskets,
    floors,
    held,
    item,
    price,
    promotions,
    thresholds,
    wallets,
)

Rank = tuple[int, int, list[datetime], list[str]]


def ids(quote: Quote) -> list[str]:
    return [each.coupon_id for each in quote.coupons]


def rank(quote: Quote, wallet: list[Held]) -> Rank:
    """The best is the cheapest; then with the fewest coupons, those that end first, the first by id."""
    until = {each.coupon.coupon_id: each.coupon.valid_until for each in wallet}
    chosen = ids(quote)
    return quote.payable_fen, len(chosen), [until[each] for each in chosen], chosen


def by_trying_all(bought: list[Item], wallet: list[Held], **facts: Any) -> Quote:
    found = []
    names = [each.coupon.coupon_id for each in wallet]
    for number in range(COUPONS_MAX + 2):
        for chosen in itertools.combinations(names, number):
            try:
                found.append(price(bought, *wallet, chosen=chosen, **facts))
            except MallError as refusal:
                assert refusal.code == "coupon_unusable"
                assert number > 0
    return min(found, key=lambda quote: rank(quote, wallet))


@given(baskets(), wallets(), promotions(), floors, st.sampled_from([None, PUDONG]))
def test_the_best_is_what_trying_all_combinations_finds(
    bought: list[Item], wallet: list[Held], running: dict[str, Promotion], floor: int, region: str | None
) -> None:
    facts = {"promotions": running, "floor_bp": floor, "region": region}
    assert price(bought, *wallet, chosen="best", **facts) == by_trying_all(bought, wallet, **facts)


def test_the_best_two_need_not_be_the_best_ones() -> None:
    shirt, tea = item("shirt", 1, 1000), item("tea", 1, 1000)
    wallet = [
        held("m1", kind="amount_off", amount_fen=1000, scope=Scope(products=["p-shirt"])),
        held("m2", kind="amount_off", amount_fen=900, scope=Scope(products=["p-tea"])),
        held("x1", kind="amount_off", amount_fen=950, scope=Scope(products=["p-shirt"]), stacking="extra"),
        held("x2", kind="amount_off", amount_fen=700, scope=Scope(products=["p-shirt"]), stacking="extra"),
    ]
    assert ids(price([shirt, tea], *wallet, chosen="best")) == ["m2", "x1"]


@pytest.mark.parametrize("terms", [{"kind": "amount_off", "amount_fen": 9}, {"kind": "free_shipping"}])
def test_of_two_that_take_off_the_same_the_one_that_ends_first_is_spent(terms: dict[str, Any]) -> None:
    late, soon = held("a", until=NOW + 2 * DAY, **terms), held("b", **terms)
    quote = price([item("a", 1, 100)], late, soon, chosen="best", region=PUDONG)
    assert ids(quote) == ["b"]
    assert [each.coupon_id for each in quote.usable_coupons] == ["b", "a"]
    same = held("0", **terms)
    assert ids(price([item("a", 1, 100)], late, soon, same, chosen="best", region=PUDONG)) == ["0"]


def test_of_two_pairs_that_take_off_the_same_the_one_that_ends_first_is_spent() -> None:
    def made(name: str, fen: int, sku_id: str, days: int = 3, **more: Any) -> Held:
        scope = Scope(products=[f"p-{sku_id}"])
        return held(name, kind="amount_off", amount_fen=fen, scope=scope, until=NOW + days * DAY, **more)

    wallet = [
        made("m1", 300, "shirt", 2), made("m2", 200, "tea", 1),
        made("x1", 105, "shirt", stacking="extra"), made("x2", 5, "tea", stacking="extra"),
    ]  # fmt: skip
    quote = price([item("shirt", 1, 300), item("tea", 1, 200)], *wallet, chosen="best")
    assert (ids(quote), quote.discount_fen) == (["m2", "x1"], 305)


def test_one_coupon_is_better_than_two_that_take_off_the_same() -> None:
    soon = held("m", kind="amount_off", amount_fen=80)
    late = held("x", kind="amount_off", amount_fen=100, stacking="extra", until=NOW + 2 * DAY)
    assert ids(price([item("a", 1, 100)], soon, late, chosen="best")) == ["x"]


def test_a_coupon_that_would_be_wasted_is_kept() -> None:
    wallet = [
        held("m", kind="amount_off", amount_fen=100),
        held("x", kind="amount_off", amount_fen=100, stacking="extra"),
        held("f", kind="free_shipping"),
    ]
    quote = price([item("a", 1, 100)], *wallet, chosen="best")
    assert (ids(quote), quote.payable_fen) == (["m"], 0)
    assert ids(price([item("a", 1, 200)], *wallet, chosen="best", region=PUDONG)) == ["m", "x", "f"]
    assert ids(price([item("a", 1, 0)], *wallet, chosen="best")) == []


# 50 coupons, 50 lines

LINES = [
    item(f"s{n}", n % 7 + 1, 500 + 97 * n, product_id=f"{n:020}", categories=(f"c{n % 5}", f"d{n % 3}", "root"))
    for n in range(50)
]
RUNNING: dict[str, Promotion] = {
    f"p{n}": ThresholdOff(tiers=thresholds((1000, 100)), scope=Scope(products=[f"{n:020}"]), **RUNS) for n in range(20)
}


def crowded(number: int) -> Scope:
    """As much as a scope may name; two thirds of the lines are in it."""
    inside = [f"{n:020}" for n in range(50) if (n + number) % 3]
    return Scope(
        products=[*inside, *(f"other-{number}-{n:010}" for n in range(200 - len(inside)))],
        categories=[f"other-{number}-{n:010}" for n in range(100)],
        excluded_products=[f"another-{number}-{n:010}" for n in range(200)],
    )


WALLETS: dict[str, list[dict[str, Any]]] = {
    "of all kinds": [
        {"kind": kind, "amount_fen": 400 + n, "percent_off": 7, "ceiling_fen": 900 + n, "threshold_fen": 1000}
        for n, kind in zip(range(50), itertools.cycle(["amount_off", "percent_off", "free_shipping", "exchange"]))
    ],
    "all the same": [{"kind": "amount_off", "amount_fen": 500}] * 50,
    "each more than there is": [{"kind": "amount_off", "amount_fen": 10**8, "scope": crowded(n)} for n in range(50)],
    "percent upon percent": [{"kind": "percent_off", "percent_off": 50 + n} for n in range(50)],
    "for one dear piece": [{"kind": "exchange", "amount_fen": n} for n in range(50)],
    "percent, then a piece": [
        {"kind": "exchange", "amount_fen": n} if n % 2 else {"kind": "percent_off", "percent_off": 50 + n}
        for n in range(50)
    ],
}  # fmt: skip


def _some_work() -> int:
    """What the machine that the times are of does in 6 ms."""
    found: dict[int, int] = {}
    for number in range(30_000):
        found[number % 97] = found.get(number % 97, 0) + min(number, 500) * 7 // 100
    return sum(found.values())


def cpu_ms(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


@pytest.mark.parametrize(("coupons", "most_ms"), [(50, 20), (READY_MAX, 60)])
@pytest.mark.parametrize("of", WALLETS)
def test_the_best_for_50_lines_is_found_within_20_ms_of_50_coupons_and_60_of_all_that_are_looked_at(
    of: str, coupons: int, most_ms: float
) -> None:
    wallet = [
        held(f"k{n:03}", stacking="extra" if n % 2 else "main", until=NOW + DAY * (1 + n % 9), **WALLETS[of][n % 50])
        for n in range(coupons)
    ]

    def best() -> Quote:
        return price(LINES, *wallet, chosen="best", region=PUDONG, promotions=RUNNING, floor_bp=1000)

    assert best().coupons
    times, references = zip(*[(cpu_ms(best), cpu_ms(_some_work)) for _ in range(7)], strict=True)
    slower = max(1.0, min(references) / 6)  # than the machine that they were measured on: 1 to 9 ms, 2 to 30 ms
    assert min(times) < most_ms * slower
