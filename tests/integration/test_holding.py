"""Nobody holds from others what they do not pay for: pieces, orders, seats; and who may have how much of a product."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders.holding import queries as holding
from chalicelib.commerce.orders.holding import rules
from chalicelib.commerce.orders.queries import find, orders_of_member
from chalicelib.commerce.orders.tables import Purchases, UnpaidOrders
from chalicelib.platform.store import read, tools
from chalicelib.platform.store.transaction import write
from local.client import Answer, Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs
from tests.support.groups import sku_of

PRICE, STOCK = 1000, 10_000
Arrive = Callable[[], Shopper]


@pytest.fixture
def arrive(operator: Operator, sandbox: str) -> Arrive:
    return lambda: Shopper.arrive(operator.send, Sandbox(sandbox))


@pytest.fixture
def sku(operator: Operator) -> str:
    """Of a product without limits of its own."""
    return made(operator)


def made(operator: Operator, **more: Any) -> str:
    product = operator.product(**{"stock": STOCK, "price_fen": PRICE, "limit_per_order": None} | more)
    sku_id: str = product["skus"][0]["sku_id"]
    return sku_id


def order(shopper: Shopper, *lines: tuple[str, int], payable_fen: int | None = None) -> Answer:
    payable = sum(quantity for _, quantity in lines) * PRICE if payable_fen is None else payable_fen
    return shopper.post("/v1/orders", shopper.order_body(list(lines), payable), key=secrets.token_hex(8))


def placed(shopper: Shopper, *lines: tuple[str, int]) -> str:
    order_id: str = order(shopper, *lines).ok(201)["order_id"]
    return order_id


def cancel(shopper: Shopper, order_id: str) -> None:
    shopper.post(f"/v1/orders/{order_id}/cancel").ok()


def pay(shopper: Shopper, order_id: str) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()


def at_once(times: int, act: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(act, range(times)))


def standing(shopper: Shopper) -> rules.Standing:
    """What is kept of the shopper; it is what their orders make of it."""
    kept = holding.standing_now(shopper.member_id)
    orders = orders_of_member(shopper.member_id, [], 100, None)[0]
    assert kept.held == {text for text in map(rules.hold_of, orders) if text}
    assert kept.orders == len(kept.held)
    assert kept.let_go <= {text for text in map(rules.let_go_of, orders) if text}
    return kept


def test_one_member_cannot_keep_a_product_sold_out(operator: Operator, arrive: Arrive, sku: str) -> None:
    greedy, other = arrive(), arrive()
    told = order(greedy, (sku, 999)).refused(422, "purchase_limit")
    assert (told["sku_id"], told["limit"], told["left"]) == (sku, 10, 10)
    assert [error["field"] for error in told["errors"]] == ["lines[0].quantity"]
    first = placed(greedy, (sku, 7))
    told = order(greedy, (sku, 4)).refused(422, "purchase_limit")
    assert (told["limit"], told["left"]) == (10, 3)
    placed(greedy, (sku, 3))
    order(greedy, (sku, 1)).refused(422, "purchase_limit")
    placed(other, (sku, 10))
    cancel(greedy, first)
    placed(greedy, (sku, 7))
    assert operator.stock(sku) == (STOCK - 20, 20)
    assert standing(greedy).orders == 2


def test_a_products_limit_per_order_stands_above_the_setting(operator: Operator, shopper: Shopper) -> None:
    many, few = made(operator, limit_per_order=40), made(operator, limit_per_order=3)
    order(shopper, (many, 41)).refused(422, "purchase_limit")
    placed(shopper, (many, 40), (few, 2))
    told = order(shopper, (few, 2)).refused(422, "purchase_limit")
    assert (told["sku_id"], told["limit"], told["left"]) == (few, 3, 1)
    assert "limit_per_order" in shopper.get(f"/v1/products/{few.partition('-')[0]}").ok()
    lines = [{"sku_id": few, "quantity": 4}]
    quoted = shopper.post("/v1/quotes", {"lines": lines}).ok()
    assert (quoted["can_order"], [(line["problem"], line["left"]) for line in quoted["lines"]]) == (
        False, [("limit", 3)],
    )  # fmt: skip


def test_two_orders_at_once_are_both_counted(operator: Operator, arrive: Arrive, sku: str) -> None:
    shopper, crowd = arrive(), [arrive() for _ in range(4)]
    answers = at_once(4, lambda _: order(shopper, (sku, 4)))
    assert Counter(answer.status for answer in answers) == {201: 2, 422: 2}
    assert {answer.json["code"] for answer in answers if answer.status == 422} == {"purchase_limit"}
    assert [answer.status for answer in at_once(4, lambda number: order(crowd[number], (sku, 4)))] == [201] * 4
    assert standing(shopper).orders == 2


def test_who_lets_orders_go_holds_fewer_until_a_payment_forgives(
    operator: Operator, shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    for _ in range(3):
        cancel(shopper, placed(shopper, (sku, 1)))
    held = [placed(shopper, (sku, 1)) for _ in range(5)]
    told = order(shopper, (sku, 1)).refused(422, "too_many_unpaid")
    assert (told["limit"], [error["code"] for error in told["errors"]]) == (5, ["let_go"])
    for order_id in held:
        cancel(shopper, order_id)
    mall_clock.advance(1)
    for _ in range(2):
        placed(shopper, (sku, 1))
    mall_clock.advance(16 * 60)
    run_jobs()  # these two are closed by time: that is ten
    paid = placed(shopper, (sku, 1))
    assert order(shopper, (sku, 1)).refused(422, "too_many_unpaid")["limit"] == 1
    pay(shopper, paid)
    more = [placed(shopper, (sku, 1)) for _ in range(6)]
    shopper.refund(paid)
    assert order(shopper, (sku, 1)).refused(422, "too_many_unpaid")["limit"] == 1
    assert len(standing(shopper).let_go) <= rules.LET_GO_KEPT
    for order_id in more[1:]:
        cancel(shopper, order_id)
    mall_clock.advance(24 * 3600)
    run_jobs()
    for _ in range(2):
        placed(shopper, (sku, 1))


def test_a_parcel_that_came_back_forgives_as_before(operator: Operator, shopper: Shopper, sku: str) -> None:
    for _ in range(10):
        cancel(shopper, placed(shopper, (sku, 1)))
    paid = placed(shopper, (sku, 1))
    pay(shopper, paid)
    operator.ship(paid)
    refund = shopper.refund(paid)
    operator.post(f"/v1/admin/orders/{paid}/refunds/{refund['refund_id']}/approve", {"restock": True}).ok()
    assert shopper.order(paid)["state"] == "closed"
    placed(shopper, (sku, 1))
    placed(shopper, (sku, 1))


def test_a_payment_that_came_too_late_is_no_order_let_go(shopper: Shopper, sku: str, mall_clock: LocalClock) -> None:
    from chalicelib.commerce.orders.closing import service as closing

    late = placed(shopper, (sku, 1))
    shopper.sandbox.pay(shopper.start_payment(late), notify="none")
    closing._close(find(late), "closed_unpaid", "system")
    assert len(standing(shopper).let_go) == 1
    shopper.send(*payment_callback(shopper.sandbox, late)).ok()
    assert standing(shopper).let_go == frozenset()


def test_what_an_older_version_left_standing_hinders_nobody(operator: Operator, arrive: Arrive) -> None:
    """An older version, beside this one or for a while instead of it, ends orders and takes nothing out."""
    sku, activity = made(operator), operator.group_activity({2: PRICE})
    shopper = arrive()
    kept = placed(shopper, (sku, 3))
    ended = [placed(shopper, (sku, 7))]
    for _ in range(2):
        seat = shopper.take_seat(sku_of(activity), activity_id=activity["activity_id"], payable_fen=PRICE)
        ended.append(seat.ok(201)["order_id"])
    key = (shopper.member_id,)
    held = read.get(UnpaidOrders, *key).held
    for order_id in ended:
        cancel(shopper, order_id)
    write(UnpaidOrders, key, [UnpaidOrders.held.set(held)])
    placed(shopper, (sku, 7))
    shopper.take_seat(sku_of(activity), activity_id=activity["activity_id"], payable_fen=PRICE).ok(201)
    assert standing(shopper).orders == 3
    cancel(shopper, kept)
    order(shopper, (sku, 4)).refused(422, "purchase_limit")
    placed(shopper, (sku, 3))


# Purchase limits of products


def bought(shopper: Shopper, sku: str) -> int:
    return holding.bought_pieces(shopper.member_id, sku.partition("-")[0])


def test_a_member_buys_no_more_of_a_product_than_its_limit_and_gets_back_what_was_not_kept(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock
) -> None:
    sku = made(operator, limit_per_member=5)
    cancelled = placed(shopper, (sku, 2))
    paid = placed(shopper, (sku, 3))
    told = order(shopper, (sku, 1)).refused(422, "purchase_limit")
    assert (told["sku_id"], told["limit"], told["left"]) == (sku, 5, 0)
    assert [(error["field"], error["code"]) for error in told["errors"]] == [("lines[0].quantity", "pieces_per_member")]
    cancel(shopper, cancelled)
    assert bought(shopper, sku) == 3
    pay(shopper, paid)
    shopper.refund(paid, [(sku, 1)])
    assert bought(shopper, sku) == 2
    assert order(shopper, (sku, 4)).refused(422, "purchase_limit")["left"] == 3
    expired = placed(shopper, (sku, 3))
    mall_clock.advance(16 * 60)
    run_jobs()
    assert shopper.order(expired)["state"] == "closed"
    operator.ship(paid)
    refund = shopper.refund(paid)
    assert bought(shopper, sku) == 2
    operator.post(f"/v1/admin/orders/{paid}/refunds/{refund['refund_id']}/approve", {"restock": True}).ok()
    assert bought(shopper, sku) == 0


def test_two_skus_of_a_product_share_its_limit(operator: Operator, shopper: Shopper) -> None:
    skus = [
        {"sku_code": f"{name}{secrets.token_hex(4)}", "specs": {"色": name}, "price_fen": PRICE, "stock": 50}
        for name in "ab"
    ]
    product = operator.product(skus=skus, limit_per_member=5)
    one, two = (sku["sku_id"] for sku in product["skus"])
    order(shopper, (one, 3), (two, 3)).refused(422, "purchase_limit")
    placed(shopper, (one, 2), (two, 1))
    told = order(shopper, (one, 1), (two, 2)).refused(422, "purchase_limit")
    assert (told["left"], [error["field"] for error in told["errors"]]) == (
        2, ["lines[0].quantity", "lines[1].quantity"],
    )  # fmt: skip
    placed(shopper, (one, 1), (two, 1))
    assert bought(shopper, one) == 5


def test_of_many_orders_at_once_as_many_pieces_are_bought_as_may_be(operator: Operator, arrive: Arrive) -> None:
    sku, shopper = made(operator, limit_per_member=3, limit_per_order=3), arrive()
    answers = at_once(6, lambda _: order(shopper, (sku, 1)))
    assert {answer.status for answer in answers} <= {201, 409, 422}
    done = sum(answer.status == 201 for answer in answers)
    assert bought(shopper, sku) == done <= 3
    for _ in range(3 - done):
        placed(shopper, (sku, 1))
    order(shopper, (sku, 1)).refused(422, "purchase_limit")


def test_a_limit_counts_from_when_it_is_set_and_without_one_nothing_is_written(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    path = f"/v1/admin/products/{sku.partition('-')[0]}"
    before = len(list(tools.scan(Purchases)))
    early = placed(shopper, (sku, 4))
    operator.call("PATCH", path, {"limit_per_member": 2}).ok()
    placed(shopper, (sku, 2))
    cancel(shopper, early)  # it was never counted, so it gives nothing back
    assert (bought(shopper, sku), len(list(tools.scan(Purchases)))) == (2, before + 1)
    order(shopper, (sku, 1)).refused(422, "purchase_limit")
    operator.call("PATCH", path, {"limit_per_member": None}).ok()
    placed(shopper, (sku, 3))
    assert bought(shopper, sku) == 2


# Who is a new customer


def test_a_free_order_that_was_just_paid_counts_however_late_the_index_is(
    operator: Operator, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku, free = made(operator), made(operator, price_fen=0)
    promotion = f"/v1/admin/promotions/p-{secrets.token_hex(6)}"
    welcome = {
        "kind": "new_customer_price", "name": "新客价", "prices": [{"sku_id": sku, "price_fen": 1}],
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    operator.put(promotion, welcome).ok()
    monkeypatch.setattr(holding, "index_shows", lambda *_, **__: False)
    try:
        for _ in range(rules.BOUGHT_KEPT + 2):
            gift = order(shopper, (free, 1), payable_fen=0).ok(201)["order_id"]
            assert shopper.start_payment(gift) == {"paid": True}
            order(shopper, (sku, 1), payable_fen=1).refused(409, "price_changed")
        assert standing(shopper).regular
        assert len(standing(shopper).bought) <= rules.BOUGHT_KEPT + 1
    finally:
        operator.delete(promotion).ok(204)
