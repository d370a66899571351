"""An order's life: at the price that the shopper saw, to where we deliver, sent in parts, received, completed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from local.client import SHANGHAI, Control, Operator, Sandbox, Shopper, Transport, poll

DAY = 86_400
LHASA = {**SHANGHAI, "region_code": "540102", "province": "西藏自治区", "city": "拉萨市", "district": "城关区"}


def reprice(operator: Operator, product: dict[str, Any], price_fen: int) -> None:
    sku = product["skus"][0]
    change = {"skus": [{"sku_code": sku["sku_code"], "specs": sku["specs"], "price_fen": price_fen}]}
    operator.call("PATCH", f"/v1/admin/products/{product['product_id']}", change).ok()


def whats(order: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event["what"], event["by"]) for event in order["history"]]


def test_a_price_that_changed_since_the_quote_is_shown_and_nothing_is_ordered(
    shopper: Shopper, operator: Operator
) -> None:
    product = operator.product(stock=5, price_fen=1990)
    sku = product["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 2)])
    assert body["expected_payable_fen"] == 3980
    for price in (2000, 1980):
        reprice(operator, product, price)
        refusal = shopper.post("/v1/orders", body, key="k").refused(409, "price_changed")
        assert refusal["quote"] == shopper.quote([(sku, 2)])
        assert refusal["quote"]["payable_fen"] == 2 * price
    assert operator.stock(sku) == (5, 0)
    order = shopper.post("/v1/orders", body | {"expected_payable_fen": 3960}, key="k").ok(201)
    reprice(operator, product, 9999)
    assert (shopper.order(order["order_id"])["payable_fen"], operator.stock(sku)) == (3960, (3, 2))


def test_what_is_taken_off_sale_cannot_be_bought_and_its_orders_go_on(shopper: Shopper, operator: Operator) -> None:
    product = operator.product(stock=5)
    sku = product["skus"][0]["sku_id"]
    body = shopper.order_body([(sku, 1)])
    order_id = shopper.buy([(sku, 1)])
    operator.post(f"/v1/admin/products/{product['product_id']}/unpublish").ok()
    assert shopper.post("/v1/orders", body, key="k").refused(409, "product_unavailable")["skus"] == [sku]
    quote = {"lines": body["lines"], "address_id": shopper.address_id}
    quoted = shopper.post("/v1/quotes", quote).ok()
    assert (quoted["can_order"], quoted["payable_fen"], quoted["lines"][0]["problem"]) == (False, 0, "not_on_sale")
    assert operator.stock(sku) == (4, 1)
    assert operator.ship(order_id)["state"] == "shipped"
    operator.post(f"/v1/admin/products/{product['product_id']}/publish").ok()
    assert shopper.post("/v1/orders", body, key="k").status == 201


@pytest.fixture
def freight(operator: Operator) -> Callable[..., str]:
    """Makes freight templates."""

    def make(**template: Any) -> str:
        template_id = f"t-{secrets.token_hex(4)}"
        operator.put(f"/v1/admin/freight-templates/{template_id}", {"name": "试验", **template}).ok()
        return template_id

    return make


def test_where_we_do_not_deliver_nothing_can_be_quoted_or_ordered(
    shopper: Shopper, operator: Operator, freight: Callable[..., str]
) -> None:
    template = freight(rules=[{"first_fen": 800}], unserved=["540000"])
    sku = operator.product(stock=5, freight_template_id=template)["skus"][0]["sku_id"]
    free = operator.product(stock=5)["skus"][0]["sku_id"]
    far = shopper.post("/v1/me/addresses", LHASA).ok(201)["address_id"]
    lines = [{"sku_id": free, "quantity": 1}, {"sku_id": sku, "quantity": 1}]
    quote = {"lines": lines, "address_id": far}
    assert shopper.post("/v1/quotes", quote).refused(422, "region_not_served")["skus"] == [sku]
    order = quote | {"expected_payable_fen": 1990 * 2 + 800}
    assert shopper.post("/v1/orders", order, key="k").refused(422, "region_not_served")["skus"] == [sku]
    assert (operator.stock(sku), operator.stock(free)) == ((5, 0), (5, 0))
    assert shopper.post("/v1/orders", order | {"address_id": shopper.address_id}, key="k").ok(201)["freight_fen"] == 800


def test_freight_is_quoted_ordered_paid_and_given_back_to_the_fen(
    shopper: Shopper, operator: Operator, freight: Callable[..., str], control: Control, wechat: Sandbox
) -> None:
    rule = {"first": 2, "first_fen": 800, "further": 2, "further_fen": 150, "free_from_fen": 1990 * 6}
    pieces = freight(by="piece", rules=[rule])
    weight = freight(by="weight", rules=[{"first": 1000, "first_fen": 1200, "further": 500, "further_fen": 300}])
    heavy = {"sku_code": secrets.token_hex(6), "specs": {"规格": "重"}, "price_fen": 500, "stock": 9, "weight_g": 700}
    a = operator.product(stock=50, freight_template_id=pieces)["skus"][0]["sku_id"]
    b = operator.product(skus=[heavy], freight_template_id=weight)["skus"][0]["sku_id"]
    for quantity, fen in ((1, 800), (2, 800), (3, 950), (5, 1100), (6, 0), (7, 0)):
        quote = shopper.quote([(a, quantity)])
        assert (quote["freight_fen"], quote["payable_fen"]) == (fen, 1990 * quantity + fen)
    assert [shopper.quote([(b, n)])["freight_fen"] for n in (1, 2, 3)] == [1200, 1500, 1200 + 3 * 300]
    order_id = shopper.buy([(a, 3), (b, 2)])
    total = 3 * 1990 + 2 * 500 + 950 + 1500
    assert [one["amount_fen"] for one in wechat.payments(order_id)] == [total]
    assert shopper.refund(order_id, [(a, 3)])["amount_fen"] == 3 * 1990
    last = shopper.refund(order_id)
    assert (last["amount_fen"], last["freight_fen"]) == (2 * 500 + 2450, 2450)
    poll(lambda: control.run_jobs(advance=6) >= 0 and shopper.order(order_id)["refunded_fen"] == total)
    assert sum(one["amount_fen"] for one in wechat.refunds(order_id)) == total


def test_cancelled_its_pieces_are_free_and_it_cannot_be_paid(
    shopper: Shopper, operator: Operator, wechat: Sandbox
) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 2)])["order_id"]
    shopper.start_payment(order_id)
    cancelled = shopper.post(f"/v1/orders/{order_id}/cancel").ok()
    assert (cancelled["state"], whats(cancelled)) == ("closed", [("placed", "member"), ("cancelled", "member")])
    assert (operator.stock(sku), wechat.trade(order_id)["state"]) == ((5, 0), "CLOSED")
    shopper.post(f"/v1/orders/{order_id}/payment").refused(409, "order_state")
    shopper.post(f"/v1/orders/{order_id}/refunds", {"reason": "x"}, key="k").refused(409, "order_state")
    paid = shopper.buy([(sku, 1)])
    refusal = shopper.post(f"/v1/orders/{paid}/cancel").refused(409, "order_state")
    assert (refusal["detail"], refusal["state"]) == ("订单已付款，不能取消，可申请退款", "awaiting_shipment")
    assert {name: refusal["errors"][0][name] for name in ("field", "code", "state", "action")} == {
        "field": "order_id", "code": "ask_for_a_refund", "state": "awaiting_shipment", "action": "cancel",
    }  # fmt: skip
    assert shopper.order(paid)["state"] == "awaiting_shipment"


def test_in_the_last_seconds_no_payment_is_begun(shopper: Shopper, operator: Operator, control: Control) -> None:
    sku = operator.product(stock=5)["skus"][0]["sku_id"]
    order_id = shopper.place([(sku, 1)])["order_id"]
    control.run_jobs(advance=15 * 60 - 9)
    shopper.post(f"/v1/orders/{order_id}/payment").refused(409, "pay_time_over")
    assert shopper.order(order_id)["state"] == "awaiting_payment"
    control.run_jobs(advance=10)
    assert (shopper.order(order_id)["state"], operator.stock(sku)) == ("closed", (5, 0))


def test_sent_in_parts_received_and_completed_by_the_member_and_by_time(
    shopper: Shopper, operator: Operator, control: Control, send: Transport
) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    order_id = shopper.buy([(sku, 3)])
    shopper.post(f"/v1/orders/{order_id}/receive").refused(409, "order_state")
    part = operator.ship(order_id, [(sku, 1)])
    assert (part["state"], part["lines"][0]["shipped"]) == ("awaiting_shipment", 1)
    too_many = {"carrier": "SF", "tracking_no": "x", "lines": [{"sku_id": sku, "quantity": 3}]}
    operator.post(f"/v1/admin/orders/{order_id}/ship", too_many).refused(422, "invalid")
    rest = operator.ship(order_id)
    assert (rest["state"], [parcel["lines"] for parcel in rest["shipments"]]) == (
        "shipped", [[{"sku_id": sku, "quantity": 1}], [{"sku_id": sku, "quantity": 2}]],
    )  # fmt: skip
    operator.post(f"/v1/admin/orders/{order_id}/ship", {"carrier": "SF", "tracking_no": "y"}).refused(
        409, "order_state"
    )
    for _ in range(2):
        assert shopper.post(f"/v1/orders/{order_id}/receive").ok()["state"] == "received"
    control.run_jobs(advance=7 * DAY - 60)
    assert shopper.order(order_id)["state"] == "received"
    control.run_jobs(advance=120)
    order = shopper.order(order_id)
    assert (order["state"], order["refunded_fen"]) == ("completed", 0)
    assert [what for what, _ in whats(order)] == [
        "placed",
        "paid",
        "partly_shipped",
        "shipped",
        "received",
        "completed",
    ]
    body = {"reason": "晚了"}
    shopper.post(f"/v1/orders/{order_id}/refunds", body, key="k").refused(409, "refund_window_over")
    assert Operator.arrive(send).stock(sku) == (6, 3)


def test_received_by_itself_after_ten_days_and_completed_after_seven_more(
    shopper: Shopper, operator: Operator, control: Control
) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    order_id = shopper.buy([(sku, 1)])
    operator.ship(order_id)
    steps = [(10 * DAY - 60, "shipped"), (120, "received"), (7 * DAY - 120, "received"), (240, "completed")]
    for seconds, state in steps:
        control.run_jobs(advance=seconds)
        assert shopper.order(order_id)["state"] == state
    assert whats(shopper.order(order_id))[-2:] == [("received_by_time", "system"), ("completed", "system")]
    poll(lambda: shopper.get("/v1/me").ok()["segment"] == "first_order")
    assert control.status()["jobs"]["dead"] == 0


def test_completion_waits_for_a_refund_that_is_not_decided(
    shopper: Shopper, operator: Operator, control: Control, send: Transport
) -> None:
    sku = operator.product(stock=9)["skus"][0]["sku_id"]
    order_id = shopper.buy([(sku, 2)])
    operator.ship(order_id)
    shopper.post(f"/v1/orders/{order_id}/receive").ok()
    refund = shopper.refund(order_id, [(sku, 1)])
    control.run_jobs(advance=8 * DAY)
    assert shopper.order(order_id)["state"] == "received"
    path = f"/v1/admin/orders/{order_id}/refunds/{refund['refund_id']}"
    Operator.arrive(send).post(f"{path}/reject", {"reason": "已拆封"}).ok()
    control.run_jobs(advance=3700)
    assert (shopper.order(order_id)["state"], shopper.order(order_id)["refunded_fen"]) == ("completed", 0)


# Lists


def pages(shopper: Shopper, query: str, between: Callable[[], object] = lambda: None) -> list[str]:
    """The ids in a list, in pages of two; `between` is done after the first page."""
    seen: list[str] = []
    cursor = ""
    while True:
        page = shopper.get(f"/v1/orders?limit=2{query}{cursor}").ok()
        assert len(page["items"]) <= 2
        if not seen:
            between()
        seen += [order["order_id"] for order in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = f"&cursor={page['next_cursor']}"


def test_a_shoppers_orders_are_the_newest_first_by_state_and_whole_while_new_ones_come_in(
    shopper: Shopper, operator: Operator
) -> None:
    sku = operator.product(stock=50)["skus"][0]["sku_id"]
    placed = [shopper.place([(sku, 1)])["order_id"] for _ in range(7)]
    for order_id in placed[1::2]:
        shopper.post(f"/v1/orders/{order_id}/cancel").ok()
    assert pages(shopper, "&state=closed") == placed[1::2][::-1]
    assert pages(shopper, "&state=awaiting_payment") == placed[0::2][::-1]
    assert pages(shopper, "&state=shipped") == []
    assert pages(shopper, "", lambda: shopper.place([(sku, 1)])) == placed[::-1]
    assert len(pages(shopper, "")) == 8


def test_operators_queues_hold_what_is_to_be_done_oldest_first(
    arrive: Callable[[], Shopper], operator: Operator
) -> None:
    sku = operator.product(stock=50)["skus"][0]["sku_id"]
    shopper = arrive()
    bought = [shopper.buy([(sku, 2)]) for _ in range(6)]

    def queue(name: str) -> list[str]:
        """Of the queue, in pages of two, the orders of this test."""
        found = [order["order_id"] for order in operator.items(f"/v1/admin/orders?queue={name}", limit=2)]
        return [order_id for order_id in found if order_id in bought]

    assert poll(lambda: len(found := queue("awaiting_shipment")) == 6 and found) == bought
    operator.ship(bought[0])
    operator.ship(bought[1])
    shopper.refund(bought[1], [(sku, 1)])
    shopper.refund(bought[2])
    expected = {
        "awaiting_shipment": bought[3:], "shipped": [bought[0]], "refund_requested": [bought[1]], "closed": [bought[2]],
        "awaiting_payment": [],
    }  # fmt: skip
    for name, orders in expected.items():
        assert queue(name) == orders, name
    assert sorted(order["order_id"] for order in operator.get(
        f"/v1/admin/orders?member_id={shopper.member_id}&limit=100").ok()["items"]) == sorted(bought)  # fmt: skip
    both = operator.get(f"/v1/admin/orders?member_id={shopper.member_id}&queue=closed")
    assert both.refused(422, "invalid")["errors"][0]["field"] == "queue"
