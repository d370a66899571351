"""WeChat's notices: whatever becomes of them, each fen paid ends as a paid order or as a finished refund."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Answer, Control, Operator, Sandbox, Shopper, Transport, poll
from local.clock import LocalClock
from local.keys import load_or_make
from local.mall import Mall
from local.sandbox.crypto import Signer

PAYMENT, REFUND = "/v1/callbacks/wechat/payment", "/v1/callbacks/wechat/refund"
PRICE, STOCK = 1990, 10


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def order_id(shopper: Shopper, sku: str) -> str:
    placed: str = shopper.place([(sku, 1)])["order_id"]
    return placed


def answered(wechat: Sandbox, number: str, tries: int) -> list[int | None]:
    """The mall's answers to the first so many tries to tell it."""
    sends = poll(lambda: len(found := wechat.sends(number)) >= tries and found)
    return [send["status"] for send in sends]


def is_paid_once(shopper: Shopper, order_id: str, operator: Operator, sku: str) -> None:
    order = shopper.order(order_id)
    assert (order["state"], order["paid_fen"], order["refunds"]) == ("awaiting_shipment", PRICE, [])
    assert [event["what"] for event in order["history"]] == ["placed", "paid"]
    journal = operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"]
    assert [entry["cause"] for entry in journal] == ["paid"]
    assert operator.stock(sku) == (STOCK - 1, 1)


def test_told_once_the_order_is_paid(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox
) -> None:
    wechat.pay(shopper.start_payment(order_id))
    assert answered(wechat, order_id, 1) == [200]
    is_paid_once(shopper, order_id, operator, sku)


def test_told_twice_at_once_it_is_paid_once_and_both_are_answered(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify="duplicate")
    assert answered(wechat, order_id, 2) == [200, 200]
    is_paid_once(shopper, order_id, operator, sku)


@pytest.mark.parametrize("notify", ["bad_signature", "old", "unknown_serial"])
def test_a_notice_that_cannot_be_believed_changes_nothing_and_the_mall_asks_for_itself(
    notify: str, shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify=notify)
    assert answered(wechat, order_id, 1) == [401]
    assert (shopper.order(order_id)["state"], shopper.order(order_id)["paid_fen"]) == ("awaiting_payment", 0)
    control.run_jobs(advance=61)
    is_paid_once(shopper, order_id, operator, sku)


def test_a_probe_is_turned_away_and_the_true_notice_after_it_is_taken(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify="probe")
    assert answered(wechat, order_id, 1) == [401]
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    control.run_jobs(advance=16)
    assert answered(wechat, order_id, 2) == [401, 200]
    is_paid_once(shopper, order_id, operator, sku)


def test_never_told_the_mall_asks_and_knows_it_within_minutes(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify="none")
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    control.run_jobs(advance=61)
    assert wechat.sends(order_id) == []
    is_paid_once(shopper, order_id, operator, sku)


def test_told_long_after_the_deadline_the_payment_has_won_over_the_deadline(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify="delayed", delay_seconds=3600)
    control.run_jobs(advance=16 * 60)
    is_paid_once(shopper, order_id, operator, sku)
    control.run_jobs(advance=3600)
    assert answered(wechat, order_id, 1) == [200]
    is_paid_once(shopper, order_id, operator, sku)


def test_paid_when_the_shopper_cancels_the_payment_wins(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox
) -> None:
    wechat.pay(shopper.start_payment(order_id), notify="none")
    shopper.post(f"/v1/orders/{order_id}/cancel").refused(409, "order_state")
    is_paid_once(shopper, order_id, operator, sku)


# Genuine notices about something that is not so


@pytest.fixture
def tell(mall: Mall, send: Transport) -> Callable[..., Answer]:
    """Sends the mall a notice with WeChat's own signature, about whatever it is given."""
    signer, clock = Signer(load_or_make(mall.data / "sandbox")), LocalClock(mall.clock_file)

    def tell(path: str, event_type: str, plain: Any, defect: str | None = None, cut: int | None = None) -> Answer:
        kind = "refund" if path == REFUND else "transaction"
        raw = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
        envelope = {
            "id": "t", "create_time": "2026-11-21T10:00:00+08:00", "resource_type": "encrypt-resource",
            "event_type": event_type, "summary": "", "resource": signer.encrypted(raw, kind),
        }  # fmt: skip
        body = json.dumps(envelope).encode()[:cut]
        headers = signer.headers(body, clock(), defect)
        return send("POST", path, headers | {"Content-Type": "application/json"}, body)

    return tell


def transaction(mall: Mall, order_id: str, **changed: Any) -> dict[str, Any]:
    keys = load_or_make(mall.data / "sandbox")
    return {
        "appid": keys.appid, "mchid": keys.mchid, "out_trade_no": order_id, "transaction_id": "4200" + "1" * 24,
        "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "success_time": "2026-11-21T10:00:00+08:00",
        "payer": {"openid": "o"},
        "amount": {"total": PRICE, "payer_total": PRICE, "currency": "CNY", "payer_currency": "CNY"},
    } | changed  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"amount": {"total": PRICE - 1, "currency": "CNY"}}, 400),
        ({"amount": {"total": PRICE + 1, "currency": "CNY"}}, 400),
        ({"amount": {"total": 0, "currency": "CNY"}}, 400),
        ({"amount": {"total": -PRICE, "currency": "CNY"}}, 400),
        ({"amount": {"total": float(PRICE) + 0.5, "currency": "CNY"}}, 401),
        ({"amount": None}, 400),
        ({"amount": {"total": PRICE, "currency": "USD"}}, 400),
        ({"mchid": "1900000000"}, 400),
        ({"appid": "wx0000000000000000"}, 400),
        ({"out_trade_no": "o" + "a" * 24}, 400),
        ({"out_trade_no": ""}, 400),
        ({"out_trade_no": "../../x"}, 400),
        ({"trade_state": "NOTPAY"}, 400),
        ({"trade_state": "CLOSED"}, 400),
        ({"transaction_id": None}, 400),
        ({"transaction_id": ""}, 400),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_genuine_notice_about_another_payment_changes_nothing(
    changed: dict[str, Any], status: int, mall: Mall, tell: Callable[..., Answer], shopper: Shopper, order_id: str,
    operator: Operator, sku: str,
) -> None:  # fmt: skip
    shopper.start_payment(order_id)
    before = shopper.order(order_id)
    answer = tell(PAYMENT, "TRANSACTION.SUCCESS", transaction(mall, order_id, **changed))
    assert (answer.status, answer.json["code"]) == (status, "FAIL")
    assert shopper.order(order_id) == before
    assert operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"] == []
    assert operator.stock(sku) == (STOCK - 1, 1)


