"""Who brought whom, and what that earns: pending when paid, taken back by refunds, available after the days are over."""

from __future__ import annotations

from typing import Any

import pytest

from local.clock import LocalClock
from tests.support.client import Operator, Sandbox, Shopper, in_process
from tests.support.distribution import come_by, deliver, distributor, pay, run_jobs, set_rules
from tests.support.operators import owner_token

DAY = 86400


@pytest.fixture
def operator(dynamodb: str, sandbox: str, mall_clock: LocalClock) -> Operator:
    operator = Operator(in_process(), owner_token())
    set_rules(operator)
    return operator


@pytest.fixture
def people(operator: Operator, sandbox: str) -> list[Shopper]:
    """A, B whom A brought, and C whom B brought; A and B are distributors."""
    a, b, c = (Shopper.arrive(operator.send, Sandbox(sandbox)) for _ in range(3))
    come_by(b, distributor(operator, a)["invite_code"])
    run_jobs()
    come_by(c, distributor(operator, b)["invite_code"])
    run_jobs()
    return [a, b, c]


def balance(shopper: Shopper) -> tuple[int, int]:
    from chalicelib.ledger import service as ledger

    kept = ledger.balance(shopper.member_id)
    return kept.pending, kept.available


def test_an_order_pays_who_brought_its_member_and_who_brought_them(
    operator: Operator, people: list[Shopper], mall_clock: LocalClock
) -> None:
    a, b, c = people
    skus: list[Any] = [operator.product(price_fen=price)["skus"][0]["sku_id"] for price in (1999, 777, 5000)]
    order_id = c.place([(skus[0], 2), (skus[1], 1), (skus[2], 3)])["order_id"]
    assert balance(b) == (0, 0)
    pay(c, order_id)
    run_jobs()
    assert balance(b) == (399 + 77 + 1500, 0)
    assert balance(a) == (199 + 38 + 750, 0)
    c.refund(order_id, [(skus[0], 1)])
    run_jobs()
    assert balance(b) == (199 + 77 + 1500, 0)
    assert balance(a) == (99 + 38 + 750, 0)
    deliver(operator, c, order_id)
    run_jobs()
    mall_clock.advance(7 * DAY - 60)
    run_jobs()
    assert balance(b) == (1776, 0)
    mall_clock.advance(61)
    run_jobs()
    assert balance(b) == (0, 1776)
    assert balance(a) == (0, 887)
    operator.post(f"/v1/admin/orders/{order_id}/refunds", {"reason": "补偿", "lines": [{"sku_id": skus[2], "quantity": 1}]}, key="k" + order_id).ok(202)  # fmt: skip
    run_jobs()
    assert balance(b) == (0, 1276)
    assert balance(a) == (0, 637)
