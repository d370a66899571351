"""WeChat answers in words that the mall does not know: nothing is stuck, nothing is lost, nothing is paid twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, poll

PRICE, STOCK = 1000, 10
HOUR = 3600
#: Where a payment is closed, asked about (as its closing), and begun; and any call of WeChat Pay.
CLOSE, TRADE, BEGIN, ANY = "/close", "/out-trade-no/", "/transactions/jsapi", "/v3/"
ALWAYS = 1_000


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def placed(sku: str, shopper: Shopper) -> str:
    order_id: str = shopper.place([(sku, 1)])["order_id"]
    return order_id


@pytest.fixture
def alive(control: Control) -> Iterator[None]:
    """No job dies meanwhile."""
    before = control.status()["jobs"]["dead"]
    yield
    assert control.status()["jobs"]["dead"] == before


@pytest.fixture
def refuses(wechat: Sandbox) -> Iterator[Callable[..., None]]:
    """WeChat refuses calls of a path in this word; in the end it refuses nothing any more."""

    def refuse(path: str, code: str = "SOME_NEW_WORD", status: int = 400, times: int = ALWAYS) -> None:
        wechat.fault(path, "error", times, code=code, status=status)

    yield refuse
    wechat.post("faults/clear", {})


def hours(control: Control, count: int = 6) -> None:
    for _ in range(4 * count):
        control.run_jobs(advance=HOUR / 4)


def state(shopper: Shopper, order_id: str) -> str:
    return str(shopper.order(order_id)["state"])


@pytest.mark.usefixtures("alive")
def test_an_order_whose_payment_was_never_begun_is_closed_however_wechat_spells_that_it_knows_none(
    placed: str, sku: str, shopper: Shopper, operator: Operator, control: Control, refuses: Callable[..., None]
) -> None:
    refuses(TRADE, "ORDERNOTEXIST", 404)
    other = shopper.place([(sku, 1)])["order_id"]
    assert shopper.post(f"/v1/orders/{other}/cancel").ok()["state"] == "closed"
    hours(control, 1)
    assert (state(shopper, placed), operator.stock(sku)) == ("closed", (STOCK, 0))


@pytest.mark.usefixtures("alive")
def test_where_a_close_is_refused_an_unpaid_order_is_closed_once_wechat_itself_takes_no_payment(
    placed: str, sku: str, shopper: Shopper, operator: Operator, control: Control, refuses: Callable[..., None]
) -> None:
    shopper.start_payment(placed)
    refuses(CLOSE)
    refusal = shopper.post(f"/v1/orders/{placed}/cancel").refused(503, "unavailable")
    assert refusal
    assert (state(shopper, placed), operator.stock(sku)) == ("awaiting_payment", (STOCK - 1, 1))
    hours(control, 1)
    assert (state(shopper, placed), operator.stock(sku)) == ("closed", (STOCK, 0))


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("path", [CLOSE, TRADE, ANY], ids=["close", "close and query", "everything"])
@pytest.mark.parametrize("code", ["INVALID_REQUEST", "ORDERPAID"])
def test_a_paid_order_whose_callback_is_lost_is_found_paid_whatever_is_refused_meanwhile(
    path: str, code: str, placed: str, shopper: Shopper, wechat: Sandbox, control: Control,
    refuses: Callable[..., None],
) -> None:  # fmt: skip
    wechat.pay(shopper.start_payment(placed), notify="none")
    refuses(path, code)
    if path == CLOSE:
        shopper.post(f"/v1/orders/{placed}/cancel").refused(409, "order_state")
    else:
        shopper.post(f"/v1/orders/{placed}/cancel").refused(503, "unavailable")
        hours(control)
        assert state(shopper, placed) == "awaiting_payment"
        wechat.post("faults/clear", {})
        hours(control, 1)
    assert state(shopper, placed) == "awaiting_shipment"


@pytest.mark.usefixtures("alive")
def test_who_begins_to_pay_what_is_paid_is_told_so_in_time_and_after_it(
    sku: str, shopper: Shopper, wechat: Sandbox, control: Control, refuses: Callable[..., None]
) -> None:
    orders = [shopper.place([(sku, 1)])["order_id"] for _ in range(2)]
    for order_id in orders:
        wechat.pay(shopper.start_payment(order_id), notify="none")
    refuses(BEGIN)
    assert shopper.post(f"/v1/orders/{orders[0]}/payment").ok() == {"paid": True}
    assert state(shopper, orders[0]) == "awaiting_shipment"
    refuses(TRADE)
    control.run_jobs(advance=16 * 60)  # nothing can be learned, nothing can be closed
    shopper.post(f"/v1/orders/{orders[1]}/payment").refused(503, "unavailable")
    wechat.post("faults/clear", {})
    assert shopper.post(f"/v1/orders/{orders[1]}/payment").ok() == {"paid": True}
    assert state(shopper, orders[1]) == "awaiting_shipment"


def test_what_wechat_will_not_begin_and_does_not_know_is_refused(
    placed: str, shopper: Shopper, refuses: Callable[..., None]
) -> None:
    refuses(BEGIN, "APPID_SOMETHING")
    shopper.post(f"/v1/orders/{placed}/payment").refused(409, "payment_refused")


@pytest.mark.usefixtures("alive")
def test_an_operator_asks_wechat_about_an_order(
    sku: str, shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control, refuses: Callable[..., None]
) -> None:
    def ask(order_id: str) -> Any:
        return operator.post(f"/v1/admin/orders/{order_id}/ask-wechat")

    paid, begun, never = (shopper.place([(sku, 1)])["order_id"] for _ in range(3))
    wechat.pay(shopper.start_payment(paid), notify="none")
    shopper.start_payment(begun)
    assert [ask(order_id).ok()["state"] for order_id in (begun, never)] == ["awaiting_payment"] * 2
    refuses(TRADE)
    ask(paid).refused(503, "unavailable")
    control.run_jobs(advance=16 * 60 + 11)
    wechat.post("faults/clear", {})
    for _ in range(2):
        assert ask(paid).ok()["state"] == "awaiting_shipment"
        assert [ask(order_id).ok()["state"] for order_id in (begun, never)] == ["closed"] * 2
    assert operator.stock(sku) == (STOCK - 1, 1)
    ask("nobody").refused(404, "not_found")


@pytest.mark.usefixtures("alive")
def test_two_refunds_of_an_order_at_once_both_succeed_a_minute_apart(
    sku: str, shopper: Shopper, wechat: Sandbox, control: Control
) -> None:
    order_id = shopper.buy([(sku, 3)])
    for _ in range(2):
        shopper.refund(order_id, [(sku, 1)])
    control.run_jobs()
    assert len(wechat.refunds(order_id)) == 1
    control.run_jobs(advance=61)
    control.run_jobs(advance=61)
    order = shopper.order(order_id)
    assert [refund["state"] for refund in order["refunds"]] == ["succeeded"] * 2
    assert (order["refunded_fen"], len(wechat.refunds(order_id))) == (2 * PRICE, 2)


@pytest.mark.usefixtures("alive")
def test_a_refund_is_never_failed_because_wechat_refuses_to_tell_of_it(
    sku: str, shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control, refuses: Callable[..., None]
) -> None:
    order_id = shopper.buy([(sku, 1)])
    shopper.refund(order_id)
    refuses("/v3/refund")
    hours(control)
    seen = operator.get(f"/v1/admin/orders/{order_id}").ok()
    assert (seen["refunds"][0]["state"], list(seen["waits_for"].values())) == ("approved", ["SOME_NEW_WORD"])
    wechat.post("faults/clear", {})
    control.run_jobs(advance=601)
    control.run_jobs(advance=61)
    assert shopper.order(order_id)["refunded_fen"] == PRICE


@pytest.mark.usefixtures("alive")
def test_while_every_call_is_refused_for_a_while_everything_waits_and_ends_as_it_would_have(
    sku: str, shopper: Shopper, wechat: Sandbox, operator: Operator, control: Control, refuses: Callable[..., None],
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    refunded = shopper.buy([(sku, 2)])
    never, begun, paid = (shopper.place([(sku, 1)])["order_id"] for _ in range(3))
    shopper.start_payment(begun)
    wechat.pay(shopper.start_payment(paid), notify="none")
    for word, status in (("SOME_NEW_WORD", 400), ("ANOTHER", 403), ("A_THIRD", 409)):
        refuses(ANY, word, status, times=7)
    refuses(ANY)
    for _ in range(2):
        shopper.refund(refunded, [(sku, 1)])
    hours(control)
    wechat.post("faults/clear", {})
    hours(control, 1)
    poll(lambda: control.run_jobs(advance=61) is not None and state(shopper, paid) == "awaiting_shipment")
    assert [state(shopper, one) for one in (never, begun, refunded)] == ["closed"] * 3
    assert shopper.order(refunded)["refunded_fen"] == 2 * PRICE
    assert operator.stock(sku) == (STOCK - 1, 1)
    assert differences() == []
