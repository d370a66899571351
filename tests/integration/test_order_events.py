"""What orders tell: order.paid as money comes, order.confirmed as they go to shipping, and when each of them was; and
what their completion brings with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.jobs import COMPLETE, CONFIRMED, PAID
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.core.settings import settings
from chalicelib.customers.members.tables import Members, profile_key
from chalicelib.gateways.wechat.pay import Trade
from chalicelib.growth.segments.tables import traits_key
from chalicelib.platform.jobs import declarations, worker
from chalicelib.platform.jobs.declarations import Event
from chalicelib.platform.jobs.job import Handler
from chalicelib.platform.jobs.queue import schedule
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction, remove
from local.client import Operator, Sandbox, Shopper, coupon_template
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.jobs import hears, stored

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


# What the completion of an order brings with it.


@pytest.fixture
def received(operator: Operator, shopper: Shopper, no_jobs: None) -> Callable[[], str]:
    """Buys and receives an order; its completion is owed at once, and nothing else."""
    sku = operator.product(stock=10, price_fen=PRICE)["skus"][0]["sku_id"]

    def buy() -> str:
        order_id: str = shopper.place([(sku, 1)])["order_id"]
        paid(shopper, order_id)
        operator.ship(order_id)
        shopper.post(f"/v1/orders/{order_id}/receive").ok()
        forget_all()
        tx = Transaction()
        schedule(tx, COMPLETE, order_id)
        tx.commit()
        return order_id

    return buy


def complete(order_id: str) -> list[tuple[str, str]]:
    """Run the job that completes the order; what is owed then."""
    (due,) = stored()
    assert worker.run_one(due)
    assert order_queries.load(order_id).state == "completed"
    return [(job.task.kind, job.task.key) for job in stored()]


def but_coupons(owed: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What is owed beside coupons, which templates of other tests may give."""
    return [one for one in owed if one[0] != "coupons.after_purchase"]


def test_a_completed_order_is_a_purchase_at_once_and_owes_the_lists_alone(
    received: Callable[[], str], shopper: Shopper
) -> None:
    member_id = shopper.get("/v1/me").ok()["member_id"]
    segments = []
    for _ in range(2):
        assert but_coupons(complete(received())) == [("segments.settle", member_id)]
        segments.append(shopper.get("/v1/me").ok()["segment"])
    assert segments == ["first_order", "repeat"]


def test_where_coupons_follow_a_purchase_they_are_owed_and_given_once(
    received: Callable[[], str], shopper: Shopper, operator: Operator
) -> None:
    path = "/v1/admin/coupon-templates"
    template_id = operator.post(path, coupon_template(how=["purchase"])).ok(201)["template_id"]
    operator.post(f"{path}/{template_id}/publish").ok()
    try:
        order_id = received()
        assert ("coupons.after_purchase", order_id) in complete(order_id)
        (owed,) = (job for job in stored() if job.task.kind == "coupons.after_purchase" and job.task.key == order_id)
        assert [worker.run_one(owed), worker.run_one(owed)] == [True, False]
        given = [one["template_id"] for one in shopper.get("/v1/me/coupons").ok()["items"]]
        assert given.count(template_id) == 1  # templates of other files may follow a purchase, too
    finally:
        operator.post(f"{path}/{template_id}/pause").ok()


def test_the_order_of_one_who_has_left_is_completed_and_no_purchase(
    received: Callable[[], str], shopper: Shopper
) -> None:
    member_id = shopper.get("/v1/me").ok()["member_id"]
    order_id = received()
    remove(*profile_key(member_id))
    remove(*traits_key(member_id))
    assert but_coupons(complete(order_id)) == []
    assert read.get(Members, *profile_key(member_id)[1]) is None
