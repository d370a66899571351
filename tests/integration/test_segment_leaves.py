"""What a member does, has, and comes from, is known of them at once, by every leaf of a rule; and time moves them at
the millisecond. After each deed all of it equals a recompute from what other wings keep."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.growth.distribution.distributors import service as distributors
from chalicelib.growth.segments.evaluation import checks
from tests.support.bulk_issue import granted
from tests.support.coupons import template
from tests.support.segment_mall import DAY, SegmentMall, batch, before_segments, opened, traits_of

VIEW: dict[str, Any] = {"product_id": "p1", "from": "home"}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-leaves") as mall:
        yield mall


def test_a_coupon_counts_while_it_is_unused_until_it_ends(world: SegmentMall) -> None:
    mall, member_id, other = world.mall, world.member(), world.member()
    with before_segments():
        mall.coupon(other)
    five = mall.templates["five"].template_id
    has = world.segment({"coupon": five, "state": "unused"})
    ends = world.segment({"coupon": five, "state": "unused", "ends_within_days": 2})
    world.built()
    assert world.listed(has) == {other}
    coupon_id = mall.coupon(member_id)
    assert world.is_in(has, member_id)
    assert not world.is_in(ends, member_id)
    order = mall.place(member_id, ("pot", 1), coupons=(coupon_id,))
    assert not world.is_in(has, member_id)
    mall.cancel(order)
    assert world.is_in(has, member_id)
    world.check()
    order = mall.buy(member_id, ("pot", 1), coupons=(coupon_id,))
    assert not world.is_in(has, member_id)
    world.check()
    mall.coupon(member_id)
    mall.wait(5 * DAY - 1)
    assert not world.is_in(ends, member_id)
    mall.wait(1)
    assert world.is_in(ends, member_id)
    mall.wait(30)
    assert member_id in world.listed(ends)
    world.check()
    mall.wait(2 * DAY - 31)
    assert world.is_in(has, member_id)
    mall.wait(1)
    assert not world.is_in(has, member_id)
    world.check()


def test_a_grant_to_many_counts_for_each(world: SegmentMall) -> None:
    people = [world.member() for _ in range(5)]
    made = template(how=["grant"])
    has = world.live({"coupon": made.template_id, "state": "unused"})
    granted(made, members=people[:3])
    world.mall.work()
    assert world.listed(has) == set(people[:3])
    world.check()


def test_an_event_counts_where_it_belongs_in_time_however_late_it_is_told(world: SegmentMall) -> None:
    mall, member_id = world.mall, world.member()
    views = {"event": "product_view", "where": {"product_id": "p1"}, "within_days": 2, "op": ">=", "count": 3}
    often = world.live(views)
    seldom = world.live({"event": "cart_view", "within_hours": 5, "op": "==", "count": 1})
    world.hear(member_id, "product_view", "product_view", **VIEW)
    world.hear(member_id, "product_view", product_id="p2", **{"from": "home"})
    assert not world.is_in(often, member_id)
    world.hear(member_id, "product_view", ago=timedelta(days=1), **VIEW)
    assert world.is_in(often, member_id)
    world.check()
    mall.wait(DAY)
    assert world.is_in(often, member_id)  # exactly two days after the first of them
    mall.clock.advance(0.001)
    assert not world.is_in(often, member_id)
    world.hear(member_id, "cart_view")
    assert world.is_in(seldom, member_id)
    world.hear(member_id, "cart_view")
    assert not world.is_in(seldom, member_id)
    mall.wait(20)
    world.check()
    assert member_id not in world.listed(often) | world.listed(seldom)


def test_a_batch_that_is_sent_twenty_times_at_once_counts_once(world: SegmentMall) -> None:
    member_id = world.member()
    twice = world.live({"event": "search", "within_days": 1, "op": ">=", "count": 2})
    once = world.live({"event": "search", "within_days": 1, "op": "==", "count": 1})
    sent = batch("search", q_hash="h", results=3)
    phones = [world.phone(member_id) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda phone: phone.post("/v1/me/events", sent).status, phones))
    assert answers == [202] * 20
    assert (world.is_in(once, member_id), world.is_in(twice, member_id)) == (True, False)
    assert [len(ring) for ring in traits_of(member_id).rings.values()] == [1]
    world.check()


def test_source_and_last_visit_and_birthday_and_share_and_distributor(world: SegmentMall) -> None:
    mall = world.mall
    rules = {
        "came": {"source": {"channel": "ad7"}, "touch": "last"},
        "began": {"source": {"scene": "1047"}, "touch": "first"},
        "gone": {"days_since": "last_seen", "op": ">", "days": 3},
        "birthday": {"days_since": "birthday", "op": "<=", "days": 0},
        "half": {"random": {"salt": "a", "percent": 50}},
        "other_half": {"not": {"random": {"salt": "a", "percent": 50}}},
        "sells": {"distributor": "active"},
        "phone": {"profile": "phone", "op": "exists"},
    }
    made = {name: world.segment(rule) for name, rule in rules.items()}
    made["nested"] = world.segment({"all": [{"segment": made["came"]}, {"not": {"segment": made["gone"]}}]})
    world.built()
    member_id = world.member()
    phone = world.phone(member_id)
    half = "half" if world.is_in(made["half"], member_id) else "other_half"

    def inside() -> set[str]:
        return {name for name, segment_id in made.items() if world.is_in(segment_id, member_id)} - {half}

    assert inside() == set()
    phone.post("/v1/me/visits", {"scene": "1047"}).ok()
    mall.wait(1)
    phone.post("/v1/me/visits", {"channel": "ad7"}).ok()
    assert inside() == {"came", "began", "nested"}
    distributors.apply(member_id)
    distributors.approve(member_id)
    assert "sells" in inside()
    distributors.suspend(member_id)
    assert "sells" not in inside()
    world.check()
    today = mall.books().at
    assert today is not None
    tomorrow = today + timedelta(days=1, hours=8)
    phone.put("/v1/me", {"birthday": {"month": tomorrow.month, "day": tomorrow.day}}).ok()
    assert "birthday" not in inside()
    mall.wait(DAY)
    assert "birthday" in inside()
    world.check()
    mall.wait(3 * DAY)
    assert inside() == {"came", "began", "gone"}
    world.check()
    world.hear(member_id, "app_launch", scene=1001, path="/")
    assert "gone" not in inside()
    world.check()


def test_lunar_birthdays_fall_where_the_calendar_says(world: SegmentMall) -> None:
    member_id = world.member()
    soon = world.live({"days_since": "birthday", "op": "<=", "days": 20})
    world.phone(member_id).put("/v1/me", {"birthday": {"month": 12, "day": 30, "calendar": "lunar"}}).ok()
    for _ in range(6):
        world.mall.wait(30 * DAY)
        world.check()
    assert world.listed(soon) <= {member_id}


def test_who_is_chosen_by_nothing_that_they_did_is_in_no_such_rule_and_in_it_again_later(world: SegmentMall) -> None:
    member_id = world.member()
    coupon = world.mall.templates["tenth"].template_id
    rules = [
        {"not": {"event": "product_view", "within_days": 9, "op": ">=", "count": 1}},
        {"any": [{"life_cycle": ["new"]}, {"days_since": "last_seen", "op": ">", "days": 1}]},
        {"not": {"purchases": "count", "op": ">=", "value": 1}},
        {"not": {"source": {"channel": "ad7"}, "touch": "last"}},
    ]
    made = [world.segment(rule) for rule in rules]
    made.append(world.segment({"not": {"not": {"segment": made[0]}}}))
    stays = world.segment({"all": [{"life_cycle": ["new"]}, {"not": {"coupon": coupon, "state": "unused"}}]})
    _, tag = world.tag(rule=rules[2])
    without = world.segment({"not": {"tag": tag}})
    world.built()
    world.phone(member_id).post("/v1/me/visits", {"channel": "ad8"}).ok()
    assert all(world.is_in(one, member_id) for one in [*made[:3], made[4], stays])
    world.mall.work()
    assert world.phone(member_id).get("/v1/me").ok()["tags"] == [tag]
    world.phone(member_id).put("/v1/me/preferences", {"personalised": False}).ok()
    assert [world.is_in(one, member_id) for one in made] == [False] * 5
    assert world.is_in(stays, member_id)
    assert not world.is_in(without, member_id)  # though the tag is gone
    assert world.word(member_id) == "new"
    world.check()
    assert world.phone(member_id).get("/v1/me").ok()["tags"] == []
    world.hear(member_id, "product_view", **VIEW)  # is counted, though nothing comes of it
    world.phone(member_id).put("/v1/me/preferences", {"personalised": True}).ok()
    assert [world.is_in(one, member_id) for one in made] == [False, True, True, True, False]
    world.check()
    assert world.phone(member_id).get("/v1/me").ok()["tags"] == [tag]


def test_the_audit_finds_what_is_wrong(world: SegmentMall, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recompute that counts otherwise is no proof; one that is spoilt is noticed."""
    member_id = world.member()
    world.live({"event": "search", "within_days": 2, "op": ">=", "count": 1})
    world.hear(member_id, "search", q_hash="h", results=1)
    world.check()
    monkeypatch.setattr(checks, "_DAY", checks._DAY - 1)
    assert [line for line in world.mall.told() if line.startswith(member_id)]
