"""Pieces set aside for an activity: nobody else's, never oversold, and on ordinary sale again when it is over."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from chalicelib.commerce.catalogue import queries as catalogue_queries
from chalicelib.commerce.catalogue.indexing import service as indexing
from chalicelib.commerce.catalogue.products import queries as product_queries
from chalicelib.commerce.catalogue.products import service as products
from chalicelib.commerce.catalogue.rules import Stock, product_of
from chalicelib.commerce.catalogue.stock import pools
from chalicelib.commerce.catalogue.stock import queries as stock_queries
from chalicelib.commerce.catalogue.stock.pools import return_stock, take_stock
from chalicelib.commerce.catalogue.tables import POOL, STOCK, Products, pool_key
from chalicelib.commerce.orders.jobs import STOCK_RETURNED
from chalicelib.core.errors import MallError
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.events import emit
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import cache, read, tools
from chalicelib.platform.store.transaction import ConditionFailed, Transaction
from tests.integration.test_catalogue_products import (
    Minutes,
    cards,
    category,
    fresh,
    make,
    minutes,
    refused,
    sku,
)

__all__ = ["fresh", "minutes"]

SUPPLY, ASIDE = 10, 6
SHORT = "too few"

Act = Callable[[Transaction], object]


def does(act: Act) -> bool:
    """Whether the act can be done. Who is told that the mall is busy asks again."""
    while True:
        tx = Transaction()
        act(tx)
        try:
            tx.commit()
        except ConditionFailed as fault:
            assert set(fault.failed) == {SHORT}
            return False
        except MallError as fault:
            assert fault.code == "unavailable"
        else:
            return True


def take(sku_id: str, quantity: int = 1, pool: str = "") -> bool:
    return does(lambda tx: take_stock(tx, sku_id, quantity, SHORT, pool))


def give_back(sku_id: str, quantity: int = 1, pool: str = "") -> bool:
    """And whoever cares is told, as an order tells."""

    def act(tx: Transaction) -> None:
        return_stock(tx, sku_id, quantity, pool)
        lines = msgspec.json.encode([[sku_id, quantity, pool]]).decode()
        emit(tx, STOCK_RETURNED, secrets.token_hex(6), lines=lines)

    return does(act)


def set_aside(sku_id: str, pool: str, quantity: int = ASIDE) -> bool:
    return does(lambda tx: pools.set_aside(tx, sku_id, pool, quantity, SHORT))


def close(sku_id: str, pool: str) -> bool:
    return does(lambda tx: pools.close_pool(tx, sku_id, pool))


def counters(sku_id: str, pool: str = "") -> tuple[int, int, int]:
    """Free, taken and supplied; each is a sum of the others."""
    item = read.get(Products, *pool_key(sku_id, pool)[1]) if pool else None
    kept = Stock(int(item.free), int(item.taken), int(item.supplied)) if item else stock_queries.stock_of(sku_id)
    assert kept.free >= 0
    assert kept.free + kept.taken == kept.supplied
    return kept.free, kept.taken, kept.supplied


@pytest.fixture
def sku_id() -> str:
    return first_sku(make(skus=[sku(stock=SUPPLY)]))


@pytest.fixture
def pool(sku_id: str) -> str:
    pool_id = f"g{secrets.token_hex(6)}"
    assert set_aside(sku_id, pool_id)
    return pool_id


def first_sku(shelf: product_queries.ProductAggregate) -> str:
    assert shelf.product is not None
    return shelf.product.skus[0].sku_id


def page(product_id: str) -> Any:
    cache.forget("catalogue")
    return msgspec.json.decode(catalogue_queries.product(product_id).body)


def test_ordinary_sale_cannot_take_what_is_set_aside(sku_id: str, pool: str) -> None:
    assert (counters(sku_id), counters(sku_id, pool)) == ((4, 6, 10), (6, 0, 6))
    assert not take(sku_id, 5)
    assert take(sku_id, 4)
    assert not take(sku_id, 7, pool)
    assert take(sku_id, 6, pool)
    assert (counters(sku_id), counters(sku_id, pool)) == ((0, 10, 10), (0, 6, 6))
    assert not set_aside(sku_id, pool, 1)
    assert not take(sku_id, 1, "g404")


def test_more_can_be_set_aside_and_other_activities_have_their_own(sku_id: str, pool: str) -> None:
    assert set_aside(sku_id, pool, 1)
    assert set_aside(sku_id, f"{pool}-2", 3)
    assert not set_aside(sku_id, f"{pool}-3", 1)
    assert (counters(sku_id), counters(sku_id, pool), counters(sku_id, f"{pool}-2")) == (
        (0, 10, 10),
        (7, 0, 7),
        (3, 0, 3),
    )
    assert take(sku_id, 3, f"{pool}-2")
    assert counters(sku_id, pool) == (7, 0, 7)


def test_pools_are_no_stock_of_the_product(sku_id: str, pool: str) -> None:
    shelf = product_queries.existing(product_of(sku_id))
    assert {one: (s.free, s.taken, s.supplied) for one, s in shelf.stocks.items()} == {sku_id: (4, 6, 10)}
    assert [each["stock"] for each in page(product_of(sku_id))["skus"]] == [4]


def test_a_sku_with_pieces_in_a_pool_stays(sku_id: str, pool: str) -> None:
    others = {"skus": [sku("B")]}
    refused("sku_in_use", lambda: products.change(product_of(sku_id), others))
    assert take(sku_id, 1, pool)
    assert close(sku_id, pool)
    worker.run_due()
    assert counters(sku_id) == (9, 1, 10)
    refused("sku_in_use", lambda: products.change(product_of(sku_id), others))
    assert give_back(sku_id, 1, pool)
    worker.run_due()
    assert sku_id not in products.change(product_of(sku_id), others).stocks
    assert not set_aside(sku_id, f"{pool}-2", 1)


def test_what_comes_back_to_an_open_pool_is_sold_from_it_again(sku_id: str, pool: str) -> None:
    assert take(sku_id, 6, pool)
    assert give_back(sku_id, 2, pool)
    worker.run_due()
    assert (counters(sku_id), counters(sku_id, pool)) == ((4, 6, 10), (2, 4, 6))
    assert take(sku_id, 2, pool)


def test_no_more_pieces_come_back_than_were_taken(sku_id: str, pool: str) -> None:
    assert take(sku_id, 1, pool)
    with pytest.raises(AssertionError, match="Conflict"):
        give_back(sku_id, 2, pool)
    assert counters(sku_id, pool) == (5, 1, 6)
    assert owed(sku_id, pool) == []


def test_a_closed_pool_sells_nothing_and_goes_to_ordinary_sale(sku_id: str, pool: str) -> None:
    assert take(sku_id, 2, pool)
    for _ in range(2):
        assert close(sku_id, pool)
    assert not take(sku_id, 1, pool)
    assert not set_aside(sku_id, pool, 1)
    assert counters(sku_id, pool) == (4, 2, 6)
    worker.run_due()
    assert (counters(sku_id), counters(sku_id, pool)) == ((8, 2, 10), (0, 2, 2))
    assert give_back(sku_id, 1, pool)
    worker.run_due()
    assert (counters(sku_id), counters(sku_id, pool)) == ((9, 1, 10), (0, 1, 1))
    assert owed(sku_id, pool) == []


def test_a_pool_that_never_was_is_closed_all_the_same(sku_id: str) -> None:
    assert close(sku_id, "g404")
    worker.run_due()
    assert not set_aside(sku_id, "g404", 1)
    assert (counters(sku_id), counters(sku_id, "g404")) == ((10, 0, 10), (0, 0, 0))


def test_what_comes_back_to_sale_is_on_offer_again(minutes: Minutes) -> None:
    scope = category()
    sku_id = first_sku(make(category_id=scope, skus=[sku(stock=ASIDE)]))
    assert set_aside(sku_id, "g1")
    products.reindex(product_of(sku_id))
    assert [card["in_stock"] for card in cards(scope)] == [False]
    assert close(sku_id, "g1")
    worker.run_due()
    minutes.seconds += 60
    worker.run_due()
    assert [card["in_stock"] for card in cards(scope)] == [True]


def owed(sku_id: str, pool: str) -> list[Jobs]:
    return [job for job in tools.scan(Jobs) if job.task.key == f"{sku_id}|{pool}"]


def test_a_worker_whose_lease_is_over_moves_nothing(sku_id: str, pool: str) -> None:
    assert close(sku_id, pool)
    [item] = owed(sku_id, pool)
    with pytest.raises(ConditionFailed):
        indexing.empty_pool(Job(item.shard, item.due, item.task, "another's"))
    assert (counters(sku_id), counters(sku_id, pool)) == ((4, 6, 10), (6, 0, 6))
    worker.run_due()
    assert (counters(sku_id), counters(sku_id, pool)) == ((10, 0, 10), (0, 0, 0))


def test_many_workers_at_once_move_pieces_once(sku_id: str, pool: str, minutes: Minutes) -> None:
    assert take(sku_id, 4, pool)
    assert close(sku_id, pool)
    for _ in range(4):
        minutes.seconds += 0.01  # another job
        assert give_back(sku_id, 1, pool)
        assert close(sku_id, pool)
    waiting = owed(sku_id, pool)
    assert len(waiting) == 5
    with ThreadPoolExecutor(5) as crowd:
        assert all(crowd.map(worker.run_one, waiting))
    assert (counters(sku_id), counters(sku_id, pool)) == ((10, 0, 10), (0, 0, 0))
    assert owed(sku_id, pool) == []


def test_a_run_that_another_overtakes_moves_only_what_is_left(
    sku_id: str, pool: str, minutes: Minutes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one moves everything between this one's read and its write, and another piece comes back."""
    assert take(sku_id, 4)
    assert take(sku_id, 1, pool)
    assert close(sku_id, pool)
    minutes.seconds += 0.01
    assert close(sku_id, pool)
    one, other = owed(sku_id, pool)
    moved: list[int] = []
    really = pools.back_to_sale

    def overtaken(tx: Transaction, sku_id: str, pool_id: str, quantity: int, on_failure: object) -> None:
        moved.append(quantity)
        if len(moved) == 1:
            assert worker.run_one(other)
            minutes.seconds += 0.01
            assert give_back(sku_id, 1, pool_id)
        really(tx, sku_id, pool_id, quantity, on_failure)

    monkeypatch.setattr(pools, "back_to_sale", overtaken)
    assert worker.run_one(one)
    assert moved == [5, 5, 1]
    assert (counters(sku_id), counters(sku_id, pool)) == ((6, 4, 10), (0, 0, 0))
    worker.run_due()
    assert owed(sku_id, pool) == []


