"""A payment, refund or transfer that was begun is asked for in the same words, whatever address the mall has by now;
and what WeChat says of it is believed only where it is about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.core import settings
from chalicelib.gateways.wechat import api
from chalicelib.gateways.wechat import pay as wechat_pay
from chalicelib.platform.jobs import worker
from local.client import Operator, Shopper
from local.clock import LocalClock
from local.jobs import forget_all
from local.notices import payment_callback
from tests.support.withdrawals import PLENTY_FEN, balance, earner, mine, withdraw

PRICE = 500


@pytest.fixture
def moved() -> Iterator[Callable[[], None]]:
    """The mall is deployed anew, with another address."""
    before = settings._environment

    def move() -> None:
        settings.use({**before, "YUTANG_PUBLIC_URL": "https://new.example.com"})

    yield move
    settings.use(before)


@pytest.fixture
def order_id(operator: Operator, shopper: Shopper) -> str:
    forget_all()
    sku = operator.product(stock=9, price_fen=PRICE)["skus"][0]["sku_id"]
    order_id: str = shopper.place([(sku, 1)])["order_id"]
    return order_id


def test_a_begun_payment_can_be_begun_again_after_the_mall_has_moved(
    order_id: str, shopper: Shopper, moved: Callable[[], None]
) -> None:
    shopper.start_payment(order_id)
    moved()
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    assert shopper.order(order_id)["state"] == "awaiting_shipment"


@pytest.mark.parametrize("kind", ["timeout", "timeout_after_effect"])
def test_a_refund_whose_answer_was_lost_is_paid_out_after_the_mall_has_moved(
    kind: str, order_id: str, shopper: Shopper, mall_clock: LocalClock, moved: Callable[[], None], short_time_outs: None
) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    shopper.refund(order_id)
    shopper.sandbox.fault("/v3/refund", kind, seconds=1.5)
    worker.run_due()
    moved()
    for _ in range(3):
        mall_clock.advance(31)
        worker.run_due()
    assert [refund.state for refund in order_queries.load(order_id).refunds] == ["succeeded"]


def test_a_withdrawal_can_be_confirmed_after_the_mall_has_moved(
    operator: Operator, shopper: Shopper, mall_clock: LocalClock, moved: Callable[[], None], short_time_outs: None
) -> None:
    forget_all()
    shopper.sandbox.post("balance", {"available_fen": PLENTY_FEN})
    taker = earner(operator.send, shopper.sandbox, 10_000)
    shopper.sandbox.fault("/v3/fund-app", "timeout_after_effect", seconds=1.5)
    number = withdraw(taker, 10_000)["withdrawal_id"]
    worker.run_due()
    moved()
    mall_clock.advance(11)
    worker.run_due()
    assert mine(taker, number)["package_info"]
    assert balance(taker) == (0, 10_000, 0)


def test_what_an_order_of_an_older_version_does_not_say_is_the_mall_s_address_now(moved: Callable[[], None]) -> None:
    moved()
    assert api.notify_url("", "payment") == "https://new.example.com/v1/callbacks/wechat/payment"
    assert api.notify_url("https://old.example.com", "refund") == "https://old.example.com/v1/callbacks/wechat/refund"


def test_another_amount_than_the_orders_is_taken_for_no_payment_of_it_by_whoever_asks(
    order_id: str, operator: Operator, shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    right = wechat_pay.query
    monkeypatch.setattr(wechat_pay, "query", lambda number: replace(right(number), total_fen=1))
    operator.post(f"/v1/admin/orders/{order_id}/ask-wechat").refused(503, "unavailable")
    worker.run_due()
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    monkeypatch.undo()
    assert operator.post(f"/v1/admin/orders/{order_id}/ask-wechat").ok()["state"] == "awaiting_shipment"
