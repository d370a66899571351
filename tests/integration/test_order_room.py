"""The largest orders that are taken fit every transaction of theirs, with all that others add: placed, closed, paid and
refunded whole."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.commerce.orders import ports
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.commerce.orders.rules import Order
from chalicelib.customers.members.tables import Members
from chalicelib.platform.store.transaction import ACTIONS_MAX, Transaction
from local.client import Operator, Shopper
from local.notices import payment_callback
from tests.support.registered import observing

PRICE = 1000


class Observer:
    """Adds as much to each change as an observer may."""

    def changed(self, tx: Transaction, before: Order, after: Order) -> None:
        for number in range(ports.OBSERVED_MAX):
            tx.put(Members(after.member_id, f"beside#{number}", version=1))


@pytest.fixture
def sizes(dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many actions each transaction has, with an observer that uses all of its own."""
    found: list[int] = []
    commit = Transaction.commit
    monkeypatch.setattr(Transaction, "commit", lambda tx: (found.append(len(tx)), commit(tx))[1])
    with observing(ports, Observer()):
        yield found


def coupons(operator: Operator, shopper: Shopper) -> list[str]:
    """One of each place."""
    kinds: list[dict[str, Any]] = [
        {"kind": "amount_off", "amount_fen": 100},
        {"kind": "amount_off", "amount_fen": 100, "stacking": "extra"},
        {"kind": "free_shipping"},
    ]
    made = [
        operator.post(
            "/v1/admin/coupon-templates",
            {"name": "券", "total": 9, "limit_per_member": 9, "valid": {"days": 7}, "how": ["claim"]} | kind,
        ).ok(201)["template_id"]
        for kind in kinds
    ]
    return [shopper.post(f"/v1/coupon-templates/{one}/claim").ok(201)["coupon_id"] for one in made]


def test_an_order_of_fifty_lines_and_thirty_limits_goes_through_all_of_its_life(
    sizes: list[int], operator: Operator, shopper: Shopper
) -> None:
    template = f"t{secrets.token_hex(4)}"
    operator.put(f"/v1/admin/freight-templates/{template}", {"name": "运费", "rules": [{"first_fen": 800}]}).ok()
    products = [
        operator.product(
            price_fen=PRICE, stock=10, freight_template_id=template,
            **({"limit_per_member": 5} if number < 31 else {}),
        )
        for number in range(51)
    ]  # fmt: skip
    skus = [one["skus"][0]["sku_id"] for one in products]
    held = coupons(operator, shopper)

    def place(bought: list[str]) -> Any:
        lines = [{"sku_id": sku, "quantity": 1} for sku in bought]
        asked = {"lines": lines, "address_id": shopper.address_id, "coupon_ids": held}
        payable = shopper.post("/v1/quotes", asked).ok()["payable_fen"]
        return shopper.post("/v1/orders", asked | {"expected_payable_fen": payable}, key=secrets.token_hex(8))

    problem = place(skus[:50]).refused(422, "invalid")
    assert [(one["field"], one["code"]) for one in problem["errors"]] == [("lines", "limited_together")]
    unpaid = place(skus[:30] + skus[31:]).ok(201)["order_id"]
    closing.cancel(unpaid, shopper.member_id)
    order_id = place(skus[:30] + skus[31:]).ok(201)["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    del sizes[:]
    refunds.refund_by_operator(order_id, "k", None, "why", False, "x")
    assert shopper.order(order_id)["state"] == "closed"
    assert 90 < max(sizes) <= ACTIONS_MAX
