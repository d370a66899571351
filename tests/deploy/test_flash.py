"""The simulation of a flash sale: what must be true at any speed, limits that bind, and the page that tells of it."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from bench.simulation import flash
from bench.simulation.flash_page import ADVISED, BACK, SALES, SMALL, page, read, written
from bench.simulation.flash_simulation import FlashSimulation, Outcome, Sale
from bench.simulation.keys import Asked, Bucket, Keys
from bench.units.key_heat import Touched

KEPT = read(flash.FILE.read_bytes())
#: Small, and all at once, so that the limits are met.
CROWD = Sale(buyers=3000, pieces=300, rush=0.3)


def run(sale: Sale) -> Outcome:
    return FlashSimulation(sale, KEPT.touches).run()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shards", [0, 1, 8])
def test_two_hundred_want_the_last_fifty_and_fifty_have_one_each(shards: int, seed: int) -> None:
    outcome = run(replace(SMALL[0], shards=shards, seed=seed))
    assert (outcome.sold, outcome.orders, outcome.told, outcome.gave_up) == (50, 50, 150, 0)


@pytest.mark.parametrize("shards", [0, 4, 32])
def test_all_is_sold_and_no_more_also_where_some_want_three_and_the_rest_lies_in_bits(shards: int) -> None:
    outcome = run(replace(CROWD, shards=shards, wants_more=3))
    assert outcome.sold == CROWD.pieces
    assert outcome.orders + outcome.told == CROWD.buyers
    assert outcome.orders < CROWD.pieces


def test_who_is_refused_too_often_goes_away_and_is_counted() -> None:
    outcome = run(replace(CROWD, patience=1))
    assert outcome.gave_up > 0
    assert outcome.orders + outcome.told + outcome.gave_up == CROWD.buyers
    assert outcome.sold <= CROWD.pieces


def test_nobody_is_told_that_there_are_none_a_second_after_pieces_came_back() -> None:
    sale = Sale(buyers=3000, pieces=100, rush=6.0, shards=8, processes=30, back=((3.0, 400),))
    outcome = run(sale)
    assert outcome.sold == 500
    assert 0.5 < outcome.told_late <= sale.cache_seconds + 0.05  # and the call that had begun
    assert run(replace(sale, cache_seconds=2.0)).told_late > sale.cache_seconds + 0.05


def test_the_same_seed_gives_the_same_sale_and_another_one_another() -> None:
    sale = replace(CROWD, shards=4)
    assert run(sale) == run(sale)
    assert run(sale) != run(replace(sale, seed=2))


def test_one_buyer_alone_reads_and_writes_what_was_measured() -> None:
    for shards, touches in ((0, KEPT.touches.own), (8, KEPT.touches.shard)):
        outcome = run(Sale(buyers=1, pieces=10, shards=shards))
        assert outcome.peak_writes == units(touches, "writes")
        assert outcome.peak_reads == units([*touches, *KEPT.touches.remembered], "reads")
        assert outcome.transactions_per_order == 1


def units(touches: list[Touched], kind: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for touch in touches:
        found[touch.place] = found.get(touch.place, 0) + getattr(touch, kind) * touch.keys
    return {place: each for place, each in sorted(found.items()) if each}


def test_an_item_serves_one_transaction_at_a_time() -> None:
    held = 0.05
    for shards in (0, 4):
        sale = replace(CROWD, shards=shards, transaction=held, wants_more=0)
        outcome = run(sale)
        assert outcome.conflicts > 0
        assert outcome.sold_out_seconds >= sale.pieces / max(1, shards) * held


def test_job_shards_limit_the_tries_and_more_of_them_raise_the_limit() -> None:
    sale = replace(CROWD, buyers=2000, pieces=2000, shards=32, job_shards=1, key_writes=200.0, key_reads=30_000.0)
    one, four = run(sale), run(replace(sale, job_shards=4))
    assert one.throttles["jobs"] > four.throttles.get("jobs", 0)
    tries = 2000 / 2 * 0.2  # 200 units a second at two units a try, one second's worth of them saved up
    assert one.sold_out_seconds >= one.orders / tries - 1
    assert four.sold_out_seconds < one.sold_out_seconds


def test_a_key_serves_a_seconds_worth_and_then_its_rate() -> None:
    bucket = Bucket(1000, 1000)
    assert bucket.take(0.0, 1000)
    assert not bucket.take(0.0009, 1)
    assert bucket.take(0.5, 499)
    assert not bucket.take(0.5, 2)
    assert bucket.take(100.0, 1000)
    assert not bucket.take(100.0, 1)


def test_who_reads_a_key_that_is_used_up_waits_and_is_told_503() -> None:
    keys = Keys(reads=10, writes=10, read_seconds=0.0, chance=Random(1))
    wanted = [Asked(("product", 0), "products", 8.0)]
    waits, served = drive(keys, wanted)
    assert (waits, served) == ([0.0], True)
    waits, served = drive(keys, wanted)  # the clock stands still: nothing is filled in
    assert served is False
    assert len(waits) == 5  # three tries, and waits of up to one and two seconds between them
    chance = Random(1)
    assert waits[1::2] == [chance.random(), chance.random() * 2]
    assert keys.throttles == {"product": 3}
    keys.now = 10.0
    assert drive(keys, wanted)[1] is True


def drive(keys: Keys, wanted: list[Asked]) -> tuple[list[float], bool]:
    steps, waits = keys.batch(wanted), []
    while True:
        try:
            waits.append(next(steps))
        except StopIteration as end:
            return waits, end.value


def test_the_page_is_what_its_figures_say() -> None:
    assert flash.PAGE.read_text(encoding="utf-8") == page(KEPT), "run: python -m bench.simulation --kept"
    assert flash.FILE.read_bytes() == written(KEPT)


def test_the_figures_are_of_these_sales_and_the_simulation_still_gives_them() -> None:
    kept = {run.sale: run.outcome for run in KEPT.runs}
    assert list(kept) == SALES, "run: python -m bench.simulation --kept"
    for sale in SMALL:
        assert run(sale) == kept[sale], "run: python -m bench.simulation --kept"


def test_in_every_sale_of_the_page_with_shards_all_was_sold_and_nobody_was_told_so_too_late() -> None:
    for one in KEPT.runs:
        supplied = one.sale.pieces + sum(pieces for _, pieces in one.sale.back)
        assert one.outcome.sold == supplied or (not one.sale.shards and one.outcome.sold < supplied)
        assert one.outcome.told_late <= one.sale.cache_seconds + 0.05
    found = {one.sale: one.outcome for one in KEPT.runs}
    assert found[BACK].told_late > 0
    assert found[ADVISED].share_503 < found[Sale(shards=0)].share_503
