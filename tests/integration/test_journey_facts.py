"""What runs hear: all of a batch, also who comes in by it; and what a client tells stands in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import clock
from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.entering.service import enter
from chalicelib.growth.journeys.hearing import service as hearing
from chalicelib.growth.journeys.hearing.rules import BEGUN_MAX
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.runs.rules import HEARD_MAX, RECENT_MAX
from chalicelib.growth.messaging.tasks import service as tasks
from chalicelib.growth.messaging.tasks.tables import Tasks
from chalicelib.platform.store import tools
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, opened
from tests.support.segment_mall import batch

REST: dict[str, Any] = {"rest": {"wait": {"days": 9}}}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-facts") as mall:
        yield mall


def told(world: JourneyMall, member_id: str, *events: dict[str, Any]) -> None:
    """The member's phone tells these events, which differ from each other."""
    whole = batch(*(one["name"] for one in events))
    for given, event in zip(events, whole["events"], strict=True):
        event.update(given)
    world.phone(member_id).post("/v1/me/events", whole).ok(202)


def test_who_comes_in_by_one_event_of_a_batch_hears_those_that_followed(world: JourneyMall) -> None:
    journey_id = world.journey(
        REST, entry={"event": "checkout_start"}, exits=[{"event": "cart_view", "reason": "back"}]
    )  # fmt: skip
    member_id, now = bare_member(), clock.now()
    told(
        world,
        member_id,
        {"name": "cart_view", "at": (now - timedelta(minutes=9)).isoformat()},
        {"name": "checkout_start", "at": (now - timedelta(minutes=5)).isoformat(), "props": {"amount_fen": 1}},
        {"name": "cart_view", "at": (now - timedelta(minutes=2)).isoformat()},
    )
    world.wait(seconds=2)
    assert world.run(member_id, journey_id).reason == "back"
    world.check()


def test_a_client_does_not_make_up_what_the_mall_knows(world: JourneyMall) -> None:
    """It may give an event whatever id it likes: also one by which the mall names an order's payment."""
    journey_id = world.journey(
        {
            "look": {"wait_for": {"event": "cart_view", "timeout": {"days": 9}, "then": "wait"}},
            "wait": {"wait_for": {"event": "order_paid", "timeout": {"days": 9}, "then": "bought"}},
            "bought": {"exit": {"reason": "bought"}},
        },
        goal={"event": "order_paid", "within_days": 9},
    )  # fmt: skip
    member_id = world.member()
    world.enter(journey_id, member_id)
    world.wait(seconds=1)
    order = world.mall.place(member_id, ("cup", 1))
    told(world, member_id, {"name": "cart_view", "event_id": f"order_paid|{order.order_id}"})
    world.wait(seconds=2)
    world.mall.pay(order)
    world.wait(seconds=2)
    run = world.run(member_id, journey_id)
    assert (run.reason, run.converted_at is not None) == ("bought", True)
    world.check()


def test_who_tells_much_makes_no_run_forget_what_is_known(world: JourneyMall) -> None:
    """A purchase that a run hears of while it is elsewhere, and many events after it."""
    journey_id = world.journey(
        {
            "rest": {"wait": {"days": 1}, "next": "buys"},
            "looks": {"wait_for": {"event": "cart_view", "timeout": {"days": 1}, "then": "buys"}},
            "buys": {"wait_for": {"event": "order_paid", "timeout": {"days": 1}, "then": "bought"}},
            "bought": {"exit": {"reason": "bought"}},
        },
        goal={"event": "order_paid", "within_days": 9},
    )  # fmt: skip
    member_id = world.member()
    world.enter(journey_id, member_id)
    world.wait(seconds=1)
    order = world.mall.buy(member_id, ("cup", 1))
    world.wait(seconds=1)
    for _ in range(HEARD_MAX):
        world.hear(member_id, *["cart_view"] * 2)
    world.wait(seconds=3)
    run = world.run(member_id, journey_id)
    assert f"order_paid|{order.order_id}" in run.heard and len(run.heard) <= 2 * HEARD_MAX
    assert "order_paid" in {one.event for one in run.recent} and len(run.recent) == 1 + RECENT_MAX


def test_a_client_begins_no_end_of_runs(world: JourneyMall) -> None:
    journey_id, member_id = world.journey(REST, entry={"event": "category_view", "key": "category_id"}), bare_member()
    for start in (0, 40):
        props = [{"category_id": f"c{start + n}"} for n in range(40)]
        told(world, member_id, *({"name": "category_view", "props": each} for each in props))
        world.wait(seconds=2)
    assert len(runs_of(member_id, journey_id)) == BEGUN_MAX
    world.check()


