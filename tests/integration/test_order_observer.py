"""Who observes orders is told of every change of one, with what was and what is, and writes in its transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.commerce.orders import ports
from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order
from chalicelib.core.errors import MallError
from chalicelib.customers.members.tables import Members
from chalicelib.platform.store import read
from chalicelib.platform.store.transaction import Transaction
from local.client import Operator, Shopper
from local.notices import payment_callback
from tests.support.registered import observing


class Observer:
    """Notes the states that each change led from and to, and writes them beside the member, under a name of its own."""

    def __init__(self, name: str = "test") -> None:
        self.name = name
        self.refuses = False

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        part = f"{self.name}#{len(after.history):03}"
        if self.refuses:
            tx.check(Members, (after.member_id, part), Members.part.exists(), MallError("invalid"))
            return
        note = Members(after.member_id, part, version=1, roster=f"{before.state} {after.state}")
        tx.create(note, MallError("invalid"))


@pytest.fixture
def observer() -> Iterator[Observer]:
    with observing(ports, Observer()) as stand_in:
        yield stand_in


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=20, price_fen=500)["skus"][0]["sku_id"]
    return sku_id


def noted(shopper: Shopper, name: str = "test") -> list[str]:
    items = read.query_all(Members, shopper.member_id, where=Members.part.startswith(f"{name}#"), consistent=True)
    return [item.roster for item in items]


def test_it_is_told_of_a_payment_and_of_a_refund(observer: Observer, shopper: Shopper, sku: str) -> None:
    order_id = shopper.place([(sku, 2)])["order_id"]
    assert noted(shopper) == []
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    for _ in range(2):  # WeChat tells it twice, and the order changes once
        shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    refunds.refund_by_operator(order_id, "k", None, "why", False, "x")
    assert noted(shopper) == ["awaiting_payment awaiting_shipment", "awaiting_shipment closed"]


def test_what_it_adds_is_written_with_the_order_or_not_at_all(observer: Observer, shopper: Shopper, sku: str) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]
    observer.refuses = True
    with pytest.raises(MallError, match="invalid"):
        closing.cancel(order_id, shopper.member_id)
    assert order_queries.load(order_id).state == "awaiting_payment"
    observer.refuses = False
    closing.cancel(order_id, shopper.member_id)
    assert noted(shopper) == ["awaiting_payment closed"]


def test_of_several_each_is_told_and_each_may_refuse(shopper: Shopper, sku: str) -> None:
    one, other = Observer("one"), Observer("other")
    with observing(ports, one, other):
        order_id = shopper.place([(sku, 1)])["order_id"]
        other.refuses = True
        with pytest.raises(MallError, match="invalid"):
            closing.cancel(order_id, shopper.member_id)
        assert noted(shopper, "one") == []
        other.refuses = False
        closing.cancel(order_id, shopper.member_id)
    assert noted(shopper, "one") == noted(shopper, "other") == ["awaiting_payment closed"]
