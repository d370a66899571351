"""Two members who turn out to be one person, in the middle of their runs; a person who leaves, and who returns."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.customers.members import queries as members
from chalicelib.customers.members.ports import data_owners
from chalicelib.growth.journeys import personal_data
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.limits.queries import received
from chalicelib.growth.journeys.runs.queries import guards_of, runs_of
from chalicelib.growth.journeys.tables import JourneyRuns
from chalicelib.platform.jobs import worker
from chalicelib.platform.jobs.job import RetryLater
from chalicelib.platform.store import read
from tests.support.coupons import template
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, opened
from tests.support.merging import absorb, redirect, settle

(OWNER,) = personal_data.DATA_OWNERS


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journeys-of-one") as mall:
        yield mall


def move_all(former: str, member_id: str) -> None:
    """All else that is the former member's becomes the other's, too."""
    absorb(data_owners(), former, member_id, waits=(RetryLater,))
    settle(member_id)


def test_their_runs_are_one_persons_and_one_of_two_ends(world: JourneyMall) -> None:
    steps: dict[str, Any] = {"one": {"wait": {"days": 1}, "next": "two"}, "two": {"wait": {"days": 1}}}
    both, only = world.journey(steps), world.journey(steps)
    former, member_id = bare_member(), bare_member()
    world.enter(both, former, member_id)
    world.enter(only, former)
    kept, moved = world.active(member_id, both), world.active(former, only)
    redirect(former, member_id)
    move_all(former, member_id)
    assert runs_of(former) == [] and guards_of(former) == {}
    assert world.active(member_id, both).run_id == kept.run_id
    assert sorted(run.reason for run in runs_of(member_id, both)) == ["", "merged"]
    assert world.active(member_id, only).run_id == moved.run_id
    world.check()
    world.wait(days=1, minutes=1)
    assert {world.active(member_id, one).step for one in (both, only)} == {"two"}
    world.wait(days=1, minutes=1)
    assert world.counted(both)["ended|done"] == 1 and world.counted(both)["ended|merged"] == 1
    assert world.run(member_id, only).reason == "done"
    absorb_all(former, member_id)
    world.check()


def test_what_one_person_pays_counts_once_where_both_were_in_a_journey(world: JourneyMall) -> None:
    journey_id = world.journey({"rest": {"wait": {"days": 3}}}, goal={"event": "order_paid", "within_days": 3})
    former, member_id = bare_member(), world.member()
    world.enter(journey_id, former, member_id)
    world.wait(seconds=1)
    redirect(former, member_id)
    move_all(former, member_id)
    world.wait(seconds=1)
    order = world.mall.buy(member_id, ("cup", 1))
    world.wait(seconds=2)
    counted = world.counted(journey_id)
    assert (counted["conv|treated"], counted["gmv|treated"]) == (1, order.payable_fen)
    world.check()


def test_what_is_owed_under_the_former_id_finds_the_run(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=10, limit_per_member=5).template_id
    journey_id = world.journey(
        {
            "listen": {
                "wait_for": {"event": "category_view", "timeout": {"days": 2}, "then": "give", "on_timeout": "give"},
            },
            "give": {"grant": {"template": coupon}},
        }
    )  # fmt: skip
    heard, woken, member_id, other = (bare_member() for _ in range(4))
    world.enter(journey_id, heard, woken)
    world.hear(heard, "category_view", category_id="c1")
    redirect(heard, member_id)
    redirect(woken, other)
    world.wait(seconds=5)
    assert world.coupons(member_id) == [coupon]
    world.wait(days=2, minutes=1)
    assert world.coupons(other) == [coupon]
    assert runs_of(heard) == runs_of(woken) == []
    for former, survivor in ((heard, member_id), (woken, other)):
        move_all(former, survivor)
    world.check()


def test_a_step_that_is_owed_at_once_is_made_by_who_they_are_now(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=10, limit_per_member=5).template_id
    journey_id = world.journey({"give": {"grant": {"template": coupon}}})
    former, member_id = bare_member(), bare_member()
    world.enter(journey_id, former)
    redirect(former, member_id)
    world.wait(seconds=2)
    assert world.coupons(member_id) == [coupon]
    move_all(former, member_id)
    world.check()


def test_what_both_got_counts_against_one_bound(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=10, limit_per_member=5).template_id
    journey_id = world.journey({"give": {"grant": {"template": coupon}}})
    former, member_id = bare_member(), bare_member()
    world.enter(journey_id, former, member_id)
    world.wait(seconds=2)
    redirect(former, member_id)
    absorb_all(former, member_id)
    absorb_all(former, member_id)
    assert len(received(member_id).value.coupons) == 2
    assert received(former).version == 0
    move_all(former, member_id)


def test_who_leaves_is_in_nothing_and_who_returns_was_there(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=10, limit_per_member=5).template_id
    journey_id = world.journey(
        {"give": {"grant": {"template": coupon}, "next": "rest"}, "rest": {"wait": {"days": 30}}}
    )  # fmt: skip
    former, again = bare_member(), bare_member()
    world.enter(journey_id, former)
    world.wait(seconds=2)
    shown, _ = OWNER.pages(former, None)
    assert [(one.journey_id, one.state) for one in shown] == [(journey_id, "active")]
    OWNER.erase(former)
    OWNER.erase(former)
    assert runs_of(former) == []
    assert all(item.expires is not None for item in read.query_all(JourneyRuns, former))
    assert world.counted(journey_id)["ended|gone"] == 1
    OWNER.hand_on(former, again)
    OWNER.hand_on(former, again)
    assert members.current(again) is not None
    assert world.enter(journey_id, again) == ["re_entry"]
    assert len(received(again).value.coupons) == 1
    world.check()


def test_merges_race_with_wakes_and_with_what_happens(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=100, limit_per_member=50).template_id
    listen = {"wait_for": {"event": "cart_view", "timeout": {"hours": 1}, "then": "give", "on_timeout": "give"}}
    steps: dict[str, Any] = {
        "listen": listen, "give": {"grant": {"template": coupon}, "next": "rest"}, "rest": {"wait": {"days": 1}}
    }  # fmt: skip
    both, only = world.journey(steps), world.journey(steps)
    pairs = [(bare_member(), bare_member()) for _ in range(6)]
    for former, member_id in pairs:
        world.enter(both, former, member_id)
        world.enter(only, former)
    world.mall.clock.advance(3600 + 30)
    for former, _ in pairs[::2]:
        world.hear(former, "cart_view")

    def become_one(pair: tuple[str, str]) -> None:
        redirect(*pair)
        absorb_all(*pair)

    with ThreadPoolExecutor(10) as pool:
        merging = [pool.submit(become_one, pair) for pair in pairs]
        working = [pool.submit(worker.run_due) for _ in range(4)]
        for one in (*merging, *working):
            one.result()
    world.wait(minutes=5)
    for former, member_id in pairs:
        absorb_all(former, member_id)
        assert runs_of(former) == []
        assert [run.state for run in runs_of(member_id, only)] == ["active"]
        mine = runs_of(member_id, both)
        assert sorted(run.reason for run in mine) == ["", "merged"]
        given = sum(one.done == "given" for run in runs_of(member_id) for one in run.passed)
        assert len(received(member_id).value.coupons) == given >= 2
        move_all(former, member_id)
        assert len(world.coupons(member_id)) == given
    world.check()