def test_the_last_pieces_of_a_pool_are_sold_once(sku_id: str, pool: str) -> None:
    with ThreadPoolExecutor(8) as crowd:
        taken = list(crowd.map(lambda _: take(sku_id, 1, pool), range(10)))
    assert sum(taken) == ASIDE
    assert (counters(sku_id), counters(sku_id, pool)) == ((4, 6, 10), (0, 6, 6))


def test_ordinary_sales_and_setting_aside_share_what_is_free(sku_id: str) -> None:
    def work(number: int) -> tuple[int, int]:
        if number % 2:
            return 0, 2 * set_aside(sku_id, "g1", 2)
        return int(take(sku_id)), 0

    with ThreadPoolExecutor(8) as crowd:
        done = list(crowd.map(work, range(20)))
    sold, aside = sum(each[0] for each in done), sum(each[1] for each in done)
    free, taken, _ = counters(sku_id)
    assert (taken, free) == (sold + aside, SUPPLY - sold - aside)
    assert free < 2
    assert counters(sku_id, "g1") == (aside, 0, aside)


@pytest.mark.parametrize("seed", range(3))
def test_takes_returns_closing_and_emptying_at_once_lose_nothing(
    sku_id: str, pool: str, seed: int, minutes: Minutes
) -> None:
    """Each of six buyers takes and gives back in turns, from the pool and from ordinary sale, while it is closed."""

    def buyer(number: int) -> tuple[int, int]:
        chance = random.Random(seed * 100 + number)
        held = {pool: 0, "": 0}
        for _ in range(6):
            where = chance.choice([pool, ""])
            if held[where] and chance.random() < 0.5:
                assert give_back(sku_id, 1, where)
                held[where] -= 1
            else:
                held[where] += take(sku_id, 1, where)
        return held[pool], held[""]

    def closing(_: int) -> tuple[int, int]:
        assert close(sku_id, pool)
        worker.run_due()
        return 0, 0

    with ThreadPoolExecutor(8) as crowd:
        acts = [crowd.submit(buyer, number) for number in range(6)] + [crowd.submit(closing, n) for n in range(2)]
        held = [act.result() for act in acts]
    from_pool, ordinary = sum(each[0] for each in held), sum(each[1] for each in held)
    minutes.seconds += 600  # what failed under way is tried again
    worker.run_due()
    assert counters(sku_id, pool) == (0, from_pool, from_pool)
    assert counters(sku_id) == (SUPPLY - from_pool - ordinary, from_pool + ordinary, SUPPLY)
    assert owed(sku_id, pool) == []


def test_the_sums_that_an_audit_compares(sku_id: str, pool: str) -> None:
    assert set_aside(sku_id, "g1", 2)
    assert take(sku_id, 1)
    assert take(sku_id, 2, pool)
    supplied = {
        pool_id: int(item.supplied)
        for item in tools.scan(Products)
        if item.part.startswith(POOL)
        for of, _, pool_id in [item.part.removeprefix(POOL).partition("#")]
        if of == sku_id
    }
    assert supplied == {pool: 6, "g1": 2}
    assert counters(sku_id)[1] == 1 + sum(supplied.values())
    stocks = [item.part for item in tools.scan(Products) if item.part.startswith(STOCK)]
    assert stocks.count(STOCK + sku_id) == 1