@pytest.mark.parametrize("case", ["cut", "not json", "array", "wrong event", "refund's event", "refund's door", "old"])
def test_a_notice_that_is_no_notice_of_a_payment_changes_nothing(
    case: str, mall: Mall, tell: Callable[..., Answer], shopper: Shopper, order_id: str
) -> None:
    shopper.start_payment(order_id)
    before, plain = shopper.order(order_id), transaction(mall, order_id)
    success = "TRANSACTION.SUCCESS"
    answer = {
        "cut": lambda: tell(PAYMENT, success, plain, cut=-20),
        "not json": lambda: tell(PAYMENT, success, json.dumps(plain).encode()[:-5]),
        "array": lambda: tell(PAYMENT, success, [plain]),
        "wrong event": lambda: tell(PAYMENT, "TRANSACTION.CLOSED", plain),
        "refund's event": lambda: tell(PAYMENT, "REFUND.SUCCESS", plain),
        "refund's door": lambda: tell(REFUND, success, plain),
        "old": lambda: tell(PAYMENT, success, plain, defect="old"),
    }[case]()
    assert answer.status == (400 if case in ("wrong event", "refund's event", "refund's door") else 401)
    assert answer.json["code"] == "FAIL"
    assert shopper.order(order_id) == before


def test_the_same_notice_without_a_fault_would_have_been_believed(
    mall: Mall, tell: Callable[..., Answer], operator: Operator, arrive: Callable[[], Shopper]
) -> None:
    """So that the refusals above are about what they name. The order costs nothing, so that no books go wrong."""
    sku = operator.product(stock=1, price_fen=0)["skus"][0]["sku_id"]
    shopper = arrive()
    order_id = shopper.place([(sku, 1)])["order_id"]
    answer = tell(PAYMENT, "TRANSACTION.SUCCESS", transaction(mall, order_id, amount={"total": 1, "currency": "CNY"}))
    assert answer.status == 400
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    assert shopper.start_payment(order_id) == {"paid": True}
    assert shopper.start_payment(order_id) == {"paid": True}
    order = shopper.order(order_id)
    assert (order["state"], order["paid_fen"]) == ("awaiting_shipment", 0)
    assert [event["what"] for event in order["history"]] == ["placed", "paid"]
    refund = shopper.refund(order_id)
    assert (refund["amount_fen"], shopper.order(order_id)["state"]) == (0, "closed")
    assert operator.stock(sku) == (1, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": {"refund": PRICE - 1}},
        {"out_refund_no": "o" + "a" * 24 + "-" + "b" * 12},
        {"out_refund_no": "x"},
        {"refund_status": "WHATEVER"},
        {"mchid": "1900000000"},
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
def test_a_genuine_notice_about_another_refund_changes_nothing(
    changed: dict[str, Any], mall: Mall, tell: Callable[..., Answer], shopper: Shopper, sku: str,
    wechat: Sandbox, control: Control,
) -> None:  # fmt: skip
    order_id = shopper.buy([(sku, 1)])
    wechat.post("balance", {"available_fen": 0})
    try:
        refund = shopper.refund(order_id)
        control.run_jobs()
        plain = {
            "mchid": load_or_make(mall.data / "sandbox").mchid, "out_trade_no": order_id, "refund_id": "5030001",
            "out_refund_no": refund["refund_id"], "refund_status": "SUCCESS", "amount": {"refund": PRICE},
        } | changed  # fmt: skip
        assert tell(REFUND, "REFUND.SUCCESS", plain).status in (400, 401)
        order = shopper.order(order_id)
        assert (order["refunds"][0]["state"], order["refunded_fen"]) == ("approved", 0)
    finally:
        wechat.post("balance", {"available_fen": None})
    control.run_jobs(advance=660)
    poll(lambda: control.run_jobs(advance=6) >= 0 and shopper.order(order_id)["refunded_fen"] == PRICE)


def test_while_wechat_does_not_close_the_payment_the_order_stays_open_and_may_be_paid(
    shopper: Shopper, order_id: str, sku: str, operator: Operator, wechat: Sandbox, control: Control,
    differences: Callable[[], list[str]],
) -> None:  # fmt: skip
    payment = shopper.start_payment(order_id)
    wechat.fault(f"/v3/pay/transactions/out-trade-no/{order_id}/close", "error")
    assert shopper.post(f"/v1/orders/{order_id}/cancel").refused(503, "unavailable")
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    wechat.pay(payment, notify="none")
    control.run_jobs(advance=16 * 60)
    is_paid_once(shopper, order_id, operator, sku)
    assert differences() == []
