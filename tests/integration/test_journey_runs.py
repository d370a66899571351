"""Runs of journeys on the database: how members come in, go on, hear of things, and end; and that all is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from chalicelib.customers.members import service as members
from chalicelib.growth.journeys.effects import service as effects
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.runs.rules import Passed
from tests.support.coupons import template
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, message_template, messages_to, opened

VIEW: dict[str, Any] = {"product_id": "p1", "from": "home"}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-runs") as mall:
        yield mall


def ways(passed: list[Passed]) -> list[tuple[str, str]]:
    return [(one.step, one.why or one.done) for one in passed]


def test_a_run_waits_and_goes_on_and_each_effect_comes_once(world: JourneyMall) -> None:
    coupon = template(how=["journey"], total=10, limit_per_member=5).template_id
    said = message_template("{nickname} 得到 {coupon}", ("nickname", "coupon"))
    _, tag = world.tag()
    journey_id = world.journey(
        {
            "pause": {"wait": {"days": 1}, "next": "give"},
            "give": {"grant": {"template": coupon}, "next": "tell"},
            "tell": {
                "message": {
                    "purpose": "service", "template": said, "vars": {"nickname": "{nickname}", "coupon": "{coupon}!"},
                },
                "next": "mark",
            },
            "mark": {"tag": tag, "next": "ask"},
            "ask": {"task": {"title": "回访"}, "next": "rest"},
            "rest": {"wait": {"hours": 1}},
        }
    )  # fmt: skip
    member_id = world.member()
    assert world.enter(journey_id, member_id) == ["entered"]
    assert world.enter(journey_id, member_id) == ["active"]
    world.wait(hours=23)
    assert world.coupons(member_id) == []
    world.wait(hours=1, minutes=1)
    assert world.coupons(member_id) == [coupon]
    (message,) = messages_to(member_id)
    assert message.values["coupon"].endswith("!") and len(message.values["coupon"]) > 1
    assert message.source == f"journey:{journey_id}" and message.run == ""
    assert tag in world.phone(member_id).get("/v1/me").ok()["tags"]
    world.wait(hours=1, minutes=1)
    run = world.run(member_id, journey_id)
    assert (run.state, run.reason) == ("ended", "done")
    assert [one.step for one in run.passed] == ["pause", "give", "tell", "mark", "ask", "rest", ""]
    assert world.enter(journey_id, member_id) == ["re_entry"]
    counted = world.counted(journey_id)
    assert (counted["entered"], counted["ended|done"], counted["grants|given"]) == (1, 1, 1)
    world.check()


def test_a_member_comes_in_by_what_they_do_and_goes_on_by_it(world: JourneyMall) -> None:
    coupon = template(how=["grant"], total=10, limit_per_member=5).template_id
    journey_id = world.journey(
        {
            "listen": {
                "wait_for": {
                    "event": "order_paid", "timeout": {"days": 7}, "then": "thank", "on_timeout": "remind",
                },
            },
            "thank": {"grant": {"template": coupon}, "next": "bye"},
            "bye": {"exit": {"reason": "bought"}},
            "remind": {"exit": {"reason": "lost"}},
        },
        entry={"event": "product_view", "where": {"product_id": "p1"}},
        goal={"event": "order_paid", "within_days": 30},
    )  # fmt: skip
    buyer, other, stranger = world.member(), world.member(), world.member()
    for member_id in (buyer, other):
        world.hear(member_id, "product_view", **VIEW)
    world.hear(stranger, "product_view", **{**VIEW, "product_id": "p2"})
    world.wait(seconds=5)
    assert world.run(buyer, journey_id).step == "listen"
    world.mall.buy(buyer, ("cup", 1))
    world.wait(seconds=5)
    assert world.coupons(buyer) == [coupon]
    run = world.run(buyer, journey_id)
    assert (run.state, run.reason, run.converted_at is not None) == ("ended", "bought", True)
    assert run.revenue_fen > 0
    world.wait(days=8)
    assert world.run(other, journey_id).reason == "lost"
    counted = world.counted(journey_id)
    assert (counted["entered"], counted["conv|treated"], counted["goal|listen"]) == (2, 1, 1)
    assert counted["gmv|treated"] == run.revenue_fen
    world.check()


def test_segments_lead_in_also_those_who_were_in_before(world: JourneyMall) -> None:
    before, after, never = world.member(), world.member(), world.member()
    world.hear(before, "category_view", category_id="c1")
    segment_id = world.live({"event": "category_view", "within_days": 30, "op": ">=", "count": 1})
    journey_id = world.journey(
        {"rest": {"wait": {"days": 1}}}, entry={"segment": segment_id, "existing": True},
        exits=[{"left": segment_id, "reason": "left"}],
    )  # fmt: skip
    world.wait(seconds=5)
    world.hear(after, "category_view", category_id="c1")
    world.wait(seconds=5)
    assert world.run(before, journey_id).entered_by == world.run(after, journey_id).entered_by == "segment"
    assert runs_of(never) == []
    world.phone(after).put("/v1/me/preferences", {"personalised": False}).ok()
    world.wait(seconds=5)
    assert world.run(after, journey_id).state == "ended"
    assert world.counted(journey_id)["entered"] == 2
    world.check()


def test_who_is_paused_is_parked_and_taken_up_again(world: JourneyMall) -> None:
    from chalicelib.growth.journeys.stepping.service import resume

    journey_id = world.journey({"one": {"wait": {"days": 1}, "next": "two"}, "two": {"wait": {"days": 1}}})
    member_id = bare_member()
    world.enter(journey_id, member_id)
    world.set_state(journey_id, "paused")
    world.wait(days=3)
    run = world.run(member_id, journey_id)
    assert (run.state, run.step, run.arriving) == ("parked", "two", True)
    assert world.enter(journey_id, bare_member()) == ["paused"]
    assert world.counted(journey_id)["parked"] == 1
    world.check()
    world.set_state(journey_id, "live")
    world.wait(seconds=2)
    resume((member_id, journey_id, run.run_id))
    assert world.run(member_id, journey_id).state == "active"
    world.check()
    world.wait(days=2)
    assert world.run(member_id, journey_id).reason == "done"
    world.check()


def test_twenty_come_in_and_go_on_together(world: JourneyMall) -> None:
    journey_id = world.journey({"one": {"wait": {"hours": 1}, "next": "two"}, "two": {"wait": {"hours": 1}}})
    members = [bare_member() for _ in range(45)]
    assert world.enter(journey_id, *members) == ["entered"] * 45
    world.wait(hours=1, minutes=1)
    assert {world.run(one, journey_id).step for one in members} == {"two"}
    world.wait(hours=1, minutes=1)
    assert {world.run(one, journey_id).reason for one in members} == {"done"}
    assert world.counted(journey_id)["ended|done"] == 45
    world.check()


def test_an_effect_that_fails_for_one_keeps_no_other_from_going_on(
    world: JourneyMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = message_template()
    tell = {"message": {"purpose": "service", "template": said}}
    at_once, later = (
        world.journey({"tell": tell}),
        world.journey({"rest": {"wait": {"hours": 1}, "next": "tell"}, "tell": tell}),
    )
    crowd = [bare_member() for _ in range(12)]
    filled = effects.filled

    def fails_for_one(variables: Any, nickname: str, *rest: Any) -> Any:
        if nickname == "the one":
            raise ValueError(nickname)
        return filled(variables, nickname, *rest)

    members.change_profile(crowd[5], lambda before, _: msgspec.structs.replace(before, nickname="the one"))
    world.enter(later, *crowd)
    with monkeypatch.context() as patch:
        patch.setattr(effects, "filled", fails_for_one)
        with pytest.raises(ValueError, match="the one"):
            world.enter(at_once, *crowd)
        world.wait(hours=2)
        for journey_id in (at_once, later):
            done = [bool(runs_of(one, journey_id)) and world.run(one, journey_id).state == "ended" for one in crowd]
            assert done == [number != 5 for number in range(12)]
    world.wait(days=1)
    world.check()
