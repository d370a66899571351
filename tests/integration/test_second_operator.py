"""Refunds above a sum want a second operator: played over HTTP, and by both at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.commerce.orders.accounting.checks import differences_of_order
from chalicelib.commerce.orders.queries import load
from chalicelib.commerce.orders.refunds import service as refunds
from chalicelib.core.errors import MallError
from chalicelib.ledger import queries as ledger_queries
from local.client import Client, Operator, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support.operators import appointed
from tests.support.withdrawals import run_jobs

PRICE, SUM = 500, 1200


@pytest.fixture
def sum_is(operator: Operator) -> Iterator[Callable[[int | None], None]]:
    """Sets the sum above which two operators must agree; none after the test."""

    def put(fen: int | None) -> None:
        operator.put("/v1/admin/settings/orders", {"second_operator_above_fen": fen}).ok()

    put(SUM)
    yield put
    operator.put("/v1/admin/settings/orders", {}).ok()


@pytest.fixture
def ann(operator: Operator) -> Client:
    return appointed(operator, "service")


@pytest.fixture
def bob(operator: Operator) -> Client:
    return appointed(operator, "service")


@pytest.fixture
def sku(operator: Operator) -> str:
    sku_id: str = operator.product(stock=100, price_fen=PRICE)["skus"][0]["sku_id"]
    return sku_id


@pytest.fixture
def sent(operator: Operator, shopper: Shopper, sku: str) -> str:
    """The path of an order of eight pieces, paid and sent, for operators."""
    order_id: str = shopper.place([(sku, 8)])["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    operator.ship(order_id)
    return f"/v1/admin/orders/{order_id}"


def asks(shopper: Shopper, path: str, sku: str, pieces: int) -> str:
    """The shopper asks for so many pieces' money; the path of the refund, for operators."""
    refund = shopper.refund(path.rpartition("/")[2], [(sku, pieces)])
    assert refund["state"] == "requested"
    return f"{path}/refunds/{refund['refund_id']}"


def pieces(sku: str, quantity: int) -> dict[str, Any]:
    return {"lines": [{"sku_id": sku, "quantity": quantity}], "reason": "破损", "restock": True}


def refund_of(operator: Client, path: str) -> Any:
    order_path, _, number = path.rpartition("/refunds/")
    return next(one for one in operator.get(order_path).ok()["refunds"] if one["refund_id"] == number)


@pytest.fixture
def paid_back(mall_clock: LocalClock) -> Callable[[Shopper, str], int]:
    """What WeChat has paid back of an order, once all that is owed is done; the books of it agree."""

    def ask(shopper: Shopper, path: str) -> int:
        for _ in range(3):  # WeChat wants a minute between two refunds of an order
            run_jobs(mall_clock, 61)
        order_id = path.split("/")[4]
        assert differences_of_order(load(order_id), ledger_queries.entries_about(order_id)) == []
        return sum(one["amount_fen"] for one in shopper.sandbox.refunds(order_id))

    return ask


