"""Two who change one order at once: one after the other, and each sees what the other did."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.delivery import service as delivery
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order, Pieces
from chalicelib.core.errors import MallError
from local.client import Answer, Operator, Shopper
from local.notices import payment_callback

PRICE, STOCK = 500, 20


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def paid(shopper: Shopper, sku: str) -> str:
    """An order of three pieces, paid."""
    order_id: str = shopper.place([(sku, 3)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    return order_id


def at_once(*acts: Callable[[], object]) -> Counter[str]:
    """Do all of it at the same time; how often each came to what: its refusal's code, or "done"."""

    def attempt(act: Callable[[], object]) -> str:
        try:
            act()
        except MallError as fault:
            return fault.code
        return "done"

    with ThreadPoolExecutor(len(acts)) as crowd:
        return Counter(crowd.map(attempt, acts))


def what(order: Order) -> list[str]:
    return [event.what for event in order.history]


def test_a_payment_and_a_cancellation_at_once_end_as_a_paid_order(
    shopper: Shopper, sku: str, operator: Operator
) -> None:
    for _ in range(3):
        order_id = shopper.place([(sku, 1)])["order_id"]
        shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
        told = at_once(
            lambda o=order_id: closing.cancel(o, shopper.member_id),
            lambda o=order_id: payment.ask(o),
            lambda o=order_id: payment.ask(o),
        )
        assert told == {"done": 2, "order_state": 1}
        assert what(order_queries.load(order_id)) == ["placed", "paid"]
    assert operator.stock(sku) == (STOCK - 3, 3)


def test_cancelled_from_many_devices_its_pieces_come_back_once(shopper: Shopper, sku: str, operator: Operator) -> None:
    order_id = shopper.place([(sku, 4)])["order_id"]
    told = at_once(*[lambda: closing.cancel(order_id, shopper.member_id)] * 4)
    assert set(told) <= {"done", "conflict"}
    assert (what(order_queries.load(order_id)), operator.stock(sku)) == (["placed", "cancelled"], (STOCK, 0))


def test_pieces_asked_back_at_once_under_different_keys_are_given_back_once(
    shopper: Shopper, paid: str, sku: str, operator: Operator
) -> None:
    def ask() -> None:
        refunds.request(paid, shopper.member_id, secrets.token_hex(4), [Pieces(sku, 2)], "x")

    told = at_once(*[ask] * 4)
    assert (told["done"], told["invalid"] + told["conflict"]) == (1, 3)
    order = order_queries.load(paid)
    assert [refund.amount_fen for refund in order.refunds] == [2 * PRICE]
    assert operator.stock(sku) == (STOCK - 1, 1)


def test_one_refund_asked_for_many_times_at_once_is_one_refund(
    shopper: Shopper, paid: str, sku: str, operator: Operator
) -> None:
    told = at_once(*[lambda: refunds.request(paid, shopper.member_id, "one", None, "x")] * 4)
    assert set(told) <= {"done", "conflict"}
    assert [refund.amount_fen for refund in order_queries.load(paid).refunds] == [3 * PRICE]
    assert operator.stock(sku) == (STOCK, 0)


def test_shipping_and_a_refund_at_once_never_both_have_the_same_piece(
    shopper: Shopper, paid: str, sku: str, operator: Operator
) -> None:
    told = at_once(
        lambda: delivery.ship(paid, "SF", "1", None, "operator:x"),
        lambda: refunds.request(paid, shopper.member_id, "k", None, "x"),
    )
    order = order_queries.load(paid)
    line = order.lines[0]
    if order.state == "closed":
        assert told == {"done": 1, "order_state": 1}
        assert (line.shipped, line.cancelled, operator.stock(sku)) == (0, 3, (STOCK, 0))
    else:
        assert told == {"done": 2}
        assert (order.state, line.shipped, line.cancelled) == ("shipped", 3, 0)
        assert ([refund.state for refund in order.refunds], operator.stock(sku)) == (["requested"], (STOCK - 3, 3))


def test_two_operators_decide_a_refund_once(shopper: Shopper, paid: str, sku: str, operator: Operator) -> None:
    operator.ship(paid)
    number = shopper.refund(paid)["refund_id"]
    told = at_once(
        lambda: refunds.approve(paid, number, True, "operator:a"),
        lambda: refunds.reject(paid, number, "no", "operator:b"),
    )
    assert told == {"done": 1, "order_state": 1}
    order = order_queries.load(paid)
    granted = order.refunds[0].state == "approved"
    assert order.state == ("closed" if granted else "shipped")
    assert operator.stock(sku) == ((STOCK, 0) if granted else (STOCK - 3, 3))


def test_two_parcels_at_once_send_no_piece_twice(shopper: Shopper, paid: str, sku: str) -> None:
    told = at_once(
        *(lambda n=n: delivery.ship(paid, "SF", f"no-{n}", [Pieces(sku, 2)], "operator:x") for n in range(3))
    )
    assert (told["done"], told["invalid"] + told["conflict"]) == (1, 2)
    order = order_queries.load(paid)
    assert (order.state, order.lines[0].shipped, len(order.shipments)) == ("awaiting_shipment", 2, 1)


def test_a_member_holds_stock_with_so_many_unpaid_orders_and_no_more(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    kept = operator.get("/v1/admin/settings/orders").ok()
    operator.put("/v1/admin/settings/orders", kept | {"unpaid_max": 3}).ok()
    try:
        body = shopper.order_body([(sku, 1)])

        def attempt(number: int) -> Answer:
            return shopper.post("/v1/orders", body, key=f"unpaid-{number}")

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(attempt, range(6)))
        assert sorted(answer.status for answer in answers) == [201, 201, 201, 422, 422, 422]
        refusal = next(answer for answer in answers if answer.status == 422)
        assert refusal.refused(422, "too_many_unpaid")["limit"] == 3
        placed = [answer.json["order_id"] for answer in answers if answer.status == 201]
        shopper.post(f"/v1/orders/{placed[0]}/cancel").ok()
        shopper.post(f"/v1/orders/{placed[0]}/cancel").ok()
        attempt(7).ok(201)
        attempt(8).refused(422, "too_many_unpaid")
        shopper.sandbox.pay(shopper.start_payment(placed[1]), notify="none")
        shopper.send(*payment_callback(shopper.sandbox, placed[1])).ok()
        attempt(9).ok(201)
        attempt(10).refused(422, "too_many_unpaid")
    finally:
        operator.put("/v1/admin/settings/orders", kept).ok()
