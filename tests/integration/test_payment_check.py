"""Who has paid is told so: by beginning to pay again, and by having WeChat asked, which records it as a notice does."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders import queries as order_queries
from chalicelib.commerce.orders.closing import service as closing
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.ledger import queries as ledger_queries
from local.client import Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.distribution import run_jobs

PRICE = 500


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=50, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


def paid_at_wechat(shopper: Shopper, sku: str) -> str:
    """An order that is paid, of which the mall has not heard."""
    order_id: str = shopper.place([(sku, 1)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    return order_id


def check(shopper: Shopper, order_id: str) -> Any:
    return shopper.post(f"/v1/orders/{order_id}/payment/check").ok()


def entries_of(order_id: str) -> Any:
    return ledger_queries.entries_about(order_id)


def test_a_payment_that_the_mall_has_not_heard_of_is_recorded_as_by_its_notice(shopper: Shopper, sku: str) -> None:
    asked, told = paid_at_wechat(shopper, sku), paid_at_wechat(shopper, sku)
    shopper.send(*payment_callback(shopper.sandbox, told)).ok()
    found = check(shopper, asked)
    assert found == shopper.order(asked)
    assert (found["state"], found["paid_fen"]) == ("awaiting_shipment", PRICE)
    assert [(one["what"], one["by"]) for one in found["history"]] == [
        (one["what"], one["by"]) for one in shopper.order(told)["history"]
    ]
    assert len(entries_of(asked)) == len(entries_of(told)) == 1
    assert check(shopper, asked) == found
    shopper.send(*payment_callback(shopper.sandbox, asked)).ok()
    assert shopper.order(asked) == found
    assert len(entries_of(asked)) == 1


def test_the_notice_the_watch_and_the_shopper_at_once_record_one_payment(shopper: Shopper, sku: str) -> None:
    order_id = paid_at_wechat(shopper, sku)
    acts = [
        lambda: shopper.post(f"/v1/orders/{order_id}/payment/check").status,
        lambda: shopper.send(*payment_callback(shopper.sandbox, order_id)).status,
        lambda: payment.ask(order_id),
    ] * 2
    with ThreadPoolExecutor(len(acts)) as crowd:
        ends = Counter(crowd.map(lambda act: act(), acts))
    assert set(ends) <= {200, 204, 409, "SUCCESS"}
    assert [one["what"] for one in shopper.order(order_id)["history"]] == ["placed", "paid"]
    assert len(entries_of(order_id)) == 1


def test_an_order_that_is_not_paid_stays_as_it_is(shopper: Shopper, operator: Operator, sku: str) -> None:
    unbegun, begun = (shopper.place([(sku, 1)])["order_id"] for _ in range(2))
    shopper.start_payment(begun)
    for order_id in (unbegun, begun):
        before = shopper.order(order_id)
        assert check(shopper, order_id) == before
    stranger = Shopper.arrive(shopper.send, Sandbox(shopper.sandbox.url))
    stranger.post(f"/v1/orders/{begun}/payment/check").refused(404, "not_found")
    stranger.post("/v1/orders/none/payment/check").refused(404, "not_found")
    free = operator.product(price_fen=0)["skus"][0]["sku_id"]
    gift = shopper.place([(free, 1)])["order_id"]
    shopper.sandbox.fault("/out-trade-no/", "error", times=1)
    assert check(shopper, gift)["state"] == "awaiting_payment"  # WeChat has never heard of it, and is not asked
    shopper.sandbox.post("faults/clear", {})


def test_while_wechat_is_down_nothing_is_said_and_nothing_changes(shopper: Shopper, sku: str) -> None:
    order_id = paid_at_wechat(shopper, sku)
    shopper.sandbox.fault("/out-trade-no/", "error", times=100)
    answer = shopper.post(f"/v1/orders/{order_id}/payment/check")
    answer.refused(503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    shopper.sandbox.post("faults/clear", {})
    assert check(shopper, order_id)["state"] == "awaiting_shipment"


def test_the_money_of_an_order_that_was_closed_is_owed_back(shopper: Shopper, sku: str) -> None:
    order_id = paid_at_wechat(shopper, sku)
    closing._close(order_queries.find(order_id), "cancelled", "member")
    found = check(shopper, order_id)
    assert (found["state"], found["paid_fen"], [one["amount_fen"] for one in found["refunds"]]) == (
        "closed", PRICE, [PRICE],
    )  # fmt: skip
    assert found["history"][-1]["refund_id"] == found["refunds"][0]["refund_id"]
    shopper.post(f"/v1/orders/{order_id}/payment").refused(409, "order_state")


def test_wechat_is_asked_so_often_a_minute_and_no_more(shopper: Shopper, sku: str, mall_clock: LocalClock) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]
    answers = [shopper.post(f"/v1/orders/{order_id}/payment/check") for _ in range(62)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused and 30 <= len(answers) - len(refused) <= 60
    assert {answer.json["code"] for answer in refused} == {"too_many_requests"}
    mall_clock.advance(60)
    check(shopper, order_id)


def test_an_order_that_is_paid_says_so_to_who_begins_to_pay_it_again(
    shopper: Shopper, operator: Operator, sku: str, mall_clock: LocalClock
) -> None:
    order_id = shopper.place([(sku, 1)])["order_id"]

    def begin() -> Any:
        return shopper.post(f"/v1/orders/{order_id}/payment")

    begun = begin().ok()
    assert set(begun) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    shopper.sandbox.pay(begun, notify="none")
    told = [begin().ok()]  # the notice is late: WeChat says so itself
    operator.ship(order_id)
    told.append(begin().ok())
    shopper.post(f"/v1/orders/{order_id}/receive").ok()
    told.append(begin().ok())
    assert told == [{"paid": True}] * 3
    operator.post(f"/v1/admin/orders/{order_id}/refunds", {"reason": "退货"}, key="k").ok(202)
    assert begin().refused(409, "order_state")["state"] == "closed"
    run_jobs()


def test_who_begins_to_pay_when_wechat_has_their_payment_is_told_that_it_is_paid(
    shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    """The notice is late, and the time to pay is over."""
    order_id = paid_at_wechat(shopper, sku)
    mall_clock.advance(15 * 60 - 5)
    assert shopper.post(f"/v1/orders/{order_id}/payment").ok() == {"paid": True}
    assert shopper.order(order_id)["state"] == "awaiting_shipment"


def test_a_refund_says_of_which_order_it_is_and_why_it_was_refused(
    shopper: Shopper, operator: Operator, sku: str, mall_clock: LocalClock
) -> None:
    order_id = shopper.place([(sku, 2)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    check(shopper, order_id)
    lines = [{"sku_id": sku, "quantity": 1}]
    granted = shopper.post(f"/v1/orders/{order_id}/refunds", {"reason": "不\n喜欢", "lines": lines}, key="a").ok(202)
    operator.ship(order_id)
    body = {"reason": "坏了"}
    asked = shopper.post(f"/v1/orders/{order_id}/refunds", body, key="b").ok(202)
    assert (asked["state"], asked["order_id"], asked["kind"], "refused_because" in asked) == (
        "requested", order_id, "refund", False,
    )  # fmt: skip
    path = f"/v1/admin/orders/{order_id}/refunds/{asked['refund_id']}/reject"
    rejected = operator.post(path, {"reason": "已经\n拆封，\t不能退"}).ok()
    assert (rejected["state"], rejected["refused_because"]) == ("rejected", "已经 拆封， 不能退")
    assert operator.post(path, {"reason": "另一个原因"}).ok() == rejected

    order = shopper.order(order_id)
    assert order["refunds"][1] == rejected
    assert [(one["reason"], one["kind"], one["order_id"]) for one in order["refunds"]] == [
        ("不 喜欢", "refund", order_id), ("坏了", "refund", order_id),
    ]  # fmt: skip
    told = [(one["what"], one.get("note", ""), one.get("refund_id")) for one in order["history"]]
    assert told[2] == ("refund_granted", "退款 5.00 元，原路退回", granted["refund_id"])
    assert [one for one in told if one[2] == asked["refund_id"]] == [
        ("refund_requested", "", asked["refund_id"]), ("refund_rejected", "已经 拆封， 不能退", asked["refund_id"]),
    ]  # fmt: skip
    assert not [note for _, note, _ in told if "fen" in note or "nothing" in note]
    assert shopper.post(f"/v1/orders/{order_id}/refunds", body, key="b").ok(202) == asked
    for _ in range(3):
        mall_clock.advance(31)
        run_jobs()
    ended = [one["what"] for one in shopper.order(order_id)["history"] if one.get("refund_id") == granted["refund_id"]]
    assert ended == ["refund_granted", "refund_processing", "refund_succeeded"]
