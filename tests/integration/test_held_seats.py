"""Seats of group-buys are there for those who pay for them: two at most wait for one member's payment, once a lobby."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.commerce.orders.holding import queries as holding
from chalicelib.commerce.orders.queries import load
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs
from tests.support.groups import Activity, sku_of

PRICE = 1500
Arrive = Callable[[], Shopper]


@pytest.fixture
def arrive(operator: Operator, sandbox: str) -> Arrive:
    return lambda: Shopper.arrive(operator.send, Sandbox(sandbox))


@pytest.fixture
def activity(operator: Operator) -> Activity:
    made: Activity = operator.group_activity({2: PRICE})
    return made


def pay(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def led(activity: Activity, leader: Shopper) -> str:
    """A lobby whose leader has paid."""
    lead = leader.take_seat(sku_of(activity), activity_id=activity["activity_id"]).ok(201)
    pay(leader, lead["order_id"])
    lobby_id: str = lead["group"]["lobby_id"]
    return lobby_id


def join(shopper: Shopper, activity: Activity, lobby_id: str) -> Any:
    return shopper.take_seat(sku_of(activity), lobby_id=lobby_id, payable_fen=PRICE)


def test_nobody_holds_the_last_seats_of_many_lobbies(activity: Activity, arrive: Arrive) -> None:
    lobbies = [led(activity, arrive()) for _ in range(5)]
    greedy, friend = arrive(), arrive()
    held = [join(greedy, activity, lobby_id).ok(201)["order_id"] for lobby_id in lobbies[:2]]
    for lobby_id in lobbies[2:]:
        told = join(greedy, activity, lobby_id).refused(422, "too_many_unpaid")
        assert (told["limit"], [(one["field"], one["code"]) for one in told["errors"]]) == (
            2,
            [("group", "seats_held")],
        )
    opens = {"activity_id": activity["activity_id"], "payable_fen": PRICE}
    greedy.take_seat(sku_of(activity), **opens).refused(422, "too_many_unpaid")
    for order_id in held:
        greedy.post(f"/v1/orders/{order_id}/cancel").ok()
    for lobby_id in lobbies[:2]:
        told = join(greedy, activity, lobby_id).refused(422, "not_for_you")
        assert [(one["field"], one["code"]) for one in told["errors"]] == [("group.lobby_id", "seat_let_go")]
        pay(friend, join(friend, activity, lobby_id).ok(201)["order_id"])
    join(greedy, activity, lobbies[2]).ok(201)


def test_a_seat_whose_time_is_over_is_not_held_again_but_may_be_paid_late_and_left(
    activity: Activity, arrive: Arrive, mall_clock: LocalClock
) -> None:
    lobby_id, late = led(activity, arrive()), arrive()
    order_id = join(late, activity, lobby_id).ok(201)["order_id"]
    late.sandbox.pay(late.start_payment(order_id), notify="none")
    from chalicelib.commerce.orders.closing import service as closing
    from chalicelib.commerce.orders.queries import find

    closing._close(find(order_id), "closed_unpaid", "system")
    join(late, activity, lobby_id).refused(422, "not_for_you")
    late.send(*payment_callback(late.sandbox, order_id)).ok()
    assert late.order(order_id)["group"]["seat_state"] == "taken"
    assert holding.standing_of(_item(late)).let_go == frozenset()


def test_who_leaves_a_paid_seat_may_come_again(operator: Operator, arrive: Arrive) -> None:
    activity = operator.group_activity({3: PRICE})
    lobby_id, member = led(activity, arrive()), arrive()
    first = join(member, activity, lobby_id).ok(201)["order_id"]
    pay(member, first)
    member.refund(first)
    pay(member, join(member, activity, lobby_id).ok(201)["order_id"])


def test_a_seat_that_its_lobby_ended_before_is_not_let_go(
    operator: Operator, arrive: Arrive, mall_clock: LocalClock
) -> None:
    activity = operator.group_activity({2: PRICE}, lobby_minutes=5)
    lobby_id, member = led(activity, arrive()), arrive()
    order_id = join(member, activity, lobby_id).ok(201)["order_id"]
    mall_clock.advance(5 * 60 + 1)
    run_jobs()
    mall_clock.advance(130)
    run_jobs()
    order = load(order_id)
    assert (order.state, order.group is not None and order.group.over) == ("closed", True)
    assert holding.standing_of(_item(member)).let_go == frozenset()


def test_a_lobby_for_new_customers_is_not_for_who_has_just_paid_however_late_the_index_is(
    operator: Operator, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    activity = operator.group_activity({2: PRICE}, new_customers_only=True)
    monkeypatch.setattr(holding, "index_shows", lambda *_, **__: False)
    lobby_id, member, new = led(activity, arrive()), arrive(), arrive()
    sku = operator.product(price_fen=PRICE)["skus"][0]["sku_id"]
    first = member.place([(sku, 1)])["order_id"]
    pay(member, first)
    join(member, activity, lobby_id).refused(422, "not_for_you")
    member.refund(first)
    join(member, activity, lobby_id).ok(201)
    join(new, activity, lobby_id).refused(409, "lobby_full")


def test_pieces_of_a_limited_product_count_in_lobbies_too_and_come_back_when_they_fail(
    operator: Operator, arrive: Arrive, mall_clock: LocalClock
) -> None:
    product = operator.product(price_fen=PRICE, limit_per_member=1)
    activity = operator.group_activity({2: PRICE}, product=product, lobby_minutes=5)
    leader, sku = arrive(), product["skus"][0]["sku_id"]
    led(activity, leader)
    body = leader.order_body([(sku, 1)], PRICE)
    leader.post("/v1/orders", body, key="more").refused(422, "purchase_limit")
    mall_clock.advance(5 * 60 + 1)
    run_jobs()
    assert holding.bought_pieces(leader.member_id, product["product_id"]) == 0
    leader.post("/v1/orders", body, key="again").ok(201)


def test_a_late_payment_takes_no_seat_above_the_products_limit(operator: Operator, arrive: Arrive) -> None:
    from chalicelib.commerce.orders.closing import service as closing
    from chalicelib.commerce.orders.queries import find

    product = operator.product(price_fen=PRICE, limit_per_member=1)
    activity = operator.group_activity({2: PRICE}, product=product)
    ends = []
    for buys_again in (True, False):
        late, lobby_id = arrive(), led(activity, arrive())
        order_id = join(late, activity, lobby_id).ok(201)["order_id"]
        late.sandbox.pay(late.start_payment(order_id), notify="none")
        closing._close(find(order_id), "closed_unpaid", "system")
        if buys_again:
            late.place([(product["skus"][0]["sku_id"], 1)])
        late.send(*payment_callback(late.sandbox, order_id)).ok()
        ends.append((load(order_id).state, holding.bought_pieces(late.member_id, product["product_id"])))
    assert ends == [("closed", 1), ("awaiting_shipment", 1)] or ends == [("closed", 1), ("awaiting_group", 1)]


def _item(shopper: Shopper) -> Any:
    from chalicelib.platform.store import read

    table, key = holding.standing_key(shopper.member_id)
    return read.get(table, *key)
