"""A draw over a whole activity beside those who leave it at the same moment, and beside lobbies that do not end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.core import metrics
from chalicelib.core.metrics import Metric
from chalicelib.growth.groupbuy.lobbies import service as lobbies
from chalicelib.growth.groupbuy.lottery import rules as draw
from chalicelib.growth.groupbuy.lottery.queries import entries_of, proof_of_activity, secret_of
from chalicelib.platform.jobs.tables import Jobs
from chalicelib.platform.store import tools, transaction
from chalicelib.platform.store.transaction import remove
from local.client import Answer
from tests.faults.test_group_sweep import new_world, people
from tests.support.group_flows import OF_ALL, OWN
from tests.support.group_world import LEADER, MEMBER_FEN, SECOND, GroupWorld, Offer
from tests.support.sweep import dead_jobs

__all__ = ["new_world", "people"]

NewWorld = Callable[[Offer], GroupWorld]
HOUR = 3600


def full(new_world: NewWorld, entered: bool) -> GroupWorld:
    """Two have paid for one lobby, and the activity is over."""
    world = new_world(OF_ALL)
    world.sit_and_pay(LEADER, SECOND)
    if entered:
        world.work(*OWN)
    world.clock.advance(31 * 60)
    return world


def at_write(number: int, act: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """Do this in between, just before DynamoDB is asked for so many more writes than were asked for now."""
    left = [number]
    call = transaction.call

    def hooked(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        left[0] -= 1
        if left[0] == 0:
            act()
        return call(operation, arguments)

    patch.setattr(transaction, "call", hooked)


@pytest.mark.parametrize("first", ["draw", "leave"])
@pytest.mark.parametrize("entered", [True, False])
def test_who_leaves_beside_the_draw_is_out_of_it_or_in_it_and_never_both(
    first: str, entered: bool, new_world: NewWorld
) -> None:
    """The one is done whole just before each write of the other, and after all of them."""
    out: set[bool] = set()
    number, between = 0, True
    while between:
        number += 1
        world = full(new_world, entered)
        left, between = beside(world, first, number)
        world.rest()
        out.add(is_out(world, left))
    assert number >= (6 if first == "draw" else 2)
    assert out == {True, False}, "it has been tried on both sides of the closing"


def beside(world: GroupWorld, first: str, number: int) -> tuple[Answer, bool]:
    """Have the second one leave, and the draw made, the other one in between: what they were told, and whether there
    were so many writes."""
    answers: list[Answer] = []
    happened: list[bool] = []

    def leave() -> None:
        answers.append(world.leave(SECOND))

    def work() -> None:
        world.work(*OWN)

    begins, meanwhile = (work, leave) if first == "draw" else (leave, work)

    def in_between() -> None:
        happened.append(True)
        meanwhile()

    with pytest.MonkeyPatch.context() as patch:
        at_write(number, in_between, patch)
        begins()
    if not happened:
        meanwhile()
    return answers[0], bool(happened)


def is_out(world: GroupWorld, left: Answer) -> bool:
    """Whether the second one is out of the draw: then with all of their money, and the draw without them."""
    seen = world.look()
    orders = {who: found.value for who, found in seen.orders.items()}
    second = orders[SECOND]
    assert second.group is not None
    out = second.group.state == "failed"
    activity_id = world.activity.activity_id
    proof = proof_of_activity(activity_id, None)
    assert proof.orders == entries_of(activity_id) == sorted(world.orders[who] for who in (LEADER, SECOND)[: 2 - out])
    assert proof.winners == draw.winners(secret_of(activity_id), proof.orders, 1)
    if out:
        assert (left.status, second.state, second.refunded_fen) == (202, "closed", MEMBER_FEN)
    else:
        assert second.group.state == ("won" if second.order_id in proof.winners else "lost")
        if second.group.state == "lost" or left.status != 202:  # who has won may have asked after that
            left.refused(409, "order_state")
    assert all(len(order.refunds) <= 1 for order in orders.values())
    assert [f"{one.about}: {one.what}" for one in world.differences(seen)] == []
    assert dead_jobs() == []
    return out


# Lobbies that do not end


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often it was counted that an activity waits, since this was asked last."""
    counted: list[Metric] = []
    monkeypatch.setattr(metrics, "add", lambda metric, *_, **__: counted.append(metric))

    def since() -> int:
        count = counted.count(Metric.ACTIVITIES_STUCK)
        counted.clear()
        return count

    return since


@pytest.mark.parametrize("kind", ["groupbuy.resolve_orders", "groupbuy.settle_lobby"])
def test_an_activity_that_waits_for_a_lobby_for_an_hour_is_told_and_goes_on_by_itself_when_the_cause_is_gone(
    kind: str, new_world: NewWorld, stuck: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lobby's own job is dead; what killed it is mended some hours later."""
    people = (LEADER, SECOND) if kind == "groupbuy.resolve_orders" else (LEADER,)
    world = new_world(OF_ALL)
    world.sit_and_pay(*people)
    ends = lobbies.apply_fate

    def broken(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(lobbies, "apply_fate", broken)
    for job in tools.scan(Jobs):
        if job.task.kind == kind:
            remove(Jobs, (job.shard, job.due))
    world.clock.advance(25 * 60)
    for _ in range(11):
        world.run_jobs(advance=301)
        assert stuck() == 0, "it is not late yet"
    for _ in range(3):
        world.run_jobs(advance=601)
        assert stuck() >= 1
    assert world.look().drawn is None
    assert all(found.value.state == "awaiting_group" for found in world.look().orders.values())

    monkeypatch.setattr(lobbies, "apply_fate", ends)
    for _ in range(5):
        world.run_jobs(advance=301)
    stuck()
    seen = world.look()
    assert seen.drawn is not None
    assert (seen.announced, seen.pool_closed) == (False, True)
    assert all(found.value.state != "awaiting_group" for found in seen.orders.values())
    for _ in range(3):
        world.run_jobs(advance=HOUR)
    assert stuck() == 0
    assert [f"{one.about}: {one.what}" for one in world.differences(world.look())] == []


def test_lobbies_that_are_open_rightly_are_no_trouble(new_world: NewWorld, stuck: Callable[[], int]) -> None:
    """An activity that was ended early waits for them, however long they live."""
    world = new_world(Offer(minutes=7 * 24 * 60))
    world.sit_and_pay(LEADER)
    world.operator.post(f"/v1/admin/group-activities/{world.activity.activity_id}/end").ok()
    world.run_jobs(advance=29 * 60)
    for _ in range(40):
        world.run_jobs(advance=301)
    assert stuck() == 0
    assert world.look().announced is False
