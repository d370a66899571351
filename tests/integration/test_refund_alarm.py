"""Operators are told of refunds that are stuck, whatever holds them up, and of no others: most take WeChat seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import metrics
from chalicelib.core.metrics import Metric
from chalicelib.gateways.wechat import pay as wechat
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs import worker
from local.client import Operator, Shopper
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback

PRICE, HOUR = 500, 3600
#: What the alarm looks at, in seconds.
WINDOW = 900


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a stuck refund has been counted since this was asked last."""
    counted: list[float] = []
    add = metrics.add

    def watched(metric: Metric, value: float = 1, **dimension: str) -> None:
        counted.extend([value] if metric is Metric.REFUNDS_STUCK else [])
        add(metric, value, **dimension)

    def since() -> int:
        count = len(counted)
        counted.clear()
        return count

    monkeypatch.setattr(metrics, "add", watched)
    return since


@pytest.fixture
def paid(operator: Operator, shopper: Shopper) -> str:
    """An order that is paid."""
    sku = operator.product(stock=9, price_fen=PRICE)["skus"][0]["sku_id"]
    order_id: str = shopper.place([(sku, 1)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    return order_id


@pytest.fixture
def refund(paid: str, shopper: Shopper) -> str:
    """An order whose refund was granted just now, which is all that the mall owes."""
    forget_all()
    shopper.refund(paid)
    return paid


def work(mall_clock: LocalClock, seconds: float) -> None:
    """The workers do what is due, every half minute for so long."""
    for _ in range(int(seconds / 30)):
        mall_clock.advance(30)
        worker.run_due(20.0)


def state(order_id: str) -> str:
    return order_queries.load(order_id).refunds[0].state


def test_a_refund_that_wechat_pays_out_as_always_is_none(
    refund: str, mall_clock: LocalClock, stuck: Callable[[], int]
) -> None:
    worker.run_due(20.0)
    assert state(refund) == "processing"
    work(mall_clock, 60)
    assert (state(refund), stuck()) == ("succeeded", 0)


SHORT = WechatError("NOT_ENOUGH", http=403)
DOWN = WechatError("connect_timeout", retryable=True)


def fails(fault: WechatError) -> Callable[..., NoReturn]:
    def call(*_: object) -> NoReturn:
        raise fault

    return call


@pytest.mark.parametrize("fault", [SHORT, DOWN], ids=["balance short", "WeChat down"])
def test_one_that_is_held_up_is_stuck_an_hour_after_it_was_granted_until_it_is_paid_out(
    refund: str, fault: WechatError, mall_clock: LocalClock, stuck: Callable[[], int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wechat, "refund", fails(fault))
        work(mall_clock, HOUR - 30)
        assert (state(refund), stuck()) == ("approved", 0)
        for _ in range(3):
            work(mall_clock, WINDOW)
            assert stuck() >= 1
    work(mall_clock, WINDOW)
    assert state(refund) == "succeeded"
    stuck()
    work(mall_clock, WINDOW)
    assert stuck() == 0


def test_one_that_wechat_does_not_come_to_an_end_with_is_stuck_too(
    refund: str, mall_clock: LocalClock, stuck: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wechat, "query_refund", lambda number: wechat.RefundResult(number, "PROCESSING", "50", PRICE))
    work(mall_clock, HOUR - 30)
    assert (state(refund), stuck()) == ("processing", 0)
    work(mall_clock, WINDOW)
    assert (state(refund), stuck() >= 1) == ("processing", True)


def test_the_time_in_which_an_operator_thinks_it_over_does_not_count(
    paid: str, operator: Operator, shopper: Shopper, mall_clock: LocalClock, stuck: Callable[[], int]
) -> None:
    operator.ship(paid)
    number = shopper.refund(paid)["refund_id"]
    forget_all()
    mall_clock.advance(2 * HOUR)
    operator.post(f"/v1/admin/orders/{paid}/refunds/{number}/approve", {"restock": False}).ok()
    work(mall_clock, 120)
    assert (state(paid), stuck()) == ("succeeded", 0)


def test_one_that_wechat_refuses_is_told_of_at_once(
    refund: str, shopper: Shopper, mall_clock: LocalClock, stuck: Callable[[], int]
) -> None:
    number = order_queries.load(refund).refunds[0].number
    shopper.sandbox.post(f"refunds/{number}", {"outcome": "ABNORMAL"})
    work(mall_clock, 120)
    assert (state(refund), stuck()) == ("failed", 1)
