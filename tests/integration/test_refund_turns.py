"""Refunds of one order take turns, a minute apart: none fails because of another. No job dies of a strange answer."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import clock
from chalicelib.gateways.patience import REFUNDS_APART
from chalicelib.gateways.wechat import pay as wechat
from chalicelib.gateways.wechat.errors import WechatError
from chalicelib.platform.jobs import worker
from local.client import Operator, Shopper
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.jobs import counts

PRICE = 500


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=20, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def paid(sku: str, shopper: Shopper) -> str:
    order_id: str = shopper.place([(sku, 5)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    forget_all()
    return order_id


def work(mall_clock: LocalClock, seconds: int) -> None:
    for _ in range(seconds // 10):
        mall_clock.advance(10)
        worker.run_due()


def states(order_id: str) -> list[str]:
    return [refund.state for refund in order_queries.load(order_id).refunds]


def test_however_many_are_asked_for_at_once_each_is_sent_a_minute_after_the_other(
    paid: str, sku: str, shopper: Shopper, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    refund = wechat.refund
    monkeypatch.setattr(wechat, "refund", lambda request: sent.append(clock.now()) or refund(request))  # type: ignore[func-returns-value]
    for _ in range(4):
        shopper.refund(paid, [(sku, 1)])
    work(mall_clock, 300)
    assert (states(paid), counts()) == (["succeeded"] * 4, (0, 0, 0))
    assert len(sent) == 4
    assert all(later - before >= REFUNDS_APART for before, later in pairwise(sent))


@pytest.mark.parametrize("kind", ["timeout", "timeout_after_effect"])
def test_one_is_refused_because_of_another_whose_answer_was_lost_and_is_paid_out_all_the_same(
    kind: str, paid: str, sku: str, shopper: Shopper, mall_clock: LocalClock, short_time_outs: None
) -> None:
    shopper.refund(paid, [(sku, 1)])
    shopper.sandbox.fault("/v3/refund", kind, seconds=1.5)
    worker.run_due()
    shopper.refund(paid, [(sku, 1)])
    work(mall_clock, 600)
    assert (states(paid), counts()) == (["succeeded"] * 2, (0, 0, 0))


def test_a_refusal_is_believed_once_it_cannot_be_for_another_refund(
    paid: str, sku: str, shopper: Shopper, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper.refund(paid, [(sku, 1)])
    work(mall_clock, 60)
    monkeypatch.setattr(wechat, "refund", _fails(WechatError("SOME_NEW_WORD", http=400)))
    shopper.refund(paid, [(sku, 1)])
    work(mall_clock, 50)
    assert states(paid) == ["succeeded", "approved"]
    work(mall_clock, 150)
    assert (states(paid), counts()) == (["succeeded", "failed"], (0, 0, 0))


def test_a_refund_that_wechat_refuses_and_yet_has_ends_as_it_does_there(
    paid: str, sku: str, shopper: Shopper, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = wechat.refund

    def taken_and_refused(request: wechat.RefundRequest) -> wechat.RefundResult:
        refund(request)
        raise WechatError("SOME_NEW_WORD", http=400)

    monkeypatch.setattr(wechat, "refund", taken_and_refused)
    shopper.refund(paid, [(sku, 1)])
    work(mall_clock, 120)
    assert (states(paid), counts()) == (["succeeded"], (0, 0, 0))


def test_no_job_dies_of_another_amount_than_was_asked_for(
    paid: str, sku: str, shopper: Shopper, mall_clock: LocalClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper.refund(paid, [(sku, 1)])
    other = shopper.place([(sku, 1)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(other), notify="none")
    trade = wechat.query(other)
    assert trade is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wechat, "refund", lambda request: wechat.RefundResult(request.out_refund_no, "SUCCESS", "5", 1))
        patch.setattr(wechat, "query", lambda _: wechat.Trade(other, "SUCCESS", trade.appid, trade.mchid, "4200", 1))
        for _ in range(30):
            mall_clock.advance(601)
            worker.run_due()
        assert (states(paid), order_queries.load(other).state) == (["approved"], "awaiting_payment")
        assert counts()[2] == 0
    work(mall_clock, 1300)
    assert (states(paid), order_queries.load(other).state) == (["succeeded"], "awaiting_shipment")


def _fails(fault: WechatError) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        raise fault

    return call
