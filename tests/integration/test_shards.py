"""A popular SKU's pieces in shards: as many as before, sold wherever they lie, and never once more."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.commerce.catalogue.import_export import queries as import_export_queries
from chalicelib.commerce.catalogue.stock import queries as stock_queries
from chalicelib.commerce.catalogue.stock import shards as stock_shards
from chalicelib.commerce.catalogue.stock.shards import SHARDS_MAX
from chalicelib.commerce.orders.payment import service as payment
from chalicelib.commerce.orders.placement import rules as placement_rules
from chalicelib.commerce.orders.queries import load
from chalicelib.commerce.orders.rules import LINES_MAX
from chalicelib.core.settings import settings as app_settings
from chalicelib.gateways.wechat.pay import Trade
from chalicelib.platform.jobs import worker
from chalicelib.platform.store import cache
from local.client import Answer, Operator, Sandbox, Shopper
from local.clock import LocalClock
from local.notices import payment_callback
from tests.support import shards

PRICE, STOCK = 500, 20


@pytest.fixture
def product(operator: Operator) -> Any:
    return operator.product(stock=STOCK, price_fen=PRICE)


@pytest.fixture
def sku(product: Any) -> str:
    sku_id: str = product["skus"][0]["sku_id"]
    return sku_id


def spread(operator: Operator, sku: str, number: int) -> Any:
    return operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": number}).ok()


def supply(operator: Operator, sku: str, quantity: int) -> Answer:
    return operator.post(
        f"/v1/admin/skus/{sku}/stock", {"quantity": quantity, "reason": "盘点"}, key=f"{random.random()}"
    )


def order(shopper: Shopper, sku: str, quantity: int) -> Answer:
    body = shopper.order_body([(sku, quantity)], quantity * PRICE)
    return shopper.post("/v1/orders", body, key=f"{random.random()}")


def cards(shopper: Shopper) -> list[Any]:
    cards: list[Any] = shopper.get("/v1/products?sort=new&limit=100").ok()["items"]
    return cards


def exported_stock(product: Any) -> int:
    """What a file of all products says of the stock of the product's only SKU."""
    position = None
    while True:
        content, position = import_export_queries.export_products("jsonl", position)
        for line in content.splitlines():
            told = msgspec.json.decode(line)
            if told["product_code"] == product["product_code"]:
                return int(told["skus"][0]["stock"])
        assert position is not None


def test_the_pieces_are_shared_out_and_come_together_again(operator: Operator, sku: str) -> None:
    assert operator.get(f"/v1/admin/skus/{sku}/shards").ok() == {"shards": 0, "own": 20, "free": []}
    assert spread(operator, sku, 8) == {"shards": 8, "own": 0, "free": [3, 3, 3, 3, 2, 2, 2, 2]}
    assert spread(operator, sku, 3) == {"shards": 3, "own": 0, "free": [7, 7, 6]}
    assert spread(operator, sku, SHARDS_MAX)["free"] == [1] * 20 + [0] * 12
    assert spread(operator, sku, 0) == {"shards": 0, "own": 20, "free": []}
    assert shards.differences(sku, []) == []


@pytest.mark.parametrize("number", [-1, SHARDS_MAX + 1, "4", None, 1.5])
def test_a_wrong_number_of_shards_is_named(operator: Operator, sku: str, number: object) -> None:
    problem = operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": number}).refused(400, "malformed")
    assert [fault["field"] for fault in problem["errors"]] == ["shards"]
    assert shards.shards(sku) == []


def test_a_sku_that_is_not_there_has_no_shards(operator: Operator, product: Any) -> None:
    missing = f"/v1/admin/skus/{product['product_id']}-none/shards"
    operator.put(missing, {"shards": 2}).refused(404, "not_found")
    operator.get(missing).refused(404, "not_found")


def test_everybody_sees_as_many_as_before(
    operator: Operator, shopper: Shopper, product: Any, sku: str, mall_clock: LocalClock
) -> None:
    spread(operator, sku, 7)
    placed = order(shopper, sku, 2).ok(201)
    assert operator.stock(sku) == (18, 2)
    page = shopper.get(f"/v1/products/{product['product_id']}").ok()
    assert (page["skus"][0]["stock"], page["in_stock"]) == (18, True)
    admin = operator.get(f"/v1/admin/products/{product['product_id']}").ok()["skus"][0]
    assert (admin["stock"], admin["taken"], admin["supplied"]) == (18, 2, 20)
    shopper.put(f"/v1/cart/lines/{sku}", {"quantity": 18}).ok()
    cart = shopper.get("/v1/cart").ok()
    assert [(line["available"], "problem" in line) for line in cart["lines"]] == [(18, False)]
    assert exported_stock(product) == 18
    shopper.post(f"/v1/orders/{placed['order_id']}/cancel").ok()
    assert operator.stock(sku) == (20, 0)


