"""What a local mall's control says of journeys and messages is what there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local.journeys import count_messages, count_runs
from tests.support.journey_office import ALL, Office, opened


@pytest.fixture(scope="module")
def world(dynamodb: str) -> Iterator[Office]:
    with opened("local-status") as office:
        yield office


def test_runs_and_messages_are_counted_by_state(world: Office) -> None:
    assert (count_runs(), count_messages()) == ({"active": 0, "parked": 0}, {})
    steps: dict[str, Any] = {
        "tell": {"message": {"purpose": "service", "template": world.words()}, "next": "rest"},
        "rest": {"wait": {"hours": 1}, "next": "more"},
        "more": {"wait": {"hours": 100}},
    }
    journey_id = world.journey(steps)
    first, second = world.member(), world.member()
    world.enter(journey_id, first)
    assert count_messages() == {"queued": 1}
    world.mall.work()
    assert (count_runs(), count_messages()) == ({"active": 1, "parked": 0}, {"dropped": 1})
    world.enter(journey_id, second)
    world.operator.post(f"{ALL}/{journey_id}/pause").ok()
    world.mall.wait(2 * 3600)
    assert count_runs() == {"active": 0, "parked": 2}
    world.operator.post(f"{ALL}/{journey_id}/end", {"runs": "exit"}).ok()
    world.mall.wait(60)
    assert (count_runs(), count_messages()) == ({"active": 0, "parked": 0}, {"dropped": 2})
