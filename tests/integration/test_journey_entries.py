"""Coming into journeys: once for a cause, one run at a time, by the clock, by days, and only who is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta

import msgspec
import pytest

from chalicelib.core import clock, ids
from chalicelib.customers.members import service as members
from chalicelib.customers.members.queries import current
from chalicelib.customers.members.rules import Birthday
from chalicelib.growth.journeys.absorbing.service import absorb_all
from chalicelib.growth.journeys.early import queries as early
from chalicelib.growth.journeys.entering.rules import Cause
from chalicelib.growth.journeys.entering.service import enter
from chalicelib.growth.journeys.erasing.service import erase
from chalicelib.growth.journeys.holdout.rules import is_control, is_held_out, person_of
from chalicelib.growth.journeys.jobs import BEGIN_DAY
from chalicelib.growth.journeys.listening.rules import Heard
from chalicelib.growth.journeys.observing.service import tell
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.settings import HOLDOUT, HoldoutRules
from chalicelib.platform.jobs.daily import following
from chalicelib.platform.jobs.queue import owe_once
from chalicelib.platform.store.transaction import Transaction
from tests.support.distribution import bare_member
from tests.support.journey_mall import JourneyMall, opened

REST = {"rest": {"wait": {"days": 2}}}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[JourneyMall]:
    with opened("journey-entries") as mall:
        yield mall


def test_of_fifty_at_once_one_comes_in(world: JourneyMall) -> None:
    journey_id, member_id = world.journey(REST), bare_member()
    with ThreadPoolExecutor(50) as pool:
        done = list(pool.map(lambda _: world.enter(journey_id, member_id)[0], range(50)))
    assert sorted(done) == ["active"] * 49 + ["entered"]
    assert world.active(member_id, journey_id).entered_by == "api"
    assert world.counted(journey_id)["entered"] == 1
    world.check()


def test_a_cause_lets_in_once_however_often_it_is_told(world: JourneyMall) -> None:
    journey_id, member_id = world.journey(REST, re_entry={"max": 3}), bare_member()
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: world.enter(journey_id, member_id, cause="the same")[0], range(8)))
    assert done == ["entered"] * 8
    world.wait(days=3)
    assert world.enter(journey_id, member_id, cause="the same") == ["entered"]  # and nothing follows
    assert [run.state for run in runs_of(member_id, journey_id)] == ["ended"]
    assert world.enter(journey_id, member_id) == ["entered"]
    world.wait(days=3)
    assert world.enter(journey_id, member_id, member_id) == ["entered", "entered"]
    world.wait(days=3)
    assert world.enter(journey_id, member_id) == ["re_entry"]
    assert world.counted(journey_id)["entered"] == 3
    world.check()


def test_who_has_left_may_come_again_after_some_days(world: JourneyMall) -> None:
    journey_id, member_id = world.journey(REST, re_entry={"after_days": 5}), bare_member()
    world.enter(journey_id, member_id)
    world.wait(days=6)
    assert world.enter(journey_id, member_id) == ["re_entry"]
    world.wait(days=2)
    assert world.enter(journey_id, member_id) == ["entered"]


def told(world: JourneyMall, member_id: str, *facts: Heard) -> None:
    """The member's runs hear of these, one job after the other."""
    for fact in facts:
        tx = Transaction()
        tell(tx, member_id, [fact])
        tx.commit()
        world.wait(seconds=2)


@pytest.mark.parametrize("is_told_first", [True, False])
def test_what_follows_the_entry_counts_also_where_it_is_told_first(world: JourneyMall, is_told_first: bool) -> None:
    asks = {"event": "cart_view", "timeout": {"days": 30}, "then": "came", "on_timeout": "never"}
    ends = {name: {"exit": {"reason": name}} for name in ("came", "never")}
    parts = {"entry": {"event": "category_view"}, "goal": {"event": "cart_view", "within_days": 30}}
    journey_id, member_id = world.journey({"look": {"wait_for": asks}, **ends}, **parts), bare_member()
    begins = clock.now()
    world.wait(minutes=1)
    facts = [
        Heard(f"{member_id}{name}", event, begins + timedelta(seconds=after))
        for name, event, after in (("early", "cart_view", -1), ("begin", "category_view", 0), ("next", "cart_view", 1))
    ]
    order = [facts[0], facts[2], facts[1]] if is_told_first else facts
    told(world, member_id, *order[:1], *order, order[1])
    run = world.run(member_id, journey_id)
    assert (run.reason, run.converted_at) == ("came", facts[2].at)
    counted = world.counted(journey_id)
    assert (counted["entered"], counted["conv|treated"]) == (1, 1)
    world.check()
    erase(member_id)
    assert early.kept_of(member_id) == []