def test_up_to_the_sum_one_is_enough_and_above_it_another_must_agree(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    small = asks(shopper, sent, sku, 2)
    assert ann.post(f"{small}/approve", {}).ok()["state"] == "approved"
    large = asks(shopper, sent, sku, 3)
    first = ann.post(f"{large}/approve", {}).ok()
    assert (first["state"], first["waits_for_second"], first["agreed"][0]["amount_fen"]) == ("requested", True, 1500)
    assert paid_back(shopper, sent) == 1000
    problem = ann.post(f"{large}/approve", {}).refused(409, "second_operator")
    assert problem["errors"][0]["code"] == "another_operator"
    (queued,) = [one for one in ann.items("/v1/admin/orders?queue=refund_requested") if sent.endswith(one["order_id"])]
    assert [one["waits_for_second"] for one in queued["refunds"] if "waits_for_second" in one] == [True]
    second = bob.post(f"{large}/approve", {}).ok()
    assert second["state"] == "approved"
    assert len({one["by"] for one in second["agreed"]}) == 2
    assert paid_back(shopper, sent) == 2500
    assert [bob.post(f"{large}/approve", {}).ok()["state"] for _ in range(2)] == ["succeeded", "succeeded"]
    what = [event["what"] for event in ann.get(sent).ok()["history"]]
    assert what.count("refund_agreed") == 1
    assert "refund_agreed" not in [event["what"] for event in shopper.order(sent.rpartition("/")[2])["history"]]


def test_a_sum_is_not_evaded_by_parts(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    states = [ann.post(f"{sent}/refunds", pieces(sku, 1), key=f"part-{number}").ok(202)["state"] for number in range(4)]
    assert states == ["approved", "approved", "requested", "requested"]
    assert bob.post(f"{sent}/refunds", pieces(sku, 1), key="bob's").ok(202)["state"] == "approved"
    assert paid_back(shopper, sent) == 1500


def test_what_an_operator_gives_unasked_waits_too_and_is_nothing_to_the_shopper(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    asked = ann.post(f"{sent}/refunds", pieces(sku, 3), key="k").ok(202)
    assert (asked["state"], asked["requested_because"], asked["waits_for_second"]) == (
        "requested", "second_operator", True,
    )  # fmt: skip
    assert ann.post(f"{sent}/refunds", pieces(sku, 3), key="k").ok(202) == asked
    path = f"{sent}/refunds/{asked['refund_id']}"
    ann.post(f"{path}/approve", {"restock": True}).refused(409, "second_operator")
    assert shopper.order(sent.rpartition("/")[2])["refunds"] == []
    assert bob.post(f"{path}/approve", {"restock": True}).ok()["state"] == "approved"
    assert paid_back(shopper, sent) == 1500
    assert [one.get("requested_because") for one in shopper.order(sent.rpartition("/")[2])["refunds"]] == [None]


def test_what_is_agreed_on_is_the_same_thing(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    path = asks(shopper, sent, sku, 3)
    ann.post(f"{path}/approve", {"restock": True}).ok()
    other = bob.post(f"{path}/approve", {"restock": False}).ok()
    assert (other["state"], [one["restock"] for one in other["agreed"]]) == ("requested", [False])
    assert ann.post(f"{path}/approve", {"restock": False}).ok()["state"] == "approved"
    assert paid_back(shopper, sent) == 1500


def test_the_first_takes_it_back_and_the_request_stays(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    path = asks(shopper, sent, sku, 3)
    ann.post(f"{path}/approve", {}).ok()
    for _ in range(2):
        assert "agreed" not in ann.post(f"{path}/take-back").ok()
    assert bob.post(f"{path}/approve", {}).ok()["state"] == "requested"
    assert [one["by"] for one in refund_of(ann, path)["agreed"]] != []
    ann.post(f"{path}/reject", {"reason": "不同意"}).ok()
    assert bob.post(f"{path}/approve", {}).refused(409, "order_state")
    assert paid_back(shopper, sent) == 0


def test_what_was_given_unasked_is_gone_when_it_is_taken_back(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    asked = ann.post(f"{sent}/refunds", pieces(sku, 8), key="k").ok(202)
    path = f"{sent}/refunds/{asked['refund_id']}"
    assert ann.post(f"{path}/take-back").ok()["state"] == "rejected"
    bob.post(f"{path}/approve", {"restock": True}).refused(409, "order_state")
    again = asks(shopper, sent, sku, 2)  # its pieces are the shopper's to ask back again
    granted = bob.post(f"{again}/approve", {}).ok()
    assert granted["state"] == "approved"
    bob.post(f"{again}/take-back").refused(409, "order_state")
    assert paid_back(shopper, sent) == 1000


def waiting(ann: Client, path: str, sku: str) -> str:
    """The path of a refund of all eight pieces that an operator has made, and that waits for another."""
    asked = ann.post(f"{path}/refunds", pieces(sku, 8), key="k").ok(202)
    assert asked["waits_for_second"] is True
    return f"{path}/refunds/{asked['refund_id']}"


def test_what_waits_among_operators_is_taken_back_when_the_shopper_asks(
    sum_is: Any, paid_back: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    made = waiting(ann, sent, sku)
    path = asks(shopper, sent, sku, 2)
    assert (refund_of(ann, made)["state"], "agreed" in refund_of(ann, made)) == ("rejected", False)
    assert "refund_taken_back" in [event["what"] for event in ann.get(sent).ok()["history"]]
    bob.post(f"{made}/approve", {"restock": True}).refused(409, "order_state")
    assert bob.post(f"{path}/approve", {}).ok()["state"] == "approved"
    assert paid_back(shopper, sent) == 1000
    assert [one["amount_fen"] for one in shopper.order(sent.rpartition("/")[2])["refunds"]] == [1000]


def test_a_request_that_is_refused_takes_nothing_back(
    sum_is: Any, ann: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    made = waiting(ann, sent, sku)
    order_id = sent.rpartition("/")[2]
    shopper.post(
        f"/v1/orders/{order_id}/refunds", {"lines": [{"sku_id": sku, "quantity": 9}], "reason": "破损"}, key="k"
    ).refused(422, "invalid")
    assert refund_of(ann, made)["state"] == "requested"


def test_completion_waits_for_no_second_operator(
    sum_is: Any, mall_clock: LocalClock, ann: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    made = waiting(ann, sent, sku)
    shopper.post(f"/v1/orders/{sent.rpartition('/')[2]}/receive").ok()
    run_jobs(mall_clock, 86400)
    assert refund_of(ann, made)["state"] == "requested"
    run_jobs(mall_clock, 30 * 86400)
    assert ann.get(sent).ok()["state"] == "completed"
    assert refund_of(ann, made)["state"] == "rejected"


def test_of_a_refund_that_operators_rejected_among_themselves_the_shopper_hears_nothing(
    sum_is: Any, ann: Client, bob: Client, shopper: Shopper, sku: str, sent: str
) -> None:
    before = shopper.order(sent.rpartition("/")[2])["history"]
    bob.post(f"{waiting(ann, sent, sku)}/reject", {"reason": "这个客人不可信"}).ok()
    assert shopper.order(sent.rpartition("/")[2])["history"] == before
    assert "这个客人不可信" in [event.get("note") for event in ann.get(sent).ok()["history"]]


def test_without_a_sum_which_is_how_a_mall_begins_one_is_enough(
    operator: Operator,
    sum_is: Callable[[int | None], None],
    paid_back: Any,
    ann: Client,
    shopper: Shopper,
    sku: str,
    sent: str,
) -> None:
    path = asks(shopper, sent, sku, 3)
    assert ann.post(f"{path}/approve", {}).ok()["state"] == "requested"
    operator.put("/v1/admin/settings/orders", {}).ok()
    assert "second_operator_above_fen" not in operator.get("/v1/admin/settings/orders").ok() or (
        operator.get("/v1/admin/settings/orders").ok()["second_operator_above_fen"] is None
    )
    assert ann.post(f"{path}/approve", {}).ok()["state"] == "approved"
    assert paid_back(shopper, sent) == 1500
    operator.put("/v1/admin/settings/orders", {"second_operator_above_fen": -1}).refused(400, "malformed")


@pytest.mark.parametrize("crowd", [2, 6])
def test_pressed_at_once_it_is_paid_once_and_never_by_one_alone(
    sum_is: Any, paid_back: Any, shopper: Shopper, sku: str, sent: str, crowd: int
) -> None:
    order_id = sent.rpartition("/")[2]
    number = asks(shopper, sent, sku, 3).rpartition("/")[2]

    def press(turn: int) -> str:
        by = f"operator:{'ann' if turn % 2 else 'bob'}"
        try:
            return refunds.approve(order_id, number, False, by).state
        except MallError as refusal:
            return refusal.code

    with ThreadPoolExecutor(crowd) as pool:
        told = list(pool.map(press, range(crowd)))
    assert set(told) <= {"requested", "approved", "second_operator", "conflict"}
    refund = load(order_id).refund(number)
    assert refund is not None
    if refund.state == "requested":  # one was in the other's way too often
        refund = refunds.approve(order_id, number, False, "operator:eve")
    assert len({one.by for one in refund.agreed}) == 2
    assert paid_back(shopper, sent) == 1500


def test_one_alone_who_presses_often_does_not_come_through(
    sum_is: Any, paid_back: Any, shopper: Shopper, sku: str, sent: str
) -> None:
    order_id = sent.rpartition("/")[2]
    number = asks(shopper, sent, sku, 3).rpartition("/")[2]

    def press(_: int) -> str:
        try:
            return refunds.approve(order_id, number, False, "operator:ann").state
        except MallError as refusal:
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(press, range(6)))
    assert set(told) <= {"requested", "second_operator", "conflict"}
    assert paid_back(shopper, sent) == 0
