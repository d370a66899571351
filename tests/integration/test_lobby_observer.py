"""Who observes lobbies is told once that one more paid seat makes a lobby full, and how it ended, in the transaction
that makes it so; also where many pay at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.growth.groupbuy import ports
from chalicelib.growth.groupbuy.rules import Lobby
from chalicelib.platform.store.transaction import Transaction
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs
from tests.support.registered import observing


class Observer:
    """Notes what it was told, when it is written."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    def lacks_one(self, tx: Transaction, lobby: Lobby) -> None:
        tx.after_commit(self.told.append, ("lacks_one", lobby.terms.lobby_id, lobby.taken))

    def ended(self, tx: Transaction, lobby: Lobby) -> None:
        tx.after_commit(self.told.append, (lobby.state, lobby.terms.lobby_id, lobby.taken))


@pytest.fixture
def observer(dynamodb: str) -> Iterator[Observer]:
    with observing(ports, Observer()) as stand_in:
        yield stand_in


def arrived(operator: Operator, sandbox: str) -> Shopper:
    return Shopper.arrive(operator.send, Sandbox(sandbox))


def paid(who: Shopper, order_id: str) -> None:
    who.sandbox.pay(who.start_payment(order_id), notify="none")
    who.send(*payment_callback(who.sandbox, order_id)).ok()


def opened(operator: Operator, leader: Shopper, size: int) -> tuple[str, str]:
    """A lobby whose leader has paid, and its SKU."""
    activity = operator.group_activity({size: 5000})
    sku = str(activity["prices"][0]["sku_id"])
    placed = leader.take_seat(sku, activity_id=activity["activity_id"]).ok(201)
    paid(leader, placed["order_id"])
    return str(placed["group"]["lobby_id"]), sku


@pytest.mark.parametrize("size", [2, 3])
def test_it_is_told_before_the_last_seat_and_at_the_end(
    observer: Observer, operator: Operator, sandbox: str, size: int
) -> None:
    lobby_id, sku = opened(operator, arrived(operator, sandbox), size)
    for _ in range(size - 1):
        who = arrived(operator, sandbox)
        paid(who, who.take_seat(sku, lobby_id=lobby_id).ok(201)["order_id"])
    assert observer.told == [("lacks_one", lobby_id, size - 1), ("succeeded", lobby_id, size)]
    run_jobs()  # its orders are brought to their ends
    assert len(observer.told) == 2


def test_a_lobby_that_is_not_full_in_time_is_told_to_have_failed(
    observer: Observer, operator: Operator, sandbox: str, mall_clock: LocalClock
) -> None:
    lobby_id, _ = opened(operator, arrived(operator, sandbox), 3)
    mall_clock.advance(1801)
    run_jobs()
    assert observer.told == [("failed", lobby_id, 1)]


def test_a_seat_that_is_given_up_and_paid_anew_is_told_anew(
    observer: Observer, operator: Operator, sandbox: str
) -> None:
    lobby_id, sku = opened(operator, arrived(operator, sandbox), 3)
    for _ in range(2):
        who = arrived(operator, sandbox)
        order_id = who.take_seat(sku, lobby_id=lobby_id).ok(201)["order_id"]
        paid(who, order_id)
        who.refund(order_id)
    assert observer.told == [("lacks_one", lobby_id, 2)] * 2


def test_of_many_who_pay_at_once_one_is_told_of_as_the_last_but_one(
    observer: Observer, operator: Operator, sandbox: str
) -> None:
    lobby_id, sku = opened(operator, arrived(operator, sandbox), 8)
    people = [arrived(operator, sandbox) for _ in range(7)]
    orders = [who.take_seat(sku, lobby_id=lobby_id).ok(201)["order_id"] for who in people]
    for who, order_id in zip(people, orders, strict=True):
        who.sandbox.pay(who.start_payment(order_id), notify="none")
    calls = [payment_callback(who.sandbox, order_id) for who, order_id in zip(people, orders, strict=True)]

    def told(call: tuple[str, str, dict[str, str], bytes]) -> None:
        while operator.send(*call).status != 200:
            pass  # others had the lobby: WeChat sends it again

    with ThreadPoolExecutor(7) as pool:
        list(pool.map(told, calls))
    assert observer.told == [("lacks_one", lobby_id, 7), ("succeeded", lobby_id, 8)]
