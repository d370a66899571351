"""Whatever operators do with a journey that members are in, nobody is lost: it rests and is taken up again, ends, or is
taken over into another version, with runs at every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.jobs import END_EMPTY
from chalicelib.growth.journeys.moving import queries as moves
from chalicelib.growth.journeys.moving import service as moving
from chalicelib.growth.journeys.moving.rules import Move
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.runs.rules import Run
from chalicelib.platform.jobs.job import Job
from chalicelib.platform.jobs.tables import Task
from chalicelib.platform.store.transaction import Transaction
from chalicelib.platform.store.versioned import commit
from tests.support.journey_office import ALL, Office, opened

HOURS = timedelta(hours=1).total_seconds()
DAILY = Job(shard="", due="", task=Task(kind=END_EMPTY.name, key="today"))


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[Office]:
    with opened("journey-walks") as office:
        yield office


@pytest.fixture
def gift(world: Office) -> str:
    return world.gift()


def steps(gift: str) -> dict[str, Any]:
    """A journey in which somebody may stand at any of four steps."""
    return {
        "first": {"wait": {"hours": 10}, "next": "gift"},
        "gift": {"grant": {"template": gift}, "next": "buys"},
        "buys": {"wait_for": {"event": "order_paid", "timeout": {"hours": 10}, "then": "thanks", "on_timeout": "call"}},
        "thanks": {"wait": {"hours": 10}, "next": "end"},
        "call": {"task": {"title": "电话", "due_hours": 10, "outcomes": ["yes"]}, "on": {"yes": "end"}, "next": "end"},
        "end": {"exit": {"reason": "through"}},
    }


def peopled(world: Office, gift: str, **parts: Any) -> tuple[str, dict[str, str]]:
    """Such a journey with members at every step, and others who are only looked at: which member stands where."""
    journey_id = world.journey(steps(gift), goal={"event": "order_paid", "within_days": 30}, **parts)
    callers = [world.member() for _ in range(6)]
    world.enter(journey_id, *callers)
    world.mall.wait(12 * HOURS)
    thanked = [world.member() for _ in range(6)]
    world.enter(journey_id, *thanked)
    world.mall.wait(10.5 * HOURS)
    for one in thanked:
        world.mall.buy(one, ("pot", 1))
    buyers = [world.member() for _ in range(6)]
    first = [world.member() for _ in range(6)]
    world.enter(journey_id, *buyers)
    world.mall.wait(1)
    world.enter(journey_id, *first)
    world.mall.work()
    standing = {one: world.run(one, journey_id).step for one in (*callers, *thanked, *buyers, *first)}
    return journey_id, standing


def of(journey_id: str, members: dict[str, str]) -> list[Run]:
    return [run for one in members for run in runs_of(one, journey_id)]


def test_who_would_go_on_while_it_rests_stands_still_and_goes_on_afterwards(world: Office, gift: str) -> None:
    journey_id, members = peopled(world, gift)
    assert {"first", "call", "thanks"} <= set(members.values())
    world.operator.post(f"{ALL}/{journey_id}/pause").ok()
    world.operator.post(f"{ALL}/{journey_id}/enter", {"members": [world.member()]}, key="k").refused(409, "not_running")
    world.mall.wait(11 * HOURS)
    parked = [run for run in of(journey_id, members) if run.state == "parked"]
    assert parked and world.nobody_is_lost(journey_id)["parked"] == len(parked)
    given = [len(world.coupons(one)) for one in members]
    world.mall.wait(30 * HOURS)
    assert [len(world.coupons(one)) for one in members] == given
    world.operator.post(f"{ALL}/{journey_id}/resume").ok()
    world.mall.wait(60)
    assert world.nobody_is_lost(journey_id).get("parked", 0) == 0
    world.mall.wait(40 * HOURS)
    assert {(run.state, run.reason) for run in of(journey_id, members)} == {("ended", "through")}
    assert [world.coupons(one).count(gift) for one in members] == [1] * len(members)
    world.nobody_is_lost(journey_id)


def test_who_is_in_a_journey_that_ends_goes_on_to_its_end(world: Office, gift: str) -> None:
    journey_id, members = peopled(world, gift)
    world.operator.post(f"{ALL}/{journey_id}/end", {"runs": "finish"}).ok()
    world.mall.wait(60)
    moving.end_those_that_are_empty(DAILY)
    assert world.operator.get(f"{ALL}/{journey_id}").ok()["state"] == "ending"
    world.mall.wait(72 * HOURS)
    assert {(run.state, run.reason) for run in of(journey_id, members)} == {("ended", "through")}
    moving.end_those_that_are_empty(DAILY)
    assert world.operator.get(f"{ALL}/{journey_id}").ok()["state"] == "ended"
    world.nobody_is_lost(journey_id)


@pytest.mark.parametrize("rests", [False, True])
def test_who_is_in_a_journey_may_have_to_leave_with_its_end(world: Office, gift: str, rests: bool) -> None:
    journey_id, members = peopled(world, gift, control_percent=20)
    if rests:
        world.operator.post(f"{ALL}/{journey_id}/pause").ok()
        world.mall.wait(11 * HOURS)
    inside = [run for run in of(journey_id, members) if run.state != "ended"]
    assert world.operator.post(f"{ALL}/{journey_id}/end", {"runs": "exit"}).ok()["state"] == "ended"
    given = sum(world.coupons(one).count(gift) for one in members)
    world.mall.wait(120)
    counted = world.nobody_is_lost(journey_id)
    assert counted["ended|journey_ended"] == len(inside) and counted.get("parked", 0) == 0
    assert sum(world.coupons(one).count(gift) for one in members) == given
    assert world.operator.get(f"{ALL}/{journey_id}").ok()["moving"][0]["running"] is False


def next_steps(gift: str) -> dict[str, Any]:
    """The same, without two of its steps, and with a longer first wait."""
    after = {name: step for name, step in steps(gift).items() if name not in ("thanks", "call")}
    after["first"] = {"wait": {"hours": 20}, "next": "gift"}
    after["buys"]["wait_for"] |= {"then": "end", "on_timeout": "later"}
    after["later"] = {"wait": {"hours": 5}, "next": "end"}
    return after


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"missing": "exit"}, {"call": "ended", "thanks": "ended"}),
        ({"missing": "nearest"}, {"call": "nearest", "thanks": "nearest"}),
        ({"missing": "exit", "map": {"call": "later"}}, {"call": "mapped", "thanks": "ended"}),
    ],
    ids=["exit", "nearest", "map"],
)
def test_an_edited_journey_takes_its_members_over_and_loses_nobody(
    world: Office, gift: str, asked: dict[str, Any], said: dict[str, str]
) -> None:
    journey_id, members = peopled(world, gift, control_percent=20)
    before = world.nobody_is_lost(journey_id)
    assert world.next_version(journey_id, next_steps(gift)) == 2
    inside = [run for run in of(journey_id, members) if run.state != "ended"]
    body = {"from": 1, **asked}
    tried = world.operator.post(f"{ALL}/{journey_id}/migrate", {**body, "dry_run": True}).ok()
    expected = Counter(("stays" if run.control else said.get(run.step, "stays")) for run in inside)
    assert tried["counts"] == {how: expected[how] for how in ("stays", "mapped", "nearest", "ended")}
    assert (tried["looked_at"], tried["whole"]) == (len(inside), True)
    assert world.nobody_is_lost(journey_id) == before
    begun = world.operator.post(f"{ALL}/{journey_id}/migrate", body).ok()
    assert begun["running"] is True
    world.operator.post(f"{ALL}/{journey_id}/migrate", body).refused(409, "conflict")
    world.mall.wait(120)
    moving_now = next(
        one for one in world.operator.get(f"{ALL}/{journey_id}").ok()["moving"] if one["kind"] == "migrate"
    )  # fmt: skip
    assert (moving_now["running"], moving_now["counts"], moving_now["by_step"]) == (
        False, tried["counts"], tried["by_step"],
    )  # fmt: skip
    assert {run.version for run in of(journey_id, members) if run.run_id in {one.run_id for one in inside}} == {2}
    after = world.nobody_is_lost(journey_id)
    assert after["entered"] == before["entered"] and after.get("ended|journey_changed", 0) == expected["ended"]
    world.mall.wait(timedelta(days=40).total_seconds())
    whole = world.nobody_is_lost(journey_id)
    assert whole["entered"] == sum(n for name, n in whole.items() if name.startswith("ended|"))
    for run in of(journey_id, members):
        assert world.coupons(run.member_id).count(gift) <= 1


def test_what_is_asked_of_a_migration_is_held_against_both_versions(world: Office, gift: str) -> None:
    journey_id = world.journey(steps(gift))
    call = f"{ALL}/{journey_id}/migrate"
    (same,) = world.operator.post(call, {"from": 1}).refused(422, "invalid")["errors"]
    assert same["code"] == "version_holds"
    world.next_version(journey_id, next_steps(gift))
    (none,) = world.operator.post(call, {"from": 3}).refused(422, "invalid")["errors"]
    assert none["code"] == "no_such_version"
    errors = world.operator.post(call, {"from": 1, "map": {"nowhere": "later", "call": "thanks"}}).refused(
        422, "invalid"
    )["errors"]
    assert [(one["field"], one["code"]) for one in errors] == [
        ("map.nowhere", "no_step_there"), ("map.call", "no_step_there"),
    ]  # fmt: skip
    draft = world.draft(steps(gift))
    world.operator.post(f"{ALL}/{draft}/migrate", {"from": 1}).refused(409, "not_running")


def test_a_walk_that_is_cut_off_after_each_run_takes_each_over_once(
    world: Office, gift: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey_id, members = peopled(world, gift)
    world.next_version(journey_id, next_steps(gift))
    tried = world.operator.post(f"{ALL}/{journey_id}/migrate", {"from": 1, "dry_run": True}).ok()
    done = moving._take_over
    calls = Counter[str]()

    def cut_off(move: Move, shard: int, which: Any) -> bool:
        calls[which[2]] += 1
        moved = done(move, shard, which)
        if calls[which[2]] == 1:
            raise OSError("cut off after the commit")
        return moved

    monkeypatch.setattr(moving, "_take_over", cut_off)
    world.operator.post(f"{ALL}/{journey_id}/migrate", {"from": 1}).ok()
    move = moves.latest(journey_id, "version")
    assert move is not None
    world.mall.wait(600)
    assert moves.is_done(move) and set(calls.values()) == {1}
    told = world.operator.get(f"{ALL}/{journey_id}").ok()["moving"]
    assert next(one for one in told if one["kind"] == "migrate")["counts"] == tried["counts"]
    assert {run.version for run in of(journey_id, members) if run.state != "ended"} == {2}
    world.nobody_is_lost(journey_id)


def test_a_later_walk_takes_the_place_of_an_earlier(world: Office, gift: str) -> None:
    journey_id = world.journey(steps(gift))
    member_id = world.member()
    world.enter(journey_id, member_id)
    world.operator.post(f"{ALL}/{journey_id}/pause").ok()
    world.mall.wait(11 * HOURS)
    assert world.run(member_id, journey_id).state == "parked"
    journey = books.find(journey_id).journey
    tx = Transaction()
    earlier = moving.begin(tx, journey, "resume", "anna", moves.latest(journey_id, "state"))
    commit(tx)
    tx = Transaction()
    later = moving.begin(tx, journey, "exit", "anna", earlier)
    commit(tx)
    assert moves.is_done(earlier) and not moves.is_done(later)
    world.mall.wait(60)
    assert moves.is_done(later)
    assert world.run(member_id, journey_id).state == "parked"  # the journey has not ended, and still rests