def test_the_lists_know_when_all_shards_are_empty(
    operator: Operator, shopper: Shopper, product: Any, sku: str, mall_clock: LocalClock
) -> None:
    spread(operator, sku, 4)
    order_id = order(shopper, sku, STOCK).ok(201)["order_id"]
    shopper.sandbox.pay(shopper.start_payment(order_id), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, order_id)).ok()
    worker.run_due()
    mall_clock.advance(61)
    worker.run_due()
    cache.forget("catalogue")
    page = shopper.get(f"/v1/products/{product['product_id']}").ok()
    assert (page["skus"][0]["stock"], page["in_stock"]) == (0, False)
    assert [card["in_stock"] for card in cards(shopper) if card["product_id"] == product["product_id"]] == [False]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 9))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_order_is_refused_only_when_there_are_too_few(
    operator: Operator, sandbox: str, wanted: list[int], number: int
) -> None:
    """However many shards its pieces lie in."""
    shopper = Shopper.arrive(operator.send, Sandbox(sandbox))
    sku = operator.product(stock=STOCK, price_fen=PRICE)["skus"][0]["sku_id"]
    spread(operator, sku, number)
    left, orders = STOCK, []
    for quantity in wanted:
        answer = order(shopper, sku, quantity)
        if quantity <= left:
            orders.append(load(answer.ok(201)["order_id"]))
            left -= quantity
        else:
            problem = answer.refused(409, "out_of_stock")
            assert (problem["skus"], problem["errors"][0].get("left", 0)) == ([sku], left)
    assert (stock_queries.stock_of(sku).free, shards.differences(sku, orders)) == (left, [])