def test_what_is_told_early_is_known_of_who_became_another(world: JourneyMall) -> None:
    former, member_id, now = bare_member(), bare_member(), clock.now()
    world.journey({"rest": {"wait": {"days": 1}}}, entry={"event": "search"}, exits=[{"event": "share", "reason": "s"}])
    told(world, former, Heard(f"{former}s", "share", now))
    absorb_all(former, member_id)
    assert [fact.cause for fact in early.kept_of(member_id)] == [f"{former}s"]
    assert early.kept_of(former) == []


def test_a_key_tells_runs_apart(world: JourneyMall) -> None:
    journey_id = world.journey(REST, entry={"event": "product_view", "key": "product_id"})
    member_id = bare_member()
    for product_id in ("p1", "p2", "p1", "k" * 200):
        world.hear(member_id, "product_view", product_id=product_id, **{"from": "home"})
        world.wait(seconds=2)
    assert sorted(run.key for run in runs_of(member_id, journey_id)) == sorted(["p1", "p2", "k" * 200])
    world.wait(days=3)
    world.check()


def test_audience_and_exclude_say_for_whom_it_is(world: JourneyMall) -> None:
    seen = world.live({"event": "category_view", "within_days": 30, "op": ">=", "count": 1})
    wanted, other = bare_member(), bare_member()
    world.hear(wanted, "category_view", category_id="c1")
    only, but = world.journey(REST, audience=seen), world.journey(REST, exclude=seen)
    assert world.enter(only, wanted, other) == ["entered", "excluded"]
    assert world.enter(but, wanted, other) == ["excluded", "entered"]
    world.check()


def test_who_is_blocked_or_gone_does_not_come_in(world: JourneyMall) -> None:
    journey_id, blocked = world.journey(REST), bare_member()
    members.block(blocked, "spam")
    assert world.enter(journey_id, blocked, "m" + "a" * 24) == ["excluded", "gone"]


def test_before_its_time_and_after_it_nobody_comes_in(world: JourneyMall) -> None:
    now = clock.now()
    span = {"starts_at": (now + timedelta(days=1)).isoformat(), "ends_at": (now + timedelta(days=2)).isoformat()}
    journey_id, member_id = world.journey(REST, **span), bare_member()
    assert world.enter(journey_id, member_id) == ["paused"]
    world.wait(days=1)
    assert world.enter(journey_id, member_id) == ["entered"]
    world.wait(days=1)
    assert world.enter(journey_id, bare_member()) == ["paused"]


def test_controls_are_drawn_by_the_person_and_nothing_is_done_with_them(world: JourneyMall) -> None:
    _, tag = world.tag()
    journey_id = world.journey(
        {"mark": {"tag": tag}}, control_percent=50, goal={"event": "order_paid", "within_days": 2}
    )  # fmt: skip
    crowd = [bare_member() for _ in range(40)]
    outcomes = dict(zip(crowd, world.enter(journey_id, *crowd), strict=True))
    drawn = {}
    for one in crowd:
        profile = current(one)
        assert profile is not None
        drawn[one] = "control" if is_control(person_of(profile), journey_id, 50) else "entered"
    assert outcomes == drawn and set(drawn.values()) == {"control", "entered"}
    world.wait(days=1)
    tagged = [one for one in crowd if tag in world.phone(one).get("/v1/me").ok()["tags"]]
    assert sorted(tagged) == sorted(one for one in crowd if drawn[one] == "entered")
    world.wait(days=2)
    counted, controls = world.counted(journey_id), sum(one == "control" for one in drawn.values())
    assert (counted["n|control"], counted["ended|control"]) == (controls, controls)
    assert counted["n|treated"] == counted["ended|done"] == 40 - controls
    world.check()


