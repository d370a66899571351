"""Money goes back as it came: whole or in parts, before and after shipping, and whatever WeChat makes of it."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from local.client import Control, Operator, Sandbox, Shopper, poll
from local.mall import Mall

PRICES = (1999, 333)
STOCK = 20
#: What is bought in every test here: one of the first, three of the second.
TOTAL = 1999 + 3 * 333

Lines = list[tuple[str, int]]


@pytest.fixture
def skus(operator: Operator) -> tuple[str, str]:
    """Two SKUs of a product of their own, that nobody pays freight for."""
    given = [
        {"sku_code": f"{name}{secrets.token_hex(4)}", "specs": {"颜色": name}, "price_fen": price, "stock": STOCK}
        for name, price in zip("ab", PRICES, strict=True)
    ]
    first, second = operator.product(skus=given)["skus"]
    return first["sku_id"], second["sku_id"]


@pytest.fixture
def bought(skus: tuple[str, str], shopper: Shopper) -> str:
    return shopper.buy([(skus[0], 1), (skus[1], 3)])


def settle(shopper: Shopper, control: Control, order_id: str) -> Any:
    """The order when all its refunds have ended, which takes WeChat some seconds."""

    def ended() -> Any:
        control.run_jobs(advance=6)
        order = shopper.order(order_id)
        states = {refund["state"] for refund in order["refunds"]}
        return order if states <= {"succeeded", "rejected", "failed"} else None

    return poll(ended)


def paid_out(wechat: Sandbox, order_id: str) -> list[tuple[str, int]]:
    """What WeChat has paid back, number by number."""
    return [(one["out_refund_no"], one["amount_fen"]) for one in wechat.refunds(order_id) if one["state"] == "SUCCESS"]


def decide(operator: Operator, order_id: str, refund_id: str, verb: str, **body: Any) -> Any:
    return operator.post(f"/v1/admin/orders/{order_id}/refunds/{refund_id}/{verb}", body).ok()


def ledger(operator: Operator, order_id: str) -> dict[str, int]:
    """What each account stands at after everything that was posted for the order."""
    totals: dict[str, int] = {}
    for entry in operator.get(f"/v1/admin/orders/{order_id}/ledger").ok()["entries"]:
        assert sum(leg["amount_fen"] for leg in entry["postings"]) == 0
        for leg in entry["postings"]:
            totals[leg["account"]] = totals.get(leg["account"], 0) + leg["amount_fen"]
    return {account: fen for account, fen in totals.items() if fen}


def test_before_shipping_all_of_it_goes_back_at_once_and_the_pieces_are_free_again(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    assert [operator.stock(sku) for sku in skus] == [(STOCK - 1, 1), (STOCK - 3, 3)]
    refund = shopper.refund(bought)
    assert (refund["state"], refund["amount_fen"]) == ("approved", TOTAL)
    assert [operator.stock(sku) for sku in skus] == [(STOCK, 0), (STOCK, 0)]
    order = settle(shopper, control, bought)
    assert (order["state"], order["paid_fen"], order["refunded_fen"]) == ("closed", TOTAL, TOTAL)
    assert paid_out(wechat, bought) == [(refund["refund_id"], TOTAL)]
    assert ledger(operator, bought) == {}
    shopper.post(f"/v1/orders/{bought}/refunds", {"reason": "再来"}, key="again").refused(409, "order_state")
    assert paid_out(wechat, bought) == [(refund["refund_id"], TOTAL)]


def test_line_by_line_it_gives_back_to_the_fen_what_was_paid(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    amounts = [shopper.refund(bought, [(skus[1], 1)])["amount_fen"]]
    assert settle(shopper, control, bought)["state"] == "awaiting_shipment"
    amounts.append(shopper.refund(bought, [(skus[1], 2)])["amount_fen"])
    amounts.append(shopper.refund(bought)["amount_fen"])
    assert amounts == [333, 666, 1999]
    order = settle(shopper, control, bought)
    assert (order["state"], order["refunded_fen"]) == ("closed", TOTAL)
    assert sorted(fen for _, fen in paid_out(wechat, bought)) == [333, 666, 1999]
    assert [operator.stock(sku) for sku in skus] == [(STOCK, 0), (STOCK, 0)]


def test_more_pieces_than_are_left_are_refused_and_nothing_goes_back(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    shopper.refund(bought, [(skus[1], 2)])
    path = f"/v1/orders/{bought}/refunds"
    for lines, field in (
        ([(skus[1], 2)], "lines[0].quantity"),
        ([(skus[0], 1), (skus[0], 1)], "lines[1].sku_id"),
        ([("p0-0", 1)], "lines[0].sku_id"),
    ):
        body = {"reason": "x", "lines": [{"sku_id": s, "quantity": q} for s, q in lines]}
        refusal = shopper.post(path, body, key=secrets.token_hex(4)).refused(422, "invalid")
        assert [error["field"] for error in refusal["errors"]] == [field]
        assert refusal["detail"] == refusal["errors"][0]["message"]
    order = settle(shopper, control, bought)
    assert (order["refunded_fen"], len(order["refunds"])) == (666, 1)
    assert paid_out(wechat, bought) == [(order["refunds"][0]["refund_id"], 666)]
    assert operator.stock(skus[1]) == (STOCK - 1, 1)


def test_the_same_refund_asked_for_again_is_the_same_refund(
    bought: str, skus: tuple[str, str], shopper: Shopper, wechat: Sandbox, control: Control
) -> None:
    path, body = f"/v1/orders/{bought}/refunds", {"reason": "破损", "lines": [{"sku_id": skus[1], "quantity": 1}]}
    first = shopper.post(path, body, key="replay")
    assert first.status == 202
    settle(shopper, control, bought)
    again = shopper.post(path, body, key="replay")
    assert (again.status, again.body) == (202, first.body)
    other = {"reason": "破损", "lines": [{"sku_id": skus[1], "quantity": 2}]}
    shopper.post(path, other, key="replay").refused(422, "idempotency_key_reused")
    shopper.post(path, body).refused(400, "idempotency_key_missing")
    assert paid_out(wechat, bought) == [(first.json["refund_id"], 333)]


@pytest.mark.parametrize("restock", [True, False])
def test_after_shipping_an_operator_grants_it_and_says_whether_the_goods_came_back(
    restock: bool, bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox,
    control: Control,
) -> None:  # fmt: skip
    operator.ship(bought)
    refund = shopper.refund(bought, [(skus[1], 2)])
    assert (refund["state"], refund["amount_fen"]) == ("requested", 666)
    control.run_jobs(advance=60)
    assert paid_out(wechat, bought) == []
    assert operator.stock(skus[1]) == (STOCK - 3, 3)
    granted = decide(operator, bought, refund["refund_id"], "approve", restock=restock)
    assert granted["state"] == "approved"
    assert decide(operator, bought, refund["refund_id"], "approve", restock=restock)["amount_fen"] == 666
    order = settle(shopper, control, bought)
    assert (order["state"], order["refunded_fen"]) == ("shipped", 666)
    assert paid_out(wechat, bought) == [(refund["refund_id"], 666)]
    assert operator.stock(skus[1]) == ((STOCK - 1, 1) if restock else (STOCK - 3, 3))
    late = operator.post(f"/v1/admin/orders/{bought}/refunds/{refund['refund_id']}/reject", {"reason": "不"})
    late.refused(409, "order_state")


def test_a_refused_refund_gives_nothing_back_and_its_pieces_can_be_asked_for_again(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox, control: Control
) -> None:
    operator.ship(bought)
    refund = shopper.refund(bought)
    assert (refund["state"], refund["amount_fen"]) == ("requested", TOTAL)
    path = f"/v1/orders/{bought}/refunds"
    shopper.post(path, {"reason": "x"}, key="more").refused(422, "nothing_to_refund")
    assert decide(operator, bought, refund["refund_id"], "reject", reason="已使用")["state"] == "rejected"
    late = operator.post(f"/v1/admin/orders/{bought}/refunds/{refund['refund_id']}/approve", {})
    late.refused(409, "order_state")
    again = shopper.refund(bought, [(skus[1], 3)])
    assert (again["state"], again["amount_fen"]) == ("requested", 999)
    order = shopper.order(bought)
    assert [entry["what"] for entry in order["history"]][-3:] == [
        "refund_requested", "refund_rejected", "refund_requested",
    ]  # fmt: skip
    assert (order["refunded_fen"], paid_out(wechat, bought)) == (0, [])
    assert operator.stock(skus[1]) == (STOCK - 3, 3)


def test_what_is_not_sent_yet_is_granted_at_once_and_what_was_sent_is_not(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, control: Control
) -> None:
    operator.ship(bought, [(skus[1], 2)])
    assert shopper.refund(bought, [(skus[0], 1)])["state"] == "approved"
    assert shopper.refund(bought, [(skus[1], 3)])["state"] == "requested"
    assert [operator.stock(sku) for sku in skus] == [(STOCK, 0), (STOCK - 3, 3)]


def test_an_order_whose_last_unsent_pieces_are_refunded_is_received_by_time_like_any_other(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, control: Control
) -> None:
    operator.ship(bought, [(skus[1], 3)])
    shopper.refund(bought, [(skus[0], 1)])
    assert settle(shopper, control, bought)["state"] == "shipped"
    control.run_jobs(advance=10 * 86_400 + 60)
    assert shopper.order(bought)["state"] == "received"


def test_when_its_last_unsent_pieces_are_refunded_wechat_is_told_that_no_more_will_follow(
    bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, control: Control, mall: Mall
) -> None:
    """WeChat holds the money of an order until it knows that all of it was sent (WECHAT.md 3)."""

    def told() -> list[tuple[int]]:
        with contextlib.closing(sqlite3.connect(mall.data / "sandbox" / "sandbox.db")) as books:
            return books.execute("SELECT complete FROM shipping WHERE out_trade_no = ?", (bought,)).fetchall()

    operator.ship(bought, [(skus[1], 3)])
    control.run_jobs()
    assert poll(told) == [(0,)]
    shopper.refund(bought, [(skus[0], 1)])
    control.run_jobs(advance=61)
    assert told() == [(1,)]


def test_while_the_balance_is_too_low_a_refund_waits_and_then_succeeds_under_its_number(
    bought: str, shopper: Shopper, wechat: Sandbox, control: Control
) -> None:
    wechat.post("balance", {"available_fen": 0})
    try:
        refund = shopper.refund(bought)
        for _ in range(3):
            control.run_jobs(advance=660)
            assert shopper.order(bought)["refunds"][0]["state"] == "approved"
        assert wechat.refunds(bought) == []
        assert control.status()["jobs"]["dead"] == 0
    finally:
        wechat.post("balance", {"available_fen": None})
    control.run_jobs(advance=660)
    order = settle(shopper, control, bought)
    assert (order["state"], order["refunded_fen"]) == ("closed", TOTAL)
    assert paid_out(wechat, bought) == [(refund["refund_id"], TOTAL)]


def test_an_hour_without_wechat_delays_a_refund_and_nothing_else(
    bought: str, shopper: Shopper, wechat: Sandbox, control: Control
) -> None:
    wechat.fault("/v3/refund/domestic/refunds", "error", times=8)
    refund = shopper.refund(bought)
    for _ in range(4):
        control.run_jobs(advance=900)
        assert (shopper.order(bought)["refunds"][0]["state"], wechat.refunds(bought)) == ("approved", [])
    poll(lambda: control.run_jobs(advance=600) and wechat.refunds(bought))
    order = settle(shopper, control, bought)
    assert (order["state"], order["refunded_fen"]) == ("closed", TOTAL)
    assert paid_out(wechat, bought) == [(refund["refund_id"], TOTAL)]
    assert control.status()["jobs"]["dead"] == 0


@pytest.mark.parametrize("kind", ["timeout_after_effect", "bad_signature"])
def test_a_refund_whose_answer_is_lost_or_cannot_be_believed_is_made_once(
    kind: str, bought: str, shopper: Shopper, wechat: Sandbox, control: Control
) -> None:
    wechat.fault("/v3/refund/domestic/refunds", kind)
    refund = shopper.refund(bought)
    control.run_jobs()
    control.run_jobs(advance=61)
    order = settle(shopper, control, bought)
    assert (order["state"], order["refunded_fen"]) == ("closed", TOTAL)
    assert paid_out(wechat, bought) == [(refund["refund_id"], TOTAL)]


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
def test_a_refund_that_wechat_cannot_pay_out_shows_as_failed_and_stays_owed(
    outcome: str, bought: str, skus: tuple[str, str], shopper: Shopper, operator: Operator, wechat: Sandbox,
    control: Control,
) -> None:  # fmt: skip
    operator.ship(bought)
    refund = shopper.refund(bought, [(skus[1], 1)])
    wechat.post(f"refunds/{refund['refund_id']}", {"outcome": outcome})
    decide(operator, bought, refund["refund_id"], "approve")
    order = settle(shopper, control, bought)
    assert [one["state"] for one in order["refunds"]] == ["failed"]
    assert order["refunded_fen"] == 0
    assert ledger(operator, bought)["refunds:owed"] == -333
    assert [one["state"] for one in wechat.refunds(bought)] == [outcome]
    path = f"/v1/admin/orders/{bought}/refunds/{refund['refund_id']}/ask-again"
    operator.post(path).ok()
    order = settle(shopper, control, bought)
    if outcome == "CLOSED":  # pushed anew, under a new number, once WeChat has said that the first is closed
        assert [one["state"] for one in order["refunds"]] == ["succeeded"]
        numbers = {one["out_refund_no"]: one["state"] for one in wechat.refunds(bought)}
        assert numbers == {refund["refund_id"]: "CLOSED", f"{refund['refund_id']}-2": "SUCCESS"}
        assert (order["refunded_fen"], ledger(operator, bought).get("refunds:owed", 0)) == (333, 0)
        operator.post(path).refused(409, "order_state")
    else:  # asked about, and never paid under a second number while the first may still be paid
        assert [one["state"] for one in order["refunds"]] == ["failed"]
        assert [one["out_refund_no"] for one in wechat.refunds(bought)] == [refund["refund_id"]]
    rest = shopper.refund(bought)
    assert (rest["state"], rest["amount_fen"]) == ("requested", TOTAL - 333)


def test_after_all_of_this_the_books_agree(
    bought: str, shopper: Shopper, control: Control, differences: Callable[[], list[str]]
) -> None:
    shopper.refund(bought)
    settle(shopper, control, bought)
    assert differences() == []