def test_what_was_refused_is_sold_as_soon_as_pieces_come_back(
    operator: Operator, shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    spread(operator, sku, 4)
    placed = order(shopper, sku, STOCK).ok(201)
    order(shopper, sku, 1).refused(409, "out_of_stock")
    shopper.post(f"/v1/orders/{placed['order_id']}/cancel").ok()
    order(shopper, sku, 1).ok(201)


def test_an_order_that_is_repeated_when_all_is_sold_is_the_order(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    spread(operator, sku, 2)
    body = shopper.order_body([(sku, STOCK)], STOCK * PRICE)
    first = shopper.post("/v1/orders", body, key="once").ok(201)
    order(shopper, sku, 1).refused(409, "out_of_stock")
    assert shopper.post("/v1/orders", body, key="once").ok(201)["order_id"] == first["order_id"]
    shopper.post("/v1/orders", shopper.order_body([(sku, 1)], PRICE), key="once").refused(422, "idempotency_key_reused")


def test_supply_is_shared_out_and_taking_away_finds_what_is_left(operator: Operator, sku: str) -> None:
    spread(operator, sku, 4)
    assert supply(operator, sku, 6).ok() == {"free": 26, "taken": 0, "supplied": 26}
    assert operator.get(f"/v1/admin/skus/{sku}/shards").ok()["free"] == [7, 7, 6, 6]
    assert supply(operator, sku, -25).ok() == {"free": 1, "taken": 0, "supplied": 1}
    supply(operator, sku, -2).refused(409, "stock_short")
    assert (stock_queries.stock_of(sku).free, shards.differences(sku, [])) == (1, [])


def test_a_spread_sku_can_be_removed_when_it_is_spread_no_more(operator: Operator, product: Any, sku: str) -> None:
    spread(operator, sku, 4)
    path, other = f"/v1/admin/products/{product['product_id']}", {"sku_code": "other", "price_fen": 1, "stock": 1}
    operator.call("PATCH", path, {"skus": [other]}).refused(409, "sku_in_use")
    spread(operator, sku, 0)
    assert len(operator.call("PATCH", path, {"skus": [other]}).ok()["skus"]) == 1


def test_shards_come_and_go_while_everybody_orders_and_cancels(
    operator: Operator, sandbox: str, sku: str, mall_clock: LocalClock
) -> None:
    """Nobody is told that there is nothing while it is only being moved for good, and no piece is lost or made."""
    with ThreadPoolExecutor(8) as crowd:
        shoppers = list(crowd.map(lambda _: Shopper.arrive(operator.send, Sandbox(sandbox)), range(8)))

        def shop(shopper: Shopper) -> list[tuple[int, str]]:
            """Six orders, every other one cancelled at once."""
            answers = []
            for number in range(6):
                answer = order(shopper, sku, 1 + number % 3)
                answers.append((answer.status, answer.json.get("order_id", answer.json.get("code", ""))))
                if answer.status == 201 and number % 2:
                    shopper.post(f"/v1/orders/{answer.json['order_id']}/cancel")
            return answers

        def rearrange(_: Shopper) -> list[tuple[int, str]]:
            return [(operator.put(f"/v1/admin/skus/{sku}/shards", {"shards": n}).status, "") for n in (4, 9, 0, 2, 5)]

        acts = [shop] * 8
        futures = [crowd.submit(act, one) for act, one in zip(acts, shoppers, strict=True)]
        moved = rearrange(shoppers[0])
        told = [answer for future in futures for answer in future.result()]
    assert {status for status, _ in moved} <= {200, 409, 503}
    assert {code for status, code in told if status not in (201, 503)} <= {"out_of_stock", "conflict"}
    orders = [load(order_id) for status, order_id in told if status == 201]
    assert orders
    mall_clock.advance(90)
    worker.run_due()
    assert shards.differences(sku, orders) == []
    held = sum(line.quantity - line.restocked for one in orders for line in one.lines)
    assert (stock_queries.stock_of(sku).free, stock_queries.stock_of(sku).taken) == (STOCK - held, held)


def test_the_last_pieces_in_many_shards_go_to_as_many_shoppers(operator: Operator, sandbox: str, sku: str) -> None:
    spread(operator, sku, 16)
    with ThreadPoolExecutor(12) as crowd:
        shoppers = list(crowd.map(lambda _: Shopper.arrive(operator.send, Sandbox(sandbox)), range(12)))
        answers = list(crowd.map(lambda number: order(shoppers[number % 12], sku, 1), range(60)))
        told = Counter(answer.status for answer in answers)
        while told[201] < STOCK and (told[503] or told[409] > 60 - STOCK):  # who was told to come again does
            answers = list(crowd.map(lambda number: order(shoppers[number], sku, 1), range(4)))
            told[503] = 0
            told.update(answer.status for answer in answers)
    assert told[201] == STOCK
    assert stock_queries.stock_of(sku).free == 0


def test_an_order_that_no_shard_can_fill_leaves_the_others_to_sell(
    operator: Operator, shopper: Shopper, sku: str
) -> None:
    spread(operator, sku, 4)
    order(shopper, sku, 7).ok(201)
    left = operator.get(f"/v1/admin/skus/{sku}/shards").ok()
    assert (left["own"], sorted(left["free"])) == (0, [0, 3, 5, 5])
    supply(operator, sku, -4).ok()
    left = operator.get(f"/v1/admin/skus/{sku}/shards").ok()
    assert (left["own"], sorted(left["free"])) == (0, [0, 1, 3, 5])
    order(shopper, sku, 1).ok(201)


def test_a_late_payment_whose_pieces_lie_scattered_has_them_consolidated(
    operator: Operator, shopper: Shopper, sandbox: str, product: Any, sku: str
) -> None:
    """Not while it is decided what becomes of it: that may be decided again, and only says that they are scattered."""
    activity = operator.group_activity({3: PRICE}, product=product)
    leader = Shopper.arrive(operator.send, Sandbox(sandbox))
    lead = leader.take_seat(sku, activity_id=activity["activity_id"]).ok(201)
    leader.sandbox.pay(leader.start_payment(lead["order_id"]), notify="none")
    leader.send(*payment_callback(leader.sandbox, lead["order_id"])).ok()
    placed = shopper.take_seat(sku, quantity=6, lobby_id=lead["group"]["lobby_id"]).ok(201)
    order_id = placed["order_id"]
    shopper.post(f"/v1/orders/{order_id}/cancel").ok()
    before = spread(operator, sku, 4)
    assert (before["own"], before["free"]) == (0, [5, 5, 5, 4])
    with pytest.raises(stock_shards.Scattered) as scattered:
        stock_shards.find(sku, 6, order_id)
    assert scattered.value.wanted == {sku: 6}
    assert operator.get(f"/v1/admin/skus/{sku}/shards").ok() == before, "finding moves nothing"
    mine = app_settings()
    trade = Trade(order_id, "SUCCESS", mine.wechat_appid, mine.wechat_mchid, "t-late", placed["payable_fen"])
    order = payment.record(trade)
    assert (order.state, [line.pool for line in order.lines]) == ("awaiting_group", [""])
    assert stock_queries.stock_of(sku).free == STOCK - 7
    after = operator.get(f"/v1/admin/skus/{sku}/shards").ok()
    assert (after["own"], sum(after["free"])) == (0, STOCK - 7)


def test_pieces_that_lie_beside_the_shards_are_shared_out_by_spreading_as_before(
    operator: Operator, shopper: Shopper, sku: str, mall_clock: LocalClock
) -> None:
    spread(operator, sku, 4)
    placed = order(shopper, sku, 5).ok(201)
    spread(operator, sku, 2)
    shopper.post(f"/v1/orders/{placed['order_id']}/cancel").ok()
    mall_clock.advance(1)
    while worker.run_due():
        pass
    assert operator.get(f"/v1/admin/skus/{sku}/shards").ok() == {"shards": 2, "own": 5, "free": [8, 7]}
    assert spread(operator, sku, 2) == {"shards": 2, "own": 0, "free": [10, 10]}


@pytest.mark.parametrize(("before", "after"), [(0, 4), (4, 8), (8, 4), (4, 0)])
def test_an_order_during_which_the_shards_change_is_placed_all_the_same(
    operator: Operator, shopper: Shopper, sku: str, before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(operator, sku, before)
    price, changed = placement_rules.price, []

    def meanwhile(*given: Any) -> Any:
        if not changed:
            changed.append(spread(operator, sku, after))
        return price(*given)

    monkeypatch.setattr(placement_rules, "price", meanwhile)
    order(shopper, sku, 1).ok(201)
    now = operator.get(f"/v1/admin/skus/{sku}/shards").ok()
    assert (changed[0]["shards"], now["own"] + sum(now["free"])) == (after, STOCK - 1)
    assert max(now["free"], default=1) > 0, "the new shards are not emptied for one"
    order(shopper, sku, 1).ok(201)


def test_a_sku_that_was_removed_and_added_again_can_be_spread(operator: Operator, product: Any, sku: str) -> None:
    path = f"/v1/admin/products/{product['product_id']}"
    first = {name: product["skus"][0][name] for name in ("sku_code", "price_fen", "specs")}
    other = {"sku_code": "other", "price_fen": 1, "stock": 1, "specs": first["specs"]}
    spread(operator, sku, 4)
    spread(operator, sku, 0)
    operator.call("PATCH", path, {"skus": [other]}).ok()
    again = operator.call("PATCH", path, {"skus": [first | {"stock": 6}]}).ok()["skus"][0]
    assert again["sku_id"] == sku
    assert spread(operator, sku, 4)["free"] == [2, 2, 1, 1]


def test_an_order_of_as_many_lines_as_there_may_be_is_closed_and_refunded(
    operator: Operator, shopper: Shopper, sandbox: str, mall_clock: LocalClock
) -> None:
    """All of them in shards."""
    skus = [
        {"sku_code": f"s{number:02}", "specs": {"规格": f"{number}"}, "price_fen": PRICE, "stock": 4}
        for number in range(LINES_MAX)
    ]
    specs = [{"name": "规格", "values": [f"{number}" for number in range(LINES_MAX)]}]
    product = operator.product(skus=skus, specs=specs)
    lines = [(one["sku_id"], 1) for one in product["skus"]]
    for sku_id, _ in lines:
        spread(operator, sku_id, 2)
    body = shopper.order_body(lines, LINES_MAX * PRICE)

    def placed() -> str:
        order_id: str = shopper.post("/v1/orders", body, key=f"{random.random()}").ok(201)["order_id"]
        return order_id

    shopper.post(f"/v1/orders/{placed()}/cancel").ok()
    overdue, paid = placed(), placed()
    shopper.sandbox.pay(shopper.start_payment(paid), notify="none")
    shopper.send(*payment_callback(shopper.sandbox, paid)).ok()
    for sku_id, _ in lines[:3]:
        spread(operator, sku_id, 0)  # what comes back finds its shard closed
    shopper.post(f"/v1/orders/{paid}/refunds", {"reason": "不想要了"}, key="refund").ok(202)
    mall_clock.advance(16 * 60)
    for _ in range(3):
        worker.run_due()
        mall_clock.advance(61)
    assert [shopper.order(each)["state"] for each in (overdue, paid)] == ["closed", "closed"]
    assert {operator.stock(sku_id) for sku_id, _ in lines} == {(4, 0)}


def test_of_two_operators_who_spread_at_once_one_comes_after_the_other(
    operator: Operator, sku: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(operator, sku, 4)
    count, others = stock_shards.count, []

    def meanwhile(*given: Any) -> Any:
        if not others:
            others.append(sku)
            spread(operator, sku, 6)
        return count(*given)

    monkeypatch.setattr(stock_shards, "count", meanwhile)
    assert spread(operator, sku, 2) == {"shards": 2, "own": 0, "free": [10, 10]}
    assert shards.differences(sku, []) == []