def test_some_are_held_out_of_all_journeys(world: JourneyMall) -> None:
    HOLDOUT.change(HoldoutRules(percent=10))
    try:
        journey_id = world.journey(REST)
        crowd = [bare_member() for _ in range(60)]
        outcomes = dict(zip(crowd, world.enter(journey_id, *crowd), strict=True))
        profiles = [one for one in map(current, crowd) if one is not None]
        held = [one.member_id for one in profiles if is_held_out(person_of(one), clock.now(), 10)]
        assert [one for one in crowd if outcomes[one] == "control"] == held
        assert world.counted(journey_id).get("holdout", 0) == len(held)
    finally:
        HOLDOUT.change(HoldoutRules())


def test_a_cron_line_lets_a_segment_in_each_time(world: JourneyMall) -> None:
    segment_id = world.live({"event": "cart_view", "within_days": 30, "op": ">=", "count": 1})
    member_id = bare_member()
    world.hear(member_id, "cart_view")
    world.wait(seconds=5)
    journey_id = world.journey(
        {"rest": {"wait": {"hours": 1}}}, entry={"schedule": "30 9 * * *", "audience": segment_id},
        re_entry={"max": 10},
    )  # fmt: skip
    world.wait(days=3)
    runs = runs_of(member_id, journey_id)
    local = [run.entered_at.astimezone(clock.SHANGHAI) for run in runs]
    assert len(runs) == 3 and all((one.hour, one.minute) == (9, 30) for one in local)
    world.set_state(journey_id, "paused")
    world.wait(days=2)
    world.set_state(journey_id, "live")
    world.wait(days=1)
    assert len(runs_of(member_id, journey_id)) == 4
    world.check()


def test_birthdays_and_days_since_joining_let_in_at_their_time(world: JourneyMall) -> None:
    soon = clock.now().astimezone(clock.SHANGHAI) + timedelta(days=2)
    born, other = bare_member(), bare_member()
    birthday = Birthday(month=soon.month, day=soon.day)
    members.change_profile(born, lambda before, _: msgspec.structs.replace(before, birthday=birthday))
    ahead = world.journey(REST, entry={"date": "birthday", "offset_days": -1, "time": "10:00"})
    after = world.journey(REST, entry={"date": "joined", "offset_days": 1, "time": "08:00"})
    by_calendar = {"date": "birthday", "offset_days": -1}
    solar, lunar = (world.journey(REST, entry={**by_calendar, "calendar": one}) for one in ("solar", "lunar"))
    for _ in range(3):
        owe_once(BEGIN_DAY, "daily", following(clock.now(), time(0)))
        world.wait(days=1)
    run = world.run(born, ahead)
    at = run.entered_at.astimezone(clock.SHANGHAI)
    assert (at.date(), at.hour) == ((soon - timedelta(days=1)).date(), 10)
    assert runs_of(other, ahead) == runs_of(born, lunar) == []
    assert world.run(born, solar).entered_by == "date"
    assert world.run(other, after).entered_at.astimezone(clock.SHANGHAI).hour == 8
    world.check()


def test_who_had_their_day_while_nothing_ran_comes_in_late_and_once(world: JourneyMall) -> None:
    today = clock.now().astimezone(clock.SHANGHAI)
    missed, long_ago = bare_member(), bare_member()
    for one, after in ((missed, 3), (long_ago, 1)):
        day = today + timedelta(days=after)
        birthday = Birthday(month=day.month, day=day.day)
        members.change_profile(one, lambda before, _, of=birthday: msgspec.structs.replace(before, birthday=of))
    entry = {"date": "birthday", "time": "10:00"}
    journey_id = world.journey({"rest": {"wait": {"hours": 1}}}, entry=entry, re_entry={"max": 9})
    owe_once(BEGIN_DAY, "daily", following(clock.now(), time(0)))
    world.wait(days=1)
    assert len(runs_of(long_ago, journey_id)) == 1
    world.mall.clock.advance(timedelta(days=4).total_seconds())
    for _ in range(2):
        owe_once(BEGIN_DAY, "daily", following(clock.now(), time(0)))
        world.wait(days=1)
    assert len(runs_of(missed, journey_id)) == len(runs_of(long_ago, journey_id)) == 1
    world.check()


def test_a_step_lets_into_another_journey(world: JourneyMall) -> None:
    other = world.journey(REST)
    journey_id, member_id = world.journey({"go": {"enter": {"journey": other}}}), bare_member()
    world.enter(journey_id, member_id)
    world.wait(seconds=2)
    assert world.run(member_id, other).entered_by == "enter"
    world.check()


