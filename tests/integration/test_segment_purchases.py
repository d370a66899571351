"""What a member buys, and gives back, is known of them at once: life cycle, purchases leaves, the profile's numbers.
After each deed all of it equals a recompute from the orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.customers.members import queries as members
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.declarations import INSIDE
from tests.support.coupons import crowd
from tests.support.segment_mall import DAY, SegmentMall, before_segments, opened, traits_of
from tests.support.small_mall import FREIGHT_FEN


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-purchases") as mall:
        yield mall


def numbers(member_id: str) -> tuple[int, Any]:
    """How many completed orders the profile counts, and since when the last is."""
    profile = members.current(member_id)
    assert profile is not None
    return profile.orders_completed, profile.last_completed_at


def test_an_order_counts_from_its_payment_and_its_completion_until_it_goes_back_whole(world: SegmentMall) -> None:
    mall, member_id = world.mall, world.member()
    bought_once = world.live({"purchases": "count", "op": ">=", "value": 1})
    order = mall.place(member_id, ("pot", 2))
    assert not world.is_in(bought_once, member_id)
    order = mall.pay(order)
    assert world.is_in(bought_once, member_id)
    assert (world.word(member_id), numbers(member_id)) == ("new", (0, None))
    world.check()
    order = mall.deliver(order)
    mall.wait(16 * DAY)
    order = mall.order(order)
    assert order.state == "completed"
    done = next(event.at for event in order.history if event.what == "completed")
    assert (world.word(member_id), numbers(member_id)) == ("first_order", (1, done))
    world.check()
    mall.refund(order, ("pot", 1))
    assert (world.word(member_id), numbers(member_id)) == ("first_order", (1, done))
    assert world.is_in(bought_once, member_id)
    world.check()
    mall.refund(order)
    assert (world.word(member_id), numbers(member_id)) == ("new", (0, None))
    assert [(one.net_fen, one.completed_at) for one in traits_of(member_id).bought] == [(FREIGHT_FEN, 0)]
    mall.refund(mall.buy(member_id, ("cup", 1)))  # nothing was sent: its freight goes back, too
    assert len(traits_of(member_id).bought) == 1
    world.check()
    mall.wait(15 * DAY)
    assert world.word(member_id) == "silent"
    world.check()


def test_purchases_are_asked_by_count_sum_average_and_goods(world: SegmentMall) -> None:
    mall = world.mall
    pot = world.mall.products["pot"]
    rules = {
        "two": {"purchases": "count", "op": ">=", "value": 2},
        "sum": {"purchases": "sum_fen", "op": "between", "value": [20_800, 24_999]},
        "average": {"purchases": "avg_fen", "op": ">=", "value": 7_567},
        "pots": {"purchases": "count", "of": {"product_id": pot}, "op": "==", "value": 1},
        "pot_fen": {"purchases": "sum_fen", "of": {"product_id": pot}, "op": ">=", "value": 10_000},
        "lately": {"purchases": "count", "within_days": 3, "op": ">=", "value": 1},
        "none": {"not": {"purchases": "count", "op": ">=", "value": 1}},
    }
    before = world.member()
    mall.buy(before, ("pot", 1))  # what was bought before anybody asked for pots
    made = {name: world.segment(rule) for name, rule in rules.items()}
    world.built()
    world.check()
    member_id = world.member()

    def inside(who: str) -> set[str]:
        return {name for name, segment_id in made.items() if world.is_in(segment_id, who)}

    assert inside(before) == {"average", "pots", "pot_fen", "lately"}
    assert inside(member_id) == {"none"}
    order = mall.buy(member_id, ("pot", 1))  # 10,800 with freight
    assert inside(member_id) == {"average", "pots", "pot_fen", "lately"}
    cups = mall.buy(member_id, ("cup", 1))  # 4,133
    assert inside(member_id) == {"two", "pots", "pot_fen", "lately"}
    mall.wait(60)
    mall.refund(cups)
    assert inside(member_id) == {"average", "pots", "pot_fen", "lately"}
    mall.buy(member_id, ("pot", 1))
    assert inside(member_id) == {"two", "sum", "average", "pot_fen", "lately"}
    world.check()
    mall.refund(order)
    assert inside(member_id) == {"average", "pots", "pot_fen", "lately"}
    world.check()
    mall.wait(3 * DAY - 121)
    world.check()
    mall.wait(2 * DAY)
    assert inside(member_id) == {"average", "pots", "pot_fen"}
    world.check()


def test_members_from_before_are_found_out_by_their_first_change_by_asking_and_by_a_build(world: SegmentMall) -> None:
    mall = world.mall
    with before_segments():
        buyer, asked, idle = (world.member() for _ in range(3))
        received = mall.deliver(mall.buy(idle, ("pot", 1)))
        mall.wait(16 * DAY)
        assert mall.order(received).state == "completed"
        mall.buy(buyer, ("pot", 1))
    assert mall.buy(buyer, ("cup", 1)).paid_at is not None
    assert len(traits_of(buyer).bought) == 2
    world.check()
    never = world.segment({"purchases": "count", "op": "<=", "value": 0}, shown=True)
    assert [one["segment_id"] for one in world.phone(asked).get("/v1/me").ok()["segments"]] == [never]
    assert world.is_in(never, asked)
    world.built()
    assert numbers(idle)[0] == 1
    assert asked in world.listed(never)
    assert not {buyer, idle} & world.listed(never)
    world.check()


def test_what_the_profile_counted_before_there_were_traits_is_put_right(world: SegmentMall) -> None:
    (wrong,) = crowd(1, orders_completed=7, last_completed_at=clock.now())
    world.phone(wrong).put("/v1/me", {"birthday": {"month": 2, "day": 29}}).ok()
    world.check()
    assert numbers(wrong) == (0, None)


def test_a_worker_that_has_just_started_knows_no_book_and_reads_it(world: SegmentMall) -> None:
    """What it may do is declared by what the tests see it do (infra/permissions.py)."""
    member_id = world.member()
    world.mall.deliver(world.mall.buy(member_id, ("cup", 1)))
    world.mall.clock.advance(30 * DAY)
    definitions.forget()
    worker.run_due(lanes=[INSIDE])
    assert traits_of(member_id).completed == 1
    world.check()
