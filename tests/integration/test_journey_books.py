"""A process that remembers the mall's journeys as they were a moment ago loses nobody by it: who is owed to come in by
a version that it does not know yet comes in, and whoever is in a journey that it does not know goes on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.growth.journeys.book import queries as books
from chalicelib.growth.journeys.listening.queries import CACHE
from chalicelib.platform.store import cache
from tests.support.journey_office import ALL, Office, opened

WAITS: dict[str, Any] = {"tell": {"tag": "x", "next": "rest"}, "rest": {"wait": {"days": 3}}}


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[Office]:
    with opened("journey-books") as office:
        office.operator.post("/v1/admin/tags", {"name": "x"}).ok(201)
        yield office


@pytest.fixture
def behind(world: Office) -> Iterator[Any]:
    """Calling it makes this process remember, for as long as it remembers anything, the journeys as they were when the
    test began."""
    books.forget()
    before, heads = books.book(), cache.remember((CACHE,), lambda: pytest.fail("nothing is remembered"))

    def fall_behind() -> None:
        books._made = before
        cache.keep((CACHE,), heads)

    yield fall_behind
    books.forget()


def test_an_audience_comes_in_by_a_process_that_does_not_know_the_journey_yet(world: Office, behind: Any) -> None:
    members = [world.member() for _ in range(3)]
    audience = world.operator.post("/v1/admin/audiences", {"members": members}, key=secrets.token_hex(8)).ok(201)
    journey_id = world.journey(WAITS)
    behind()
    body = {"audience_id": audience["audience_id"]}
    asked = world.operator.post(f"{ALL}/{journey_id}/enter", body, key=secrets.token_hex(8)).ok()
    behind()
    world.mall.work()
    done = world.operator.get(f"{ALL}/{journey_id}/enter/{asked['enrolment_id']}").ok()
    assert (done["state"], done["entered"], done["refused"]) == ("done", 3, {})


def test_named_members_come_in_by_a_process_that_does_not_know_the_journey_yet(world: Office, behind: Any) -> None:
    member_id = world.member()
    journey_id = world.journey(WAITS)
    behind()
    assert world.enter(journey_id, member_id)["entered"] == 1
    behind()
    world.mall.work()
    run = world.run(member_id, journey_id)
    assert (run.state, run.step) == ("active", "rest")


def test_those_of_a_segment_come_in_by_a_process_that_does_not_know_the_version_yet(
    world: Office, behind: Any
) -> None:  # fmt: skip
    member_id = world.member()
    world.built()
    journey_id = world.journey(WAITS, entry={"segment": "new", "existing": True})
    behind()
    world.mall.work()
    assert world.run(member_id, journey_id).state == "active"
    world.nobody_is_lost(journey_id)


def test_a_run_of_a_journey_that_a_process_does_not_know_goes_on(world: Office, behind: Any) -> None:
    gift = world.gift()
    member_id = world.member()
    journey_id = world.journey({"gift": {"grant": {"template": gift}, "next": "rest"}, "rest": {"wait": {"days": 1}}})
    assert world.enter(journey_id, member_id)["entered"] == 1
    behind()
    world.mall.work()
    assert world.coupons(member_id) == [gift] and world.run(member_id, journey_id).state == "active"
