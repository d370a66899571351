"""Everybody is looked at for what is defined, while members go on changing: whatever meets whatever, lists, counts and
what is known equal a recompute in the end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from chalicelib.customers.members import service as members
from chalicelib.customers.members.privacy import service as privacy
from chalicelib.customers.members.rules import LifeCycleRules
from chalicelib.customers.members.settings import LIFE_CYCLE
from chalicelib.growth.segments.building import service as building
from chalicelib.growth.segments.definitions import queries as definitions
from chalicelib.growth.segments.definitions.rules import FENCE_MS
from chalicelib.growth.segments.membership import service as membership
from chalicelib.growth.segments.restoring.queries import restored
from chalicelib.growth.segments.traits import rules as traits_rules
from chalicelib.growth.segments.traits.queries import as_of_now, stored
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Task
from chalicelib.platform.store.versioned import Conflict
from local.jobs import all_jobs
from tests.support.coupons import at_once
from tests.support.meanwhile import Meanwhile
from tests.support.segment_mall import DAY, SegmentMall, before_segments, opened, traits_of

VIEW: dict[str, Any] = {"product_id": "p1", "from": "home"}
PAYING: dict[str, Any] = {"amount_fen": 100}
VIEWED = {"event": "product_view", "within_days": 30, "op": ">=", "count": 1}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[SegmentMall]:
    with opened("segment-building") as mall:
        yield mall


def test_a_mall_that_is_older_than_its_segments_is_looked_through_once(world: SegmentMall) -> None:
    with before_segments():
        people = {world.member() for _ in range(3)}
    building.look_after(Job("m0", "x", Task("segments.look_after", "")))
    world.built()
    assert people <= world.listed("new")
    world.check()
    generation = definitions.fresh().generation
    building.look_after(Job("m0", "x", Task("segments.look_after", "")))
    assert definitions.fresh().generation == generation


def test_what_a_process_without_segments_did_beside_one_that_has_them_is_found(dynamodb: str) -> None:
    with opened("segment-overlap") as young:
        member_id = young.member()
        young.mall.buy(member_id, ("cup", 1))
        with before_segments():
            young.mall.buy(member_id, ("cup", 1))
        building.look_after(Job("m0", "x", Task("segments.look_after", "")))
        young.built()
        assert len(traits_of(member_id).bought) == 2


def test_a_rule_looks_back_and_one_from_now_on_does_not(world: SegmentMall) -> None:
    pot = {"purchases": "count", "of": {"product_id": world.mall.products["pot"]}, "op": ">=", "value": 1}
    early, late = world.member(), world.member()
    world.hear(early, "product_view", ago=timedelta(days=2), **VIEW)
    world.mall.buy(early, ("pot", 1))
    world.mall.wait(60)
    back = [world.segment(VIEWED), world.segment(pot)]
    on = [world.segment(rule, from_now_on=True) for rule in (VIEWED, pot)]
    world.hear(late, "product_view", **VIEW)
    world.built()
    world.mall.buy(late, ("pot", 1))
    assert [world.is_in(one, early) for one in [*back, *on]] == [True, True, False, False]
    assert [world.is_in(one, late) for one in [*back, *on]] == [True] * 4
    world.check()
    world.live({"event": "search", "within_days": 9, "op": ">=", "count": 1})  # all are looked through once more
    assert [world.is_in(one, early) for one in [*back, *on]] == [True, True, False, False]
    world.check()
    world.hear(early, "product_view", **VIEW)
    assert world.is_in(on[0], early)
    world.check()


def test_no_window_is_longer_than_its_event_is_kept(world: SegmentMall) -> None:
    rule = {"event": "search", "within_days": 31, "op": ">=", "count": 1}
    refused = world.operator.post("/v1/admin/segments", {"name": "久", "rule": rule}).refused(422, "rule_invalid")
    assert [(one["field"], one["code"], one["limit"]) for one in refused["errors"]] == [
        ("rule.within_days", "kept_shorter", 30)
    ]


def test_what_a_process_with_an_old_book_does_is_made_up_for(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = {"event": "cart_view", "within_days": 30, "op": ">=", "count": 2}
    member_id, other = world.member(), world.member()
    before = definitions.book()
    segment_id = world.segment(rule)
    with monkeypatch.context() as patch:
        patch.setattr(definitions, "book", lambda: before)
        world.hear(member_id, "cart_view")
        world.hear(other, "cart_view")
    world.hear(member_id, "cart_view")
    assert not world.is_in(segment_id, member_id)  # nothing is looked through before the fence
    world.mall.wait(FENCE_MS / 1000 - 1)
    assert not world.is_in(segment_id, member_id)
    world.built()
    assert world.listed(segment_id) == {member_id}
    assert [len(ring) for ring in traits_of(other).rings.values() if ring] == [1]
    world.check()


def test_who_joins_before_every_process_knows_of_a_rule_is_looked_through_for_it(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = definitions.book()
    segment_id = world.segment({"event": "checkout_start", "within_days": 30, "op": ">=", "count": 2})
    member_id = world.member()
    with monkeypatch.context() as patch:
        patch.setattr(definitions, "book", lambda: before)
        world.hear(member_id, "checkout_start", **PAYING)
    world.mall.clock.advance(FENCE_MS / 1000)
    late = world.member()  # by now whatever anybody does is counted, so that there is nothing to look through
    assert traits_of(late).generation == definitions.book().generation
    world.hear(member_id, "checkout_start", **PAYING)
    assert not world.is_in(segment_id, member_id)
    world.built()
    assert world.listed(segment_id) == {member_id}
    world.check()


def test_who_uses_a_coupon_while_they_are_looked_through_for_it_does_not_have_it(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, keeper = world.member(), world.member()
    coupon_id, _ = world.mall.coupon(user), world.mall.coupon(keeper)
    world.mall.work()
    held = world.segment({"coupon": world.mall.templates["five"].template_id, "state": "unused"})
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    at_commit(monkeypatch, lambda: world.mall.place(user, ("pot", 1), coupons=(coupon_id,)))
    world.mall.work()
    assert world.listed(held) == {keeper}
    assert _as_restored(user)
    world.check()


def test_a_coupon_that_is_over_is_known_of_nobody(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.coupon(member_id)
    held = world.live({"coupon": world.mall.templates["five"].template_id, "state": "unused"})
    [[ends]] = [held.values() for held in traits_of(member_id).coupons.values()]
    world.mall.wait(ends / 1000 - world.mall.clock.seconds - 1)
    world.phone(member_id).put("/v1/me", {"birthday": {"month": 3, "day": 3}}).ok()
    assert traits_of(member_id).coupons
    assert _as_restored(member_id)
    world.mall.wait(2)
    world.phone(member_id).put("/v1/me", {"birthday": {"month": 4, "day": 4}}).ok()
    assert (traits_of(member_id).coupons, world.is_in(held, member_id)) == ({}, False)
    assert _as_restored(member_id)
    world.check()


def test_members_change_while_they_are_looked_at(world: SegmentMall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_PAGE", 7)
    with before_segments():
        people = [world.member() for _ in range(12)]
    people += [world.member() for _ in range(12)]
    pot = {"purchases": "count", "of": {"product_id": world.mall.products["pot"]}, "op": ">=", "value": 1}
    made = [world.segment(VIEWED), world.segment(pot)]
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    chance = random.Random(4)

    def live(who: str) -> None:
        for _ in range(3):
            deed = chance.choice(["hear", "buy", "born"])
            if deed == "hear":
                world.hear(who, "product_view", **VIEW)
            elif deed == "born":
                month = chance.randrange(1, 13)
                world.phone(who).put("/v1/me", {"birthday": {"month": month, "day": 3}}).ok()
            elif who in people[::4]:
                world.mall.pay(world.mall.place(who, ("pot", 1)))

    jobs: list[Callable[[], object]] = [world.mall.work, *(lambda who=who: live(who) for who in people)]  # type: ignore[misc]
    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()
    world.mall.wait(60)
    assert definitions.book().built == definitions.book().generation
    world.check()
    assert all(_as_restored(who) for who in people)
    assert world.listed(made[0])


def _as_restored(member_id: str) -> bool:
    """Whether what is known of the member is what is found out anew."""
    found, anew = stored(member_id), restored(member_id, definitions.book())
    assert found is not None
    assert anew is not None
    now = as_of_now(found)
    return (now.bought, now.older, now.rings, now.coupons, now.person) == (
        anew.bought, anew.older, anew.rings, anew.coupons, anew.person
    )  # fmt: skip


def test_who_meets_another_in_a_transaction_that_fails_is_looked_at_alone(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    with before_segments():
        early = {world.member() for _ in range(6)}
    segment_id = world.segment({"life_cycle": ["new"]})
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    commit, turns = membership.commit, count()

    def every_second(tx: Any) -> None:
        if next(turns) % 2 == 0:
            raise Conflict
        commit(tx)

    monkeypatch.setattr(membership, "commit", every_second)
    world.mall.work()
    assert early <= world.listed(segment_id)
    world.check()


def test_who_leaves_at_the_commit_of_a_build_or_a_change_is_not_known_afterwards(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    with before_segments():
        built, other = (world.member() for _ in range(2))
    segment_id = world.segment({"life_cycle": ["new", "silent"]})
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    at_commit(monkeypatch, lambda: privacy.erase(built))
    world.mall.work()
    assert stored(built) is None
    assert other in world.listed(segment_id)
    left: list[str] = []
    tell = members.stays

    def leave_first(tx: Any, member_id: str) -> None:
        tell(tx, member_id)
        if not left:
            left.append(member_id)
            privacy.erase(member_id)

    with before_segments():
        told = world.member()
    _, name = world.tag()
    monkeypatch.setattr(members, "stays", leave_first)
    body = {"add": [name], "reason": "x"}
    world.operator.post(f"/v1/admin/members/{told}/tags", body).refused(404, "not_found")
    assert (left, stored(told)) == ([told], None)
    world.check()


def at_commit(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """It happens once, just before the first commit of members who are looked at together."""
    meanwhile, commit = Meanwhile(), membership.commit
    meanwhile.plan(0, what)

    def late(tx: Any) -> None:
        meanwhile.on_commit()
        commit(tx)

    monkeypatch.setattr(membership, "commit", late)


def test_two_builders_of_a_part_and_a_rule_that_is_changed_meanwhile(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_PAGE", 5)
    monkeypatch.setattr(building, "RUN_SECONDS", 60.0)  # a job that goes on is the next one's: these are nobody's
    people = [world.member() for _ in range(10)]
    for who in people[::2]:
        world.hear(who, "product_view", **VIEW)
    segment_id = world.segment({"life_cycle": ["silent"]})
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    keys = [job.task.key for job in all_jobs() if job.task.kind == "segments.build"]
    assert keys
    jobs = [Job("m0", "x", Task("segments.build", key)) for key in keys]
    for job in jobs:
        part = building._part(int(job.key.partition("|")[2]))
        assert part is not None
        building._step(part)  # half done
    world.change(segment_id, VIEWED)
    at_once(building.build, [*jobs, *jobs], 4)
    assert world.operator.get(f"/v1/admin/segments/{segment_id}").ok()["state"] == "building"
    world.mall.clock.advance(FENCE_MS / 1000 + 1)
    keys = [job.task.key for job in all_jobs() if job.task.kind == "segments.build"]
    at_once(building.build, [Job("m0", "x", Task("segments.build", key)) for key in [*keys, *keys]], 8)
    shown = world.operator.get(f"/v1/admin/segments/{segment_id}").ok()
    assert (shown["state"], world.listed(segment_id) & set(people)) == ("live", set(people[::2]))
    world.check()


def test_a_deleted_segment_is_left_by_everybody_and_one_that_is_named_stays(world: SegmentMall) -> None:
    member_id = world.member()
    named = world.segment({"life_cycle": ["new"]})
    naming = world.segment({"not": {"segment": named}})
    world.built()
    refused = world.operator.delete(f"/v1/admin/segments/{named}").refused(409, "in_use")
    assert refused["users"] == [f"segment:{naming}"]
    ring = {"name": "环", "rule": {"segment": naming}}
    world.operator.put(f"/v1/admin/segments/{named}", ring).refused(422, "segment_cycle")
    world.operator.delete(f"/v1/admin/segments/{naming}").ok(204)
    world.operator.delete(f"/v1/admin/segments/{named}").ok(204)
    assert named not in as_of_now_inside(member_id)
    world.built()
    assert world.mall.books().segments.counts
    assert not [row for row in world.mall.books().segments.rows if row.segment_id in (named, naming)]
    world.check()


def as_of_now_inside(member_id: str) -> set[str]:
    found = stored(member_id)
    assert found is not None
    return set(as_of_now(found).inside)


def test_the_bounds_of_the_life_cycle_move_everybody(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.wait(10 * DAY)
    assert member_id in world.listed("new")
    body = {"new_days": 9}
    world.operator.put("/v1/admin/settings/life_cycle", body).ok()
    assert world.word(member_id) == "silent"
    world.built()
    assert member_id in world.listed("silent") - world.listed("new")
    world.check()
    LIFE_CYCLE.change(LifeCycleRules())
    building.rebuild()
    world.built()
    assert member_id in world.listed("new")
    world.check()


def test_orders_beyond_those_that_stand_singly_count_and_a_refund_of_one_is_looked_up(
    world: SegmentMall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traits_rules, "ORDERS_KEPT", 2)
    monkeypatch.setattr(traits_rules, "ORDERS_MAX", 4)
    mall, member_id = world.mall, world.member()
    cup = {"product_id": mall.products["cup"]}
    world.segment({"purchases": "count", "op": ">=", "value": 6})
    world.segment({"purchases": "sum_fen", "of": cup, "op": ">=", "value": 6 * 3333})
    world.built()
    orders = []
    for _ in range(6):
        orders.append(mall.buy(member_id, ("cup", 1)))
        mall.wait(1)
    known = traits_of(member_id)
    assert (len(known.bought), known.older.sums[""][0]) == (4, 2)
    world.check()
    mall.refund(orders[0])
    world.check()
    known = traits_of(member_id)
    assert (len(known.bought), known.older.sums[""][0], known.incomplete) == (4, 1, False)
    mall.refund(orders[5])
    world.check()


def test_more_segments_than_one_transaction_lists(world: SegmentMall) -> None:
    member_id = world.member()
    world.mall.work()
    for _ in range(45):
        world.segment({"profile": "birthday", "op": "exists"})
    world.built()
    world.phone(member_id).put("/v1/me", {"birthday": {"month": 2, "day": 3}}).ok()
    world.mall.clock.advance(0.01)
    world.check()
    assert sum(member_id == row.member_id for row in world.mall.books().segments.rows) >= 46