def test_who_sits_in_a_lobby_hears_that_it_lacks_one_and_how_it_ends(world: JourneyMall) -> None:
    ends = ("succeeded", "failed")
    exits = [{"event": f"lobby_{end}", "where": {"lobby_id": "{lobby_id}"}, "reason": end} for end in ends]
    journey_id = world.journey(REST, entry={"event": "lobby_lacks_one", "key": "lobby_id"}, exits=exits)
    activity = world.mall.activity("fixed", {3: 5_000})
    people = {end: [world.member() for _ in range(2)] for end in ends}
    orders = {end: world.mall.lobby(activity, *people[end]) for end in ends}
    world.wait(seconds=2)
    for end in ends:
        assert [world.run(one, journey_id).state for one in people[end]] == ["active"] * 2
    world.mall.buy(world.member(), ("group", 1), group=world.mall.joins(orders["succeeded"][0]))
    world.wait(hours=1, minutes=1)
    assert {end: [world.run(one, journey_id).reason for one in people[end]] for end in ends} == {
        "succeeded": ["succeeded"] * 2, "failed": ["failed"] * 2,
    }  # fmt: skip
    world.check()


def test_a_fault_of_one_run_keeps_no_other_from_hearing(world: JourneyMall, monkeypatch: pytest.MonkeyPatch) -> None:
    exits = [{"event": "cart_view", "reason": "seen"}]
    first, second = sorted(world.journey(REST, exits=exits) for _ in range(2))
    begun = world.journey(REST, entry={"event": "cart_view"})
    member_id = bare_member()
    for one in (first, second):
        world.enter(one, member_id)
    world.wait(seconds=1)
    heard = hearing.heard
    with monkeypatch.context() as patch:
        patch.setattr(hearing, "heard", lambda plan, *rest: heard(plan, *rest) if plan.journey_id != first else 1 / 0)
        world.hear(member_id, "cart_view")
        world.mall.work()
    assert world.run(member_id, second).reason == "seen" and world.run(member_id, begun).state == "active"
    assert world.run(member_id, first).state == "active"
    world.wait(hours=1)
    assert world.run(member_id, first).reason == "seen"


def test_who_wants_no_personal_offers_leaves_also_where_journeys_go_by_segments_alone(
    dynamodb: str,
) -> None:
    with opened("journeys-of-segments") as world:
        segment_id = world.live({"event": "category_view", "within_days": 30, "op": ">=", "count": 1})
        journey_id, member_id = world.journey(REST, entry={"segment": segment_id}), world.member()
        world.hear(member_id, "category_view", category_id="c1")
        world.wait(seconds=5)
        assert world.run(member_id, journey_id).state == "active"
        world.phone(member_id).put("/v1/me/preferences", {"personalised": False}).ok()
        world.wait(seconds=5)
        assert world.run(member_id, journey_id).reason == "not_personalised"


def test_who_wants_no_personal_offers_leaves_also_what_a_cron_line_brought_them_into(world: JourneyMall) -> None:
    """What they did led them into the segment; who was named by an operator stays."""
    segment_id = world.live({"event": "cart_view", "within_days": 30, "op": ">=", "count": 1})
    member_id = world.member()
    world.hear(member_id, "cart_view")
    world.wait(seconds=5)
    by_cron = world.journey(REST, entry={"schedule": "30 9 * * *", "audience": segment_id})
    meant_for, by_hand = world.journey(REST, audience=segment_id, entry={"event": "joined"}), world.journey(REST)
    world.wait(days=1)
    enter([member_id], meant_for, Cause(by="enter", cause="a step"))
    world.enter(by_hand, member_id)
    assert world.run(member_id, by_cron).state == world.run(member_id, meant_for).state == "active"
    world.phone(member_id).put("/v1/me/preferences", {"personalised": False}).ok()
    world.wait(seconds=5)
    assert world.run(member_id, by_cron).reason == world.run(member_id, meant_for).reason == "not_personalised"
    assert world.run(member_id, by_hand).state == "active"
    world.check()


def test_of_a_journey_that_has_ended_nothing_is_done_with_who_does_something(world: JourneyMall) -> None:
    """Before whoever looks after the end has come to their runs; what they paid counts all the same."""
    _, tag = world.tag()
    marks = {"mark": {"tag": tag, "next": "ask"}, "ask": {"task": {"title": "电话"}}}
    by_fact = world.journey(
        {"buys": {"wait_for": {"event": "order_paid", "timeout": {"days": 9}, "then": "mark"}}, **marks},
        goal={"event": "order_paid", "within_days": 9},
    )  # fmt: skip
    outcomes: dict[str, Any] = {"outcomes": ["yes"], "title": "电话"}
    by_task = world.journey({"call": {"task": outcomes, "on": {"yes": "mark"}}, **marks})
    member_id = world.member()
    for journey_id in (by_fact, by_task):
        world.enter(journey_id, member_id)
    world.wait(seconds=1)
    (opened_task,) = (item.task for item in tools.scan(Tasks) if item.task.member_id == member_id)
    for journey_id in (by_fact, by_task):
        world.set_state(journey_id, "ended")
    world.wait(seconds=2)
    world.mall.buy(member_id, ("cup", 1))
    tasks.finish(opened_task.task_id, "yes", "", "anna")
    world.wait(seconds=2)
    runs = [world.run(member_id, one) for one in (by_fact, by_task)]
    assert [run.reason for run in runs] == ["journey_ended"] * 2 and runs[0].converted_at is not None
    assert tag not in world.phone(member_id).get("/v1/me").ok()["tags"]
    assert [item.task.task_id for item in tools.scan(Tasks) if item.task.member_id == member_id] == [
        opened_task.task_id
    ]
    world.check()
