"""Operators who do something with a journey at the same time: one version comes of one draft, one walk of one call, and
the same request lets its members in once, however often it is sent at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.core.errors import MallError
from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.definitions import service as defining
from chalicelib.growth.journeys.enrolling import service as enrolling
from chalicelib.growth.journeys.inputs import EnterInput, MigrateInput
from chalicelib.growth.journeys.rules import Version
from chalicelib.growth.journeys.runs.queries import runs_of
from chalicelib.growth.journeys.taking_over import service as taking_over
from tests.support.journey_office import Office, opened

WAITS: dict[str, Any] = {"rest": {"wait": {"days": 3}}}
THREADS = 8


def at_once(act: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """The act with each of these in a thread of its own: what came of it, or the code that it was refused with."""

    def told(argument: Any) -> Any:
        try:
            return act(argument)
        except MallError as fault:
            return fault.code

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(told, arguments))


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[Office]:
    with opened("journey-commands-race") as office:
        yield office


def test_a_draft_that_several_publish_becomes_one_version(world: Office) -> None:
    journey_id = world.draft(WAITS)
    done = at_once(lambda name: defining.publish(journey_id, name), [f"op{n}" for n in range(THREADS)])
    published = [one for one in done if isinstance(one, Version)]
    assert [one.version for one in published] == [1]
    assert {one for one in done if isinstance(one, str)} <= {"nothing_to_publish", "conflict"}
    kept = books.version(journey_id, 1)
    assert kept == published[0] and books.version(journey_id, 2) is None


def test_a_request_that_is_sent_several_times_at_once_lets_its_members_in_once(world: Office) -> None:
    journey_id = world.journey(WAITS)
    members = [world.member() for _ in range(25)]
    asked = EnterInput(members=members)
    done = at_once(lambda _: enrolling.enrol(journey_id, "anna", "k", asked), range(THREADS))
    told = {one if isinstance(one, str) else (one.entered, one.state) for one in done}
    assert told <= {(25, "done"), "conflict"} and (25, "done") in told
    assert [len(runs_of(one, journey_id)) for one in members] == [1] * 25
    assert world.nobody_is_lost(journey_id)["entered"] == 25


def test_who_takes_over_at_the_same_time_begins_one_walk(world: Office) -> None:
    journey_id = world.journey(WAITS)
    members = [world.member() for _ in range(5)]
    world.enter(journey_id, *members)
    world.next_version(journey_id, WAITS, note="2")
    asked = MigrateInput(version=1)
    done = at_once(lambda n: taking_over.migrate(journey_id, asked, f"op{n}"), range(THREADS))
    begun = [one for one in done if one != "conflict"]
    assert len(begun) == 1 and not isinstance(begun[0], str)
    world.mall.wait(120)
    assert Counter(world.run(one, journey_id).version for one in members) == {2: 5}
    assert world.nobody_is_lost(journey_id)["entered"] == 5


def test_pausing_and_ending_at_the_same_time_come_one_after_the_other(world: Office) -> None:
    journey_id = world.journey(WAITS)
    member_id = world.member()
    world.enter(journey_id, member_id)
    calls = [lambda: defining.pause(journey_id), lambda: defining.end(journey_id, "exit", "anna")] * 3
    at_once(lambda call: call(), calls)
    world.mall.wait(120)
    assert books.find(journey_id).journey.state == "ended"
    assert world.run(member_id, journey_id).reason == "journey_ended"
    world.nobody_is_lost(journey_id)