def test_two_causes_race_for_one_member_in_a_crowd(world: JourneyMall) -> None:
    journey_id = world.journey(REST)
    crowd = [bare_member() for _ in range(30)]
    causes = [Cause(by="api", cause=ids.new("")) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda cause: enter(crowd, journey_id, cause), causes))
    for one in crowd:
        assert sorted(outcome[one] for outcome in done) == ["active"] * 3 + ["entered"]
    assert world.counted(journey_id)["entered"] == 30
    world.check()


def test_what_a_journey_names_is_not_taken_away(world: JourneyMall) -> None:
    segment_id = world.live({"event": "share_open", "within_days": 30, "op": ">=", "count": 1})
    asked = world.live({"event": "search", "within_days": 30, "op": ">=", "count": 1})
    tag_id, tag = world.tag()
    rule = {"all": [{"segment": asked}, {"life_cycle": ["new"]}]}
    steps = {"by": {"branch": [{"if": {"rule": rule}, "next": "mark"}]}, "mark": {"tag": tag}}
    journey_id = world.journey(steps, exclude=segment_id)
    for path in (f"segments/{segment_id}", f"segments/{asked}", f"tags/{tag_id}"):
        refused = world.operator.delete(f"/v1/admin/{path}").refused(409, "in_use")
        assert refused["users"] == [f"journey:{journey_id}"]
    world.set_state(journey_id, "ended")
    world.operator.delete(f"/v1/admin/segments/{segment_id}").ok(204)


def segment_of(world: JourneyMall, *names: str) -> tuple[str, list[str]]:
    """A segment, and members who are in it: as many as are named."""
    segment_id = world.live({"event": "checkout_start", "within_days": 30, "op": ">=", "count": 1})
    members_of = [bare_member() for _ in names]
    for one in members_of:
        world.hear(one, "checkout_start", amount_fen=1)
    world.wait(seconds=5)
    return segment_id, members_of


def test_those_of_a_segment_come_in_when_a_journey_begins_that_is_published_before(world: JourneyMall) -> None:
    segment_id, inside = segment_of(world, "one", "two")
    begins = clock.now() + timedelta(days=2)
    journey_id = world.journey(
        REST, entry={"segment": segment_id, "existing": True}, starts_at=begins.isoformat(), re_entry={"after_days": 1}
    )  # fmt: skip
    world.wait(days=1)
    assert [runs_of(one, journey_id) for one in inside] == [[], []]
    world.wait(days=1, seconds=40)
    assert all(world.run(one, journey_id).entered_at >= begins for one in inside)
    world.check()


def test_those_of_a_segment_come_in_also_where_a_journey_was_paused_meanwhile(world: JourneyMall) -> None:
    segment_id, (member_id,) = segment_of(world, "one")
    entry = {"segment": segment_id, "existing": True}
    journey_id, other = (world.journey(REST, entry=entry) for _ in range(2))
    world.set_state(journey_id, "paused")  # before any job of theirs
    world.set_state(other, "ended")
    world.wait(hours=5)
    assert runs_of(member_id, journey_id) == []
    world.set_state(journey_id, "live")
    world.wait(minutes=11)
    assert world.run(member_id, journey_id).entered_by == "segment" and runs_of(member_id, other) == []
    world.check()


def test_a_segment_that_leads_no_more_into_a_journey_lets_nobody_in(world: JourneyMall) -> None:
    segment_id, (member_id,) = segment_of(world, "one")
    begins = (clock.now() + timedelta(days=1)).isoformat()
    journey_id = world.journey(REST, entry={"segment": segment_id, "existing": True}, starts_at=begins)
    world.publish(journey_id, REST, entry={"segment": "silent"})
    world.wait(days=2)
    assert runs_of(member_id, journey_id) == []


def test_a_version_that_is_published_again_at_once_lets_each_in_once(world: JourneyMall) -> None:
    segment_id, (member_id,) = segment_of(world, "one")
    entry, steps = {"segment": segment_id, "existing": True}, {"out": {"exit": {"reason": "out"}}}
    journey_id = world.journey(steps, entry=entry, re_entry={"max": 9})
    world.publish(journey_id, steps, entry=entry, re_entry={"max": 9})
    world.wait(minutes=1)
    assert len(runs_of(member_id, journey_id)) == 1
    world.check()
