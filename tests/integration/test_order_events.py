"""What orders tell: order.paid as money comes, order.confirmed as they go to shipping; and when each of them was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from chalicelib.commerce.orders.jobs import CONFIRMED, PAID
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.core.settings import settings
from chalicelib.gateways.wechat.pay import Trade
from chalicelib.platform.jobs import declarations, worker
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.job import Handler
from local.client import Operator, Sandbox, Shopper
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.jobs import hears

PRICE = 500


@pytest.fixture
def told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Which of the two events were told of an order by now."""
    forget_all()
    heard: Counter[tuple[str, str]] = Counter()
    monkeypatch.setattr(declarations, "_kinds", dict(declarations._kinds))
    subscribers = {event: list(kinds) for event, kinds in declarations._subscribers.items()}
    monkeypatch.setattr(declarations, "_subscribers", subscribers)

    def listener(event: Event) -> Handler:
        return lambda job: heard.update([(event.name, job.key)])

    for event in (PAID, CONFIRMED):
        hears(event, "test.listen", listener(event))

    def names(order_id: str) -> list[str]:
        worker.run_due()
        return sorted((Counter({name: times for (name, key), times in heard.items() if key == order_id})).elements())

    return names


def paid(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    for _ in range(2):  # WeChat tells it twice
        shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def test_an_order_is_confirmed_as_it_is_paid(
    operator: Operator, shopper: Shopper, told: Callable[[str], list[str]]
) -> None:
    sku = operator.product(stock=10, price_fen=PRICE)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)])["order_id"]
    assert (told(order_id), shopper.order(order_id).keys() & {"paid_at", "confirmed_at"}) == ([], set())
    paid(shopper, order_id)
    assert told(order_id) == ["order.confirmed", "order.paid"]
    order = shopper.order(order_id)
    assert order["confirmed_at"] == order["paid_at"] == order["history"][-1]["at"]
    assert operator.get(f"/v1/admin/orders/{order_id}").ok()["confirmed_at"] == order["confirmed_at"]


def test_one_that_costs_nothing_is_told_of_as_every_other(
    operator: Operator, shopper: Shopper, told: Callable[[str], list[str]]
) -> None:
    sku = operator.product(stock=10, price_fen=0)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)])["order_id"]
    for _ in range(2):
        assert shopper.start_payment(order_id) == {"paid": True}
    assert told(order_id) == ["order.confirmed", "order.paid"]
    order = shopper.order(order_id)
    assert order["confirmed_at"] == order["paid_at"]


def test_of_a_group_each_is_told_of_as_it_is_paid_and_confirmed_when_it_has_come_together(
    operator: Operator, shopper: Shopper, sandbox: str, told: Callable[[str], list[str]]
) -> None:
    activity = operator.group_activity({2: (PRICE, 0)})  # the leader sits for nothing
    second = Shopper.arrive(operator.send, Sandbox(sandbox))
    lead = shopper.take_seat(activity["prices"][0]["sku_id"], activity_id=activity["activity_id"]).ok(201)
    shopper.start_payment(lead["order_id"])
    assert told(lead["order_id"]) == ["order.paid"]
    assert shopper.order(lead["order_id"]).keys() & {"paid_at", "confirmed_at"} == {"paid_at"}
    joined = second.take_seat(lead["lines"][0]["sku_id"], lobby_id=lead["group"]["lobby_id"]).ok(201)
    paid(second, joined["order_id"])
    for who, placed in ((shopper, lead), (second, joined)):
        assert told(placed["order_id"]) == ["order.confirmed", "order.paid"]
        order = who.order(placed["order_id"])
        assert order["paid_at"] < order["confirmed_at"]
        assert [order["confirmed_at"]] == [one["at"] for one in order["history"] if one["what"] == "group_succeeded"]


def test_one_that_was_closed_before_its_money_came_is_told_of_to_nobody(
    operator: Operator, shopper: Shopper, told: Callable[[str], list[str]]
) -> None:
    sku = operator.product(stock=10, price_fen=PRICE)["skus"][0]["sku_id"]
    placed = shopper.place([(sku, 1)])
    order_id, mine = placed["order_id"], settings()
    shopper.post(f"/v1/orders/{order_id}/cancel").ok()
    trade = Trade(order_id, "SUCCESS", mine.wechat_appid, mine.wechat_mchid, "t-late", placed["payable_fen"])
    assert payment.record(trade).confirmed_at is None
    assert "confirmed_at" not in shopper.order(order_id)
    assert told(order_id) == []
